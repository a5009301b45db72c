"""Reads of the service, as tenants grow: from 10^3 to 10^6 decisions, projects, budgets and grants.

::

    uv run python benchmarks/enforcement_reads.py [--decisions 1000 100000 1000000] [--quick]

One embedded PostgreSQL with fsync on is seeded in bulk: one tenant further and further, and last a
hundred tenants with a hundredth of the largest size each. At each size the reads are made as the
service makes them, from one connection, in an order that changes. Judged is the tenth of a hundred,
which other work on the machine delays least. Budgets: at the largest size it takes at most 1.5
times as long as at the smallest; a page in the middle of the ledger at most twice as long as one at
its top.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg

from disposable_postgres import PostgresServer
from enforcement.domain.enums import Source
from enforcement.domain.identity import Caller
from enforcement.domain.request import gate_request
from enforcement.service import fill, numbered
from enforcement.store import approvals, budgets, gates, ledger, parity
from enforcement.store import credits as grants
from enforcement.store.database import Database
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.settings import StoreSettings

PASSWORD = "p" * 40
LIMIT = 50
BUDGET = 1.5
DEPTH_BUDGET = 2.0
WARM_UP = 20
TENANTS = 100
DAY_ROWS = 50_000
TOP, MIDDLE, PAST = "ledger page, top", "ledger page, middle", "ledger page, by time"

PROJECTS = """
INSERT INTO enforcement.project_usage
    (tenant_id, project_id, own_budget, active_allocation_usd, active_credits_usd)
SELECT %s, 'project-' || n, false, 1, 0 FROM generate_series(%s::integer, %s::integer) n
"""
BUDGETS = """
INSERT INTO enforcement.budgets (tenant_id, scope_key, monthly_limit_usd, active, updated_at)
SELECT %s, 'project-' || n, 10, true, now() FROM generate_series(%s::integer, %s::integer) n
"""
GRANTS = """
INSERT INTO enforcement.credit_grants (tenant_id, grant_id, pool, scope_key, total_usd,
    remaining_usd, expires_at, reason, created_by, created_at)
SELECT %s, gen_random_uuid(), 'reserved', 'default', 1, 1, NULL, '', gen_random_uuid(),
       now() + n * interval '1 s'
FROM generate_series(%s::integer, %s::integer) n
"""
# Their decisions are nobody's to see here; a queue looks for them only once it has found one.
EXPIRED = """
INSERT INTO enforcement.approvals (tenant_id, approval_id, decision_id, state, required_permission,
    allowed_roles, require_separation, requested_by, requested_at, expires_at)
SELECT %s, gen_random_uuid(), gen_random_uuid(), 'pending', 'remediation.approve.prod',
       '{owner}', false, gen_random_uuid(), now() - interval '1 hour', now() - interval '1 minute'
