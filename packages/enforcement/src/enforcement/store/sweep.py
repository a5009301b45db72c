"""The sweep: of all tenants, what outlived its time is expired, and what it held released.

One worker at a time, wherever it runs: whoever holds the lock in the database sweeps, and loses it
with its connection.
"""

import asyncio
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.enums import Role
from enforcement.domain.identity import OPERATOR, Caller
from enforcement.domain.reservations import DEFAULT_OVERDUE_S
from enforcement.store import approvals
from enforcement.store.database import Database
from enforcement.store.errors import StoreError

_LOCK: Final = 0x73776570  # "swep"
_TENANTS: Final = 100
# A tenant's gates wait for its lock meanwhile: few at a time.
_AT_ONCE: Final = 25
# Then others may have their turn.
_ROUND_S: Final = 5.0


class Backlog(msgspec.Struct, frozen=True):
    """What waits in the database, of all tenants."""

    approvals_pending: int
    approvals_overdue: int
    reservations_overdue: int


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep did.

    Attributes:
        expired: Approvals and tokens.
        backlog: What is left; null where another worker sweeps.
        failed: Tenants that could not be swept now, with the reason.
    """

    expired: int = 0
    backlog: Backlog | None = None
    failed: tuple[tuple[UUID, str], ...] = ()


async def sweep(db: Database) -> Swept:
    """Expire what is overdue, unless somebody else is at it; takes five seconds at most.

    Raises:
        StoreError: The database cannot be asked at all.
    """
    async with db.lease(db.deadline(2 * _ROUND_S)) as guard:
        # Of the session: nothing waits in a transaction meanwhile.
        rows = await guard.message("SELECT pg_try_advisory_lock(%s)", (_LOCK,))
        if not rows[0][0]:
            return Swept()
        try:
            return await _sweep(db, db.deadline(_ROUND_S))
        finally:
            await guard.message("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _sweep(db: Database, end: float) -> Swept:
    expired = 0
    failed: list[tuple[UUID, str]] = []
    due = await db.fetch("SELECT enforcement.tenants_to_sweep(%s)", (_TENANTS,))
    waiting = [tenant_id for (tenant_id,) in due]
    while waiting and asyncio.get_running_loop().time() < end:
        still: list[UUID] = []
        # In turns: a tenant with very many does not keep the others back.
        for tenant_id in waiting:
            try:
                count = await approvals.expire_overdue(db, _sweeper(tenant_id), limit=_AT_ONCE)
            except StoreError as error:
                failed.append((tenant_id, error.detail))
                continue
            expired += count
            if count == _AT_ONCE:
                still.append(tenant_id)
        waiting = still
    left = await db.fetch("SELECT * FROM enforcement.backlog(%s)", (DEFAULT_OVERDUE_S,))
    return Swept(expired=expired, backlog=Backlog(*left[0]), failed=tuple(failed))


def _sweeper(tenant_id: UUID) -> Caller:
    return Caller(tenant_id=tenant_id, principal_id=OPERATOR, role=Role.OWNER)
