"""A bulkhead: how many of a worker's database connections one kind of work may hold at a time.

A tenant's writes follow one another anyway, by the tenant's lock, and its reads may be as long as
its history. Without a bulkhead they would hold a connection each, until a busy or blocked tenant
held the whole pool and every other tenant, every gate and the health check waited with it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from enforcement.store.errors import DeadlineError, LockTimeoutError, StoreError


class _Compartment(msgspec.Struct):
    """One tenant's places.

    Attributes:
        semaphore: First come, first served.
        users: Inside and waiting; a compartment without users is forgotten.
        blocked: Whether the last that left had not got the tenant's lock.
    """

    semaphore: asyncio.Semaphore
    users: int = 0
    blocked: bool = False

    def refusal(self) -> StoreError:
        """Say why there was no place: what holds those inside holds those behind them, too."""
        if self.blocked:
            return LockTimeoutError("lock_timeout", "the tenant's lock was not free in time")
        return DeadlineError("deadline_exceeded", "the requests before this one took long")


class Bulkhead:
    """The places of all tenants of one worker for one kind of work.

    Args:
        width: Connections that one tenant may hold.
        total: Connections that all tenants together may hold.
    """

    def __init__(self, width: int, total: int) -> None:
        self._width = width
        self._all = asyncio.Semaphore(total)
        self._compartments: dict[UUID, _Compartment] = {}

    @contextlib.asynccontextmanager
    async def enter(self, tenant_id: UUID, *, wait_s: float) -> AsyncIterator[None]:
        """Hold one of a tenant's places.

        Args:
            tenant_id: Whose place.
            wait_s: Longest wait for a place.

        Raises:
            LockTimeoutError: ``lock_timeout``: those inside do not get the tenant's lock.
            DeadlineError: ``deadline_exceeded``: they take long for another reason.
        """
        mine = self._compartments.get(tenant_id)
        if mine is None:
            mine = _Compartment(asyncio.Semaphore(self._width))
            self._compartments[tenant_id] = mine
        mine.users += 1
        try:
            async with contextlib.AsyncExitStack() as places:
                try:
                    async with asyncio.timeout(wait_s):
                        # The tenant's first: who waits for its own holds none of the others'.
                        await places.enter_async_context(mine.semaphore)
                        await places.enter_async_context(self._all)
                except TimeoutError:
                    raise mine.refusal() from None
                try:
                    yield
                    mine.blocked = False
                except LockTimeoutError:
                    mine.blocked = True
                    raise
        finally:
            mine.users -= 1
            if mine.users == 0:
                del self._compartments[tenant_id]
