"""Memory of the generator: flat over time and with many connections.

Peak resident memory of worker and parent, each from its own ``VmHWM``, at full rate for 10 and for
60 seconds, and with 2,000 and 10,000 connections: of a bare round, and of ``stressproof capture``,
which also holds the HTTP client and the display, derives the figures and writes the artifact.

    python benchmarks/load_memory.py [--quick] [--connections 10 64 2000 10000] [--json FILE]
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from load_peers import TOOLS, measure, publish, table, users_environment
from load_servers import CLIENT_CPU, available, pinned, server
from stressproof.load.self_monitor import high_water_bytes

MIB = 2**20
LOOK_EVERY_S = 0.005


def peaks_of_tree(pid: int) -> dict[int, int]:
    """Return the peak memory in bytes of a process and of its children, as far as they live."""
    found = {}
    with contextlib.suppress(OSError):  # it ended while we looked
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            found[one] = high_water_bytes(one) or 0
    return {one: peak for one, peak in found.items() if peak}


def capture(url: str, users: int, seconds: float) -> dict[str, Any]:
    """Run the command itself; return its requests and the peak of each of its processes."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        out = Path(folder) / "artifact.json"
        command = [
            *(sys.executable, "-m", "stressproof", "capture", "--url", url, "--out", str(out)),
            *("--endpoint", "/api/0", "--users", str(users), "--ramp", "1"),
            *("--duration", str(round(seconds)), "--no-enforce"),
        ]
        process = subprocess.Popen(
            pinned(command, CLIENT_CPU),
            stdout=said,
            stderr=said,
            env=users_environment(),
            cwd=folder,  # no checkout's run ledger is to count it
        )
        peaks: dict[int, int] = {}
        while process.poll() is None:
            peaks.update(peaks_of_tree(process.pid))
            time.sleep(LOOK_EVERY_S)
        if process.returncode:
            said.seek(0)
            sys.exit(f"the capture ended with {process.returncode}:\n{said.read().decode()}")
        figures = json.loads(out.read_bytes())["results"]
    parent = peaks.pop(process.pid)
    requests, succeeded = figures["total_requests"], figures["successful_requests"]
    return {
        "requests": requests,
        "outcomes": {"ok": succeeded},
        "worker_rss_bytes": max(peaks.values()),
        "parent_rss_bytes": parent,
    }


def main() -> None:
    """Run the same load for longer and with more connections."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    options.add_argument("--connections", type=int, nargs="*", default=[10, 64, 2000, 10_000])
    options.add_argument("--seconds", type=float, nargs="*", default=[10.0, 60.0])
    options.add_argument("--json")
    asked = options.parse_args()
    if asked.quick:
        asked.connections, asked.seconds = [4, 20], [1.0]
    cases = [(users, seconds) for users in asked.connections for seconds in asked.seconds]
    kind = available(["nginx", "minimal", "delays"])[0]
    command, read = TOOLS["stressproof"]
    runs: list[tuple[str, int, float, dict[str, Any]]] = []
    with server(kind) as target:
        for connections, seconds in cases:
            one = measure("stressproof", command(target, connections, seconds), read, target)
            runs.append(("bare round", connections, seconds, one.raw))
        for users, seconds in cases:
            runs.append(("capture", users, seconds, capture(target.url, users, seconds)))
    rows = [
        [
            what,
            str(connections),
            f"{seconds:g}",
            f"{raw['requests']:,}",
            f"{raw['worker_rss_bytes'] / MIB:.1f}",
            f"{raw['parent_rss_bytes'] / MIB:.1f}",
            f"{(raw['worker_rss_bytes'] + raw['parent_rss_bytes']) / MIB:.1f}",
            f"{raw['health']['loop_delay_p99_us'] / 1000:.1f}" if "health" in raw else "",
        ]
        for what, connections, seconds, raw in runs
    ]
    head = ["what", "connections", "seconds", "requests", "worker MiB", "parent MiB", "both MiB"]
    head.append("start p99 ms late")
    data = [
        {"what": what, "connections": connections, "seconds": seconds, "raw": raw}
        for what, connections, seconds, raw in runs
    ]
    publish("load_memory", table(head, rows), data, asked.json)


if __name__ == "__main__":
    main()
