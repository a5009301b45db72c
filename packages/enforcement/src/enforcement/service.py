"""A whole service, from settings to the last worker's end: what ``enforcement serve`` does."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from enforcement.api.worker_config import WorkerConfig
from enforcement.bearer import issue_now
from enforcement.domain.errors import EnforcementError
from enforcement.domain.identity import Caller
from enforcement.domain.timestamps import rfc3339
from enforcement.embedded import Keeper, embedded
from enforcement.exits import CommandError, Exit
from enforcement.provenance import read_build
from enforcement.reach import demand_reachable, demand_readable, unreachable
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
from enforcement.store.migrate import HEAD, app_dsn, head_of, migrate, revisions
from enforcement.store.seed import Seeded, seed_all

SEED_TENANT: Final = "stress"
SEED_PER_MINUTE: Final = 1_000_000
NEIGHBOURS: Final = 3
NEIGHBOUR_DECISIONS: Final = 100


class Prepared(NamedTuple):
    """What is there before the first worker starts.

    Attributes:
        settings: Complete.
        running: How others reach the database.
        owners: Of the seeded tenants, the one with a past first.
        keeper: Of the embedded database; None where it is somebody else's.
    """

    settings: Settings
    running: Running
    owners: Sequence[Caller]
    keeper: Keeper | None


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
        _database(with_secrets(settings, data_dir), data_dir, stop) as prepared,
        announced(data_dir, prepared.running),
    ):
        if not stop.requested:
            _serve(prepared, data_dir, listener, stop, say)


def _serve(
    prepared: "Prepared",
    data_dir: Path,
    listener: socket.socket,
    stop: StopRequest,
    say: Callable[[str], None],
) -> None:
    settings, owners, keeper = prepared.settings, prepared.owners, prepared.keeper
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
        Supervisor(
            worker_config,
            listener,
            Path(worker_config.counter_path),
            stop,
            database_restarts=lambda: 0 if keeper is None else keeper.restarts,
        ).run(on_ready)
    finally:
        state.remove()


def _wire(settings: Settings, data_dir: Path) -> WorkerConfig:
    return WorkerConfig(
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
def _database(settings: Settings, data_dir: Path, stop: StopRequest) -> Iterator["Prepared"]:
    """Provide the database: the caller's, or an embedded one for as long as this lasts.

    With it the owners of the seeded tenants, the one with a past first.
    """
    with contextlib.ExitStack() as stack:
        keeper = None
        admin_dsn = settings.dsn
        if not settings.dsn:
            keeper = stack.enter_context(embedded(data_dir))
            admin_dsn = keeper.server.dsn()
        else:
            demand_readable(settings.dsn)
        dsn = admin_dsn
        if (not settings.dsn or settings.migrate) and not stop.requested:
            # The embedded server is ours alone, so its role's password is ours to set.
            ours = not settings.dsn
            dsn = prepare(admin_dsn, settings.app_password, replace_password=ours)
        elif settings.dsn:
            demand_schema(settings.dsn)
        owners = []
        if settings.seed and not stop.requested:
            owners = _seeded_owners(dsn, settings.seed_decisions)
        running = Running(pid=os.getpid(), dsn=dsn, admin_dsn="" if dsn == admin_dsn else admin_dsn)
        yield Prepared(msgspec.structs.replace(settings, dsn=dsn), running, owners, keeper)


def _seeded_owners(dsn: str, decisions: int) -> list[Caller]:
    """Seed the tenant that load is tried on, and neighbours among whom writes are spread."""
    name, *neighbours = numbered(SEED_TENANT, 1 + NEIGHBOURS)
    few = min(decisions, NEIGHBOUR_DECISIONS)
    seeded = [*fill(dsn, [name], decisions=decisions), *fill(dsn, neighbours, decisions=few)]
    return [each.owner for each in seeded]


def prepare(admin_dsn: str, app_password: str, *, replace_password: bool = False) -> str:
    """Migrate a database; return the connection string of the role that the service uses.

    Raises:
        CommandError: The database cannot be reached, or refuses.
    """
    demand_readable(admin_dsn)
    try:
        migrate(admin_dsn, app_password=app_password, replace_password=replace_password)
    except EnforcementError as error:
        raise unreachable(error) from error
    return app_dsn(admin_dsn, app_password)


def fill(
    dsn: str,
    names: Sequence[str],
    *,
    decisions: int,
    tenant_per_minute: int | None = SEED_PER_MINUTE,
    global_per_minute: int | None = SEED_PER_MINUTE,
    jobs: int = 1,
) -> Iterator[Seeded]:
    """Seed tenants; by default such as load is tried on, with limits out of its way.

    Raises:
        CommandError: The database cannot be reached, or refuses.
    """
    demand_reachable(dsn)
    try:
        yield from seed_all(
            dsn,
            names,
            decisions=decisions,
            tenant_per_minute=tenant_per_minute,
            global_per_minute=global_per_minute,
            jobs=jobs,
        )
    except EnforcementError as error:
        raise unreachable(error) from error


def numbered(name: str, count: int) -> list[str]:
    """Return names of so many tenants: the name itself, then with numbers from 2 on."""
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def demand_schema(dsn: str) -> None:
    """See that a database has this code's schema, where it answers.

    The service starts, and answers fail-safes, with its database down.

    Raises:
        CommandError: Its schema is another one.
    """
    try:
        head = head_of(dsn)
    except EnforcementError:
        return
    if head == HEAD:
        return
    known = head is None or head in revisions()
    raise CommandError(
        Exit.TARGET,
        "the database has no schema of this service"
        if head is None
        else f"the database's schema is at revision {head}, this version needs {HEAD}",
        hint="Run `enforcement migrate` on it first, or give --migrate."
        if known
        else "A newer version has migrated it: run that one.",
    )