FROM generate_series(%s::integer, %s::integer) n
"""

Reads = dict[str, Callable[[], Awaitable[object]]]
Figures = dict[str, dict[str, float]]


async def timed_us(read: Callable[[], Awaitable[object]]) -> float:
    """Return how long a read takes."""
    began = time.perf_counter_ns()
    await read()
    return (time.perf_counter_ns() - began) / 1000


async def measure(reads: Reads, repetitions: int) -> Figures:
    """Make the reads in turn; return the 10th, 50th and 99th of 100 of each, in microseconds."""
    samples: dict[str, list[float]] = {name: [] for name in reads}
    for number in range(repetitions + WARM_UP):
        # In an order of its own each time: what follows the longest one pays for its share.
        for name in random.sample(list(reads), len(reads)):
            took_us = await timed_us(reads[name])
            if number >= WARM_UP:  # plans and caches
                samples[name].append(took_us)
    return {
        name: {
            "p10_us": sorted(found)[int(len(found) * 0.1)],
            "median_us": statistics.median(found),
            "p99_us": sorted(found)[int(len(found) * 0.99)],
        }
        for name, found in samples.items()
    }


def history_reads(db: Database, caller: Caller, rows: int, then: datetime) -> Reads:
    """Return the reads of a tenant's history."""
    return {
        "parity of the newest 50": lambda: parity.newest(db, caller, limit=LIMIT),
        TOP: lambda: ledger.page_json(db, caller, limit=LIMIT),
        MIDDLE: lambda: ledger.page_json(db, caller, limit=LIMIT, before_sequence=rows // 2),
        PAST: lambda: ledger.page_json(db, caller, limit=LIMIT, end_at=then),
    }


def width_reads(db: Database, caller: Caller) -> Reads:
    """Return what a tenant with many projects, budgets and grants asks."""

    def gate() -> Awaitable[object]:
        request = gate_request(
            source=Source.TERRAFORM,
            action="create",
            resource_reference="bench",
            estimated_monthly_delta_usd="0.0001",
            project_id="project-7",
            idempotency_key=None,
            dry_run=True,
        )
        return gates.evaluate(db, caller, request)

    return {
        "gate": gate,
        "budgets page": lambda: budgets.listing(db, caller, limit=LIMIT),
        "credits page": lambda: grants.listing(db, caller, limit=LIMIT),
        "approval queue": lambda: approvals.queue(db, caller, limit=LIMIT),
    }


class Bench:
    """A database that grows.

    Args:
        admin_dsn: Of its superuser.
        repetitions: Of each read.
    """

    def __init__(self, admin_dsn: str, repetitions: int) -> None:
        migrate(admin_dsn, app_password=PASSWORD)
        self.admin_dsn = admin_dsn
        self.dsn = app_dsn(admin_dsn, PASSWORD)
        self.repetitions = repetitions

    def seed(self, names: list[str], decisions: int) -> Caller:
        """Seed tenants, two at a time; return the first one's owner."""
        began = time.monotonic()
        seeded = list(fill(self.dsn, names, decisions=decisions, jobs=2))
        took = time.monotonic() - began
        print(
            f"{len(names)} x {decisions:,} decisions in {took:.0f} s"
            f" ({len(names) * decisions / took:,.0f}/s)",
            file=sys.stderr,
        )
        return seeded[0].owner

    def widen(self, tenant_id: UUID, statement: str, rows: int) -> None:
        """Add rows of a kind to a tenant."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT set_config('enforcement.tenant_id', %s, false)", [str(tenant_id)]
            )
            if statement is EXPIRED:
                connection.execute("SET session_replication_role = replica")  # no foreign keys
            for first in range(1, rows + 1, 1000):
                last = min(first + 999, rows)
                connection.execute(statement, (tenant_id, first, last))  # type: ignore[arg-type]
            connection.execute("VACUUM ANALYZE")

    def rows(self, tenant_id: UUID) -> tuple[int, datetime]:
        """Return a tenant's last sequence, and the instant of the row in the middle."""
        with psycopg.connect(self.admin_dsn) as connection:
            row = connection.execute(
                "SELECT l.sequence * 2, l.occurred_at FROM enforcement.ledger l"
                " WHERE l.tenant_id = %s AND l.sequence = (SELECT h.sequence / 2"
                " FROM enforcement.ledger_heads h WHERE h.tenant_id = %s)",
                (tenant_id, tenant_id),
            ).fetchone()
        if row is None:
            sys.exit("the tenant has no history")
        return row[0], row[1]

    def read(self, make: Callable[[Database], Reads], repetitions: int = 0) -> Figures:
        """Make reads from one connection."""

        async def whole() -> Figures:
            async with Database(StoreSettings(dsn=self.dsn, pool_size=1, pool_timeout_s=20)) as db:
                return await measure(make(db), repetitions or self.repetitions)

        return asyncio.run(whole())

    def day_s(self, caller: Caller) -> tuple[float, int]:
        """Return how long parity of some 50,000 rows in the middle takes, and how many they are."""
        last, _ = self.rows(caller.tenant_id)
        with psycopg.connect(self.admin_dsn) as connection:
            bounds = connection.execute(
                "SELECT min(occurred_at), max(occurred_at) FROM enforcement.ledger"
                " WHERE tenant_id = %s AND sequence BETWEEN %s AND %s",
                (caller.tenant_id, last // 2, last // 2 + DAY_ROWS - 1),
            ).fetchone()
        assert bounds is not None  # noqa: S101  # an aggregate has a row

        async def whole() -> tuple[float, int]:
            settings = StoreSettings(dsn=self.dsn, pool_timeout_s=20)
            async with Database(settings) as db:
                await db.fetch("SELECT 1")
                began = time.monotonic()
                seen = await parity.window(
                    db, caller, start_at=bounds[0], end_at=bounds[1] + timedelta(microseconds=1)
                )
                return time.monotonic() - began, seen.ledger_rows

        return asyncio.run(whole())

    def command_s(self, *arguments: str) -> tuple[float, float]:
        """Run a command; return its seconds, and the most memory that it had, in MiB."""
        began = time.monotonic()
        peak_kib = 0
        command = [sys.executable, "-m", "enforcement.cli", *arguments]
        with subprocess.Popen(command) as process:
            # Not what the kernel says at the end: that begins with what this process has.
            while process.poll() is None:
                status = Path(f"/proc/{process.pid}/status").read_text()
                found = re.search(r"VmHWM:\s+(\d+) kB", status)
                peak_kib = max(peak_kib, int(found[1]) if found else 0)
                time.sleep(0.02)
        if process.returncode:
            sys.exit(f"enforcement {arguments[0]} {arguments[1]} failed")
        return time.monotonic() - began, peak_kib / 1024


def table(results: dict[str, Figures]) -> None:
    """Print medians, a row a size."""
    names = list(dict.fromkeys(name for found in results.values() for name in found))
    print("| | " + " | ".join(f"{name}, p10 / median / p99 µs" for name in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for size, found in results.items():
        cells = [
            " / ".join(f"{figure:.0f}" for figure in found[name].values()) if name in found else ""
            for name in names
        ]
        print(f"| {size} | " + " | ".join(cells) + " |")


def verdicts(results: dict[str, Figures]) -> None:
    """Say whether anything grows."""
    first, *_, last = results
    for name in results[first]:
        ratio = results[last][name]["p10_us"] / results[first][name]["p10_us"]
        verdict = "within" if ratio <= BUDGET else "MISSES"
        print(f"{name}: {ratio:.2f} x from first to last ({verdict} the budget of {BUDGET})")
    for name in {MIDDLE, PAST} & results[last].keys():
        ratio = results[last][name]["p10_us"] / results[last][TOP]["p10_us"]
        verdict = "within" if ratio <= DEPTH_BUDGET else "MISSES"
        print(f"{name}: {ratio:.2f} x the top ({verdict} the budget of {DEPTH_BUDGET})")


def depth(bench: Bench, sizes: list[int]) -> dict[str, Figures]:
    """Measure one tenant's history at each size, and at last what reads all of it."""
    results: dict[str, Figures] = {}
    for size in sizes:
        owner = bench.seed(["stress"], size)
        last, then = bench.rows(owner.tenant_id)
        results[f"{size:,} decisions"] = bench.read(
            lambda db, owner=owner, last=last, then=then: history_reads(db, owner, last, then)
        )
    table(results)
    verdicts(results)
    took, rows = bench.day_s(owner)
    print(f"parity of a window of {rows:,} rows: {took:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        out, archive = str(Path(folder) / "ledger.jsonl"), str(Path(folder) / "archive.jsonl")
        old = ("--tenant", "stress", "--older-than-days", "0", "--out", archive)
        for name, arguments in {
            "export": ("export", "--dsn", bench.dsn, "--tenant", "stress", "--out", out),
            "verify": ("verify", "--dsn", bench.admin_dsn),
            "verify of the export": ("verify", "--export", out),
            "archive of all": ("archive", "--dsn", bench.admin_dsn, *old),
            "prune of all": ("prune", "--dsn", bench.admin_dsn, "--archive", archive),
        }.items():
            took, peak_mib = bench.command_s("ledger", *arguments)
            print(f"ledger {name}: {took:.0f} s, {peak_mib:.0f} MiB")
    return results


def width(bench: Bench, sizes: list[int]) -> dict[str, Figures]:
    """Measure tenants with ever more projects, budgets and grants."""
    results: dict[str, Figures] = {}
    for size in sizes:
        owner = bench.seed([f"wide-{size}"], 100)
        for statement in (BUDGETS, PROJECTS, GRANTS, EXPIRED):
            bench.widen(owner.tenant_id, statement, size)
        results[f"{size:,} projects, budgets, grants and expired requests"] = bench.read(
            lambda db, owner=owner: width_reads(db, owner)
        )
    table(results)
    verdicts(results)
    return results


def main() -> None:
    """Measure, print, and say whether it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--width", type=int, nargs="+", default=[100, 3_000, 100_000])
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    asked = parser.parse_args()
    sizes = [100, 200] if asked.quick else sorted(asked.decisions)
    widths = [100, 200] if asked.quick else sorted(asked.width)
    repetitions = 20 if asked.quick else asked.repetitions
    with PostgresServer.start() as server:
        results = depth(Bench(server.create_database("depth"), repetitions), sizes)
        results |= width(Bench(server.create_database("width"), repetitions), widths)
        bulk = Bench(server.create_database("bulk"), repetitions)
        bulk.seed(numbered("bulk", TENANTS if not asked.quick else 2), sizes[-1] // TENANTS or 1)
    if asked.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
