"""What the application's role cannot do, straight through SQL: see, write, edit, remove."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from control_plane import Cluster, Staff, ask, make_staff
from enforcement.domain.enums import CreditPool
from enforcement.store import budgets, gates, limits, policies, reservations, tenants
from enforcement.store import credits as grants
from enforcement.store.database import Database
from enforcement.store.settings import APP_ROLE, OWNER_ROLE

TENANT_TABLES = (
    "tenants",
    "principals",
    "ledger_heads",
    "ledger",
    "policies",
    "budgets",
    "project_usage",
    "tenant_usage",
    "credit_grants",
    "decisions",
    "credit_reservations",
    "approvals",
    "reconciliations",
    "cost_records",
    "rate_settings",
    "checkpoint_rows",
    "pruning",
)


async def _furnish(db: Database) -> Staff:
    """Make a tenant with at least one row in every table."""
    from datetime import date  # noqa: PLC0415  # used once

    staff = await make_staff(db)
    await policies.put(db, staff.admin, (await policies.current(db, staff.tenant_id)).document)
    await budgets.put(db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(20), active=True)
    await grants.grant(
        db,
        staff.admin,
        pool=CreditPool.RESERVED,
        scope_key="web",
        total_usd=Decimal(100),
        expires_at=None,
        reason="r",
    )
    held = await gates.evaluate(db, staff.member, ask("30", environment="sandbox"))
    await gates.evaluate(db, staff.member, ask("30", environment="prod"))
    await reservations.reconcile(
        db,
        staff.admin,
        held.decision.decision_id,
        actual_monthly_delta_usd=Decimal(30),
        notes=None,
        idempotency_key="key-1",
    )
    await tenants.record_costs(db, staff.tenant_id, {date(2026, 2, 1): Decimal(5)})
    await limits.set_tenant(db, staff.admin, 100)
    return staff


@pytest.fixture(scope="module")
def neighbours(cluster: Cluster) -> tuple[Staff, Staff]:
    """Two tenants, each with rows everywhere."""

    async def work(db: Database) -> tuple[Staff, Staff]:
        return await _furnish(db), await _furnish(db)

    both = cluster.run(work)
    for staff in both:
        cluster.sql("INSERT INTO enforcement.pruning VALUES (%s, 0, 0)", staff.tenant_id)
        cluster.sql(
            "INSERT INTO enforcement.checkpoint_rows VALUES (%s, 0, 0, 0, 'k', 'i', '{}')",
            staff.tenant_id,
        )
    return both


@pytest.fixture
def app(cluster: Cluster) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A plain connection with the application's role."""
    with psycopg.connect(cluster.app_dsn) as connection:
        yield connection


def _enter(app: psycopg.Connection[tuple[Any, ...]], staff: Staff) -> None:
    app.rollback()
    app.execute("SELECT set_config('enforcement.tenant_id', %s, true)", [str(staff.tenant_id)])


