"""Every change of state is an event: what a superuser edits past the ledger is named."""

from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from control_plane import PASSWORD, Cluster, Staff
from enforcement.domain.ledger import ChainFault
from enforcement.store import (
    budgets,
    ledger,
    reservations,
    tenants,
)
from enforcement.store import migrate as migrations
from enforcement.store.database import Database
from enforcement.store.migrate import HEAD, app_dsn, migrate
from enforcement.verification import export_ledger, verify_export
from full_history import EDITS, edited, live


@pytest.fixture(scope="module")
def living(cluster: Cluster) -> Staff:
    """A tenant that did everything; tests edit it and put it back."""
    return cluster.run(live)


def _fault(cluster: Cluster, staff: Staff) -> ChainFault | None:
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)
    return outcome.fault


def test_a_tenant_that_did_everything_holds(cluster: Cluster, living: Staff) -> None:
    """Replayed, its events make the tables; every kind of row is there to be compared."""
    assert _fault(cluster, living) is None
    kinds = cluster.sql(
        "SELECT kind FROM enforcement.state WHERE tenant_id = %s"
        " UNION SELECT kind FROM enforcement.sums WHERE tenant_id = %s",
        living.tenant_id,
        living.tenant_id,
    )
    assert len(kinds) == 13
    states = cluster.sql(
        "SELECT DISTINCT state FROM enforcement.approvals WHERE tenant_id = %s", living.tenant_id
    )
    assert {state for (state,) in states} == {"pending", "approved", "denied"}


@pytest.mark.parametrize(("table", "change", "where"), EDITS)
def test_an_edited_row_is_named(
    cluster: Cluster, living: Staff, table: str, change: str, where: str
) -> None:
    """Whatever column of whatever table a superuser changes, verification names the table."""
    statement = sql.SQL("UPDATE {} SET {} WHERE tenant_id = %s AND ({})").format(
        sql.Identifier("enforcement", table),
        sql.SQL(change),  # type: ignore[arg-type]  # a constant
        sql.SQL(where),  # type: ignore[arg-type]  # a constant
    )
    with edited(cluster, living, table, statement) as changed:
        assert changed > 0
        fault = _fault(cluster, living)
    assert fault is not None
    if table == "ledger_heads":
        assert fault.kind == "gap"
    elif fault.kind == "digest_differs":
        assert table == "decisions"
    else:
        named = "credit_balances" if "remaining_usd =" in change else table
        assert fault.detail.startswith(named), fault
    assert _fault(cluster, living) is None


WRITTEN = (
    "tenants",
    "principals",
    "rate_settings",
    "cost_records",
    "policies",
    "budgets",
    "credit_grants",
    "credit_reservations",
    "approvals",
    "reconciliations",
)


@pytest.mark.parametrize("table", [*WRITTEN, "project_usage", "tenant_usage", "decisions"])
def test_a_removed_row_is_missed(cluster: Cluster, living: Staff, table: str) -> None:
    """Rows deleted past every trigger are named."""
    statement = sql.SQL("DELETE FROM {} WHERE tenant_id = %s").format(
        sql.Identifier("enforcement", table)
    )
    with edited(cluster, living, table, statement) as removed:
        assert removed > 0
        fault = _fault(cluster, living)
    assert fault is not None
    assert fault.kind in {"missing_row", "missing_decision"}
    assert _fault(cluster, living) is None


@pytest.mark.parametrize("sequence", ["0", "1", "999999"])
@pytest.mark.parametrize("table", WRITTEN)
def test_a_row_that_names_another_event_is_found(
    cluster: Cluster, living: Staff, table: str, sequence: str
) -> None:
    """No number but that of the last event about it vouches for a row."""
    if (table, sequence) == ("tenants", "1"):
        return  # that is the event before, and the plan was set again: its own test
    statement = sql.SQL("UPDATE {} SET ledger_sequence = {} WHERE tenant_id = %s").format(
        sql.Identifier("enforcement", table),
        sql.SQL(sequence),  # type: ignore[arg-type]  # a constant
    )
    with edited(cluster, living, table, statement):
        assert _fault(cluster, living) is not None


def test_a_row_turned_back_to_what_it_was_is_found(cluster: Cluster, living: Staff) -> None:
    """The budget as an earlier event left it, with that event's number, is no longer right."""
    statement = sql.SQL(
        "UPDATE enforcement.budgets b SET monthly_limit_usd = 40,"
        " updated_at = (l.payload::json ->> 'updated_at')::timestamptz,"
        " ledger_sequence = l.sequence FROM enforcement.ledger l"
        " WHERE b.tenant_id = %s AND l.tenant_id = b.tenant_id AND l.event = 'budget.set'"
        " AND l.payload LIKE '%%40.0000%%'"
    ).format()
    with edited(cluster, living, "budgets", statement) as changed:
        assert changed == 1
        fault = _fault(cluster, living)
    assert fault is not None
    assert "budgets web is as row" in fault.detail


