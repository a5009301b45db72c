"""Budgets: a monthly limit for a scope."""

from decimal import Decimal
from typing import Final

from enforcement.domain.enums import Event
from enforcement.domain.identity import Caller
from enforcement.domain.money import monthly, monthly_text
from enforcement.domain.request import line
from enforcement.domain.waterfall import Budget
from enforcement.store.database import Database, Transaction
from enforcement.store.pages import MAX_PAGE, demand_limit

# "committed" falls to the scope that would pay: an inactive budget has nothing against it.
_BUDGETS: Final = """
    SELECT b.scope_key, b.monthly_limit_usd, b.active, CASE
        WHEN NOT b.active THEN 0.0000
        WHEN b.scope_key = 'default' THEN (
            SELECT coalesce(sum(t.default_usd), 0.0000) FROM enforcement.tenant_usage t
            WHERE t.tenant_id = b.tenant_id AND t.month IN ('-infinity', now.month))
        ELSE coalesce((
            SELECT u.active_allocation_usd
                + CASE WHEN u.settled_month = now.month THEN u.settled_allocation_usd ELSE 0 END
            FROM enforcement.project_usage u
            WHERE u.tenant_id = b.tenant_id AND u.project_id = b.scope_key), 0.0000) END
    FROM enforcement.budgets b,
         (SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month) now
    WHERE b.tenant_id = %s
"""
LISTING: Final = f"{_BUDGETS} AND b.scope_key > %s ORDER BY b.scope_key LIMIT %s"
_ONE: Final = f"{_BUDGETS} AND b.scope_key = %s"


async def listing(
    db: Database, caller: Caller, *, limit: int = MAX_PAGE, after_scope: str = ""
) -> list[Budget]:
    """Return a page of the tenant's budgets by scope key, with what is committed against each.

    Args:
        db: The pool.
        caller: Of the tenant.
        limit: 1 to 1000.
        after_scope: Continue after the last scope key of the page before.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    demand_limit(limit)
    rows = await db.read(caller.tenant_id, LISTING, (caller.tenant_id, after_scope, limit))
    return [_budget(row) for row in rows]


def _budget(row: tuple[str, Decimal, bool, Decimal]) -> Budget:
    scope, limit, active, committed = row
    return Budget(
        scope_key=scope,
        monthly_limit_usd=monthly(limit),
        committed_usd=monthly(committed),
        active=active,
    )


async def put(
    db: Database, caller: Caller, *, scope_key: str, monthly_limit_usd: Decimal, active: bool
) -> Budget:
    """Set a scope's limit, with a ledger row.

    Scope keys are project ids, which are lower case; so are these.

    Raises:
        InvalidError: ``invalid_length`` or ``invalid_text``.
    """
    scope = line(scope_key.lower(), "scope_key", 1, 128)
    limit = monthly(monthly_limit_usd)

    async def work(tx: Transaction) -> Budget:
        payload = {
            "scope_key": scope,
            "monthly_limit_usd": monthly_text(limit),
            "active": active,
            "updated_at": tx.now,
        }
        await tx.record(Event.BUDGET_SET, caller.principal_id, payload)
        rows = await tx.all(_ONE, (tx.tenant_id, scope))
        return _budget(rows[0])

    return await db.run(caller.tenant_id, work)
