"""Faults of the database itself: killed, frozen, its sessions ended, its rows locked."""

import signal
import time
from typing import Any, ClassVar

from stressproof.errors import RunError
from stressproof.evidence.failure import Witness
from stressproof.extras import extra
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.disposable import require_disposable
from stressproof.faults.undo import Undo
from stressproof.processes import ProcessRef, lives, refer, send, state_of

with extra("postgres", "breaking a PostgreSQL database"):
    import psycopg
    from psycopg import sql

    from disposable_postgres import PostgresError, PostgresServer, connect

APPLICATION_NAME = "stressproof-fault"
_CRASH_LINE = "database system was not properly shut down"


class KillPostgres(Injector):
    """SIGKILL to the server and every process below it; the undo starts it again.

    The kernel keeps what was written to it, so this is a process crash and no power loss.

    Args:
        server: Started by us, so that we can start it again.
    """

    kind: ClassVar[str] = "kill_postgres"

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(f"postgres {server.version} and every child, by SIGKILL")
        self._server = server
        self._victims: list[ProcessRef] = []
        self._gone = 0
        self._crashes_before = self._crashes()

    def apply(self) -> int:
        """Kill them all, and see that they are gone."""
        self._victims = _refer_all(self._server)
        effective = time.monotonic_ns()
        try:
            self._server.kill()
        except PostgresError as error:
            raise RunError(f"postgres could not be killed: {error}") from error
        self._gone = sum(not lives(victim) for victim in self._victims)
        return effective

    def undo(self) -> None:
        """Start the server again, which recovers from its log."""
        if not self._server.is_running():
            try:
                self._server.restart()
            except PostgresError as error:
                raise RunError(f"postgres does not come up again: {error}") from error

    def witnesses(self) -> list[Witness]:
        """Return the processes gone, and the recovery that the server's log tells of."""
        return [
            Witness(
                name="processes killed",
                before=0,
                during=self._gone,
                needs=max(1, len(self._victims)),
                detail=[f"pid {victim.pid}" for victim in self._victims[:20]],
            ),
            Witness(
                name="crash recoveries in the server's log",
                before=self._crashes_before,
                during=self._crashes(),
                needs=1,
                detail=[_CRASH_LINE],
            ),
        ]

    def _crashes(self) -> int:
        try:
            return self._server.log_path.read_text(errors="replace").count(_CRASH_LINE)
        except OSError:
            return 0


class FreezePostgres(Injector):
    """SIGSTOP to the server and every process below it, each of which is its own session.

    Args:
        server: Started by us.
    """

    kind: ClassVar[str] = "freeze_postgres"

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(f"postgres {server.version} and every child, by SIGSTOP")
        self._server = server
        self._victims: list[ProcessRef] = []
        self._stopped = 0
        self._unanswered = 0

    def undo_left(self) -> Undo:
        """Return the server, which would need SIGCONT with every child."""
        return Undo(resume=_refer_all(self._server)[:1])

    def apply(self) -> int:
        """Stop them all, and see that each is stopped."""
        try:
            self._server.freeze()
        except PostgresError as error:
            raise RunError(f"postgres could not be frozen: {error}") from error
        self._victims = _refer_all(self._server)
        self._stopped = sum(state_of(victim.pid) == "T" for victim in self._victims)
        return time.monotonic_ns()

    def observe(self) -> None:
        """Ask it something, once: a frozen server gives no answer."""
        if not self._unanswered:
            try:
                connect(self._server.dsn(), connect_timeout=2).close()
            except psycopg.OperationalError:
                self._unanswered += 1

    def undo(self) -> None:
        """Let every process go on."""
        self._server.thaw()
        send(self._victims, signal.SIGCONT)

    def witnesses(self) -> list[Witness]:
        """Return the processes seen stopped, and the connection that got no answer."""
        return [
            Witness(
                name="processes stopped",
                before=0,
                during=self._stopped,
                needs=max(2, len(self._victims)),
                detail=[f"pid {victim.pid}" for victim in self._victims[:20]],
            ),
            Witness(name="probes unanswered", before=0, during=self._unanswered, needs=1),
        ]


