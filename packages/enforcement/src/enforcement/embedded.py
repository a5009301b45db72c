"""The embedded database: where it lies, and that it is started again when it dies."""

import contextlib
import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from disposable_postgres import PostgresError, PostgresServer, without_libpq_variables
from disposable_postgres.account import reachable_by, server_account
from enforcement.exits import CommandError, Exit
from enforcement.logs import Log

LOOK_EVERY_S: Final = 0.25
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 30.0
_JOIN_S: Final = 20.0
_SYSTEM_DIR: Final = Path("/var/lib/enforcement")


class Keeper:
    """Starts a database server again when it has died, less often the more often it dies.

    It does so in a thread that lives as long as the service: the kernel ends a server with the
    thread that started it.

    Attributes:
        restarts: How many times.

    Args:
        server: Running.
    """

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.restarts = 0
        self._log = Log("parent")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="database-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(_JOIN_S)

    def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        steady_since = time.monotonic()
        while not self._over.wait(LOOK_EVERY_S):
            if self.server.is_running():
                if time.monotonic() - steady_since > STEADY_S:
                    pause_s = FIRST_PAUSE_S
                continue
            self._log.error("database_lost", pause_s=pause_s)
            if self._over.wait(pause_s):
                return
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
            try:
                self.server.restart()
            except PostgresError as error:
                self._log.error("database_not_restarted", detail=error.message)
            else:
                self.restarts += 1
                self._log.warning("database_restarted", pid=self.server.pid)
            steady_since = time.monotonic()


@contextlib.contextmanager
def embedded(data_dir: Path) -> Iterator[Keeper]:
    """Run a database server in a data folder for as long as this lasts.

    Raises:
        CommandError: It cannot be started there.
    """
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
    # It is ours alone: what libpq's variables say of another database is not meant, here or in
    # the workers, which inherit our environment.
    with without_libpq_variables(), server, Keeper(server) as keeper:
        yield keeper


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
