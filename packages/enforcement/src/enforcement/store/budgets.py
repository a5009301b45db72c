"""Budgets: a monthly limit for a scope."""

from decimal import Decimal

from enforcement.domain.enums import Event
from enforcement.domain.identity import Caller
from enforcement.domain.money import monthly, monthly_text
from enforcement.domain.request import line
from enforcement.domain.waterfall import Budget
from enforcement.store.database import Database, Transaction

# "committed" falls to the scope that would pay: an inactive budget has nothing against it.
_LISTING = """
    SELECT b.scope_key, b.monthly_limit_usd, b.active,
           CASE WHEN NOT b.active THEN 0.0000
                WHEN b.scope_key = 'default' THEN c.default_usd ELSE c.project_usd END
    FROM enforcement.budgets b, LATERAL enforcement.committed(
        b.tenant_id, date_trunc('month', now() AT TIME ZONE 'UTC')::date, b.scope_key) c
    WHERE b.tenant_id = %s AND (%s::text IS NULL OR b.scope_key = %s) ORDER BY b.scope_key
"""


async def listing(db: Database, caller: Caller) -> list[Budget]:
    """Return the tenant's budgets by scope key, each with what is committed against it."""
    tenant = caller.tenant_id
    rows = await db.read(tenant, _LISTING, (tenant, None, None))
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
        rows = await tx.all(_LISTING, (tx.tenant_id, scope, scope))
        return _budget(rows[0])

    return await db.run(caller.tenant_id, work)