class TerminateBackends(Injector):
    """`pg_terminate_backend` on every session of an application, again and again.

    Args:
        dsn: A superuser's, direct.
        application: `application_name` of the sessions, as a LIKE pattern.
        every_us: Between two rounds of it.
    """

    kind: ClassVar[str] = "terminate_backends"

    def __init__(self, dsn: str, application: str, *, every_us: int = 100_000) -> None:
        super().__init__(
            f"sessions of {application}", {"application": application, "every_us": every_us}
        )
        self._dsn = dsn
        self._application = application
        self._every_us = every_us
        self._next_ns = 0
        self._pids: list[int] = []
        self._connection: psycopg.Connection[Any] | None = None

    def apply(self) -> int:
        """End the first sessions."""
        self._connection = _connect(self._dsn)
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

    def witnesses(self) -> list[Witness]:
        """Return how many sessions were ended, as the server says."""
        return [
            Witness(
                name="backends terminated",
                before=0,
                during=len(self._pids),
                needs=1,
                detail=[f"backend {pid}" for pid in self._pids[:20]],
            )
        ]

    def _terminate(self) -> None:
        if self._connection is None:
            return
        rows = self._connection.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE application_name LIKE %s AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend' AND pg_terminate_backend(pid)",
            (self._application,),
        ).fetchall()
        self._pids += [row[0] for row in rows]
        self._next_ns = time.monotonic_ns() + self._every_us * 1000


class HoldLock(Injector):
    """A second session holds a lock, in a transaction that does nothing.

    Args:
        dsn: Of a role that may take it, direct.
        statement: Takes it.
        parameters: Of the statement.
        what: What is locked, for people.
        needs: How many sessions must be seen waiting for it.
    """

    kind: ClassVar[str] = "hold_lock"

    def __init__(
        self, dsn: str, statement: str, parameters: tuple[Any, ...], *, what: str, needs: int = 1
    ) -> None:
        super().__init__(what, {"statement": statement})
        self._dsn = dsn
        self._statement = statement
        self._values = parameters
        self._needs = needs
        self._holder: psycopg.Connection[Any] | None = None
        self._watcher: psycopg.Connection[Any] | None = None
        self.holder_pid = 0
        self._waiting = 0

    def apply(self) -> int:
        """Take the lock.

        Raises:
            RunError: It cannot be had, or it locks no row.
        """
        self._watcher = _connect(self._dsn)
        self._holder = _connect(self._dsn)
        self._holder.autocommit = False
        try:
            self._holder.execute("SET lock_timeout = '5s'")
            found = self._holder.execute(self._statement.encode(), self._values)
        except psycopg.Error as error:
            raise RunError(f"the lock cannot be had: {error}") from error
        if found.description is not None and found.fetchone() is None:
            raise RunError(f"there is no row to lock: {self._statement}")
        self.holder_pid = self._holder.info.backend_pid
        return time.monotonic_ns()

    def observe(self) -> None:
        """Count who waits for it."""
        if self._watcher is None:
            return
        row = self._watcher.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))",
            (self.holder_pid,),
        ).fetchone()
        self._waiting = max(self._waiting, int(row[0]) if row else 0)

    def kill_holder(self) -> None:
        """End the holder's session by force, as an administrator would."""
        if self._watcher is not None:
            self._watcher.execute("SELECT pg_terminate_backend(%s)", (self.holder_pid,))

    def undo(self) -> None:
        """Let go: closing the session ends its transaction."""
        for connection in (self._holder, self._watcher):
            if connection is not None:
                connection.close()
        self._holder = self._watcher = None

    def witnesses(self) -> list[Witness]:
        """Return how many sessions the server saw waiting for ours."""
        return [
            Witness(
                name="sessions blocked by the holder",
                before=0,
                during=self._waiting,
                needs=self._needs,
                detail=[f"holder is backend {self.holder_pid}"],
            )
        ]


def _connect(dsn: str) -> psycopg.Connection[Any]:
    """Return a direct connection in autocommit, once it is certain that it may be broken."""
    require_disposable(dsn)
    try:
        connection = psycopg.connect(
            dsn, autocommit=True, connect_timeout=5, application_name=APPLICATION_NAME
        )
        connection.execute(sql.SQL("SET statement_timeout = '20s'"))
    except psycopg.Error as error:
        raise RunError(f"the database cannot be reached directly: {error}") from error
    return connection


def _refer_all(server: PostgresServer) -> list[ProcessRef]:
    found = [refer(pid) for pid in server.processes()]
    return [one for one in found if one is not None]
