"""Faults of the service under test: its workers killed."""

import signal
import time
from typing import ClassVar

from stressproof.errors import RunError
from stressproof.evidence.failure import Witness
from stressproof.faults.injector import Injector
from stressproof.faults.processes import ProcessRef, lives, send, wait_for, workers_of

_RESPAWN_TIMEOUT_S = 30.0


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
        self._before = workers_of(self._master)
        if len(self._before) != self._workers:
            raise RunError(
                f"the service has {len(self._before)} workers, expected {self._workers}",
                hint="Its master must be the process that we started.",
            )
        victim = sorted(self._before, key=lambda one: one.pid)[self._index % self._workers]
        self._victim = victim
        effective = time.monotonic_ns()
        send([victim], signal.SIGKILL)
        wait_for(f"worker {victim.pid} outlived SIGKILL", lambda: not lives(victim), 10)
        self._killed = 1
        return effective

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
