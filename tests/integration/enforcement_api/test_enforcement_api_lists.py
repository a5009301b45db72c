"""Lists longer than a page, tenants with more of everything: whole, in order, and answered."""

import concurrent.futures
from typing import Any

import httpx
import psycopg
import pytest

from running_service import Service, Tenant, World, gate_body

BUDGETS = """
INSERT INTO enforcement.budgets (tenant_id, scope_key, monthly_limit_usd, active, updated_at)
SELECT %s, 'project-' || n, 10, n %% 2 = 0, now()
FROM generate_series(%s::integer, %s::integer) n
"""
GRANTS = """
INSERT INTO enforcement.credit_grants (tenant_id, grant_id, pool, scope_key, total_usd,
    remaining_usd, expires_at, reason, created_by, created_at)
SELECT %s, gen_random_uuid(), 'reserved', 'default', 1, 1, NULL, '', gen_random_uuid(),
       '2026-01-01T00:00:00Z'::timestamptz + (n / 7) * interval '1 s'

FROM generate_series(%s::integer, %s::integer) n
"""
ENTRIES = """
INSERT INTO enforcement.ledger (tenant_id, event, occurred_at, actor, payload)
SELECT %s, 'limits.set', clock_timestamp(), gen_random_uuid(), '{}'
FROM generate_series(%s::integer, %s::integer) n
"""
HARD: dict[str, Any] = {"terraform_mode": "hard", "auto_approve_below_monthly_usd": "1000"}


def fill(world: World, tenant: Tenant, statement: str, rows: int) -> None:
    """Add rows behind the service's back, as many as no client would; a thousand at once.

    Each row of the ledger updates the chain's head, and one transaction keeps all its versions.
    """
    with psycopg.connect(world.admin_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT set_config('enforcement.tenant_id', %s, false)", [str(tenant.tenant_id)]
        )
        for first in range(1, rows + 1, 1000):
            last = min(first + 999, rows)
            connection.execute(statement, (tenant.tenant_id, first, last))  # type: ignore[arg-type]  # constants


def following(service: Service, tenant: Tenant, path: str) -> list[list[dict[str, Any]]]:
    """Follow the links from a page to the last one; return the pages."""
    pages: list[list[dict[str, Any]]] = []
    url: str | None = path
    while url is not None:
        answer = service.client.get(url, headers=tenant.headers())
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        url = answer.links.get("next", {}).get("url")
    return pages


PREFIX = "/api/v1/enforcement"


def test_budgets_are_paged_by_scope(service: Service, world: World, tenant: Tenant) -> None:
    """Every one once, in the order of scope keys; without parameters the first page."""
    fill(world, tenant, BUDGETS, 1203)
    first = service.get("/budgets", tenant.headers()).json()
    pages = following(service, tenant, f"{PREFIX}/budgets?limit=500")
    assert [len(page) for page in pages] == [500, 500, 203]
    scopes = [row["scope_key"] for page in pages for row in page]
    assert scopes == sorted(scopes)
    assert len(set(scopes)) == 1203
    assert first == [row for page in pages for row in page][:200]


def test_a_cursor_may_hold_any_scope_key(service: Service, tenant: Tenant) -> None:
    """Scope keys are free text: one that is a query's own signs, or the word null, ends a page."""
    scopes = ["a&b=c", "null", "p?q#r", "x+y z", "über/%2f"]
    for scope in scopes:
        body = {"scope_key": scope, "monthly_limit_usd": "1"}
        assert service.post("/budgets", tenant.headers(), body).status_code == 200
    pages = following(service, tenant, f"{PREFIX}/budgets?limit=1")
    assert [page[0]["scope_key"] for page in pages[:-1]] == scopes
    assert pages[-1] == []


def test_credits_do_not_stop_at_a_thousand(service: Service, world: World, tenant: Tenant) -> None:
    """Every grant once, newest first, also where several are of the same instant."""
    fill(world, tenant, GRANTS, 1210)
    pages = following(service, tenant, f"{PREFIX}/credits?limit=400")
    rows = [row for page in pages for row in page]
    assert len({row["grant_id"] for row in rows}) == len(rows) == 1210
    assert [row["created_at"] for row in rows] == sorted(
        (row["created_at"] for row in rows), reverse=True
    )


def test_reservations_and_their_exceptions_are_paged(service: Service, tenant: Tenant) -> None:
    """Active ones oldest first, settlements newest first; each page goes on where one ended."""
    decided = [
        service.post("/gate/terraform", tenant.headers(), gate_body()).json()["decision_id"]
        for _ in range(5)
    ]
    pages = following(service, tenant, f"{PREFIX}/reservations/active?limit=2")
    assert [row["decision_id"] for page in pages for row in page] == decided
    for decision in decided:
        answer = service.post(
            f"/reservations/{decision}/reconcile",
            tenant.headers(),
            {"actual_monthly_delta_usd": "999"},
        )
        assert answer.status_code == 200, answer.text
    pages = following(service, tenant, f"{PREFIX}/reservations/reconciliation-exceptions?limit=2")
    assert [row["decision_id"] for page in pages for row in page] == decided[::-1]


