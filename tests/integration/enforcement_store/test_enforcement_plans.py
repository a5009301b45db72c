"""What a read costs, in blocks of the database: by plans made over an empty schema, then kept."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from control_plane import PASSWORD, Cluster, Staff, make_staff
from enforcement.domain.credits import MAX_PAYERS
from enforcement.store import budgets, tenants
from enforcement.store import credits as grants
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.pages import NEWEST
from enforcement.store.pool import session_options
from enforcement.store.seed import seed_into

ROWS = 20_000
# An index one level deeper costs a few blocks; reading what grew, hundreds.
SLACK = 60

LEDGER = "SELECT enforcement.ledger_page(%(tenant)s, 50, NULL, NULL, NULL)"
MIDDLE = f"SELECT enforcement.ledger_page(%(tenant)s, 50, {ROWS // 2}, NULL, NULL)"
DAY = "SELECT enforcement.ledger_page(%(tenant)s, 50, NULL, %(start)s, %(end)s)"
WITHIN_DAY = f"SELECT enforcement.ledger_page(%(tenant)s, 50, {ROWS // 2}, %(start)s, %(end)s)"
PARITY = "SELECT enforcement.parity_newest(%(tenant)s, 50)"
GATE = (
    "SELECT enforcement.gate_begin(%(tenant)s, '{terraform}', '{none}', '{true}', NULL,"
    " '{project-7}', 1, 1000, true, true, 32)"
)
# Half a minute in the middle of a history of a row a second.
TIMES = {
    "start": f"2026-01-01T00:00:00Z'::timestamptz + interval '{ROWS // 2 - 30} s",
    "end": f"2026-01-01T00:00:00Z'::timestamptz + interval '{ROWS // 2} s",
}

PROJECTS = """
INSERT INTO enforcement.project_usage
    (tenant_id, project_id, own_budget, active_allocation_usd, active_credits_usd)
SELECT %s, 'project-' || n, false, 1, 0 FROM generate_series(1, %s) n
"""
BUDGETS = """
INSERT INTO enforcement.budgets (tenant_id, scope_key, monthly_limit_usd, active, updated_at)
SELECT %s, 'project-' || n, 10, true, now() FROM generate_series(1, %s) n
"""
GRANTS = """
INSERT INTO enforcement.credit_grants (tenant_id, grant_id, pool, scope_key, total_usd,
    remaining_usd, expires_at, reason, created_by, created_at)
SELECT %s, gen_random_uuid(), (ARRAY['reserved', 'emergency'])[1 + n %% 2],
       (ARRAY['default', 'project-7', 'project-8'])[1 + n %% 3], 1, (n %% 10 > 0)::int,
       CASE WHEN n %% 4 > 0 THEN now() + (n - 1000) * interval '1 hour' END, '',
       gen_random_uuid(), '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 s'
FROM generate_series(1, %s) n
"""
ENTRIES = """
INSERT INTO enforcement.ledger (tenant_id, event, occurred_at, actor, payload)
SELECT %s, 'limits.set', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 s',
       gen_random_uuid(), '{}'
