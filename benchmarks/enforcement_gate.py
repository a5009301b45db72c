"""Gate decisions a second through HTTP, beside the plain transaction through the bare driver.

::

    uv run python benchmarks/enforcement_gate.py [--seconds 5] [--repetitions 5]

Both run on one embedded PostgreSQL with fsync and synchronous_commit on, row-level security
forced, from two processes each, once over 64 tenants taken at random and once over a single hot
one:

- *bare*: eight statements a decision (BEGIN, set_config, policy FOR UPDATE, sum of reservations,
  last ledger row, decision, ledger row, COMMIT) over psycopg's asynchronous connections; its sum
  finds nothing, so that it does not slow down as rows are added;
- *gate*: ``POST /gate/terraform`` of ``enforcement serve`` with two workers, every check on
  (token, principal, limits, idempotency, waterfall, chained ledger), over keep-alive connections.

Repetitions are interleaved and medians reported, with the processor time of each decision in the
service (its workers; for the bare driver, the clients) and in the database. The budget is
gate/bare >= 1.2 at 10 and at 64 connections.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import psycopg
import uvloop

from disposable_postgres import PostgresServer
from enforcement.api.paths import GATE_TERRAFORM
from enforcement.bearer import issue
from enforcement.domain.enums import Role
from enforcement.store import limits, tenants
from enforcement.store.database import Database
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.settings import StoreSettings

TENANTS = (64, 1)
CLIENTS = 2
CONNECTIONS = (10, 64)
BUDGET = 1.2
SECRET = "s" * 64
PASSWORD = "p" * 40
TICKS = os.sysconf("SC_CLK_TCK")

BARE_SCHEMA = """
CREATE TABLE policy (tenant uuid PRIMARY KEY, version int NOT NULL, doc text NOT NULL);
CREATE TABLE decision (tenant uuid NOT NULL, id uuid NOT NULL, key text NOT NULL,
    reserved numeric(20,4) NOT NULL, active boolean NOT NULL, body text NOT NULL,
    PRIMARY KEY (tenant, id), UNIQUE (tenant, key));
CREATE INDEX ON decision (tenant) INCLUDE (reserved) WHERE active;
CREATE TABLE ledger (tenant uuid NOT NULL, seq bigint NOT NULL, body text NOT NULL,
    prev bytea NOT NULL, hash bytea NOT NULL, PRIMARY KEY (tenant, seq));
