"""Budgets: a monthly limit for a scope."""

from decimal import Decimal

from enforcement.domain.identity import Caller
from enforcement.domain.waterfall import Budget
from enforcement.store.database import Database


async def listing(db: Database, caller: Caller) -> list[Budget]:
    """Return the tenant's budgets by scope key, each with what is committed against it."""
    raise NotImplementedError


async def put(
    db: Database, caller: Caller, *, scope_key: str, monthly_limit_usd: Decimal, active: bool
) -> Budget:
    """Set a scope's limit, with a ledger row."""
    raise NotImplementedError