def test_the_approval_queue_is_paged(service: Service, tenant: Tenant) -> None:
    """The next to expire first, each once; more than a queue's page is refused as before."""
    for _ in range(5):
        body = gate_body(environment="prod", estimated_monthly_delta_usd="100")
        answer = service.post("/gate/terraform", tenant.headers("member"), body)
        assert answer.json()["decision"] == "REQUIRE_APPROVAL"
    whole = service.get("/approvals/queue", tenant.headers()).json()
    pages = following(service, tenant, f"{PREFIX}/approvals/queue?limit=2")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row for page in pages for row in page] == whole
    assert [row["expires_at"] for row in whole] == sorted(row["expires_at"] for row in whole)
    assert service.get("/approvals/queue?limit=201", tenant.headers()).status_code == 422


def test_links_through_the_ledger_keep_its_window(service: Service, tenant: Tenant) -> None:
    """A page cut by time leads to the next page of the same time, and there is an end."""
    for _ in range(7):
        service.post("/gate/terraform", tenant.headers(), gate_body())
    rows = service.get("/ledger", tenant.headers()).json()
    start, end = rows[5]["occurred_at"], rows[1]["occurred_at"]
    pages = following(service, tenant, f"{PREFIX}/ledger?limit=2&start_at={start}&end_at={end}")
    assert [row["sequence"] for page in pages for row in page] == [
        row["sequence"] for row in rows if start <= row["occurred_at"] < end
    ]
    everything = following(service, tenant, f"{PREFIX}/ledger?limit=3")
    assert [row["sequence"] for page in everything for row in page] == [
        row["sequence"] for row in rows
    ]


@pytest.mark.parametrize(
    "query",
    [
        "/budgets?cursor=web",
        "/budgets?cursor=",
        "/budgets?limit=0",
        "/budgets?limit=1001",
        "/credits?cursor=1",
        "/credits?cursor=1.abc",
        "/reservations/active?cursor=.web",
        "/reservations/reconciliation-exceptions?cursor=-1.00000000000000000000000000000000",
    ],
)
def test_a_cursor_that_is_none_is_refused(service: Service, tenant: Tenant, query: str) -> None:
    """What no link of ours says is 422, not the first page again."""
    answer = service.get(query, tenant.headers())
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_the_furthest_cursors_are_answered(service: Service, tenant: Tenant) -> None:
    """The first and the last place that a cursor can name are places, before or behind all."""
    for cursor in (f"0.{0:032x}", f"9999999999999999.{2**128 - 1:x}"):
        for path in ("/credits", "/reservations/active", "/reservations/reconciliation-exceptions"):
            answer = service.get(f"{path}?cursor={cursor}", tenant.headers())
            assert (answer.status_code, answer.json()) == (200, [])


def test_parity_of_a_window_has_no_bound(service: Service, world: World, tenant: Tenant) -> None:
    """Over a hundred thousand rows between two decisions: compared, all of them."""
    headers = tenant.headers()
    assert service.post("/gate/terraform", headers, gate_body()).status_code == 200
    fill(world, tenant, ENTRIES, 100_001)
    assert service.post("/gate/terraform", headers, gate_body()).status_code == 200
    answer = service.client.get(f"{PREFIX}/exports/parity", headers=headers, timeout=60)
    body = answer.json()
    assert (answer.status_code, body["parity_ok"], body["decisions"]) == (200, True, 2)
    assert body["ledger_rows"] == 100_003
    with psycopg.connect(world.admin_dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE enforcement.ledger SET payload = '[]' WHERE tenant_id = %s AND sequence = %s",
            (tenant.tenant_id, body["first_sequence"] + 50_000),
        )
    forged = service.client.get(f"{PREFIX}/exports/parity", headers=headers, timeout=60).json()
    assert (forged["parity_ok"], forged["chain_ok"]) == (False, False)
    assert forged["first_mismatch"] == body["first_sequence"] + 50_000
    assert forged["mismatch_reason"] == "wrong_hash"


def _gate(service: Service, tenant: Tenant, monthly: str) -> httpx.Response:
    return service.post(
        "/gate/terraform", tenant.headers(), gate_body(estimated_monthly_delta_usd=monthly)
    )


def test_a_decision_draws_on_the_first_of_many_grants(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Thirty-two of a pool at most, whatever else is there; decided together, none is drawn twice.

    Twenty gates at once, each for more grants than those before it leave among the first.
    """
    headers = tenant.headers()
    assert service.post("/policies", headers, HARD).status_code == 200
    budget = {"scope_key": "default", "monthly_limit_usd": "0"}
    assert service.post("/budgets", headers, budget).status_code == 200
    fill(world, tenant, GRANTS, 400)
    assert _gate(service, tenant, "33").json()["decision"] == "DENY"
    assert _gate(service, tenant, "32").json()["decision"] == "ALLOW_WITH_CREDITS"
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: _gate(service, tenant, "18"), range(20)))
    assert {answer.json()["decision"] for answer in answers} == {"ALLOW_WITH_CREDITS"}
    left = world.query(
        "SELECT sum(remaining_usd), min(remaining_usd) FROM enforcement.credit_grants"
        " WHERE tenant_id = %s",
        (tenant.tenant_id,),
    )
    assert left == [(400 - 32 - 20 * 18, 0)]