CREATE ROLE bare LOGIN PASSWORD 'bare';
"""
GUARD = """
ALTER TABLE {0} ENABLE ROW LEVEL SECURITY; ALTER TABLE {0} FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON {0} USING (tenant = NULLIF(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON {0} TO bare;
"""


@dataclass
class Round:
    """What one client process saw, and the processor time it took."""

    latencies_us: list[int]
    failures: int
    cpu_s: float = 0.0


@dataclass
class Result:
    """One repetition; processor time is a decision's."""

    per_second: float
    p99_ms: float
    service_cpu_us: float
    database_cpu_us: float


async def bare_decision(
    connection: psycopg.AsyncConnection[tuple[object, ...]], tenant: UUID
) -> None:
    """Decide once with eight statements."""
    key, decision = uuid4().hex, uuid4()
    await connection.execute("BEGIN")
    await connection.execute("SELECT set_config('app.tenant', %s, true)", (str(tenant),))
    await connection.execute(
        "SELECT version, doc FROM policy WHERE tenant = %s FOR UPDATE", (tenant,)
    )
    await connection.execute(
        "SELECT coalesce(sum(reserved), 0) FROM decision WHERE tenant = %s AND active", (tenant,)
    )
    cursor = await connection.execute(
        "SELECT seq, hash FROM ledger WHERE tenant = %s ORDER BY seq DESC LIMIT 1", (tenant,)
    )
    last = await cursor.fetchone()
    sequence, previous = (0, bytes(32)) if last is None else (last[0], last[1])
    body = json.dumps({"id": str(decision), "key": key, "delta": "10.0000", "outcome": "ALLOW"})
    await connection.execute(
        "INSERT INTO decision VALUES (%s, %s, %s, 0.0001, false, %s)", (tenant, decision, key, body)
    )
    digest = hashlib.sha256(bytes(previous) + body.encode()).digest()  # type: ignore[arg-type]
    await connection.execute(
        "INSERT INTO ledger VALUES (%s, %s, %s, %s, %s)",
        (tenant, int(sequence) + 1, body, previous, digest),  # type: ignore[call-overload]
    )
    await connection.execute("COMMIT")


async def bare_client(dsn: str, names: Sequence[UUID], connections: int, seconds: float) -> Round:
    """Decide as fast as so many connections can."""
    latencies: list[int] = []
    until = time.monotonic() + seconds

    async def loop() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            while time.monotonic() < until:
                began = time.monotonic_ns()
                await bare_decision(connection, random.choice(names))
                latencies.append((time.monotonic_ns() - began) // 1000)

    await asyncio.gather(*(loop() for _ in range(connections)))
    return Round(latencies, 0)


class GateConnection(asyncio.Protocol):
    """A keep-alive connection that asks one gate after the other."""

    def __init__(self, requests: "Requests", until: float, round_: Round) -> None:
        self.requests = requests
        self.until = until
        self.round = round_
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not of that class
        self.send()

    def send(self) -> None:
        """Ask."""
        if time.monotonic() >= self.until:
            self.transport.close()
            self.done.set_result(None)
            return
        self.began = time.monotonic_ns()
        self.transport.write(self.requests.next())

    def data_received(self, data: bytes) -> None:
        """Take an answer once it is whole."""
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self.round.latencies_us.append((time.monotonic_ns() - self.began) // 1000)
        if not head.startswith(b"HTTP/1.1 200") or b'"fail_safe":true' in rest:
            self.round.failures += 1
        self.buffer = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail loudly: a benchmark with lost connections measures nothing."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed by the service"))


class Requests:
    """Makes gate requests of random tenants, each for another resource."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.heads = [
            f"POST {GATE_TERRAFORM} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
            "content-type: application/json\r\ncontent-length: "
            for token in tokens
        ]

    def next(self) -> bytes:
        """Return one request."""
        body = json.dumps(
            {
                "action": "create",
                "resource_reference": f"aws_instance.{random.getrandbits(64):x}",
                "estimated_monthly_delta_usd": "0.0001",
                "project_id": "bench",
            }
        )
        return f"{random.choice(self.heads)}{len(body)}\r\n\r\n{body}".encode()


async def gate_client(port: int, tokens: Sequence[str], connections: int, seconds: float) -> Round:
    """Ask as fast as so many connections can."""
    round_ = Round([], 0)
    requests, until = Requests(tokens), time.monotonic() + seconds
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: GateConnection(requests, until, round_), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return round_


def run_client(where: str | int, names: Sequence[str], connections: int, seconds: float) -> Round:
    """Run one client in this process: of the service at a port, or of the driver at a DSN."""
    began = time.process_time()
    if isinstance(where, str):
        work = bare_client(where, [UUID(name) for name in names], connections, seconds)
        round_ = asyncio.run(work)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            round_ = runner.run(gate_client(where, names, connections, seconds))
    round_.cpu_s = time.process_time() - began
    return round_


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time of processes and of their children that ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICKS


@dataclass
class Subject:
    """What is measured.

    Attributes:
        where: The port of the service, or the driver's DSN.
        names: A token of each tenant, or its id.
        workers: Processes of the service; none for the driver.
    """

    where: str | int
    names: list[str]
    workers: list[int]


@dataclass
class Bench:
    """Subjects on one server."""

    server: PostgresServer
    pool: "multiprocessing.pool.Pool"
    subjects: dict[str, Subject]

    def measure(self, kind: str, tenants_: int, connections: int, seconds: float) -> Result:
        """Run all clients of a subject at once and put together what they saw."""
        subject = self.subjects[kind]
        share, names = connections // CLIENTS, subject.names[:tenants_]
        service, database = cpu_seconds(subject.workers), cpu_seconds(self.server.processes())
        began = time.monotonic()
        rounds = self.pool.starmap(run_client, [(subject.where, names, share, seconds)] * CLIENTS)
        took = time.monotonic() - began
        database = cpu_seconds(self.server.processes()) - database
        service = cpu_seconds(subject.workers) - service
        if not subject.workers:
            service = sum(round_.cpu_s for round_ in rounds)
        latencies = sorted(us for round_ in rounds for us in round_.latencies_us)
        failures = sum(round_.failures for round_ in rounds)
        if failures:
            sys.exit(f"{failures} of {len(latencies)} answers were no decisions: no measurement")
        return Result(
            per_second=len(latencies) / took,
            p99_ms=latencies[int(len(latencies) * 0.99)] / 1000,
            service_cpu_us=service * 1e6 / len(latencies),
            database_cpu_us=database * 1e6 / len(latencies),
        )


def bare_subject(server: PostgresServer) -> Subject:
    """Create the plain tables for the bare driver."""
    admin = server.create_database("bare")
    names = [str(uuid4()) for _ in range(max(TENANTS))]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(BARE_SCHEMA)
        for table in ("policy", "decision", "ledger"):
            connection.execute(GUARD.format(table))  # type: ignore[arg-type]
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO policy VALUES (%s, 1, 'x')", [(name,) for name in names]
            )
    return Subject(f"postgresql://bare:bare@{server.host}:{server.port}/bare", names, [])


async def prepare_tenants(dsn: str) -> list[str]:
    """Create the service's tenants; return a token of each."""
    tokens = []
    async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=20)) as db:
        await limits.set_global(db, limits.MAX_PER_MINUTE)
        for number in range(max(TENANTS)):
            tenant = await tenants.create(db, name=f"bench-{number}")
            caller = await tenants.create_principal(
                db, tenant.tenant_id, name="owner", role=Role.OWNER
            )
            await limits.set_tenant(db, caller, limits.MAX_PER_MINUTE)
            tokens.append(
                issue(
                    caller,
                    secret=SECRET,
                    issuer="enforcement",
                    audience="authenticated",
                    lifetime_s=86_400,
                    now=datetime.now(UTC),
                )
            )
    return tokens


