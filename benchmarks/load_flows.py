"""CPU per request of a flow of two requests: ours, declared by us, k6 and Locust, side by side.

Every answer is different, so that nothing is known by its bytes. Runs are interleaved; CPU is that
of the whole process tree, start-up included, over the requests it made.

    python benchmarks/load_flows.py [--quick] [--seconds 8] [--repetitions 5] [--json FILE]
"""

import argparse
import sys
from dataclasses import asdict
from statistics import median

import load_peers
from load_peers import Outcome, middle, present, publish, table
from load_servers import HERE, Running, available, server


def _ours(server: Running, connections: int, seconds: float, *flags: str) -> list[str]:
    return [
        sys.executable,
        str(HERE / "flow_round.py"),
        server.url,
        f"--connections={connections}",
        f"--duration={seconds:g}",
        *flags,
    ]


def _declared(server: Running, connections: int, seconds: float) -> list[str]:
    return _ours(server, connections, seconds, "--declared")


def _instead(tool: str, before: str, after: str) -> load_peers.Command:
    """Return how a peer is run with another script than its usual one."""

    def command(server: Running, connections: int, seconds: float) -> list[str]:
        usual = load_peers.TOOLS[tool][0](server, connections, seconds)
        return [str(HERE / after) if word == str(HERE / before) else word for word in usual]

    return command


TOOLS: dict[str, tuple[load_peers.Command, load_peers.Reader]] = {
    "stressproof flow": (_ours, load_peers.TOOLS["stressproof"][1]),
    "stressproof declared": (_declared, load_peers.TOOLS["stressproof"][1]),
    "k6": (_instead("k6", "k6.js", "flow_k6.js"), load_peers.TOOLS["k6"][1]),
    "locust": (
        _instead("locust", "locustfile.py", "flow_locustfile.py"),
        load_peers.TOOLS["locust"][1],
    ),
}


def main() -> None:
    """Measure every tool that is found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--seconds", type=float, default=8.0)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--connections", type=int, default=10)
    options.add_argument("--json")
    asked = options.parse_args()
    if asked.quick:
        asked.seconds, asked.repetitions, asked.connections = 1.0, 1, 4
    if not available(["nginx-carts"]):
        raise SystemExit("missing: nginx (apt install nginx)")
    peers = present()
    tools = [tool for tool in TOOLS if tool.startswith("stressproof") or tool in peers]
    runs: dict[str, list[Outcome]] = {tool: [] for tool in tools}
    with server("nginx-carts") as target:
        for _ in range(asked.repetitions):
            for tool in tools:
                command, read = TOOLS[tool]
                sent = command(target, asked.connections, asked.seconds)
                runs[tool].append(load_peers.measure(tool, sent, read, target))
    base = median(one.cpu_us for one in runs["stressproof declared"])
    rows = [
        [
            tool,
            middle([one.rps for one in some]),
            middle([one.cpu_us for one in some]),
            f"{median(one.cpu_us for one in some) / base:.2f}",
            middle([one.foreign_percent for one in some]),
        ]
        for tool, some in runs.items()
    ]
    head = ["tool", "requests/s", "CPU µs/request", "CPU / declared", "others, % of a core"]
    title = f"\n### two requests, {asked.connections} users, {asked.seconds:g} s\n\n"
    data = [asdict(one) for some in runs.values() for one in some]
    publish("load_flows", title + table(head, rows), data, asked.json)


if __name__ == "__main__":
    main()