def _refused(
    app: psycopg.Connection[tuple[Any, ...]], state: str, query: str, *values: Any
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        app.execute(query, values)
    assert refusal.value.sqlstate == state, refusal.value
    app.rollback()


def test_every_table_with_a_tenant_is_listed_and_forced(cluster: Cluster) -> None:
    """No table of the schema that has a tenant column escapes row-level security."""
    rows = cluster.sql(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,"
        " pg_get_userbyid(c.relowner)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'enforcement'::regnamespace AND c.relkind = 'r'"
        " AND a.attname = 'tenant_id' AND c.relname <> 'rate_counters'"
    )
    assert {name for name, _, _ in rows} == set(TENANT_TABLES)
    assert all(forced for _, forced, _ in rows)
    assert {owner for _, _, owner in rows} == {OWNER_ROLE}


def test_neither_role_can_pass_row_level_security(cluster: Cluster) -> None:
    """No superuser, no BYPASSRLS, and the owner cannot even log in."""
    rows = cluster.sql(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb, rolcanlogin"
        " FROM pg_roles WHERE rolname IN (%s, %s) ORDER BY rolname",
        APP_ROLE,
        OWNER_ROLE,
    )
    assert rows == [(APP_ROLE, False, True), (OWNER_ROLE, False, False)]


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_tenant_sees_its_own_rows_and_no_others(
    app: psycopg.Connection[tuple[Any, ...]], neighbours: tuple[Staff, Staff], table: str
) -> None:
    """With a tenant set: its rows and only those. Without one: none at all."""
    mine, theirs = neighbours
    _enter(app, mine)
    seen = app.execute(f"SELECT DISTINCT tenant_id FROM enforcement.{table}").fetchall()  # noqa: S608  # a constant
    assert seen == [(mine.tenant_id,)]
    hidden = app.execute(
        f"SELECT count(*) FROM enforcement.{table} WHERE tenant_id = %s",  # noqa: S608  # a constant
        [theirs.tenant_id],
    ).fetchone()
    assert hidden == (0,)
    app.rollback()
    assert app.execute(f"SELECT count(*) FROM enforcement.{table}").fetchone() == (0,)  # noqa: S608  # a constant


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_the_application_role_writes_no_table(
    app: psycopg.Connection[tuple[Any, ...]], neighbours: tuple[Staff, Staff], table: str
) -> None:
    """Not one column of one table, of its own tenant or another's: functions write, nobody else."""
    _enter(app, neighbours[0])
    held = app.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND (has_column_privilege(attrelid, attnum, 'INSERT')"
        "   OR has_column_privilege(attrelid, attnum, 'UPDATE'))",
        [f"enforcement.{table}"],
    ).fetchall()
    assert held == []
    _refused(app, "42501", f"DELETE FROM enforcement.{table}")  # noqa: S608  # a constant
    _enter(app, neighbours[0])
    _refused(app, "42501", f"INSERT INTO enforcement.{table} DEFAULT VALUES")  # a constant


def test_an_event_for_another_tenant_cannot_be_recorded(
    app: psycopg.Connection[tuple[Any, ...]], neighbours: tuple[Staff, Staff]
) -> None:
    """What runs as the owner finds no chain but the caller's, and none without a tenant."""
    mine, theirs = neighbours
    record = (
        "SELECT enforcement.record(%s, 'limits.set', now(), gen_random_uuid(), NULL,"
        """ '{"bucket":"gate","per_minute":1}')"""
    )
    _enter(app, mine)
    _refused(app, "EN001", record, theirs.tenant_id)
    _refused(app, "EN001", record, mine.tenant_id)


@pytest.mark.parametrize(
    "event", ["decision", "decision.failsafe", "state.adopted", "ledger.archived"]
)
def test_some_events_cannot_be_recorded_by_themselves(
    app: psycopg.Connection[tuple[Any, ...]], neighbours: tuple[Staff, Staff], event: str
) -> None:
    """A decision comes with its row from the gate, and adoption from a migration."""
    _enter(app, neighbours[0])
    _refused(
        app,
        "20000",
        "SELECT enforcement.record(%s, %s, now(), gen_random_uuid(), NULL, '{}')",
        neighbours[0].tenant_id,
        event,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE enforcement.ledger SET payload = '{}'",
        "DELETE FROM enforcement.ledger",
        "TRUNCATE enforcement.ledger",
        "UPDATE enforcement.ledger_heads SET sequence = 0",
        "UPDATE enforcement.principals SET role = 'owner'",
        "UPDATE enforcement.approvals SET state = 'approved'",
        "UPDATE enforcement.project_usage SET active_allocation_usd = 0",
        "UPDATE enforcement.decisions SET reservation_active = false",
        "UPDATE enforcement.tenants SET plan = 'enterprise'",
        "SELECT enforcement.write_setting('budget.set', '{}')",
        "SELECT enforcement.write_approval('approval.approved', '{}')",
        "SELECT enforcement.write_settlement('reservation.released', '{}')",
        "SELECT enforcement.draw_credits(gen_random_uuid(), '[]')",
        "INSERT INTO enforcement.ledger (tenant_id, sequence) VALUES (gen_random_uuid(), 1)",
        "DELETE FROM enforcement.decisions",
        "UPDATE enforcement.decisions SET outcome = 'ALLOW'",
        "UPDATE enforcement.decisions SET monthly_delta_usd = 0",
        "UPDATE enforcement.policies SET document = '{}'",
        "DELETE FROM enforcement.reconciliations",
        "UPDATE enforcement.credit_grants SET total_usd = 1000000",
        "DELETE FROM enforcement.approvals",
        "SELECT * FROM enforcement.rate_counters",
        "UPDATE enforcement.rate_global SET per_minute = 1",
        "ALTER TABLE enforcement.ledger DISABLE TRIGGER ledger_immutable",
        "ALTER TABLE enforcement.ledger NO FORCE ROW LEVEL SECURITY",
        "SET ROLE enforcement_owner",
        "CREATE TABLE enforcement.mine (x int)",
    ],
)
def test_the_application_role_has_no_right_to(
    app: psycopg.Connection[tuple[Any, ...]], neighbours: tuple[Staff, Staff], statement: str
) -> None:
    """Editing history, and everything that would let it, is a missing privilege."""
    _enter(app, neighbours[0])
    _refused(app, "42501", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE enforcement.ledger SET payload = '{}'",
        "UPDATE enforcement.ledger SET payload = '{}' WHERE false",
        "DELETE FROM enforcement.ledger",
        "TRUNCATE enforcement.ledger",
        "UPDATE enforcement.policies SET document = '{}'",
        "DELETE FROM enforcement.decisions",
        "TRUNCATE enforcement.decisions CASCADE",
        "DELETE FROM enforcement.reconciliations",
    ],
)
@pytest.mark.parametrize("role", [OWNER_ROLE, None])
def test_even_the_owner_and_a_superuser_meet_the_trigger(
    cluster: Cluster, neighbours: tuple[Staff, Staff], statement: str, role: str | None
) -> None:
    """Having the privilege is not enough: the trigger refuses, matched rows or not."""
    with psycopg.connect(cluster.owner_dsn) as connection:
        if role is not None:
            connection.execute(f"SET ROLE {role}")  # type: ignore[arg-type]  # a constant
            _enter_as(connection, neighbours[0])
        with pytest.raises(psycopg.Error) as refusal:
            connection.execute(statement)  # type: ignore[arg-type]  # a constant
        assert refusal.value.sqlstate == "EN002"


