"""How cost grows: from 1 to 1,000 endpoints, and from 10 seconds to 10 minutes.

At a fixed rate: CPU of the worker, memory of both processes, bytes of the measurements in evidence,
and the time from the last answer to those bytes.

    python benchmarks/load_scale.py [--quick] [--rate 2000] [--json FILE]
"""

import argparse

from load_peers import TOOLS, Outcome, measure, publish, table
from load_servers import available, server

MIB = 2**20


def main() -> None:
    """Vary one thing at a time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--rate", type=float, default=2000.0)
    options.add_argument("--endpoints", type=int, nargs="*", default=[1, 10, 100, 1000])
    options.add_argument("--durations", type=float, nargs="*", default=[10, 60, 600])
    options.add_argument("--json")
    asked = options.parse_args()
    if asked.quick:
        asked.rate, asked.endpoints, asked.durations = 200.0, [1, 20], [1.0]
    cases = [(n, asked.durations[0]) for n in asked.endpoints]
    cases += [(7, seconds) for seconds in asked.durations[1:]]
    kind = available(["nginx", "minimal", "delays"])[0]
    command, read = TOOLS["stressproof"]
    runs: list[tuple[int, float, Outcome]] = []
    with server(kind) as target:
        for endpoints, seconds in cases:
            line = [
                *command(target, 200, seconds),
                f"--rate={asked.rate:g}",
                f"--endpoints={endpoints}",
            ]
            runs.append((endpoints, seconds, measure("stressproof", line, read, target)))
    rows = [
        [
            str(endpoints),
            f"{seconds:g}",
            f"{one.requests:,}",
            f"{one.raw['health']['cpu_busy_ppm'] / 10_000:.1f}",
            f"{one.raw['health']['loop_delay_p99_us'] / 1000:.2f}",
            f"{one.raw['worker_rss_bytes'] / MIB:.0f} + {one.raw['parent_rss_bytes'] / MIB:.0f}",
            f"{one.raw['rows']:,}",
            f"{one.raw['evidence_bytes'] / MIB:.2f}",
            f"{one.raw['evidence_s']:.2f}",
        ]
        for endpoints, seconds, one in runs
    ]
    head = [
        "endpoints",
        "seconds",
        "requests",
        "worker CPU %",
        "start p99 ms late",
        "MiB worker + parent",
        "rows",
        "evidence MiB",
        "evidence s",
    ]
    data = [
        {"endpoints": endpoints, "seconds": seconds, "raw": one.raw}
        for endpoints, seconds, one in runs
    ]
    publish("load_scale", table(head, rows), data, asked.json)


if __name__ == "__main__":
    main()
