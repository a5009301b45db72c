"""Latency truth: a server with known delays and a one-second stall, and what each tool says of it.

The server takes 20 ms for a request, 200 ms for every 66th, and answers nothing for one second in
the middle. Users who arrive at a constant rate, whatever the server does, then wait as `expected`
computes; a tool that waits for answers before it asks again does not see most of them.

    python benchmarks/load_truth.py [--quick] [--seconds 20] [--rate 500] [--json FILE]
"""

import argparse
import math
import urllib.request

from load_peers import TOOLS, Outcome, measure, present, publish, run, table
from load_servers import STALL_AT, STALL_S, delay_s, server

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}
TOLERANCE_PERCENT = 3.0


def expected(rate: float, seconds: float) -> dict[str, float]:
    """Return the quantiles in µs that users arriving at a constant rate wait."""
    stall = seconds * STALL_AT
    waits = []
    for number in range(math.ceil(rate * seconds)):
        arrival = number / rate
        start = stall + STALL_S if stall <= arrival < stall + STALL_S else arrival
        end = start + delay_s(number)
        if arrival < stall <= end < stall + STALL_S:
            end = stall + STALL_S
        waits.append((end - arrival) * 1e6)
    waits.sort()
    found = {name: waits[math.ceil(share * len(waits)) - 1] for name, share in SHARES.items()}
    return {**found, "max": waits[-1]}


def main() -> None:
    """Ask every tool that is found, and compare."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--rate", type=float, default=500.0)
    options.add_argument("--tools", nargs="*", default=None)
    options.add_argument("--json")
    asked = options.parse_args()
    if asked.quick:
        asked.seconds, asked.rate = 2.0, 50.0
    truth = expected(asked.rate, asked.seconds)
    # As many closed users as would reach the rate if the server never stalled.
    users = max(round(asked.rate * 0.0227), 1)
    runs: list[tuple[str, Outcome]] = []
    with server("delays") as target:

        def begin() -> None:
            urllib.request.urlopen(f"{target.url}/begin/{asked.seconds}", timeout=10).close()  # noqa: S310

        begin()
        room = round(asked.rate * 1.5) + 50
        command, read = TOOLS["stressproof"]
        arrivals = [*command(target, room, asked.seconds), f"--rate={asked.rate:g}"]
        runs.append(("stressproof, arrivals", measure("stressproof", arrivals, read, target)))
        for tool in asked.tools or present():
            begin()
            runs.append((f"{tool}, {users} users", run(tool, target, users, asked.seconds)))
    rows = [["expected", *(f"{truth[name] / 1000:.1f}" for name in SHARES), "", ""]]
    for name, one in runs:
        cells = [name]
        errors = []
        for share in SHARES:
            value = one.latency_us.get(share)
            if value is None:
                cells.append("not reported")
                continue
            error = 100 * (value - truth[share]) / truth[share]
            errors.append(abs(error))
            cells.append(f"{value / 1000:.1f} ({error:+.1f} %)")
        cells += [str(one.requests), f"{max(errors):.1f} %" if errors else "not reported"]
        rows.append(cells)
    text = table(["", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "requests", "worst error"], rows)
    data = {
        "expected_us": truth,
        "tolerance_percent": TOLERANCE_PERCENT,
        "runs": [
            {"name": name, "requests": one.requests, "latency_us": one.latency_us, "raw": one.raw}
            for name, one in runs
        ],
    }
    publish("load_truth", text, data, asked.json)


if __name__ == "__main__":
    main()
