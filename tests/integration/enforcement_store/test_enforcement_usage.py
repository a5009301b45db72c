"""What a tenant has committed, kept beside its projects: always their sum, whatever changes it."""

import random
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from control_plane import PASSWORD, Cluster, Staff, ask
from enforcement.domain.enums import CreditPool
from enforcement.store import budgets, gates, reservations
from enforcement.store import credits as grants
from enforcement.store import migrate as migrations
from enforcement.store.database import Database
from enforcement.store.migrate import migrate

# By month what the rows of projects add up to, and what the tenant's row says, where they differ.
DIFFERENCES = """
SELECT * FROM (
    SELECT tenant_id, month, sum(total) AS total, sum(share) AS share FROM (
        SELECT tenant_id, date '-infinity' AS month,
               active_allocation_usd + active_credits_usd AS total,
               CASE WHEN EXISTS (
                   SELECT FROM enforcement.budgets b WHERE b.tenant_id = u.tenant_id AND b.active
                     AND b.scope_key = u.project_id AND b.scope_key <> 'default')
               THEN 0 ELSE active_allocation_usd END AS share
        FROM enforcement.project_usage u
        UNION ALL
        SELECT tenant_id, settled_month, settled_allocation_usd + settled_credits_usd,
               CASE WHEN EXISTS (
                   SELECT FROM enforcement.budgets b WHERE b.tenant_id = u.tenant_id AND b.active
                     AND b.scope_key = u.project_id AND b.scope_key <> 'default')
               THEN 0 ELSE settled_allocation_usd END
        FROM enforcement.project_usage u
    ) parts GROUP BY tenant_id, month HAVING sum(total) > 0
) said
FULL JOIN (SELECT * FROM enforcement.tenant_usage WHERE total_usd > 0) kept
    USING (tenant_id, month)
WHERE (said.total, said.share) IS DISTINCT FROM (kept.total_usd, kept.default_usd)
"""


@pytest.mark.parametrize("seed", range(3))
def test_the_tenants_sums_are_those_of_its_projects(
    cluster: Cluster, staff: Staff, seed: int
) -> None:
    """Gates, settlements, budgets that come and go, months that turn: never a cent off."""
    chance = random.Random(seed)
    projects = ("web", "api", "jobs", "default")

    async def work(db: Database) -> None:
        await grants.grant(
            db,
            staff.admin,
            pool=CreditPool.EMERGENCY,
            scope_key="default",
            total_usd=Decimal(40),
            expires_at=None,
            reason="",
        )
        held: list[Any] = []
        for _ in range(60):
            step = chance.choice(("gate", "gate", "gate", "settle", "budget", "budget", "month"))
            if step == "gate":
                request = ask(str(chance.randrange(1, 9)), project_id=chance.choice(projects))
                answer = await gates.evaluate(db, staff.member, request)
                if answer.decision.reservation_active:
                    held.append(answer.decision.decision_id)
            elif step == "settle" and held:
                await reservations.reconcile(
                    db,
                    staff.admin,
                    held.pop(),
                    actual_monthly_delta_usd=Decimal(chance.randrange(9)),
                    notes=None,
                    idempotency_key="settle",
                )
            elif step == "budget":
                await budgets.put(
                    db,
                    staff.admin,
                    scope_key=chance.choice(projects),
                    monthly_limit_usd=Decimal(chance.choice((5, 20, 1000))),
                    active=chance.random() < 0.6,
                )
            elif step == "month":
                cluster.sql(
                    "UPDATE enforcement.project_usage SET settled_month = settled_month - interval"
                    " '1 month' WHERE tenant_id = %s AND isfinite(settled_month)",
                    staff.tenant_id,
                )
            assert cluster.sql(DIFFERENCES) == []

    cluster.run(work)
    rows = cluster.sql(
        "SELECT count(*) FROM enforcement.tenant_usage WHERE tenant_id = %s", staff.tenant_id
    )
    assert rows[0][0] > 1


def test_an_upgrade_sums_what_is_there(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Projects with and without a budget of their own, active and settled: as if always kept."""
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "HEAD", "0001")
        assert migrate(fresh_database, app_password=PASSWORD) == "0001"
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        tenant = "00000000-0000-4000-8000-000000000001"
        connection.execute(
            "INSERT INTO enforcement.tenants (tenant_id, name, plan) VALUES (%s, 'old', 'pro')",
            [tenant],
        )
        connection.execute(
            "INSERT INTO enforcement.budgets (tenant_id, scope_key, monthly_limit_usd, active,"
            " updated_at) VALUES (%s, 'web', 1, true, now()), (%s, 'api', 1, false, now()),"
            " (%s, 'default', 1, true, now())",
            [tenant] * 3,
        )
        connection.execute(
            "INSERT INTO enforcement.project_usage VALUES"
            " (%s, 'web', 10, 1, '2026-10-01', 3, 4), (%s, 'api', 20, 2, '2026-11-01', 5, 6),"
            " (%s, 'default', 30, 0, '2026-11-01', 7, 0)",
            [tenant] * 3,
        )
    assert migrate(fresh_database, app_password=PASSWORD) == migrations.HEAD
    with psycopg.connect(fresh_database) as connection:
        assert connection.execute(DIFFERENCES).fetchall() == []
        rows = connection.execute(
            "SELECT month::text, total_usd, default_usd FROM enforcement.tenant_usage ORDER BY 1"
        ).fetchall()
    assert rows == [("-infinity", 63, 50), ("2026-10-01", 7, 0), ("2026-11-01", 18, 12)]
