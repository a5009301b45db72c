"""Credit grants."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import uuid4

import msgspec

from enforcement.domain.credits import Grant, check_grant
from enforcement.domain.enums import CreditPool, Event
from enforcement.domain.identity import Caller
from enforcement.domain.money import monthly, monthly_text
from enforcement.store import pages
from enforcement.store.database import Database, Transaction
from enforcement.store.pages import MAX_PAGE, NEWEST, Place

LISTING: Final = """
    SELECT row_to_json(r)::text FROM (
        SELECT grant_id, pool, scope_key, total_usd::text, remaining_usd::text, created_at,
               expires_at, reason, created_by
        FROM enforcement.credit_grants
        WHERE tenant_id = %s AND (created_at, grant_id) < (%s, %s)
        ORDER BY created_at DESC, grant_id DESC LIMIT %s
    ) r
"""
_READER = msgspec.json.Decoder(Grant)


async def listing(
    db: Database, caller: Caller, *, limit: int = MAX_PAGE, before: Place = NEWEST
) -> list[Grant]:
    """Return a page of the tenant's grants, newest first.

    Args:
        db: The pool.
        caller: Of the tenant.
        limit: 1 to 1000.
        before: Continue after the last grant of the page before.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    rows = await pages.read(db, caller, LISTING, before, limit)
    return [_READER.decode(row[0]) for row in rows]


async def grant(
    db: Database,
    caller: Caller,
    *,
    pool: CreditPool,
    scope_key: str,
    total_usd: Decimal,
    expires_at: datetime | None,
    reason: str,
) -> Grant:
    """Give credit, with a ledger row.

    Raises:
        InvalidError: As ``enforcement.domain.credits.check_grant``.
    """
    scope = scope_key.lower()

    async def work(tx: Transaction) -> Grant:
        check_grant(
            scope_key=scope, total_usd=total_usd, expires_at=expires_at, reason=reason, now=tx.now
        )
        given = Grant(
            grant_id=uuid4(),
            pool=pool,
            scope_key=scope,
            total_usd=monthly(total_usd),
            remaining_usd=monthly(total_usd),
            created_at=tx.now,
            expires_at=expires_at,
            reason=reason,
            created_by=caller.principal_id,
        )
        payload = {
            "grant_id": given.grant_id,
            "pool": pool.value,
            "scope_key": scope,
            "total_usd": monthly_text(given.total_usd),
            "expires_at": expires_at,
            "reason": reason,
            "created_by": caller.principal_id,
            "created_at": tx.now,
        }
        await tx.record(Event.CREDIT_GRANTED, caller.principal_id, payload)
        return given

    return await db.run(caller.tenant_id, work)