def _enter_as(connection: psycopg.Connection[tuple[Any, ...]], staff: Staff) -> None:
    connection.execute(
        "SELECT set_config('enforcement.tenant_id', %s, true)", [str(staff.tenant_id)]
    )


def test_a_tenant_set_in_one_transaction_is_gone_in_the_next(
    app: psycopg.Connection[tuple[Any, ...]], neighbours: tuple[Staff, Staff]
) -> None:
    """Nothing leaks through a connection that is used again, committed or not."""
    for end in (app.commit, app.rollback):
        _enter(app, neighbours[0])
        assert app.execute("SELECT count(*) FROM enforcement.ledger").fetchone() != (0,)
        end()
        assert app.execute("SELECT count(*) FROM enforcement.ledger").fetchone() == (0,)
        app.rollback()


def test_the_stores_own_connections_forget_the_tenant(
    cluster: Cluster, neighbours: tuple[Staff, Staff]
) -> None:
    """One pooled connection serves two tenants in turn and mixes nothing up."""
    mine, theirs = neighbours

    async def work(db: Database) -> None:
        for staff in (mine, theirs, mine):
            listed = await reservations.active(db, staff.admin, limit=10)
            assert {item.decision.tenant_id for item in listed} == {staff.tenant_id}
            await gates.evaluate(db, staff.member, ask("1"))
            assert await db.fetch("SELECT count(*) FROM enforcement.decisions") == [(0,)]

    asyncio.run(_with_one(cluster, work))


async def _with_one(cluster: Cluster, work: Any) -> None:
    async with cluster.database(pool_size=1) as db:
        await work(db)
