"""Faults inside a database: its sessions ended, something locked, its connections taken."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from stressproof.errors import RunError, UsageError
from stressproof.extras import extra
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.injectors.disposable import require_disposable

with extra("postgres", "breaking a PostgreSQL database"):
    import psycopg
    from psycopg import sql

Connection = psycopg.Connection[Any]

OURS = "stressproof-%"
"""Names of our own sessions, as a LIKE pattern; no fault hits them."""

_NAME = "stressproof-fault"
_GRACE_S = 60
_MOST_SESSIONS = 10_000
_NO_SLOT = "53300"


class TerminateSessions(Injector):
    """`pg_terminate_backend` on every session of an application, again and again.

    Args:
        fault: As the scenario has it.
        dsn: A superuser's, direct; sessions of its database are hit and no others.
        application: `application_name` of the sessions, as a LIKE pattern.
        every_us: Between two rounds of it.
    """

    def __init__(
        self, fault: FaultSpec, dsn: str, application: str, *, every_us: int = 100_000
    ) -> None:
        super().__init__(fault)
        self._dsn = dsn
        self._application = application
        self._every_us = every_us
        self._next_ns = 0
        self._pids: list[int] = []
        self._connection: Connection | None = None

    def apply(self) -> int:
        """End the first sessions."""
        self._connection = open_session(self._dsn)
        effective = time.monotonic_ns()
        self._terminate()
        return effective

    def observe(self) -> None:
        """End those that came since."""
        if time.monotonic_ns() >= self._next_ns:
            self._terminate()

    def undo(self) -> None:
        """End no more."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def counts(self) -> Sequence[Counted]:
        """Return how many sessions were ended, as the server says."""
        return (Counted(len(self._pids), detail=[f"backend {pid}" for pid in self._pids]),)

    def _terminate(self) -> None:
        if self._connection is not None:
            self._pids += end_sessions(self._connection, self._application)
            self._next_ns = time.monotonic_ns() + self._every_us * 1000


class Lock(Injector):
    """A second session holds a lock, in a transaction that does nothing.

    Args:
        fault: As the scenario has it.
        dsn: Of a role that may take it, direct.
        statement: Takes it.
        terminate: Whether the session is ended by force in the end, as an administrator would.
    """

    def __init__(
        self, fault: FaultSpec, dsn: str, statement: str, *, terminate: bool = False
    ) -> None:
        super().__init__(fault)
        self._dsn = dsn
        self._statement = statement
        self._terminate = terminate
        self._holder: Connection | None = None
        self._watcher: Connection | None = None
        self._holder_pid = 0
        self._waiting = 0

    def apply(self) -> int:
        """Take the lock.

        Raises:
            RunError: It cannot be had, or it locks nothing.
        """
        self._watcher = open_session(self._dsn)
        self._holder = open_session(self._dsn)
        # The server itself lets go should we hang with the lock.
        lasts_ms = self.fault.lasts_us // 1000 + _GRACE_S * 1000
        _set(self._holder, "idle_in_transaction_session_timeout", lasts_ms)
        self._holder.autocommit = False
        try:
            self._holder.execute("SET lock_timeout = '5s'")
            found = self._holder.execute(self._statement.encode())
            rows = None if found.description is None else found.fetchall()
        except psycopg.Error as error:
            raise RunError(f"the lock cannot be had: {error}") from error
        if rows == []:
            raise RunError(f"there is no row to lock: {self._statement}")
        self._holder_pid = self._holder.info.backend_pid
        return time.monotonic_ns()

    def observe(self) -> None:
        """Count who waits for it."""
        if self._watcher is None:
            return
        with asking("asked who waits"):
            row = self._watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))",
                (self._holder_pid,),
            ).fetchone()
        self._waiting = max(self._waiting, int(row[0]) if row else 0)

    def undo(self) -> None:
        """Let go: the end of the session ends its transaction."""
        if self._terminate and self._watcher is not None and self._holder_pid:
            # Should that fail, it ends as the other way does.
            with contextlib.suppress(psycopg.Error):
                self._watcher.execute("SELECT pg_terminate_backend(%s)", (self._holder_pid,))
        for connection in (self._holder, self._watcher):
            if connection is not None:
                connection.close()
        self._holder = self._watcher = None

    def counts(self) -> Sequence[Counted]:
        """Return how many sessions the server saw waiting for ours."""
        return (Counted(self._waiting, detail=[f"the holder is backend {self._holder_pid}"]),)


