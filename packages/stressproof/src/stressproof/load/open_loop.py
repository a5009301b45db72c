"""Arrivals that come when they are due, whatever the target does."""

from collections.abc import Iterator
from time import monotonic_ns

from stressproof.load.recorder import NEVER_NS, Cursor, LiveHistogram
from stressproof.load.timer import Timer
from stressproof.load.virtual_user import Engine, LoopUser, MakeLoopUser, Task
from stressproof.workload.executors import OpenExecutor
from stressproof.workload.pacers import share

LATE_NS = 1_000_000
"""A request that starts later than this after it was due counts as a late start."""

_BREATH_NS = 20_000  # the shortest sleep: waking costs about as much
_BATCH = 32  # arrivals sent before answers are read again


class OpenLoop:
    """Sends each arrival at its time, over whichever connection is free.

    An arrival that finds none is dropped and counted, never sent later. One that the generator
    itself is late with is still sent, counted as late, and its latency runs from when it was due;
    later than the timeout its user would be gone, so it is dropped.

    Args:
        executor: When requests are due.
        engine: What their connections share.
        make_user: Makes a user of the protocol that is spoken.
        cursor: Where arrivals are counted.
        order: The endless order of what iterations are.
        worker: This worker's number; it sends the arrivals whose number modulo ``workers`` it is.
        workers: How many workers there are.
        timeout_ns: How long a user waits.
        lateness: Where it is recorded how late each arrival was sent.
    """

    def __init__(
        self,
        executor: OpenExecutor,
        engine: Engine,
        make_user: MakeLoopUser,
        cursor: Cursor,
        order: Iterator[Task],
        worker: int,
        workers: int,
        timeout_ns: int,
        lateness: LiveHistogram,
    ) -> None:
        self._timeout_ns = timeout_ns
        self._pacers = executor.rate_pacers()
        self._cursor = cursor
        self._order = order
        self._worker, self._workers = worker, workers
        self._lateness = lateness
        self._timer = Timer(engine.loop, self._send_due)
        self.users: list[LoopUser] = [
            make_user(number, engine, self._released)
            for number in range(share(executor.max_users, worker, workers))
        ]
        # The connection released last is taken first: few are kept warm rather than all lukewarm.
        self._free = self.users[::-1]
        self._phase = 0
        self._phase_ns = NEVER_NS
        self._number = worker
        self._due_ns = NEVER_NS
        self._over = False

    @property
    def done(self) -> bool:
        """Whether no request is under way and none will follow."""
        return self._over and len(self._free) == len(self.users)

    def start(self, start_ns: int) -> None:
        """Begin at a moment of the monotonic clock, which must have come."""
        self._phase_ns = start_ns
        self._aim()
        self._send_due()

    def heartbeat(self, now_ns: int) -> None:
        """Move on to the next second although nothing may be due in it."""
        if not self._over and now_ns >= self._cursor.turn_ns and self.all_begun(now_ns):
            self._cursor.turn(now_ns)

    def all_begun(self, now_ns: int) -> bool:
        """Return whether everything that was due by now has begun."""
        return self._over or self._due_ns > now_ns

    def finish(self) -> None:
        """Let no further request begin."""
        if not self._over:
            self._over = True
            self._cursor.close()
            self._timer.close()

    def close(self) -> None:
        """Close all connections."""
        self.finish()
        for user in self.users:
            user.close()

    def _aim(self) -> None:
        """Find when the next arrival is due, over the ramp's end if need be."""
        while True:
            due_us = self._pacers[self._phase].due_us(self._number)
            if due_us is not None:
                self._due_ns = self._phase_ns + due_us * 1000
                return
            if self._phase == len(self._pacers) - 1:
                self.finish()
                return
            self._phase_ns += self._pacers[self._phase].duration_us * 1000
            self._phase += 1
            self._number = self._worker

    def _send_due(self) -> None:
        for _ in range(_BATCH):
            if self._over:
                return
            now_ns = monotonic_ns()
            if self._due_ns > now_ns:
                self._timer.at(max(self._due_ns, now_ns + _BREATH_NS))
                return
            self._send(self._due_ns, now_ns)
            self._number += self._workers
            self._aim()
        if not self._over:
            self._timer.at(self._due_ns)

    def _send(self, due_ns: int, now_ns: int) -> None:
        cursor = self._cursor
        if due_ns >= cursor.turn_ns:
            cursor.turn(due_ns)
        task = next(self._order)
        row = cursor.rows[task.index] or cursor.open_row(task.index, 0)
        late_ns = now_ns - due_ns
        self._lateness.record(late_ns // 1000)
        if not self._free or late_ns > self._timeout_ns:
            row.dropped += 1
            return
        row.started += 1
        if late_ns > LATE_NS:
            row.late += 1
        if not row.first_ns:
            row.first_ns = now_ns
        self._free.pop().begin(task, row, due_ns, now_ns)

    def _released(self, user: LoopUser, _now_ns: int) -> None:
        self._free.append(user)
