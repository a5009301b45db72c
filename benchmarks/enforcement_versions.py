"""Gate decisions of this version beside those of another checkout, in the same run.

::

    git worktree add /tmp/before COMMIT
    uv run python benchmarks/enforcement_versions.py /tmp/before [--seconds 4] [--repetitions 6]

Both services are up at once, with two workers each, on two databases of one embedded PostgreSQL,
and are measured in turn. The other one runs with this interpreter and its packages, from its own
sources; its benchmark prepares its tenants. What is reported is the median of the ratios of
neighbouring measurements, new to old, lowest and highest in brackets: a machine that is busy
disturbs both alike, and processor time least. The budget is 0.98 times the decisions a second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from disposable_postgres import PostgresServer
from enforcement_gate import CONNECTIONS, TENANTS, Bench, Result, clients, prepare, run_all, serving

BUDGET = 0.98
OLD, NEW = "old", "new"
PREPARE = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
import enforcement_gate as bench
bench.migrate(sys.argv[2], app_password=bench.PASSWORD)
dsn = bench.app_dsn(sys.argv[2], bench.PASSWORD)
print(json.dumps(asyncio.run(bench.prepare_tenants(dsn))))
"""


def environment_of(checkout: Path) -> dict[str, str]:
    """Return the environment in which the sources of a checkout come first."""
    sources = [checkout / "src", *checkout.glob("packages/*/src")]
    found = [str(path) for path in sources if path.is_dir()]
    if not found:
        sys.exit(f"{checkout} holds neither src nor packages/*/src: is it a checkout?")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}


def prepare_other(checkout: Path, admin_dsn: str) -> list[str]:
    """Have the other version make its database; return a token of each tenant."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, str(checkout / "benchmarks"), admin_dsn],
        env=environment_of(checkout),
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    tokens: list[str] = json.loads(done.stdout)
    return tokens


def spread(old: list[Result], new: list[Result], name: str) -> tuple[float, float, float]:
    """Return median, lowest and highest of the ratios of a figure, new to old."""
    ratios = [getattr(n, name) / getattr(o, name) for o, n in zip(old, new, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="of the version before")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--repetitions", type=int, default=6)
    asked = parser.parse_args()
    checkout = asked.checkout.resolve()
    with PostgresServer.start() as server:
        before, now = server.create_database("before"), server.create_database("now")
        with (
            serving(before, prepare_other(checkout, before), environment_of(checkout)) as old,
            serving(now, prepare(now)) as new,
            clients() as pool,
        ):
            bench = Bench(server, pool, {OLD: old, NEW: new})
            results = run_all(bench, asked.seconds, asked.repetitions)
    print("| tenants | connections | decisions/s | p99 | service CPU | database CPU |")
    print("|---" * 6 + "|")
    for tenants in TENANTS:
        for connections in CONNECTIONS:
            pair = results[OLD, tenants, connections], results[NEW, tenants, connections]
            cells = [
                "{:.2f} ({:.2f} to {:.2f})".format(*spread(*pair, name))
                for name in ("per_second", "p99_ms", "service_cpu_us", "database_cpu_us")
            ]
            verdict = "within" if spread(*pair, "per_second")[0] >= BUDGET else "MISSES"
            print(f"| {tenants} | {connections} | " + " | ".join(cells) + f" | {verdict}")


if __name__ == "__main__":
    main()
