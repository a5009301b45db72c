"""The arrival rate that one core holds: what was asked, sent, dropped, and how late.

python benchmarks/load_rate.py [--quick] [--rates 2000 8000 20000 30000] [--json FILE]
"""

import argparse

from load_peers import TOOLS, Outcome, measure, middle, publish, table
from load_servers import available, server


def main() -> None:
    """Ask for ever higher rates."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--connections", type=int, default=500)
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument("--rates", type=float, nargs="*", default=[2000, 8000, 20000, 30000])
    options.add_argument("--json")
    asked = options.parse_args()
    if asked.quick:
        asked.seconds, asked.rates, asked.repetitions = 1.0, [200.0], 1
    kind = available(["nginx", "minimal", "delays"])[0]
    command, read = TOOLS["stressproof"]
    runs: list[tuple[float, Outcome]] = []
    with server(kind) as target:
        for _ in range(asked.repetitions):
            for rate in asked.rates:
                line = [
                    *command(target, asked.connections, asked.seconds),
                    f"--rate={rate:g}",
                    "--ramp=1",
                ]
                runs.append((rate, measure("stressproof", line, read, target)))
    rows = []
    for rate in asked.rates:
        ours = [one for asked_rate, one in runs if asked_rate == rate]
        health = [one.raw["health"] for one in ours]
        rows.append(
            [
                f"{rate:,.0f}",
                middle([one.rps for one in ours]),
                middle([h["dropped_iterations"] for h in health]),
                middle([h["loop_delay_p99_us"] / 1000 for h in health]),
                middle([h["loop_delay_max_us"] / 1000 for h in health]),
                middle([h["late_starts"] for h in health]),
                middle([h["cpu_busy_ppm"] / 10_000 for h in health]),
                middle([one.raw["latency_us"]["p99"] / 1000 for one in ours]),
            ]
        )
    head = [
        "asked/s",
        "sent/s",
        "dropped",
        "start p99 ms late",
        "worst ms",
        "over 1 ms late",
        "CPU %",
        "p99 ms",
    ]
    data = [{"rate": rate, "raw": one.raw} for rate, one in runs]
    publish("load_rate", table(head, rows), data, asked.json)


if __name__ == "__main__":
    main()
