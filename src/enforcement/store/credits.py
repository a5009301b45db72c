"""Credit grants."""

from datetime import datetime
from decimal import Decimal

from enforcement.domain.credits import Grant
from enforcement.domain.identity import Caller
from enforcement.domain.vocabulary import CreditPool
from enforcement.store.database import Database


async def listing(db: Database, caller: Caller, *, limit: int = 1000) -> list[Grant]:
    """Return the tenant's grants, newest first."""
    raise NotImplementedError


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
    raise NotImplementedError
