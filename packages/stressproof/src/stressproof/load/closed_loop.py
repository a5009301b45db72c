"""Users who send a request as soon as the one before has ended."""

from collections.abc import Callable, Iterator
from itertools import islice
from time import monotonic_ns

from stressproof.load.recorder import NEVER_NS, Cursor
from stressproof.load.virtual_user import Engine, LoopUser, MakeLoopUser, Task
from stressproof.workload.executors import ClosedExecutor, PerVuIterations, SharedIterations
from stressproof.workload.pacers import share

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.1


class ClosedLoop:
    """Holds the number of users that the executor asks for.

    A user whose connection is refused waits 1 ms before trying again, twice as long each time up to
    100 ms: a target that is down would otherwise be answered with a storm of attempts, and a short
    outage would outweigh hours of answers in the error rate. No other user ever sleeps.

    Args:
        executor: How many users, and for how long.
        engine: What their connections share.
        make_user: Makes a user of the protocol that is spoken.
        cursor: Where iterations are counted.
        order: The endless order of what iterations are.
        worker: This worker's number; it holds the users whose number modulo ``workers`` it is.
        workers: How many workers there are.
    """

    def __init__(
        self,
        executor: ClosedExecutor,
        engine: Engine,
        make_user: MakeLoopUser,
        cursor: Cursor,
        order: Iterator[Task],
        worker: int,
        workers: int,
    ) -> None:
        self._pacer = executor.user_pacer()
        self._duration_us = executor.ramp_us + executor.duration_us
        self._engine = engine
        self._cursor = cursor
        self._worker, self._workers = worker, workers
        self._sources = _sources(executor, order, worker, workers)
        self.users: list[LoopUser] = [
            make_user(number, engine, self._released)
            for number in range(share(executor.max_users, worker, workers))
        ]
        for user in self.users:
            user.source = iter(())
        self._endless = executor.iterations is None
        self._active = 0
        self._idle = len(self.users)
        self._start_ns = self._end_ns = NEVER_NS
        self._over = False

    @property
    def done(self) -> bool:
        """Whether no request is under way and none will follow."""
        return self._idle == len(self.users) and (self._over or not self._endless)

    def start(self, start_ns: int) -> None:
        """Begin at a moment of the monotonic clock, which must have come."""
        self._start_ns = start_ns
        self._end_ns = start_ns + self._duration_us * 1000
        self.heartbeat(start_ns)

    def heartbeat(self, now_ns: int) -> None:
        """Bring the number of active users to what it should be now."""
        if now_ns >= self._end_ns:
            self.finish()
        if self._over:
            return
        if now_ns >= self._cursor.turn_ns:
            self._cursor.turn(now_ns)
        users = self._pacer.users((now_ns - self._start_ns) // 1000)
        wanted = share(users, self._worker, self._workers)
        for user in self.users[wanted : self._active]:
            user.source = iter(())
        newly = self.users[self._active : wanted]
        self._active = wanted
        for user in newly:
            user.source = self._sources(user.number)
            if user.idle:
                user.idle = False
                self._idle -= 1
                self._released(user, now_ns)

    def all_begun(self, now_ns: int) -> bool:
        """Return whether everything that was due by now has begun: it begins when it is due."""
        del now_ns
        return True

    def finish(self) -> None:
        """Let no further request begin."""
        if self._over:
            return
        self._over = True
        self._cursor.close()
        for user in self.users:
            user.source = iter(())
            user.wake()

    def close(self) -> None:
        """Let go of all connections."""
        for user in self.users:
            user.close()

    def _released(self, user: LoopUser, now_ns: int) -> None:
        """Send the user's next request at once; its intended start is the end of the last one."""
        cursor = self._cursor
        if user.refused:
            self._pause(user)
            return
        if now_ns >= cursor.turn_ns:
            if now_ns >= self._end_ns:
                self.finish()
            else:
                cursor.turn(now_ns)
        try:
            task = next(user.source)
        except StopIteration:
            user.idle = True
            self._idle += 1
            return
        row = cursor.rows[task.index] or cursor.open_row(task.index, now_ns)
        row.started += 1
        user.begin(task, row, now_ns, now_ns)

    def _pause(self, user: LoopUser) -> None:
        user.refused = False
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(user.refusals - 1, 10), _LONGEST_PAUSE_S)
        self._engine.loop.call_later(pause_s, lambda: self._released(user, monotonic_ns()))


def _sources(
    executor: ClosedExecutor, order: Iterator[Task], worker: int, workers: int
) -> Callable[[int], Iterator[Task]]:
    """Return what gives a user (by number) its requests."""
    if isinstance(executor, PerVuIterations):
        return lambda _: islice(order, executor.iterations)
    if isinstance(executor, SharedIterations):
        order = islice(order, share(executor.iterations, worker, workers))
    return lambda _: order
