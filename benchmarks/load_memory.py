"""Memory of the generator: flat over time and with many connections.

Peak resident memory of worker and parent, each from its own ``VmHWM``, at full rate for 10 and for
60 seconds, and with 2,000 connections.

    python benchmarks/load_memory.py [--quick] [--json FILE]
"""

import argparse

from load_peers import TOOLS, Outcome, measure, publish, table
from load_servers import available, server

MIB = 2**20


def main() -> None:
    """Run the same load for longer and with more connections."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--json")
    asked = options.parse_args()
    cases = [(10, 10.0), (10, 60.0), (64, 10.0), (64, 60.0), (2000, 10.0), (2000, 60.0)]
    if asked.quick:
        cases = [(4, 1.0), (20, 1.0)]
    kind = available(["nginx", "minimal", "delays"])[0]
    command, read = TOOLS["stressproof"]
    runs: list[tuple[int, float, Outcome]] = []
    with server(kind) as target:
        runs += [
            (
                connections,
                seconds,
                measure("stressproof", command(target.url, connections, seconds), read, target),
            )
            for connections, seconds in cases
        ]
    rows = [
        [
            str(connections),
            f"{seconds:g}",
            f"{one.requests:,}",
            f"{one.raw['worker_rss_bytes'] / MIB:.1f}",
            f"{one.raw['parent_rss_bytes'] / MIB:.1f}",
            f"{one.rss_bytes / MIB:.1f}",
        ]
        for connections, seconds, one in runs
    ]
    head = ["connections", "seconds", "requests", "worker MiB", "parent MiB", "both MiB"]
    data = [
        {"connections": connections, "seconds": seconds, "raw": one.raw}
        for connections, seconds, one in runs
    ]
    publish("load_memory", table(head, rows), data, asked.json)


if __name__ == "__main__":
    main()