def test_an_export_proves_the_tables_offline(
    cluster: Cluster, living: Staff, tmp_path: Path
) -> None:
    """The file holds the state beside the events: whole it verifies; edited or cut it does not."""
    name = cluster.sql(
        "SELECT name FROM enforcement.tenants WHERE tenant_id = %s", living.tenant_id
    )[0][0]
    out = tmp_path / "ledger.jsonl"
    rows = export_ledger(cluster.app_dsn, name, out)
    (result,) = verify_export(out)
    assert (result.fault, result.rows) == (None, rows)
    lines = out.read_text().splitlines(keepends=True)
    for wanted, change, kind in (
        ('"monthly_limit_usd":"60.0000"', '"monthly_limit_usd":"61.0000"', "wrong_hash"),
        ('"monthly_limit_usd" : "60.0000"', '"monthly_limit_usd" : "61.0000"', "state_differs"),
        ('"active_allocation_usd" : "', '"active_allocation_usd" : "1', "state_differs"),
        ('"remaining_usd" : "', '"remaining_usd" : "1', "state_differs"),
    ):
        assert any(wanted in line for line in lines), wanted
        out.write_text("".join(line.replace(wanted, change) for line in lines))
        (result,) = verify_export(out)
        assert result.fault is not None
        assert result.fault.kind == kind
    out.write_text("".join(lines[:-1]))
    (result,) = verify_export(out)
    assert result.fault is not None
    assert result.fault.kind == "cut_off"


_BEFORE = """
SELECT set_config('enforcement.tenant_id', %(t)s::text, false);
INSERT INTO enforcement.tenants VALUES (%(t)s, 'older', 'pro', now());
INSERT INTO enforcement.principals VALUES (%(t)s, %(p)s, 'owner', 'owner', '{}', true, now());
INSERT INTO enforcement.budgets VALUES (%(t)s, 'web', 100, true, now());
INSERT INTO enforcement.rate_settings VALUES (%(t)s, 'gate', 77);
INSERT INTO enforcement.decisions
SELECT %(t)s, d, 'terraform', CASE n WHEN 1 THEN repeat('a', 64) ELSE 'a-key' END,
       repeat('a', 64), 'REQUIRE_APPROVAL', '{why}', 'soft', 0, repeat('0', 64), 'web', 'prod',
       'create', 'module.x', 10, 0, false, 10, 0, true, 900, false, %(p)s, now(), '{}', d, true, n
FROM (VALUES (1, gen_random_uuid()), (2, gen_random_uuid())) AS x (n, d);
INSERT INTO enforcement.approvals (tenant_id, approval_id, decision_id, state,
    required_permission, allowed_roles, require_separation, requested_by, requested_at,
    expires_at)
SELECT tenant_id, approval_id, decision_id, 'pending', 'remediation.approve.prod', '{owner}',
       false, %(p)s, now(), now() + interval '1 hour' FROM enforcement.decisions;
INSERT INTO enforcement.ledger
    (tenant_id, event, occurred_at, actor, decision_id, decision_digest, payload)
SELECT tenant_id, 'decision', created_at, created_by, decision_id,
       enforcement.decision_digest(d),
       json_build_object('reservation_active', true, 'approval_id', approval_id)::text
FROM enforcement.decisions d ORDER BY ledger_sequence;
"""


def test_a_database_of_before_is_taken_over(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant of version 0001 is replayed from where it was taken over, and goes on from there."""
    tenant_id, principal_id = uuid4(), uuid4()
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "HEAD", "0001")
        assert migrate(fresh_database, app_password=PASSWORD) == "0001"
    older = Cluster(owner_dsn=fresh_database, app_dsn=app_dsn(fresh_database, PASSWORD))
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        psycopg.ClientCursor(connection).execute(_BEFORE, {"t": tenant_id, "p": principal_id})
    assert migrate(fresh_database, app_password=PASSWORD) == HEAD
    (outcome,) = ledger.verify(fresh_database, tenant_id)
    assert outcome.fault is None

    async def work(db: Database) -> None:
        owner = await tenants.authenticate(db, tenant_id, principal_id)
        for item in await reservations.active(db, owner, limit=10):
            await reservations.reconcile(
                db,
                owner,
                item.decision.decision_id,
                actual_monthly_delta_usd=Decimal(7),
                notes=None,
                idempotency_key=f"key:{item.decision.decision_id}",
            )
        await budgets.put(db, owner, scope_key="web", monthly_limit_usd=Decimal(5), active=True)

    older.run(work)
    (outcome,) = ledger.verify(fresh_database, tenant_id)
    assert outcome.fault is None
    assert outcome.rows > 7
    older.sql("UPDATE enforcement.principals SET name = 'somebody'")
    (outcome,) = ledger.verify(fresh_database, tenant_id)
    assert outcome.fault is not None
    assert outcome.fault.detail.startswith("principals")
