"""Batches: requests that wait for the same tenant are decided in one transaction.

A tenant's gates follow one another anyway, by its lock. While one transaction of a tenant is
under way, its next requests wait here; then they go together, under one lock and one commit.
A lone request leaves at once. A tenant so never holds more than one connection of a worker.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar
from uuid import UUID

from enforcement.domain.errors import EnforcementError
from enforcement.store.errors import DeadlineError, LockTimeoutError

P = TypeVar("P")
R = TypeVar("R")

MAX_BATCH: Final = 32
# An item with this much time left when a batch fails for want of time goes into the next one.
WORTH_ANOTHER_S: Final = 0.1

Execute = Callable[[Sequence[P], float], Awaitable[Sequence[R | EnforcementError]]]


class _Waiter(Generic[P, R]):
    """An item, the instant it must have an answer by, and where the answer goes.

    Attributes:
        executing: Whether its batch is under way; that batch then answers it, in time.
        begun_at: When its first batch began; never, so far.
    """

    def __init__(self, item: P, deadline: float) -> None:
        self.item = item
        self.deadline = deadline
        self.executing = False
        self.begun_at = math.inf
        self.answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def begin(self, now: float) -> None:
        """Go into a batch."""
        self.executing = True
        self.begun_at = min(self.begun_at, now)

    def expire(self) -> None:
        """Give up waiting; nothing was begun."""
        if not self.executing:
            self.refuse(
                # Not for want of the lock, as far as it can know: it never asked for that.
                DeadlineError("deadline_exceeded", "the tenant's gates before this one took long")
            )

    def give(self, answer: R | EnforcementError) -> None:
        """Answer, unless whoever asked has left."""
        if isinstance(answer, EnforcementError):
            self.refuse(answer)
        elif not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self, error: BaseException) -> None:
        """Refuse, unless whoever asked has left."""
        if not self.answer.done():
            self.answer.set_exception(error)


class TenantBatcher(Generic[P, R]):
    """The batches of one worker, by tenant.

    Args:
        execute: Takes items of one tenant and a deadline of the loop's clock, and returns an
            answer or a refusal for each, in their order; or raises for all of them.
        lock_timeout_s: Longest wait for a tenant's lock; a batch waits less where one of its items
            has less time.
    """

    def __init__(self, execute: Execute[P, R], lock_timeout_s: float) -> None:
        self._execute = execute
        self._lock_timeout_s = lock_timeout_s
        self._waiting: dict[UUID, deque[_Waiter[P, R]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, tenant_id: UUID, item: P, deadline: float) -> R:
        """Have an item executed with others, and return its answer.

        A caller that is cancelled gives up its place while it waits; a batch that is under way
        ends without it.

        Raises:
            EnforcementError: The item's own refusal, or what ended its batch.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter[P, R](item, deadline)
        line = self._waiting.get(tenant_id)
        if line is None:
            self._waiting[tenant_id] = deque([waiter])
            task = loop.create_task(self._serve(tenant_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            line.append(waiter)
        timer = loop.call_at(deadline, waiter.expire)
        try:
            return await waiter.answer
        finally:
            timer.cancel()

    async def drain(self) -> None:
        """Wait for every batch under way, as a graceful stop does."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _serve(self, tenant_id: UUID) -> None:
        """Execute batches until nobody of this tenant waits."""
        line = self._waiting[tenant_id]
        try:
            while line:
                await self._execute_next(line)
        finally:
            del self._waiting[tenant_id]

    async def _execute_next(self, line: deque[_Waiter[P, R]]) -> None:
        waiters = _take(line)
        if not waiters:
            return
        deadline = min(waiter.deadline for waiter in waiters)
        try:
            answers = await self._execute([waiter.item for waiter in waiters], deadline)
        except DeadlineError as error:
            _put_back(waiters, line, error, math.inf)
        except LockTimeoutError as error:
            _put_back(waiters, line, error, self._lock_timeout_s)
        except EnforcementError as error:
            for waiter in waiters:
                waiter.refuse(error)
        except BaseException as error:
            for waiter in waiters:
                waiter.refuse(error)
            raise
        else:
            for waiter, answer in zip(waiters, answers, strict=True):
                waiter.give(answer)


def _take(line: deque[_Waiter[P, R]]) -> list[_Waiter[P, R]]:
    """Take waiters off the line, first come first served; who has left is passed over."""
    now = asyncio.get_running_loop().time()
    waiters: list[_Waiter[P, R]] = []
    while line and len(waiters) < MAX_BATCH:
        waiter = line.popleft()
        if not waiter.answer.done():
            waiter.begin(now)
            waiters.append(waiter)
    return waiters


def _put_back(
    waiters: Sequence[_Waiter[P, R]],
    line: deque[_Waiter[P, R]],
    error: EnforcementError,
    patience_s: float,
) -> None:
    """After a batch that ran out of time and wrote nothing: refuse those whose time it was.

    A batch has the earliest deadline of its items; whoever has time left tries again.

    Args:
        waiters: Of the batch.
        line: Where those go, in front, that try again.
        error: For the others.
        patience_s: Longest time from an item's first batch on.
    """
    now = asyncio.get_running_loop().time()
    for waiter in reversed(waiters):
        if min(waiter.deadline, waiter.begun_at + patience_s) - now > WORTH_ANOTHER_S:
            waiter.executing = False
            line.appendleft(waiter)
        else:
            waiter.refuse(error)