def prepare(admin_dsn: str) -> list[str]:
    """Make a database of the service's; return a token of each tenant."""
    migrate(admin_dsn, app_password=PASSWORD)
    return asyncio.run(prepare_tenants(app_dsn(admin_dsn, PASSWORD)))


@contextlib.contextmanager
def serving(
    admin_dsn: str, tokens: list[str], environment: Mapping[str, str] = os.environ
) -> Iterator[Subject]:
    """Run ``enforcement serve`` over a database that was prepared."""
    with tempfile.TemporaryDirectory() as folder:
        process, port = start_service(app_dsn(admin_dsn, PASSWORD), Path(folder), environment)
        try:
            yield Subject(port, tokens, children(process.pid))
        finally:
            process.terminate()
            process.wait(60)


def start_service(
    dsn: str, folder: Path, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[str], int]:
    """Start ``enforcement serve``; return it and its port."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "enforcement.cli", "serve", "--port", "0"),
            *("--workers", "2", "--dsn", dsn, "--data-dir", str(folder)),
        ],
        env={
            **environment,
            "ENFORCEMENT_JWT_SECRET": SECRET,
            "ENFORCEMENT_APP_PASSWORD": PASSWORD,
            "XDG_STATE_HOME": str(folder),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    line = "" if process.stdout is None else process.stdout.readline()
    if "serving on" not in line:
        sys.exit("the service did not start")
    return process, int(line.split("http://127.0.0.1:")[1].split()[0])


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


Case = tuple[str, int, int]


def report(results: dict[Case, list[Result]]) -> list[dict[str, object]]:
    """Print medians and the ratios the budget is about; return them as rows."""
    print("kind  tenants  conns  decisions/s   p99 ms  service µs  database µs")
    rows: dict[Case, dict[str, object]] = {}
    medians: dict[Case, float] = {}
    for case, found in results.items():
        kind, tenants_, connections = case
        row = {
            name: statistics.median(getattr(result, name) for result in found)
            for name in ("per_second", "p99_ms", "service_cpu_us", "database_cpu_us")
        }
        medians[case] = row["per_second"]
        rows[case] = {"kind": kind, "tenants": tenants_, "connections": connections, **row}
        print(
            f"{kind:5} {tenants_:7} {connections:6} {row['per_second']:12.0f} "
            f"{row['p99_ms']:8.1f} {row['service_cpu_us']:11.0f} {row['database_cpu_us']:12.0f}"
        )
    for tenants_ in TENANTS:
        for connections in CONNECTIONS:
            ratio = medians["gate", tenants_, connections] / medians["bare", tenants_, connections]
            rows["gate", tenants_, connections]["ratio"] = ratio
            verdict = "within" if ratio >= BUDGET else "MISSES"
            print(
                f"gate/bare, {tenants_} tenants, {connections} connections: {ratio:.2f} "
                f"({verdict} the budget of {BUDGET})"
            )
    return list(rows.values())


def run_all(bench: Bench, seconds: float, repetitions: int) -> dict[Case, list[Result]]:
    """Measure every case in turn, again and again."""
    results: dict[Case, list[Result]] = {}
    for kind in bench.subjects:
        bench.measure(kind, max(TENANTS), 10, 2.0)  # plans, caches, principals
    for _ in range(repetitions):
        for tenants_ in TENANTS:
            for connections in CONNECTIONS:
                for kind in bench.subjects:
                    found = bench.measure(kind, tenants_, connections, seconds)
                    results.setdefault((kind, tenants_, connections), []).append(found)
    return results


def clients() -> "multiprocessing.pool.Pool":
    """Return the processes that ask."""
    return multiprocessing.get_context("spawn").Pool(CLIENTS)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print rows as JSON, too")
    arguments = parser.parse_args()
    with PostgresServer.start() as server:
        bare, admin = bare_subject(server), server.create_database("bench")
        with serving(admin, prepare(admin)) as gate, clients() as pool:
            bench = Bench(server, pool, {"bare": bare, "gate": gate})
            rows = report(run_all(bench, arguments.seconds, arguments.repetitions))
        if arguments.json:
            print(json.dumps(rows))


if __name__ == "__main__":
    main()
