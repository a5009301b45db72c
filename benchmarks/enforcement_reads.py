"""Parity of the newest 50 decisions and a page of the ledger, as a tenant's history grows.

::

    uv run python benchmarks/enforcement_reads.py [--decisions 1000 10000 100000] [--quick]

One tenant on one embedded PostgreSQL with fsync on is seeded further and further; at each size both
reads are made as the service makes them, from one connection, alternating. Budget: at the largest
size the median takes at most 1.5 times as long as at the smallest.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from disposable_postgres import PostgresServer
from enforcement.domain.identity import Caller
from enforcement.store import ledger, parity
from enforcement.store.database import Database
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.seed import seed_into
from enforcement.store.settings import StoreSettings

PASSWORD = "p" * 40
LIMIT = 50
BUDGET = 1.5
WARM_UP = 20
NAMES = ("parity of the newest 50", "ledger page of 50")


async def timed_us(read: Callable[[], Awaitable[object]]) -> float:
    """Return how long a read takes."""
    began = time.perf_counter_ns()
    await read()
    return (time.perf_counter_ns() - began) / 1000


async def measure(db: Database, caller: Caller, repetitions: int) -> dict[str, dict[str, float]]:
    """Make both reads in turn; return the median and the 99th of 100 of each, in microseconds."""
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        NAMES[0]: lambda: parity.newest(db, caller, limit=LIMIT),
        NAMES[1]: lambda: ledger.page_json(db, caller, limit=LIMIT),
    }
    samples: dict[str, list[float]] = {name: [] for name in reads}
    for number in range(repetitions + WARM_UP):
        for name, read in reads.items():
            took_us = await timed_us(read)
            if number >= WARM_UP:  # plans and caches
                samples[name].append(took_us)
    return {
        name: {
            "median_us": statistics.median(found),
            "p99_us": sorted(found)[int(len(found) * 0.99)],
        }
        for name, found in samples.items()
    }


async def run(
    dsn: str, sizes: list[int], repetitions: int
) -> dict[int, dict[str, dict[str, float]]]:
    """Seed to each size in turn, and measure there."""
    results = {}
    async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=20)) as db:
        for size in sizes:
            began = time.monotonic()
            seeded = await seed_into(db, decisions=size)
            print(
                f"{size:,} decisions, seeded in {time.monotonic() - began:.0f} s", file=sys.stderr
            )
            results[size] = await measure(db, seeded.owner, repetitions)
    return results


def main() -> None:
    """Measure, print, and say whether it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    asked = parser.parse_args()
    sizes = [100, 200] if asked.quick else sorted(asked.decisions)
    with PostgresServer.start() as server:
        admin = server.create_database("reads")
        migrate(admin, app_password=PASSWORD)
        results = asyncio.run(
            run(app_dsn(admin, PASSWORD), sizes, 20 if asked.quick else asked.repetitions)
        )
    print("| decisions | " + " | ".join(f"{name}, median µs (p99)" for name in NAMES) + " |")
    print("|---|---|---|")
    for size, found in results.items():
        cells = [f"{found[name]['median_us']:.0f} ({found[name]['p99_us']:.0f})" for name in NAMES]
        print(f"| {size:,} | " + " | ".join(cells) + " |")
    for name in NAMES:
        ratio = results[sizes[-1]][name]["median_us"] / results[sizes[0]][name]["median_us"]
        verdict = "within" if ratio <= BUDGET else "MISSES"
        print(f"{name}: {ratio:.2f} x from first to last ({verdict} the budget of {BUDGET})")
    if asked.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
