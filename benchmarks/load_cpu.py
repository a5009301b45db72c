"""CPU per request and requests a second: one client core, one server core, tools side by side.

HTTP, HTTPS (verified by ours) and HTTP/2 over TLS (one connection, so many streams) in one run.

Runs are interleaved, so that whatever else the machine does meets every tool alike. CPU is user and
system time of the whole process tree, start-up included, over the requests it made. Runs during
which others used more than 6 % of a core are repeated, and left out where there are better ones.

    python benchmarks/load_cpu.py [--quick] [--seconds 8] [--repetitions 5] [--json FILE]
"""

import argparse
from dataclasses import asdict
from statistics import median

from load_peers import CLEAN_FOREIGN_PERCENT, Outcome, middle, present, publish, run, speaks, table
from load_servers import Running, available, server


def main() -> None:
    """Measure every tool that is found against every server that is found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--seconds", type=float, default=8.0)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--patience", type=int, default=3, help="times as many runs at most")
    options.add_argument("--connections", type=int, nargs="*", default=[10, 64])
    options.add_argument(
        "--servers", nargs="*", default=["nginx", "minimal", "nginx-tls", "nginx-http2"]
    )
    options.add_argument("--tools", nargs="*", default=None)
    options.add_argument("--json")
    asked = options.parse_args()
    if asked.quick:
        asked.seconds, asked.repetitions, asked.connections, asked.patience = 1.0, 1, [4], 1
    tools = asked.tools or present()
    kinds = (available(asked.servers) or ["delays"])[: 1 if asked.quick else None]
    text, data = [], []
    for kind in kinds:
        for connections in asked.connections:
            with server(kind) as target:
                able = [tool for tool in tools if speaks(tool, target)]
                by_tool = _interleave(able, target, connections, asked)
            text.append(f"\n### {kind}, {connections} connections, {asked.seconds:g} s\n")
            text.append(_compare(by_tool))
            data += [
                {"server": kind, "connections": connections, **asdict(one)}
                for runs in by_tool.values()
                for one in runs
            ]
    publish("load_cpu", "\n".join(text), data, asked.json)


def _interleave(
    tools: list[str], target: Running, connections: int, asked: argparse.Namespace
) -> dict[str, list[Outcome]]:
    """Run the tools in turn until each has enough runs that nobody disturbed."""
    by_tool: dict[str, list[Outcome]] = {tool: [] for tool in tools}
    for turn in range(asked.repetitions * asked.patience):
        if turn >= asked.repetitions and all(
            len(_clean(runs)) >= asked.repetitions for runs in by_tool.values()
        ):
            break
        for tool in tools:
            by_tool[tool].append(run(tool, target, connections, asked.seconds))
    return by_tool


def _clean(runs: list[Outcome]) -> list[Outcome]:
    return [one for one in runs if one.foreign_percent <= CLEAN_FOREIGN_PERCENT]


def _compare(by_tool: dict[str, list[Outcome]]) -> str:
    by_tool = {tool: _clean(runs) or runs for tool, runs in by_tool.items()}
    base = by_tool.get("wrk") or by_tool.get("h2load")
    rows = []
    for tool, runs in by_tool.items():
        cost = median(one.cpu_us for one in runs)
        relative = f"{cost / median(one.cpu_us for one in base):.2f}" if base else "n/a"
        steady = [one.raw["steady_cpu_us"] for one in runs if one.raw]
        rows.append(
            [
                tool,
                middle([one.rps for one in runs]),
                middle([one.cpu_us for one in runs]),
                middle(steady) if steady else "",
                relative,
                f"{len(_clean(runs))} of {len(runs)}",
                f"{max(one.rss_bytes for one in runs) / 2**20:.0f}",
                f"{median(one.latency_us.get('p99', 0) for one in runs) / 1000:.2f}",
            ]
        )
    head = [
        "tool",
        "requests/s",
        "CPU µs/request",
        "of it in the window",
        "CPU / wrk or h2load",
        "undisturbed",
        "RSS MiB",
        "p99 ms",
    ]
    return table(head, rows)


if __name__ == "__main__":
    main()
