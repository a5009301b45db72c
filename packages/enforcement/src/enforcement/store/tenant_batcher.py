"""Flights: whoever waits for the same tenant travels in the same transaction.

A tenant's gates follow one another anyway, by its lock. While one transaction of a tenant is
under way, its next requests wait here; then they go together, under one lock and one commit.
A lone request leaves at once. A tenant so never holds more than one connection of a worker.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar
from uuid import UUID

from enforcement.domain.errors import EnforcementError
from enforcement.store.errors import DeadlineError, LockTimeoutError

P = TypeVar("P")
R = TypeVar("R")

MAX_PASSENGERS: Final = 32
# Somebody with this much time left when a flight fails for want of time takes the next one.
WORTH_ANOTHER_S: Final = 0.1

Fly = Callable[[Sequence[P], float], Awaitable[Sequence[R | EnforcementError]]]


class _Seat(Generic[P, R]):
    """A passenger, the instant it must have an answer by, and where the answer goes.

    Attributes:
        flying: Whether its flight has taken off; that flight then answers it, in time.
    """

    def __init__(self, item: P, deadline: float) -> None:
        self.item = item
        self.deadline = deadline
        self.flying = False
        self.answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def expire(self) -> None:
        """Give up waiting; nothing was begun."""
        if not self.flying:
            self.refuse(
                # Not for want of the lock, as far as it can know: it never asked for that.
                DeadlineError("deadline_exceeded", "the tenant's gates before this one took long")
            )

    def give(self, answer: R | EnforcementError) -> None:
        """Answer, unless the passenger has left."""
        if isinstance(answer, EnforcementError):
            self.refuse(answer)
        elif not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self, error: BaseException) -> None:
        """Refuse, unless the passenger has left."""
        if not self.answer.done():
            self.answer.set_exception(error)


class TenantBatcher(Generic[P, R]):
    """The flights of one worker, by tenant.

    Args:
        fly: Takes passengers of one tenant and a deadline of the loop's clock, and returns an
            answer or a refusal for each, in their order; or raises for all of them.
    """

    def __init__(self, execute: Fly[P, R]) -> None:
        self._fly = execute
        self._waiting: dict[UUID, deque[_Seat[P, R]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, tenant_id: UUID, item: P, deadline: float) -> R:
        """Travel, and return the answer.

        A caller that is cancelled gives up its seat while it waits; a flight that has taken off
        lands without it.

        Raises:
            EnforcementError: The passenger's own refusal, or what ended its flight.
        """
        loop = asyncio.get_running_loop()
        seat = _Seat[P, R](item, deadline)
        line = self._waiting.get(tenant_id)
        if line is None:
            self._waiting[tenant_id] = deque([seat])
            task = loop.create_task(self._serve(tenant_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            line.append(seat)
        timer = loop.call_at(deadline, seat.expire)
        try:
            return await seat.answer
        finally:
            timer.cancel()

    async def drain(self) -> None:
        """Wait for every flight under way, as a graceful stop does."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _serve(self, tenant_id: UUID) -> None:
        """Fly until nobody of this tenant waits."""
        line = self._waiting[tenant_id]
        try:
            while line:
                await self._depart(line)
        finally:
            del self._waiting[tenant_id]

    async def _depart(self, line: deque[_Seat[P, R]]) -> None:
        seats = _board(line)
        if not seats:
            return
        deadline = min(seat.deadline for seat in seats)
        try:
            answers = await self._fly([seat.item for seat in seats], deadline)
        except (DeadlineError, LockTimeoutError) as error:
            _return_to_line(seats, line, error)
        except EnforcementError as error:
            for seat in seats:
                seat.refuse(error)
        except BaseException as error:
            for seat in seats:
                seat.refuse(error)
            raise
        else:
            for seat, answer in zip(seats, answers, strict=True):
                seat.give(answer)


def _board(line: deque[_Seat[P, R]]) -> list[_Seat[P, R]]:
    """Take passengers off the line, first come first served; who has left is passed over."""
    seats: list[_Seat[P, R]] = []
    while line and len(seats) < MAX_PASSENGERS:
        seat = line.popleft()
        if not seat.answer.done():
            seat.flying = True
            seats.append(seat)
    return seats


def _return_to_line(
    seats: Sequence[_Seat[P, R]], line: deque[_Seat[P, R]], error: EnforcementError
) -> None:
    """After a flight that ran out of time and wrote nothing: refuse those whose time it was.

    A flight takes off with the earliest deadline aboard; whoever has time left tries again.
    """
    now = asyncio.get_running_loop().time()
    for seat in reversed(seats):
        if seat.deadline - now > WORTH_ANOTHER_S:
            seat.flying = False
            line.appendleft(seat)
        else:
            seat.refuse(error)
