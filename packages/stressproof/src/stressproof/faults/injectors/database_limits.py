"""Faults of a database that answers and takes nothing more: read-only, or on a full disk."""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

from stressproof.errors import InconclusiveError, RunError
from stressproof.extras import extra
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.injectors.database import (
    Connection,
    asking,
    open_session,
    require_all_disposable,
)
from stressproof.faults.injectors.postgres_victim import PostgresVictim
from stressproof.faults.undo import Undo, command
from stressproof.processes import wait_for

with extra("postgres", "breaking a PostgreSQL database"):
    import psycopg

    from disposable_postgres import PostgresServer
    from stressproof.faults.injectors.reset import DSN_VARIABLE, RESET

_RELOADED_S = 10.0
_CHUNK = bytes(1 << 20)
_PAGE = bytes(1 << 13)
_GROWTH = "INSERT INTO stressproof_probe SELECT repeat('x', 1000) FROM generate_series(1, 2000)"


class ReadOnly(Injector):
    """Transactions of a server may only read, those of sessions that are there already too.

    Args:
        fault: As the scenario has it.
        dsn: A superuser's, direct.
        outlives_us: Whether the server runs on once we are gone.
    """

    def __init__(self, fault: FaultSpec, dsn: str, *, outlives_us: bool) -> None:
        super().__init__(fault)
        self._dsn = dsn
        self._outlives_us = outlives_us
        self._session: Connection | None = None
        self._refused = 0

    def require_given_up(self) -> None:
        """Refuse a server of which one database is not given up."""
        require_all_disposable(self._dsn)

    def undo_left(self) -> Undo:
        """Return what resets the setting."""
        if not self._outlives_us:
            return Undo()
        argv = [sys.executable, "-m", "stressproof.faults.injectors.reset"]
        return Undo(run=[command(argv, environment={DSN_VARIABLE: self._dsn})])

    def apply(self) -> int:
        """Set it, and wait until it holds.

        Raises:
            RunError: It held before, or cannot be set.
        """
        session = open_session(self._dsn)
        with asking("made read-only"):
            if _is_read_only(session):
                session.close()
                raise RunError("the database is read-only already")
            self._session = session
            session.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            session.execute("SELECT pg_reload_conf()")
            wait_for("the server reads its settings", lambda: _is_read_only(session), _RELOADED_S)
        return time.monotonic_ns()

    def observe(self) -> None:
        """Try to write, and take it back should it succeed."""
        if self._session is None:
            return
        with asking("asked to write"):
            try:
                with self._session.transaction(force_rollback=True):
                    self._session.execute("CREATE TABLE stressproof_probe ()")
            except psycopg.errors.ReadOnlySqlTransaction:
                self._refused += 1

    def undo(self) -> None:
        """Reset it, and wait until it holds no more."""
        if self._session is None:
            return
        self._session.close()
        # Another one: whatever happened to the server meanwhile, ours may have ended with it.
        with open_session(self._dsn) as session, asking("made writable again"):
            for statement in RESET:
                session.execute(statement)
            wait_for(
                "the server reads its settings", lambda: not _is_read_only(session), _RELOADED_S
            )
        self._session = None

    def counts(self) -> Sequence[Counted]:
        """Return how many writes of ours were refused."""
        return (Counted(self._refused),)


def _is_read_only(session: Connection) -> bool:
    row = session.execute("SELECT current_setting('default_transaction_read_only')").fetchone()
    return row == ("on",)


class DiskFull(Injector):
    """Ballast fills the bounded file system that a server's data is on.

    Args:
        fault: As the scenario has it.
        server: Of ours, with a bounded disk.
        why_not: Why it has none, where it should have.

    Raises:
        InconclusiveError: It has none.
    """

    def __init__(self, fault: FaultSpec, server: PostgresServer, why_not: str = "") -> None:
        super().__init__(fault)
        if server.disk is None:
            raise InconclusiveError(
                f"{fault.id} is unsupported here: "
                f"{why_not or 'the database is on no disk of its own'}",
                hint='Give the database one: disk = "160MiB".',
            )
        self._server = server
        self._ballast = server.disk.path / "ballast"
        self._probe: Connection | None = None
        self._full = 0
        self._refused: list[str] = []
        self._filled = 0

    def undo_left(self) -> Undo:
        """Return the ballast as another process of ours sees it: we may hang with it."""
        name = Path(f"/proc/{os.getpid()}") / self._ballast.relative_to("/proc/self")
        return Undo(remove=[str(name)])

    def apply(self) -> int:
        """Fill the disk.

        Raises:
            RunError: It cannot be filled.
        """
        # What has to grow is there before: making it would need room too.
        probe: psycopg.Connection[Any] = open_session(self._server.dsn())
        self._probe = probe
        probe.execute("CREATE TEMPORARY TABLE stressproof_probe (text text)")
        self._fill()
        return time.monotonic_ns()

    def observe(self) -> None:
        """Fill what became free meanwhile, and try to write more than a page that is there."""
        self._fill()
        if self._probe is None or self._refused:
            return
        try:
            self._probe.execute(_GROWTH)
        except psycopg.errors.DiskFull as error:
            self._refused.append(str(error).splitlines()[0])
        except psycopg.OperationalError:
            self._probe = None  # the server gave up: it is full for sure, and that is no witness

    def undo(self) -> None:
        """Unlink the ballast; a server that gave up meanwhile is started again."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        with _filling("emptied"):
            self._ballast.unlink(missing_ok=True)
        PostgresVictim(self._server).start()

    def counts(self) -> Sequence[Counted]:
        """Return our own ENOSPC, and the refusal of a write of ours by the server."""
        ballast = f"{self._filled >> 20} MiB of ballast"
        return (
            Counted(self._full, detail=[ballast]),
            Counted(len(self._refused), detail=self._refused),
        )

    def _fill(self) -> None:
        """Write until there is no room, in ever smaller pieces."""
        with _filling("filled"), self._ballast.open("ab", buffering=0) as ballast:
            for piece in (_CHUNK, _PAGE):
                self._fill_by(ballast, piece)

    def _fill_by(self, ballast: RawIOBase, piece: bytes) -> None:
        while True:
            try:
                self._filled += ballast.write(piece) or 0
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                self._full += 1
                return


@contextlib.contextmanager
def _filling(done: str) -> Iterator[None]:
    """Turn what the operating system refuses into an error of the run."""
    try:
        yield
    except OSError as error:
        raise RunError(f"the disk cannot be {done}: {error.strerror}") from error