FROM generate_series(1, %s) n
"""


@dataclass
class Plain:
    """A session of the application's role whose plans were made while there was nothing."""

    cluster: Cluster
    staff: Staff
    session: psycopg.Connection[Any]

    def blocks(self, query: str, **values: Any) -> int:
        """Return how many blocks a query reads, by the plan that the session has kept."""
        given = {"tenant": f"'{self.staff.tenant_id}'", **{k: f"'{v}'" for k, v in TIMES.items()}}
        text = query % {**given, **values}
        row = None
        for _ in range(3):  # catalogue look-ups come first
            row = self.session.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}").fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    def fill(self, statement: str, rows: int) -> None:
        """Add rows as one transaction of somebody who may, and clear away its old versions."""
        with psycopg.connect(self.cluster.owner_dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT set_config('enforcement.tenant_id', %s, false)",
                [str(self.staff.tenant_id)],
            )
            connection.execute(statement, (self.staff.tenant_id, rows))  # type: ignore[arg-type]  # constants
            connection.execute("VACUUM")

    def nodes(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return the nodes of the plan of a query that is sent as text."""
        with self.session.transaction():
            self.session.execute("SELECT enforcement.enter(%s)", [self.staff.tenant_id])
            cursor = psycopg.ClientCursor(self.session)
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values)
            row = cursor.fetchone()
        assert row is not None
        found, waiting = [], [row[0][0]["Plan"]]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += node.get("Plans", [])
        return found


@pytest.fixture
def plain(fresh_database: str) -> Iterator[Plain]:
    """A database of its own, since what is measured is how its tables grow."""
    migrate(fresh_database, app_password=PASSWORD)
    cluster = Cluster(owner_dsn=fresh_database, app_dsn=app_dsn(fresh_database, PASSWORD))
    staff = cluster.run(make_staff)
    options = session_options(cluster.settings())
    with psycopg.connect(cluster.app_dsn, autocommit=True, options=options) as session:
        yield Plain(cluster=cluster, staff=staff, session=session)


def test_a_page_of_the_ledger_costs_the_same_at_any_depth(plain: Plain) -> None:
    """At the top, in the middle, for a day and within it: as few blocks as over no rows at all."""
    queries = (LEDGER, MIDDLE, DAY, WITHIN_DAY, PARITY)
    before = [plain.blocks(query) for query in queries]
    plain.fill(ENTRIES, ROWS)
    for query, small in zip(queries, before, strict=True):
        assert plain.blocks(query) < small + SLACK, query


def test_nothing_costs_more_for_a_history_of_decisions(plain: Plain) -> None:
    """Parity, a page and a gate read as little after two thousand decisions as before."""
    tenant = tenants.tenant_id_of("grown")
    plain.cluster.run(lambda db: seed_into(db, name="grown", decisions=60))
    queries = (PARITY, LEDGER, GATE)
    before = [plain.blocks(query, tenant=f"'{tenant}'") for query in queries]
    plain.cluster.run(lambda db: seed_into(db, name="grown", decisions=2000))
    for query, small in zip(queries, before, strict=True):
        assert plain.blocks(query, tenant=f"'{tenant}'") < small + SLACK, query


LOOKUPS = (
    "SELECT 1 FROM enforcement.decisions WHERE tenant_id = $1 AND decision_id = $2",
    "SELECT 1 FROM enforcement.approvals WHERE tenant_id = $1 AND approval_id = $2",
    "SELECT 1 FROM enforcement.approvals WHERE tenant_id = $1 AND decision_id = $2",
    "SELECT 1 FROM enforcement.credit_grants WHERE tenant_id = $1 AND grant_id = $2",
    "SELECT 1 FROM enforcement.reconciliations WHERE tenant_id = $1 AND decision_id = $2",
    "SELECT 1 FROM enforcement.principals WHERE tenant_id = $1 AND principal_id = $2",
)


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_a_row_is_found_by_its_id_though_the_plan_is_older_than_the_rows(
    fresh_database: str, lookup: str
) -> None:
    """Both columns are conditions of the index, as a foreign key's check needs it, too.

    With the tenant alone as condition, each approval that is written reads the tenant's decisions.
    """
    migrate(fresh_database, app_password=PASSWORD)
    cluster = Cluster(owner_dsn=fresh_database, app_dsn=app_dsn(fresh_database, PASSWORD))
    options = session_options(cluster.settings())
    with psycopg.connect(fresh_database, autocommit=True, options=options) as session:
        session.execute(f"PREPARE lookup (uuid, uuid) AS {lookup}")
        zero = uuid.UUID(int=0)
        row = session.execute(f"EXPLAIN (FORMAT JSON) EXECUTE lookup ('{zero}', '{zero}')")
        plan = row.fetchall()[0][0][0]["Plan"]
    assert "$1" in plan["Index Cond"]
    assert "$2" in plan["Index Cond"]


def test_a_gate_costs_the_same_however_many_projects_there_are(plain: Plain) -> None:
    """Project ids are free text of any member: neither they nor their budgets are summed."""
    before = plain.blocks(GATE)
    plain.fill(PROJECTS, ROWS)
    plain.fill(BUDGETS, ROWS)
    assert plain.blocks(GATE) < before + SLACK


def test_a_gate_costs_the_same_however_many_grants_there_are(plain: Plain) -> None:
    """Live, spent and expired ones: it reads the first payers of each pool and scope."""
    plain.blocks(GATE)
    plain.fill(GRANTS, 4000)
    some = plain.blocks(GATE)
    plain.fill(GRANTS, 4 * 4000)
    assert plain.blocks(GATE) < some + 5 * MAX_PAYERS
    read = max(
        int(node["Actual Rows"])
        for node in plain.nodes(
            "SELECT json_array_elements(enforcement.payers(%s, '{project-7}', now(), %s))",
            plain.staff.tenant_id,
            MAX_PAYERS,
        )
    )
    assert MAX_PAYERS < read <= 5 * MAX_PAYERS


def test_a_page_of_budgets_reads_a_page(plain: Plain) -> None:
    """Of three thousand budgets with as many projects, a page reads its own rows and no others."""
    plain.fill(PROJECTS, 3000)
    plain.fill(BUDGETS, 3000)
    for after in ("", "project-2500"):
        nodes = plain.nodes(budgets.LISTING, plain.staff.tenant_id, after, 50)
        assert {node["Node Type"] for node in nodes}.isdisjoint({"Seq Scan", "Sort"})
        assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes) <= 50


def test_a_page_of_credits_reads_a_page(plain: Plain) -> None:
    """From the newest grant on, or from one deep down: no more rows than the page has."""
    plain.fill(GRANTS, 4000)
    deep = plain.cluster.sql(
        "SELECT created_at, grant_id FROM enforcement.credit_grants"
        " ORDER BY created_at OFFSET 1000 LIMIT 1"
    )[0]
    for place in ((NEWEST.at, NEWEST.row_id), deep):
        nodes = plain.nodes(grants.LISTING, plain.staff.tenant_id, *place, 50)
        assert {node["Node Type"] for node in nodes}.isdisjoint({"Seq Scan", "Sort"})
        assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes) <= 50
