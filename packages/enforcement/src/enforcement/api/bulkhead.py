"""Lanes: how many connections of a worker one tenant's writes may hold at a time.

A tenant's writes follow one another anyway, by the tenant's lock. Without lanes they would wait
for it with a connection each, until a busy or blocked tenant held the whole pool and every other
tenant waited with it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from enforcement.store.errors import DeadlineError, LockTimeoutError, StoreError


class _Lane(msgspec.Struct):
    """One tenant's lane.

    Attributes:
        semaphore: First come, first served.
        users: Inside and waiting; a lane without users is forgotten.
        blocked: Whether the last that left had not got the tenant's lock.
    """

    semaphore: asyncio.Semaphore
    users: int = 0
    blocked: bool = False

    def refusal(self) -> StoreError:
        """Say why there was no place: what holds those inside holds those behind them, too."""
        if self.blocked:
            return LockTimeoutError("lock_timeout", "the tenant's lock was not free in time")
        return DeadlineError("deadline_exceeded", "the tenant's writes before this one took long")


class Bulkhead:
    """The lanes of all tenants of one worker.

    Args:
        width: Connections that one tenant's writes may hold.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._lanes: dict[UUID, _Lane] = {}

    @contextlib.asynccontextmanager
    async def enter(self, tenant_id: UUID, *, wait_s: float) -> AsyncIterator[None]:
        """Hold a place in a tenant's lane.

        Args:
            tenant_id: Whose lane.
            wait_s: Longest wait for a place.

        Raises:
            LockTimeoutError: ``lock_timeout``: those inside do not get the tenant's lock.
            DeadlineError: ``deadline_exceeded``: they take long for another reason.
        """
        lane = self._lanes.get(tenant_id)
        if lane is None:
            lane = self._lanes[tenant_id] = _Lane(asyncio.Semaphore(self._width))
        lane.users += 1
        try:
            try:
                async with asyncio.timeout(wait_s):
                    await lane.semaphore.acquire()
            except TimeoutError:
                raise lane.refusal() from None
            try:
                yield
                lane.blocked = False
            except LockTimeoutError:
                lane.blocked = True
                raise
            finally:
                lane.semaphore.release()
        finally:
            lane.users -= 1
            if lane.users == 0:
                del self._lanes[tenant_id]
