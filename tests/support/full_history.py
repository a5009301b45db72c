"""A tenant that has done everything there is to do, and edits of it past its ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from control_plane import Cluster, Staff, ask, make_staff
from enforcement.domain import tokens
from enforcement.domain.enums import CreditPool, Plan
from enforcement.domain.tokens import Claims, Expectations
from enforcement.store import approvals, budgets, gates, limits, policies, reservations, tenants
from enforcement.store import credits as grants
from enforcement.store.database import Database


async def live(db: Database, plan: Plan = Plan.PRO) -> Staff:
    """Make a tenant that has done everything there is to do, with a row in every table."""
    staff = await make_staff(db, plan)
    await policies.put(db, staff.admin, (await policies.current(db, staff.tenant_id)).document)
    await tenants.set_plan(db, staff.tenant_id, Plan.ENTERPRISE)
    await limits.set_tenant(db, staff.admin, 500)
    await tenants.record_costs(db, staff.tenant_id, {datetime.now(UTC).date(): Decimal(5)})
    for monthly in (40, 60):
        await budgets.put(
            db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(monthly), active=True
        )
    for _ in range(2):
        await grants.grant(
            db,
            staff.admin,
            pool=CreditPool.RESERVED,
            scope_key="web",
            total_usd=Decimal(300),
            expires_at=None,
            reason="r",
        )
    held = await gates.evaluate(db, staff.member, ask("80", environment="sandbox"))
    await reservations.reconcile(
        db,
        staff.admin,
        held.decision.decision_id,
        actual_monthly_delta_usd=Decimal(70),
        notes="done",
        idempotency_key="key-1",
    )
    await gates.evaluate(db, staff.member, ask("5", environment="sandbox", project_id="other"))
    await gates.evaluate(db, staff.member, ask("6000", environment="prod"))
    await review(db, staff)
    return staff


async def review(db: Database, staff: Staff) -> None:
    """Leave one approval behind in each state."""

    async def pending(monthly: str = "30") -> Any:
        answer = await gates.evaluate(db, staff.member, ask(monthly, environment="prod"))
        return answer.decision.approval_id

    def sign(claims: Claims) -> str:
        return f"signed:{claims.jti}"

    await approvals.deny(db, staff.reviewer, await pending(), notes="no")
    spent: list[Claims] = []

    def keep(claims: Claims) -> str:
        spent.append(claims)
        return sign(claims)

    await approvals.approve(db, staff.reviewer, await pending("31"), notes="", sign=sign)
    done = await approvals.approve(db, staff.reviewer, await pending("32"), notes="", sign=keep)
    await approvals.consume(
        db,
        staff.member,
        claims=spent[0],
        token_sha256=tokens.token_sha256(done.token or ""),
        expectations=Expectations(),
    )
    await pending("33")


EDITS = (
    ("tenants", "plan = 'free'", "true"),
    ("tenants", "created_at = created_at - interval '1 day'", "true"),
    ("principals", "role = 'owner'", "name = 'member'"),
    ("principals", "permissions = '{remediation.approve.prod}'", "name = 'admin'"),
    ("principals", "active = false", "name = 'reviewer'"),
    ("rate_settings", "per_minute = 100000", "true"),
    ("cost_records", "amount_usd = 0", "true"),
    ("policies", "created_by = gen_random_uuid()", "true"),
    (
        "policies",
        (
            "document = document || ' ',"
            " sha256 = encode(sha256(convert_to(document || ' ', 'UTF8')), 'hex')"
        ),
        "true",
    ),
    ("budgets", "monthly_limit_usd = 1000000", "true"),
    ("budgets", "active = false", "true"),
    ("credit_grants", "remaining_usd = total_usd", "remaining_usd < total_usd"),
    ("credit_grants", "total_usd = 100000", "true"),
    ("credit_grants", "expires_at = now() + interval '1 year'", "true"),
    ("credit_reservations", "consumed_usd = 0, released_usd = 0", "consumed_usd > 0"),
    ("credit_reservations", "reserved_usd = reserved_usd + 1", "consumed_usd + released_usd = 0"),
    ("project_usage", "active_allocation_usd = 0", "active_allocation_usd > 0"),
    ("project_usage", "own_budget = NOT own_budget", "true"),
    ("tenant_usage", "total_usd = 0", "total_usd > 0"),
    ("tenant_usage", "default_usd = default_usd + 1", "month > '-infinity'"),
    ("project_usage", "settled_allocation_usd = 0", "settled_allocation_usd > 0"),
    ("project_usage", "settled_month = '2020-01-01'", "settled_allocation_usd > 0"),
    ("decisions", "reservation_active = false", "reservation_active"),
    ("decisions", "voided = true", "reservation_active"),
    ("decisions", "outcome = 'ALLOW'", "outcome = 'DENY' OR outcome = 'REQUIRE_APPROVAL'"),
    ("decisions", "approval_id = gen_random_uuid()", "approval_id IS NOT NULL"),
    ("decisions", "approval_id = NULL", "approval_id IS NOT NULL"),
    ("decisions", "key_given = false", "true"),
    ("decisions", "allocation_usd = 0", "allocation_usd > 0"),
    (
        "approvals",
        "state = 'approved', token_sha256 = 'x', token_expires_at = now() + interval '1 h'",
        "state = 'pending'",
    ),
    (
        "approvals",
        "state = 'approved', token_sha256 = 'x', token_expires_at = now() + interval '1 h'",
        "state = 'denied'",
    ),
    ("approvals", "token_consumed_at = NULL", "token_consumed_at IS NOT NULL"),
    ("approvals", "expires_at = expires_at + interval '1 day'", "state = 'pending'"),
    ("approvals", "require_separation = false", "state = 'pending'"),
    ("reconciliations", "notes = 'nothing'", "true"),
    (
        "reconciliations",
        (
            "actual_usd = 0, allocation_spent_usd = 0, credits_consumed_usd = 0,"
            " drift_usd = -reserved_usd"
        ),
        "true",
    ),
    ("ledger_heads", "sequence = sequence + 1", "true"),
)


@contextmanager
def past_the_ledger(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection that no trigger stops."""
    with psycopg.connect(cluster.owner_dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@contextmanager
def edited(cluster: Cluster, staff: Staff, table: str, statement: sql.Composed) -> Iterator[int]:
    """Edit a table past the ledger; put it back afterwards."""
    name = sql.Identifier("enforcement", table)
    with past_the_ledger(cluster) as connection:
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE kept AS SELECT * FROM {} WHERE tenant_id = %s").format(
                name
            ),
            [staff.tenant_id],
        )
        try:
            yield connection.execute(statement, [staff.tenant_id]).rowcount
        finally:
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE tenant_id = %s").format(name), [staff.tenant_id]
            )
            connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM kept").format(name))
