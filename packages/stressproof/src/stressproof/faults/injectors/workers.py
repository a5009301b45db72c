"""Faults of a service's workers: one is killed, by itself or in the middle of a transaction."""

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
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


class Workers(Struct, frozen=True):
    """The workers of a service.

    Attributes:
        master: The service's process that was started.
        count: How many it should have.
        pattern: A regex of a worker's command line; empty for the master's program.
    """

    master: int
    count: int
    pattern: str = ""

    def now(self) -> list[ProcessRef]:
        """Return those there are, in order of their pids."""
        return sorted(workers_of(self.master, self.pattern))


class KillWorker(Injector):
    """SIGKILL to one worker; its master lives and is expected to replace it.

    Args:
        fault: As the scenario has it.
        workers: Of which one is killed.
        index: Which, in order of their pids.
    """

    def __init__(self, fault: FaultSpec, workers: Workers, *, index: int = 0) -> None:
        super().__init__(fault)
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
        return self._kill(self._before[self._index % len(self._before)])

    def _look(self) -> None:
        """Note the workers there are.

        Raises:
            RunError: There are not as many as there should be.
        """
        self._before = self._workers.now()
        if not self._before or len(self._before) != self._workers.count:
            raise RunError(
                f"the service has {len(self._before)} workers, expected {self._workers.count}",
                hint="Its master must be the process that we started; `worker` tells its workers "
                "by their command line.",
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
            lambda: bool(self._fresh()) and len(self._workers.now()) == self._workers.count,
            _RESPAWN_TIMEOUT_S,
        )
        self._replaced_by = [one.pid for one in self._fresh()]

    def counts(self) -> Sequence[Counted]:
        """Return the worker gone, and the one that came."""
        gone = f"pid {self._victim.pid}" if self._victim else "none"
        return (
            Counted(self._killed, detail=[gone]),
            Counted(len(self._replaced_by), detail=[f"pid {pid}" for pid in self._replaced_by]),
        )

    def _fresh(self) -> list[ProcessRef]:
        return [one for one in self._workers.now() if one not in self._before]


class KillHoldingWorker(KillWorker):
    """SIGKILL to a worker while a transaction of its own holds a lock.

    The database's answers are held back for a moment, so that a session is caught between taking
    the lock and committing: the server waits for its client, and the client is about to die.

    Args:
        fault: As the scenario has it.
        workers: Of which one is killed.
        proxy: Between the service and its database; it holds back.
        query: Asks the database past the proxy.
    """

    def __init__(
        self, fault: FaultSpec, workers: Workers, proxy: ProxyProcess, query: Query
    ) -> None:
        super().__init__(fault, workers)
        self._proxy = proxy
        self._query = query
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

    def counts(self) -> Sequence[Counted]:
        """Return the session caught, and that it ended, beside the worker's own."""
        caught = Counted(len(self._held), detail=self._held)
        return caught, Counted(self._ended), *super().counts()

    def _caught(self) -> tuple[int, ProcessRef] | None:
        """Return a backend that holds a row lock in an open transaction, and whose worker it is."""
        rows = self._query(
            "SELECT pid, client_port FROM pg_stat_activity"
            " WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL AND client_port > 0",
            (),
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
