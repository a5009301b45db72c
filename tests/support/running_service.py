"""A real service: parent and workers as processes, on a real PostgreSQL."""

import asyncio
import contextlib
import os
import selectors
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

from control_plane import PASSWORD
from disposable_postgres import PostgresServer
from enforcement.api import counters, metrics
from enforcement.api.paths import PREFIX, ROUTES
from enforcement.bearer import issue
from enforcement.domain.enums import Plan, Role
from enforcement.domain.identity import Caller
from enforcement.store import limits, tenants
from enforcement.store.database import Database
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.settings import StoreSettings

JWT_SECRET = "j" * 64
APPROVAL_SECRET = "a" * 40
APP_PASSWORD = PASSWORD
ISSUER = "enforcement"
AUDIENCE = "authenticated"
GATE = f"{PREFIX}/gate/terraform"
CEILING_S = 60
PLENTY = 1_000_000

T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str, ceiling_s: float = CEILING_S) -> T:
    """Ask until the answer is true; the ceiling is for hangs alone."""
    deadline = time.monotonic() + ceiling_s
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


def with_database(dsn: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run one operation of the store from a test."""

    async def run() -> T:
        async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=20)) as db:
            return await work(db)

    return asyncio.run(run())


def sign(caller: Caller, *, lifetime_s: int = 3600, **changes: Any) -> str:
    """Return a bearer token of a principal; changes replace what it is signed with."""
    given: dict[str, Any] = {
        "secret": JWT_SECRET,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": datetime.now(UTC),
        **changes,
    }
    return issue(caller, lifetime_s=lifetime_s, **given)


@dataclass
class Tenant:
    """A tenant with a principal of each rank, and their tokens."""

    tenant_id: uuid.UUID
    name: str
    callers: dict[str, Caller]

    def headers(self, role: str = "owner") -> dict[str, str]:
        """Return the headers by which a principal shows who it is."""
        return {"authorization": f"Bearer {sign(self.callers[role])}"}


@dataclass
class World:
    """A migrated database."""

    admin_dsn: str
    dsn: str

    def tenant(
        self,
        *,
        per_minute: int = PLENTY,
        plan: Plan = Plan.PRO,
        buckets: Sequence[str] = (limits.GATE,),
    ) -> Tenant:
        """Make a tenant of its own, so that tests do not meet; limited in these buckets."""
        name = f"t-{uuid.uuid4().hex[:12]}"

        async def make(db: Database) -> Tenant:
            made = await tenants.create(db, name=name, plan=plan)
            callers = {
                role.value: await tenants.create_principal(
                    db, made.tenant_id, name=role.value, role=role
                )
                for role in Role
            }
            for bucket in limits.DEFAULTS:
                most = per_minute if bucket in buckets else PLENTY
                await limits.set_tenant(db, callers["owner"], most, bucket=bucket)
            return Tenant(tenant_id=made.tenant_id, name=name, callers=callers)

        return with_database(self.dsn, make)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database itself, past row-level security."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    def events(self, tenant: Tenant, event: str) -> int:
        """Count a tenant's ledger rows of one kind."""
        return int(
            self.query(
                "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s AND event = %s",
                (tenant.tenant_id, event),
            )[0][0]
        )


@dataclass
class Service:
    """A running ``enforcement serve``."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    workers: int
    log_path: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open a client for simple requests."""
        self.client = httpx.Client(base_url=self.url, timeout=20)

    def get(self, path: str, headers: Mapping[str, str], **given: Any) -> httpx.Response:
        """GET a path below the API's prefix."""
        return self.client.get(PREFIX + path, headers=headers, **given)

    def post(
        self, path: str, headers: Mapping[str, str], body: Any, **given: Any
    ) -> httpx.Response:
        """POST JSON to a path below the API's prefix."""
        return self.client.post(PREFIX + path, headers=headers, json=body, **given)

    def worker_pids(self) -> list[int]:
        """Return the workers, as the parent numbers them."""
        with self.counters() as file:
            return [file.read(slot, counters.PID) for slot in range(self.workers)]

    @contextlib.contextmanager
    def counters(self) -> Iterator[counters.CounterFile]:
        """Open the shared counters."""
        file = counters.CounterFile(
            self.data_dir / "counters", self.workers, metrics.layout(ROUTES)
        )
        try:
            yield file
        finally:
            file.close()

    def served(self, method: str, path: str, status: int) -> list[int]:
        """Return how many requests each worker answered so."""
        with self.counters() as file:
            word = file.layout.offset(metrics.REQUESTS, (method, PREFIX + path, str(status)))
            return [file.read(slot, word) for slot in range(self.workers)]

    def health(self, tenant: Tenant) -> dict[str, Any]:
        """Return what the service says of itself to whoever shows a token."""
        said: dict[str, Any] = self.client.get("/health", headers=tenant.headers()).json()
        return said

    def log(self) -> str:
        """Return what was logged so far."""
        return self.log_path.read_text()

    def stop(self) -> int:
        """Stop as an operator would; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end of one that was told to stop; return the exit code.

        Told twice, it could be about to end, when a signal is no longer its own affair.
        """
        self.client.close()
        try:
            return self.process.wait(CEILING_S)
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


def environment(state_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment with our secrets and none of the developer's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ENFORCEMENT_")}
    return {
        **kept,
        "XDG_STATE_HOME": str(state_dir),
        "ENFORCEMENT_JWT_SECRET": JWT_SECRET,
        "ENFORCEMENT_APPROVAL_SECRET": APPROVAL_SECRET,
        "ENFORCEMENT_APP_PASSWORD": APP_PASSWORD,
        **(extra or {}),
    }


def command(*arguments: str) -> list[str]:
    """Return the command line of ``enforcement`` with this interpreter."""
    return [sys.executable, "-m", "enforcement.cli", *arguments]


def start(
    folder: Path,
    *arguments: str,
    workers: int = 2,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    prefix: Sequence[str] = (),
) -> Service:
    """Start a service, maybe behind another command; wait for its line; whoever calls stops it."""
    data_dir = folder / "data"
    log_path = folder / "log"
    with log_path.open("a") as log:
        process = subprocess.Popen(
            [
                *prefix,
                *command(
                    "serve",
                    *("--port", str(port)),
                    *("--workers", str(workers)),
                    *("--data-dir", str(data_dir)),
                    *arguments,
                ),
            ],
            env=environment(folder / "state", env),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    line = _first_line(process)
    if "serving on" not in line:
        process.kill()
        process.wait()
        raise AssertionError(f"no service: {line!r}\n{log_path.read_text()}")
    url = line.split("serving on ")[1].split()[0]
    return Service(process=process, url=url, data_dir=data_dir, workers=workers, log_path=log_path)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(CEILING_S):
            return ""
    return process.stdout.readline()


def make_world(server: PostgresServer) -> World:
    """Create and migrate a database on a server; limits of all tenants out of the way."""
    admin = server.create_database(f"e_{uuid.uuid4().hex}")
    migrate(admin, app_password=APP_PASSWORD)
    world = World(admin_dsn=admin, dsn=app_dsn(admin, APP_PASSWORD))

    async def open_wide(db: Database) -> None:
        for bucket in limits.DEFAULTS:
            await limits.set_global(db, limits.MAX_PER_MINUTE, bucket=bucket)

    with_database(world.dsn, open_wide)
    return world


def gate_body(**changes: Any) -> dict[str, Any]:
    """Return a gate request that costs 10 a month."""
    return {
        "action": "create",
        "resource_reference": f"aws_instance.{uuid.uuid4().hex[:8]}",
        "estimated_monthly_delta_usd": "10",
        **changes,
    }


def hammer(
    service: Service, requests: Sequence[tuple[str, Mapping[str, str], Any]]
) -> list[httpx.Response]:
    """POST all requests at once, each on a connection of its own, to all workers alike."""

    async def run() -> list[httpx.Response]:
        async with contextlib.AsyncExitStack() as stack:
            clients = await _spread(service, len(requests), stack)
            return await asyncio.gather(
                *(
                    client.post(PREFIX + path, headers=headers, json=body)
                    for client, (path, headers, body) in zip(clients, requests, strict=True)
                )
            )

    return asyncio.run(run())


def ask_every_worker(
    service: Service, path: str, *headers: Mapping[str, str]
) -> list[httpx.Response]:
    """GET a path from every worker, once with each of these headers."""

    async def run() -> list[httpx.Response]:
        async with contextlib.AsyncExitStack() as stack:
            return [
                await client.get(PREFIX + path, headers=given)
                for client in await _spread(service, service.workers, stack)
                for given in headers
            ]

    return asyncio.run(run())


async def _spread(
    service: Service, wanted: int, stack: contextlib.AsyncExitStack
) -> list[httpx.AsyncClient]:
    """Open connections until every worker holds its share: the kernel may favour one of them."""
    context = ssl.create_default_context()
    room = Counter(
        {f"worker-{slot}": -(-wanted // service.workers) for slot in range(service.workers)}
    )
    clients: list[httpx.AsyncClient] = []
    while len(clients) < wanted:
        client = httpx.AsyncClient(base_url=service.url, timeout=30, verify=context)
        await stack.enter_async_context(client)
        worker = (await client.get("/health/live")).headers["x-served-by"]
        if room[worker] > 0:
            room[worker] -= 1
            clients.append(client)
    return clients