class ExhaustConnections(Injector):
    """Every connection that the server grants is taken, once the service's are ended.

    Args:
        fault: As the scenario has it.
        dsn: A superuser's, direct: for them a server keeps its last connections.
    """

    def __init__(self, fault: FaultSpec, dsn: str) -> None:
        super().__init__(fault)
        self._dsn = dsn
        self._watcher: Connection | None = None
        self._held: list[Connection] = []
        self._refused = 0
        self._ended: list[int] = []

    def require_given_up(self) -> None:
        """Refuse a server of which one database is not given up."""
        require_all_disposable(self._dsn)

    def apply(self) -> int:
        """Take what is free, end the service's sessions, and take what they had."""
        self._watcher = open_session(self._dsn)
        self._take()
        effective = time.monotonic_ns()
        self._evict()
        return effective

    def observe(self) -> None:
        """Take what was granted to others meanwhile."""
        self._evict()

    def undo(self) -> None:
        """Close them all."""
        held, self._held = self._held, []
        for connection in (*held, *([self._watcher] if self._watcher else [])):
            connection.close()
        self._watcher = None

    def counts(self) -> Sequence[Counted]:
        """Return how many connections we were refused, and how many sessions were ended."""
        return (
            Counted(self._refused),
            Counted(len(self._ended), detail=[f"backend {pid}" for pid in self._ended]),
        )

    def _evict(self) -> None:
        if self._watcher is not None:
            self._ended += end_sessions(self._watcher, "%", everywhere=True)
            # A session that is ended makes room only once its backend is gone.
            self._take()

    def _take(self) -> None:
        """Connect until no more is granted."""
        while len(self._held) < _MOST_SESSIONS:
            try:
                connection = _connect(self._dsn)
            except psycopg.OperationalError as error:
                if not is_refusal(error, _NO_SLOT):
                    raise RunError(f"the database cannot be reached directly: {error}") from error
                self._refused += 1
                return
            self._held.append(connection)
            # The server itself closes it should we hang.
            _set(connection, "idle_session_timeout", self.fault.lasts_us // 1000 + _GRACE_S * 1000)
        raise RunError(f"the server grants more than {_MOST_SESSIONS} connections")


def is_refusal(error: psycopg.OperationalError, sqlstate: str) -> bool:
    """Return whether a server refused a connection for a reason: libpq only quotes it."""
    said = str(error)
    texts = {_NO_SLOT: ("too many clients", "remaining connection slots", "too many connections")}
    return error.sqlstate == sqlstate or any(text in said for text in texts.get(sqlstate, ()))


def end_sessions(
    connection: Connection, application: str, *, everywhere: bool = False
) -> list[int]:
    """End sessions of an application, and return the pids of their backends.

    Args:
        connection: A superuser's.
        application: Their `application_name`, as a LIKE pattern; ours are not ended.
        everywhere: In every database of the server, and not in this one alone.
    """
    with asking("asked to end sessions"):
        rows = connection.execute(
            # Materialized: a planner may end a session before it asks whose that is.
            "WITH chosen AS MATERIALIZED (SELECT pid FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND application_name NOT LIKE %s"
            " AND (%s OR datname = current_database()) AND backend_type = 'client backend')"
            " SELECT pid FROM chosen WHERE pg_terminate_backend(pid)",
            (application, OURS, everywhere),
        ).fetchall()
    return [int(row[0]) for row in rows]


def open_session(dsn: str) -> Connection:
    """Return a direct connection in autocommit, once it is certain that it may be broken.

    Raises:
        UsageError: It may not.
        RunError: It cannot be reached.
    """
    require_disposable(dsn)
    with asking("reached directly"):
        connection = _connect(dsn)
        connection.execute("SET statement_timeout = '20s'")
    return connection


@contextlib.contextmanager
def asking(done: str) -> Iterator[None]:
    """Turn what a database refuses into an error of the run.

    Args:
        done: What is done with it meanwhile, as a participle.

    Raises:
        RunError: It refuses, or is gone.
    """
    try:
        yield
    except psycopg.Error as error:
        raise RunError(f"the database cannot be {done}: {error}") from error


def require_all_disposable(dsn: str) -> None:
    """Refuse a server that has a database which nobody has given up.

    Raises:
        UsageError: One is not marked.
    """
    with open_session(dsn) as connection, asking("asked what it holds"):
        rows = connection.execute(
            "SELECT datname FROM pg_database d WHERE NOT datistemplate AND datallowconn"
            " AND NOT EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase = d.oid"
            " AND s.setrole = 0 AND 'stressproof.disposable=on' = ANY (s.setconfig))"
            " ORDER BY datname"
        ).fetchall()
    if rows:
        names = ", ".join(str(row[0]) for row in rows)
        raise UsageError(
            f"this fault is one of the whole server, and these of its databases are not marked as "
            f"disposable: {names}",
            hint="If nobody needs them: ALTER DATABASE ... SET stressproof.disposable = 'on'.",
        )


def _connect(dsn: str) -> Connection:
    return psycopg.connect(dsn, autocommit=True, connect_timeout=5, application_name=_NAME)


def _set(connection: Connection, name: str, milliseconds: int) -> None:
    with asking("told how long we may hold it"):
        connection.execute(
            sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(milliseconds))
        )
