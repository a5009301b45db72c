"""A whole service, from settings to the last worker's end: what ``enforcement serve`` does."""

import contextlib
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
import psycopg

from disposable_postgres import PostgresError, PostgresServer, without_libpq_variables
from disposable_postgres.account import reachable_by, server_account
from enforcement.api.worker_config import Wiring
from enforcement.bearer import issue_now
from enforcement.domain.errors import EnforcementError
from enforcement.domain.identity import Caller
from enforcement.domain.timestamps import rfc3339
from enforcement.exits import CommandError, Exit
from enforcement.logs import Log
from enforcement.provenance import read_build
from enforcement.server import StopRequest, Supervisor, bind
from enforcement.settings import Settings
from enforcement.state import (
    TOKEN_LIFETIME_S,
    Running,
    StateFile,
    announced,
    own_data_dir,
    with_secrets,
)
from enforcement.store.errors import classify
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.seed import Seeded, seed

SEED_TENANT: Final = "stress"
SEED_PER_MINUTE: Final = 1_000_000
NEIGHBOURS: Final = 3
NEIGHBOUR_DECISIONS: Final = 100
CONNECT_TIMEOUT_S: Final = 5
_SYSTEM_DIR: Final = Path("/var/lib/enforcement")


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: Judged.
        say: Prints the one line that says where the service is.

    Raises:
        CommandError: It cannot start, or the workers keep dying.
    """
    stop = StopRequest()
    stop.install()
    with (
        bind(settings.host, settings.port) as listener,
        own_data_dir(Path(settings.data_dir)) as data_dir,
        _database(with_secrets(settings, data_dir), data_dir, stop) as (ready, running, owners),
        announced(data_dir, running),
    ):
        if not stop.requested:
            _serve(ready, data_dir, listener, owners, stop, say)


def _serve(
    settings: Settings,
    data_dir: Path,
    listener: socket.socket,
    owners: Sequence[Caller],
    stop: StopRequest,
    say: Callable[[str], None],
) -> None:
    port = listener.getsockname()[1]
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{shown}:{port}"
    worker_config = _wire(settings, data_dir)
    state = StateFile(Path(settings.state_dir), settings.host, port)

    def on_ready() -> None:
        if owners:
            token, *others = [issue_now(owner, settings, TOKEN_LIFETIME_S) for owner in owners]
            state.write(
                url=url, token=token, other_tokens=others, instance_id=worker_config.instance_id
            )
        say(
            f"enforcement: serving on {url} "
            f"(instance {worker_config.instance_id}, {settings.workers} workers)"
        )

    try:
        Supervisor(worker_config, listener, Path(worker_config.counter_path), stop).run(on_ready)
    finally:
        state.remove()


def _wire(settings: Settings, data_dir: Path) -> Wiring:
    return Wiring(
        settings=settings,
        instance_id=str(uuid4()),
        build=read_build(),
        started_at=rfc3339(datetime.now(UTC)),
        started_monotonic_ns=time.monotonic_ns(),
        slot=0,
        counter_path=str(data_dir / "counters"),
        journal_dir=str(data_dir / "journal"),
        listener_fd=-1,
        parent_pid=os.getpid(),
    )


@contextlib.contextmanager
def _database(
    settings: Settings, data_dir: Path, stop: StopRequest
) -> Iterator[tuple[Settings, Running, list[Caller]]]:
    """Provide the database: the caller's, or an embedded one for as long as this lasts.

    With it the owners of the seeded tenants, the one with a past first.
    """
    with contextlib.ExitStack() as stack:
        admin_dsn = settings.dsn
        if not settings.dsn:
            # It is nobody's else, so what libpq's variables say of another database is not meant.
            stack.enter_context(without_libpq_variables())
            server = stack.enter_context(_embedded(data_dir))
            admin_dsn = server.dsn()
        dsn = admin_dsn
        if (not settings.dsn or settings.migrate) and not stop.requested:
            # The embedded server is ours alone, so its role's password is ours to set.
            ours = not settings.dsn
            dsn = prepare(admin_dsn, settings.app_password, replace_password=ours)
        owners = []
        if settings.seed and not stop.requested:
            owners = _seeded_owners(dsn, settings.seed_decisions)
        running = Running(pid=os.getpid(), dsn=dsn, admin_dsn="" if dsn == admin_dsn else admin_dsn)
        yield msgspec.structs.replace(settings, dsn=dsn), running, owners


def _seeded_owners(dsn: str, decisions: int) -> list[Caller]:
    """Seed the tenant that load is tried on, and neighbours among whom writes are spread."""
    names = [SEED_TENANT, *(f"{SEED_TENANT}-{number}" for number in range(2, 2 + NEIGHBOURS))]
    wanted = [decisions] + [min(decisions, NEIGHBOUR_DECISIONS)] * NEIGHBOURS
    return [
        fill(dsn, name=name, decisions=count).owner
        for name, count in zip(names, wanted, strict=True)
    ]


@contextlib.contextmanager
def _embedded(data_dir: Path) -> Iterator[PostgresServer]:
    folder = postgres_dir(data_dir)
    Log("parent").info("database_starting", folder=str(folder))
    try:
        server = PostgresServer.start(folder)
    except PostgresError as error:
        cannot_write = isinstance(error.__cause__, OSError)
        raise CommandError(
            Exit.OUTPUT if cannot_write else Exit.RUN,
            error.message,
            hint=error.hint or "Name another folder with --data-dir.",
        ) from error
    with server:
        yield server


def postgres_dir(data_dir: Path) -> Path:
    """Return where the embedded database lies.

    Started by root it runs as somebody less, who cannot enter root's home: then it lies in the
    system's folder for such data (or, for a temporary data folder, in the temporary folder).
    """
    account = server_account()
    if reachable_by(account, data_dir):
        return data_dir / "postgres"
    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
    temporary = Path(tempfile.gettempdir()).resolve()
    if data_dir.resolve().is_relative_to(temporary):
        return temporary / f"enforcement-postgres-{digest}"
    return _SYSTEM_DIR / f"postgres-{digest}"


def prepare(admin_dsn: str, app_password: str, *, replace_password: bool = False) -> str:
    """Migrate a database; return the connection string of the role that the service uses.

    Raises:
        CommandError: The database cannot be reached, or refuses.
    """
    try:
        migrate(admin_dsn, app_password=app_password, replace_password=replace_password)
    except EnforcementError as error:
        raise unreachable(error) from error
    return app_dsn(admin_dsn, app_password)


def fill(
    dsn: str,
    *,
    decisions: int,
    name: str = SEED_TENANT,
    tenant_per_minute: int | None = SEED_PER_MINUTE,
    global_per_minute: int | None = SEED_PER_MINUTE,
) -> Seeded:
    """Seed a tenant; by default the one that load is tried on, with limits out of its way.

    Raises:
        CommandError: The database cannot be reached, or refuses.
    """
    demand_reachable(dsn)
    try:
        return seed(
            dsn,
            name=name,
            decisions=decisions,
            tenant_per_minute=tenant_per_minute,
            global_per_minute=global_per_minute,
        )
    except EnforcementError as error:
        raise unreachable(error) from error


def demand_reachable(dsn: str) -> None:
    """Connect once, for the cause: a pool would only say that no connection came.

    Raises:
        CommandError: The database cannot be reached.
    """
    try:
        psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.Error as error:
        raise unreachable(classify(error, committing=False, cut=False)) from error


def unreachable(error: EnforcementError) -> CommandError:
    """Say what the database refused, without its connection string."""
    return CommandError(
        Exit.TARGET,
        f"the database refuses: {error.detail.splitlines()[0]}",
        hint=error.hint or "Check --dsn and whether that server runs; a role may need more rights.",
    )
