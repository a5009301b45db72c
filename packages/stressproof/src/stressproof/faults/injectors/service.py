"""Faults of the service under test: its workers killed."""

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from stressproof.errors import RunError
from stressproof.evidence.failure import Witness
from stressproof.faults.injector import Injector
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.sockets import owner_of
from stressproof.faults.proxy.toxics import Timeout
from stressproof.processes import ProcessRef, lives, send, wait_for, workers_of

_RESPAWN_TIMEOUT_S = 30.0
_CATCH_TRIES = 20
_CATCH_S = 0.25
_SESSION_END_S = 10.0


Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Asks the service's database directly."""


class KillWorker(Injector):
    """SIGKILL to one worker; its master lives and is expected to replace it.

    Args:
        master: The service's process that was started.
        workers: How many it should have.
        index: Which worker, in order of their pids.
    """

    kind: ClassVar[str] = "kill_worker"

    def __init__(self, master: int, workers: int, *, index: int = 0) -> None:
        super().__init__(f"one of {workers} workers, by SIGKILL", {"workers": workers})
        self._master = master
        self._workers = workers
        self._index = index
        self._victim: ProcessRef | None = None
        self._killed = 0
        self._replaced_by: list[int] = []
        self._before: list[ProcessRef] = []

    def apply(self) -> int:
        """Kill it, and see that it is gone.

        Raises:
            RunError: There are not as many workers as there should be.
        """
        self._look()
        return self._kill(
            sorted(self._before, key=lambda one: one.pid)[self._index % self._workers]
        )

    def _look(self) -> None:
        """Note the workers there are.

        Raises:
            RunError: There are not as many as there should be.
        """
        self._before = workers_of(self._master)
        if len(self._before) != self._workers:
            raise RunError(
                f"the service has {len(self._before)} workers, expected {self._workers}",
                hint="Its master must be the process that we started.",
            )

    def _kill(self, victim: ProcessRef) -> int:
        self._victim = victim
        effective = time.monotonic_ns()
        send([victim], signal.SIGKILL)
        wait_for(f"worker {victim.pid} outlived SIGKILL", lambda: not lives(victim), 10)
        self._killed = 1
        return effective

    def is_finished(self) -> bool:
        """It is dead; what is left is its replacement."""
        return True

    def undo(self) -> None:
        """Wait until the master has replaced it.

        Raises:
            RunError: It has not in half a minute.
        """
        if self._victim is None:
            return
        wait_for(
            "the killed worker was not replaced",
            lambda: len(self._fresh()) >= 1 and len(workers_of(self._master)) == self._workers,
            _RESPAWN_TIMEOUT_S,
        )
        self._replaced_by = [one.pid for one in self._fresh()]

    def witnesses(self) -> list[Witness]:
        """Return the worker gone, and the one that came."""
        gone = f"pid {self._victim.pid}" if self._victim else "none"
        return [
            Witness(name="workers killed", before=0, during=self._killed, needs=1, detail=[gone]),
            Witness(
                name="workers replaced",
                before=0,
                during=len(self._replaced_by),
                needs=1,
                detail=[f"pid {pid}" for pid in self._replaced_by],
            ),
        ]

    def _fresh(self) -> list[ProcessRef]:
        return [one for one in workers_of(self._master) if one not in self._before]


class KillHoldingWorker(KillWorker):
    """SIGKILL to a worker while a transaction of its own holds a tenant's lock.

    The database's answers are held back for a moment, so that a session is caught between taking
    the lock and committing: the server waits for its client, and the client is about to die.

    Args:
        master: The service's process that was started.
        workers: How many it should have.
        proxy: Between the service and its database; it holds back.
        query: Asks the database past the proxy.
        sessions: `application_name` of the service's sessions, as a LIKE pattern.
    """

    kind: ClassVar[str] = "kill_worker"

    def __init__(
        self, master: int, workers: int, proxy: ProxyProcess, query: Query, sessions: str
    ) -> None:
        super().__init__(master, workers)
        self._proxy = proxy
        self._query = query
        self._sessions = sessions
        self._held: list[str] = []
        self._ended = 0

    def apply(self) -> int:
        """Catch a worker that holds a lock, kill it, and see that its session is gone.

        Raises:
            RunError: No worker was caught in ten seconds.
        """
        self._look()
        for _ in range(_CATCH_TRIES):
            self._proxy.switch(Timeout("downstream"))
            try:
                time.sleep(_CATCH_S)
                caught = self._caught()
                if caught is None:
                    continue
                backend, worker = caught
                effective = self._kill(worker)
                self._held.append(f"backend {backend} of worker {worker.pid}")
                wait_for(
                    "the session of the killed worker is still there",
                    partial(self._has_ended, backend),
                    _SESSION_END_S,
                )
                self._ended = 1
                return effective
            finally:
                self._proxy.switch()
                time.sleep(_CATCH_S)
        raise RunError("no worker was caught in a transaction", hint="Is there any load?")

    def witnesses(self) -> list[Witness]:
        """Return the session caught, and that it ended, beside the worker's own."""
        return [
            Witness(
                name="sessions of the worker that held a lock when it died",
                before=0,
                during=len(self._held),
                needs=1,
                detail=self._held,
            ),
            Witness(name="of them ended by the server", before=0, during=self._ended, needs=1),
            *super().witnesses(),
        ]

    def _caught(self) -> tuple[int, ProcessRef] | None:
        """Return a backend that holds a row lock in an open transaction, and whose worker it is."""
        rows = self._query(
            "SELECT pid, client_port FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND state = 'idle in transaction'"
            " AND backend_xid IS NOT NULL",
            (self._sessions,),
        )
        for backend, port in rows:
            client_port = self._proxy.client_port_of(port)
            pid = owner_of(client_port, [one.pid for one in self._before]) if client_port else None
            for worker in self._before:
                if worker.pid == pid:
                    return backend, worker
        return None

    def _has_ended(self, backend: int) -> bool:
        return not self._query(
            "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND backend_xid IS NOT NULL", (backend,)
        )
