import base64
import json
import uuid
from collections import Counter
from typing import Any

import jwt
import pytest

from enforcement.api import metrics
from running_service import APPROVAL_SECRET, Service, Tenant, World, gate_body, hammer

PROD = {"environment": "prod", "estimated_monthly_delta_usd": "500"}


def escalate(service: Service, tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """Have a member ask the gate for something that must be approved."""
    answer = service.post(
        "/gate/terraform", tenant.headers("member"), gate_body(**{**PROD, **changes})
    )
    body: dict[str, Any] = answer.json()
    assert body["decision"] == "REQUIRE_APPROVAL", answer.text
    return body


def approve(service: Service, tenant: Tenant, approval_id: str) -> dict[str, Any]:
    """Have the owner approve."""
    answer = service.post(
        f"/approvals/{approval_id}/approve", tenant.headers("owner"), {"notes": "fine"}
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def refused(answer: Any, status: int, code: str) -> None:
    """Assert that an answer is this problem."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_an_approval_from_the_gate_to_its_token(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Escalated, queued, approved by another, its token spent once; each step in the ledger."""
    decision = escalate(service, tenant)
    approval_id = decision["approval_request_id"]
    queued = service.get("/approvals/queue", tenant.headers("owner")).json()
    assert [item["approval_id"] for item in queued] == [approval_id]
    assert queued[0]["approval_token"] is None
    assert service.get("/approvals/queue", tenant.headers("member")).json() == []
    again = service.post(
        "/approvals/requests", tenant.headers("member"), {"decision_id": decision["decision_id"]}
    )
    assert again.json()["approval_id"] == approval_id
    approved = approve(service, tenant, approval_id)
    assert (approved["state"], approved["review_notes"]) == ("approved", "fine")
    token = approved["approval_token"]
    body = {
        "approval_token": token,
        "expected_source": "terraform",
        "expected_project_id": "DEFAULT",
        "expected_environment": "production",
        "expected_request_fingerprint": decision["request_fingerprint"],
        "expected_resource_reference": approved["resource_reference"],
    }
    spent = service.post("/approvals/consume", tenant.headers("member"), body)
    assert spent.status_code == 200, spent.text
    assert spent.json()["token_consumed_at"] is not None
    assert spent.json()["max_monthly_delta_usd"] == "500.0000"
    refused(
        service.post("/approvals/consume", tenant.headers("member"), body), 409, "token_replayed"
    )
    for event in (
        "decision",
        "approval.requested",
        "approval.approved",
        "approval.token_consumed",
    ):
        assert (event, world.events(tenant, event)) == (event, 1)
    kept = world.query("SELECT a::text FROM enforcement.approvals a")
    assert all(token not in row[0] for row in kept)


def test_who_may_review(service: Service, tenant: Tenant) -> None:
    """Members and admins may not approve production, nor the requester what it asked for."""
    approval_id = escalate(service, tenant)["approval_request_id"]
    path = f"/approvals/{approval_id}/approve"
    refused(service.post(path, tenant.headers("member"), {}), 403, "reviewer_role")
    refused(service.post(path, tenant.headers("admin"), {}), 403, "reviewer_permission")
    own = service.post("/gate/terraform", tenant.headers("owner"), gate_body(**PROD)).json()
    refused(
        service.post(
            f"/approvals/{own['approval_request_id']}/approve", tenant.headers("owner"), {}
        ),
        403,
        "reviewer_is_requester",
    )
    refused(
        service.post(f"/approvals/{uuid.uuid4()}/approve", tenant.headers("owner"), {}),
        404,
        "approval_unknown",
    )


def test_a_denial_gives_the_reservation_back(service: Service, tenant: Tenant) -> None:
    """Denied, a request cannot be approved any more and reserves nothing."""
    decision = escalate(service, tenant)
    active = service.get("/reservations/active", tenant.headers()).json()
    assert [item["decision_id"] for item in active] == [decision["decision_id"]]
    path = f"/approvals/{decision['approval_request_id']}"
    denied = service.post(f"{path}/deny", tenant.headers("owner"), {"notes": "too dear"})
    assert (denied.status_code, denied.json()["state"]) == (200, "denied")
    assert service.get("/reservations/active", tenant.headers()).json() == []
    refused(
        service.post(f"{path}/approve", tenant.headers("owner"), {}), 409, "approval_not_pending"
    )


def test_what_needs_no_approval_gets_none(service: Service, tenant: Tenant) -> None:
    """Asking for an approval of a decision that was allowed is 409, of an unknown one 404."""
    allowed = service.post("/gate/terraform", tenant.headers("member"), gate_body()).json()
    path = "/approvals/requests"
    headers = tenant.headers("member")
    refused(
        service.post(path, headers, {"decision_id": allowed["decision_id"]}),
        409,
        "approval_not_needed",
    )
    refused(
        service.post(path, headers, {"decision_id": str(uuid.uuid4())}), 404, "decision_unknown"
    )


def test_fifty_consumers_of_one_token_one_succeeds(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Of 50 parallel consumptions of one token, through all workers, exactly one is 200."""
    approval_id = escalate(service, tenant)["approval_request_id"]
    token = approve(service, tenant, approval_id)["approval_token"]
    before = service.served("POST", "/approvals/consume", 409)
    answers = hammer(
        service,
        [("/approvals/consume", tenant.headers("member"), {"approval_token": token})] * 50,
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"token_replayed"}
    after = service.served("POST", "/approvals/consume", 409)
    assert min(now - then for now, then in zip(after, before, strict=True)) > 0
    assert world.events(tenant, "approval.token_consumed") == 1


def test_fifty_reviews_at_once_one_decides(service: Service, world: World, tenant: Tenant) -> None:
    """Of 50 parallel approvals and denials exactly one takes effect, with one ledger row."""
    approval_id = escalate(service, tenant)["approval_request_id"]
    words = ("approve", "deny")
    answers = hammer(
        service,
        [
            (f"/approvals/{approval_id}/{words[i % 2]}", tenant.headers("owner"), {})
            for i in range(50)
        ],
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    rows = world.events(tenant, "approval.approved") + world.events(tenant, "approval.denied")
    assert rows == 1


def test_false_approval_tokens_are_refused(service: Service, world: World, tenant: Tenant) -> None:
    """Forged, edited, swapped, foreign and mismatched tokens are refused and spend nothing."""
    first = approve(service, tenant, escalate(service, tenant)["approval_request_id"])
    second = approve(service, tenant, escalate(service, tenant)["approval_request_id"])
    token = first["approval_token"]
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    plain = json.dumps({**claims, "max_monthly_delta_usd": "9999.0000"}).encode()
    edited = base64.urlsafe_b64encode(plain).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    consume, headers = "/approvals/consume", tenant.headers("member")
    for false in (
        f"{header}.{edited}.{signature}",
        f"{none}.{payload}.",
        f"{header}.{payload}.{second['approval_token'].split('.')[2]}",
        token[:-3],
        jwt.encode(claims, "x" * 64),
        "x" * 40,
    ):
        refused(service.post(consume, headers, {"approval_token": false}), 401, "invalid_token")
    stranger = world.tenant().headers()
    refused(
        service.post(consume, stranger, {"approval_token": token}), 403, "token_of_another_tenant"
    )
    reworded = jwt.encode({**claims, "environment": "nonprod"}, APPROVAL_SECRET.ljust(40, "a"))
    refused(service.post(consume, headers, {"approval_token": reworded}), 409, "token_replaced")
    for field, value in (
        ("expected_source", "k8s_admission"),
        ("expected_project_id", "another"),
        ("expected_environment", "nonprod"),
        ("expected_request_fingerprint", "0" * 64),
        ("expected_resource_reference", "another"),
    ):
        answer = service.post(consume, headers, {"approval_token": token, field: value})
        refused(answer, 409, "expectation_mismatch")
    assert world.events(tenant, "approval.token_consumed") == 0
    assert service.post(consume, headers, {"approval_token": token}).status_code == 200


def reserve(service: Service, tenant: Tenant) -> str:
    """Have a decision reserve 10, and return its id."""
    answer = service.post("/gate/terraform", tenant.headers("member"), gate_body())
    assert answer.json()["reservation_active"] is True
    return str(answer.json()["decision_id"])


def test_a_reservation_is_settled_once(service: Service, world: World, tenant: Tenant) -> None:
    """The same key replays the settlement; another key or another cost is 409."""
    decision_id = reserve(service, tenant)
    path, headers = f"/reservations/{decision_id}/reconcile", tenant.headers("admin")
    body = {"actual_monthly_delta_usd": "12.5", "idempotency_key": "settle-1", "notes": "invoice"}
    settled = service.post(path, headers, body)
    assert settled.status_code == 200, settled.text
    assert (settled.json()["status"], settled.json()["drift_usd"]) == ("overage", "2.5000")
    again = service.post(path, headers, body).json()
    assert {**again, "replayed": False} == settled.json()
    refused(
        service.post(path, headers, {**body, "actual_monthly_delta_usd": "13"}),
        409,
        "idempotency_conflict",
    )
    refused(
        service.post(path, {**headers, "idempotency-key": "settle-2"}, body),
        409,
        "already_reconciled",
    )
    exceptions = service.get("/reservations/reconciliation-exceptions", headers).json()
    assert [item["decision_id"] for item in exceptions] == [decision_id]
    assert service.get("/reservations/active", headers).json() == []
    assert world.events(tenant, "reservation.reconciled") == 1


def test_a_counter_that_is_full_stops_no_settlement(service: Service, tenant: Tenant) -> None:
    """Drifts of 10^12 add up: past 64 bits their sum begins anew, and the answer is the answer."""
    with service.counters() as file:
        word = file.layout.offset(metrics.DRIFT, ("overage",))
        before = [file.read(slot, word) for slot in range(service.workers)]
        for slot in range(service.workers):
            file.write(slot, word, 2**64 - 1)
        try:
            path = f"/reservations/{reserve(service, tenant)}/reconcile"
            settled = service.post(path, tenant.headers(), {"actual_monthly_delta_usd": "12"})
            assert (settled.status_code, settled.json().get("drift_usd")) == (200, "2.0000")
            assert 2 * metrics.DRIFT_PER_USD - 1 in {
                file.read(slot, word) for slot in range(service.workers)
            }
        finally:
            for slot, value in enumerate(before):
                file.write(slot, word, value)


def test_twenty_settlements_with_different_keys_one_settles(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Of 20 parallel settlements with keys of their own one is 200 and the rest 409."""
    decision_id = reserve(service, tenant)
    answers = hammer(
        service,
        [
            (
                f"/reservations/{decision_id}/reconcile",
                tenant.headers("admin"),
                {"actual_monthly_delta_usd": str(i), "idempotency_key": f"key-{i}"},
            )
            for i in range(20)
        ],
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert world.events(tenant, "reservation.reconciled") == 1


def test_settlement_and_sweep_never_both_take_effect(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Manual settlements against sweeps at once: each reservation ends exactly one way."""
    ids = [reserve(service, tenant) for _ in range(6)]
    # The ledger covers when a decision was made, so this breaks parity; it is not looked at here.
    world.query(
        "UPDATE enforcement.decisions SET created_at = created_at - interval '2 hours'"
        " WHERE tenant_id = %s RETURNING 1",
        (tenant.tenant_id,),
    )
    headers = tenant.headers("admin")
    sweep = ("/reservations/reconcile-overdue", headers, {"older_than_seconds": 3600})
    settle = [
        (
            f"/reservations/{decision_id}/reconcile",
            headers,
            {"actual_monthly_delta_usd": "10", "idempotency_key": "manual"},
        )
        for decision_id in ids
    ]
    answers = hammer(service, [item for one in settle for item in (one, sweep)])
    swept = [
        decision_id
        for answer in answers[1::2]
        if answer.status_code == 200
        for decision_id in answer.json()["decision_ids"]
    ]
    settled = [
        decision_id
        for decision_id, answer in zip(ids, answers[::2], strict=True)
        if answer.status_code == 200
    ]
    assert sorted(swept + settled) == sorted(ids)
    assert world.events(tenant, "reservation.reconciled") == len(settled)
    assert world.events(tenant, "reservation.released") == len(swept)
    assert service.get("/reservations/active", headers).json() == []


ROUTES_TO_THINGS = (
    "/approvals/{approval}/approve",
    "/approvals/{approval}/deny",
    "/reservations/{decision}/reconcile",
)


@pytest.mark.parametrize("route", ROUTES_TO_THINGS)
def test_another_tenants_things_do_not_exist(
    service: Service, world: World, tenant: Tenant, route: str
) -> None:
    """Whatever names another tenant's approval or decision is 404 and changes nothing."""
    decision = escalate(service, tenant)
    path = route.format(approval=decision["approval_request_id"], decision=decision["decision_id"])
    body = {"actual_monthly_delta_usd": "1", "idempotency_key": "key-1"} if "rec" in route else {}
    rows = "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s"
    before = world.query(rows, (tenant.tenant_id,))
    stranger = world.tenant()
    answer = service.post(path, stranger.headers(), body)
    assert answer.status_code == 404, answer.text
    assert world.query(rows, (tenant.tenant_id,)) == before
    asked = service.post(
        "/approvals/requests", stranger.headers(), {"decision_id": decision["decision_id"]}
    )
    refused(asked, 404, "decision_unknown")


def test_no_read_shows_another_tenants_rows(service: Service, world: World, tenant: Tenant) -> None:
    """A full tenant next door leaves every list of an empty tenant empty."""
    owner = tenant.headers()
    service.post("/budgets", owner, {"monthly_limit_usd": "100000"})
    service.post("/credits", owner, {"pool_type": "reserved", "total_amount_usd": "5"})
    escalate(service, tenant)
    settled = reserve(service, tenant)
    service.post(
        f"/reservations/{settled}/reconcile",
        owner,
        {"actual_monthly_delta_usd": "1", "idempotency_key": "key-1"},
    )
    stranger = world.tenant().headers()
    lists = (
        "/budgets",
        "/credits",
        "/approvals/queue",
        "/reservations/active",
        "/reservations/reconciliation-exceptions",
    )
    for path in lists:
        assert (path, service.get(path, stranger).json()) == (path, [])
        assert service.get(path, owner).json(), f"{path} of the full tenant is empty: no proof"
    events = {row["event"] for row in service.get("/ledger", stranger).json()}
    assert events == {"tenant.created", "principal.set", "limits.set"}
    assert service.get("/exports/parity", stranger).json()["decisions"] == 0
    assert service.get("/policies", stranger).json()["version"] == 0
    swept = service.post("/reservations/reconcile-overdue", stranger, {"older_than_seconds": 60})
    assert swept.json()["released_count"] == 0
