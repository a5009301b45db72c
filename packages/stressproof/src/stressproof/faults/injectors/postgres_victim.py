"""A server of our own as what is killed and frozen, with every backend."""

import signal

from stressproof.errors import RunError
from stressproof.extras import extra
from stressproof.faults.injector import Counted
from stressproof.faults.injectors.victims import Victim, freeze_all, gone
from stressproof.faults.undo import Undo
from stressproof.processes import ProcessRef, refer, send

with extra("postgres", "breaking a PostgreSQL database"):
    import psycopg

    from disposable_postgres import PostgresError, PostgresServer, connect

_CRASH_LINE = "database system was not properly shut down"


class PostgresVictim(Victim):
    """A server of our own, with every backend.

    Args:
        server: Started by us, so that we can start it again.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def kill(self) -> Counted:
        """Kill the server and every backend, each of which is its own session."""
        victims = _everyone(self._server)
        try:
            self._server.kill()
        except PostgresError as error:
            raise RunError(f"postgres could not be killed: {error}") from error
        return gone(victims)

    def freeze(self) -> Counted:
        """Stop the server and every backend."""
        return freeze_all("postgres", lambda: _everyone(self._server))

    def thaw(self) -> None:
        """Let every process go on."""
        send(_everyone(self._server), signal.SIGCONT)

    def stop(self) -> bool:
        """Nobody does that to a database whose clients are under test."""
        raise RunError("a database is not stopped but killed")

    def start(self) -> None:
        """Start the server again, which recovers from its log."""
        if self._server.is_running():
            self.thaw()  # what was to be killed may have been stopped before
            return
        try:
            self._server.restart()
        except PostgresError as error:
            raise RunError(
                f"postgres does not come up again: {error.message}", hint=error.hint
            ) from error

    def answers(self) -> bool:
        """Return whether a new session is granted."""
        try:
            connect(self._server.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def comebacks(self) -> Counted:
        """Return the recoveries that the server's log tells of."""
        try:
            count = self._server.log_path.read_text(errors="replace").count(_CRASH_LINE)
        except OSError:
            count = 0
        return Counted(count, detail=[_CRASH_LINE])

    def undo_frozen(self) -> Undo:
        """Return the server; its backends are found below it."""
        return Undo(resume=_everyone(self._server)[:1])


def _everyone(server: PostgresServer) -> list[ProcessRef]:
    return [one for one in map(refer, server.processes()) if one is not None]
