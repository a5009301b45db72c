import base64
import json
import socket
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import msgspec
import pytest

from enforcement.api.paths import LIMITS, PREFIX
from enforcement.domain.enums import Plan, Role
from enforcement.domain.identity import Caller
from enforcement_suite.suite import SUITE
from running_service import (
    AUDIENCE,
    GATE,
    ISSUER,
    JWT_SECRET,
    Service,
    Tenant,
    World,
    ask_every_worker,
    gate_body,
    sign,
)
from stressproof.capture.probe import probe, read_parity
from stressproof.evidence.target import RuntimeProbe
from stressproof.load.client import Client
from stressproof.verify.probes import (
    COUNTS,
    judge_books,
    judge_compared_on,
    judge_forward,
    judge_journal,
)
from stressproof.verify.rule import Judgement
from stressproof.workload.target import Target

READS = (
    "/policies",
    "/budgets",
    "/credits",
    "/approvals/queue?limit=50",
    "/reservations/active",
    "/reservations/reconciliation-exceptions",
    "/ledger?limit=50",
    "/exports/parity?limit=50",
    "/exports/parity",
    "/limits",
)
ID = "00000000-0000-4000-8000-000000000001"
WRITES: tuple[tuple[str, Any], ...] = (
    ("/policies", {}),
    ("/budgets", {"monthly_limit_usd": "1"}),
    ("/credits", {"pool_type": "reserved", "total_amount_usd": "1"}),
    ("/gate/terraform", gate_body()),
    ("/approvals/requests", {"decision_id": ID}),
    (f"/approvals/{ID}/approve", {}),
    (f"/approvals/{ID}/deny", {}),
    ("/approvals/consume", {"approval_token": "x" * 40}),
    (f"/reservations/{ID}/reconcile", {"actual_monthly_delta_usd": "1", "idempotency_key": "key1"}),
    ("/reservations/reconcile-overdue", {}),
)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that an answer is this refusal, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


@pytest.mark.parametrize("path", READS)
def test_a_read_answers_json_to_its_tenant(service: Service, tenant: Tenant, path: str) -> None:
    """Every read of the API answers 200 and JSON to an owner."""
    answer = service.get(path, tenant.headers())
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    answer.json()


def test_reading_the_policy_writes_nothing(service: Service, world: World, tenant: Tenant) -> None:
    """A tenant that never set a policy reads version 0, and still has none afterwards."""
    assert service.get("/policies", tenant.headers()).json()["version"] == 0
    rows = world.query(
        "SELECT count(*) FROM enforcement.policies WHERE tenant_id = %s", (tenant.tenant_id,)
    )
    assert rows[0][0] == 0


@pytest.mark.parametrize("path", READS)
def test_a_read_needs_a_token(service: Service, path: str) -> None:
    """Without a token every read is 401, with a challenge."""
    answer = service.get(path, {})
    problem(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_a_write_needs_a_token(service: Service, path: str, body: Any) -> None:
    """Without a token every write is 401, before its body is looked at."""
    problem(service.post(path, {}, body), 401, "token_missing")


def _unsigned(token: str) -> str:
    _, payload, _ = token.split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{header}.{payload}."


def _edited(token: str, tenant_id: uuid.UUID) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["tenant_id"] = str(tenant_id)
    edited = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{edited}.{signature}"


def test_false_tokens_are_refused(service: Service, world: World, tenant: Tenant) -> None:
    """A token is refused for its signature, algorithm, time, issuer, audience or shape."""
    caller = tenant.callers["owner"]
    good = sign(caller)
    long_ago = datetime.now(UTC) - timedelta(days=1)
    false = {
        "wrong key": (sign(caller, secret="x" * 40), "token_invalid"),
        "another issuer": (sign(caller, issuer="somebody"), "token_invalid"),
        "another audience": (sign(caller, audience="somewhere"), "token_invalid"),
        "expired": (sign(caller, lifetime_s=60, now=long_ago), "token_expired"),
        "no algorithm": (_unsigned(good), "token_invalid"),
        "edited": (_edited(good, world.tenant().tenant_id), "token_invalid"),
        "truncated": (good[:-5], "token_invalid"),
        "not a token": ("abc", "token_invalid"),
        "other algorithm": (
            jwt.encode(
                jwt.decode(good, options={"verify_signature": False}), JWT_SECRET, algorithm="HS512"
            ),
            "token_invalid",
        ),
        "no expiry": (
            jwt.encode({"sub": ID, "tenant_id": ID, "aud": AUDIENCE, "iss": ISSUER}, JWT_SECRET),
            "token_invalid",
        ),
    }
    assert service.get("/policies", {"authorization": f"Bearer {good}"}).status_code == 200
    for name, (token, code) in false.items():
        answer = service.get("/policies", {"authorization": f"Bearer {token}"})
        assert (name, problem(answer, 401, code)["code"]) == (name, code)
    problem(service.get("/policies", {"authorization": f"Basic {good}"}), 401, "token_malformed")


def test_a_token_that_expires_is_refused_though_it_was_good(
    service: Service, tenant: Tenant
) -> None:
    """A token whose signature was verified before is refused once its time is over."""
    headers = {"authorization": f"Bearer {sign(tenant.callers['owner'], lifetime_s=2)}"}
    assert service.get("/policies", headers).status_code == 200
    time.sleep(2.1)
    problem(service.get("/policies", headers), 401, "token_expired")


def test_a_principal_must_exist_in_its_tenant(
    service: Service, world: World, tenant: Tenant
) -> None:
    """A well-signed token of one tenant's principal for another tenant opens nothing."""
    stranger = world.tenant().callers["owner"]
    for caller in (
        Caller(tenant_id=tenant.tenant_id, principal_id=stranger.principal_id, role=Role.OWNER),
        Caller(tenant_id=tenant.tenant_id, principal_id=uuid.uuid4(), role=Role.OWNER),
        Caller(tenant_id=uuid.uuid4(), principal_id=uuid.uuid4(), role=Role.OWNER),
    ):
        answer = service.get("/policies", {"authorization": f"Bearer {sign(caller)}"})
        problem(answer, 401, "principal_unknown")


def test_the_database_decides_what_a_role_is(service: Service, tenant: Tenant) -> None:
    """A token that claims a higher rank than the principal has gains nothing."""
    member = tenant.callers["member"]
    boast = Caller(tenant_id=member.tenant_id, principal_id=member.principal_id, role=Role.OWNER)
    answer = service.get("/ledger", {"authorization": f"Bearer {sign(boast)}"})
    problem(answer, 403, "role_required")


ADMIN_ONLY = (
    ("GET", "/reservations/active", None),
    ("GET", "/reservations/reconciliation-exceptions", None),
    ("GET", "/ledger", None),
    ("GET", "/exports/parity", None),
    *(("POST", *WRITES[i]) for i in (0, 1, 2, 8, 9)),
)


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_ONLY)
def test_members_may_not_do_what_admins_may(
    service: Service, tenant: Tenant, method: str, path: str, body: Any
) -> None:
    """What needs an admin refuses a member and does not refuse an admin for its role."""
    answer = service.client.request(
        method, PREFIX + path, headers=tenant.headers("member"), json=body
    )
    problem(answer, 403, "role_required")
    answer = service.client.request(
        method, PREFIX + path, headers=tenant.headers("admin"), json=body
    )
    assert answer.status_code in {200, 404}


def test_a_plan_without_the_feature_is_refused(service: Service, world: World) -> None:
    """A tenant on a plan that lacks a feature gets 403 wherever it is needed."""
    headers = world.tenant(plan=Plan.STARTER).headers()
    for path in READS:
        if PREFIX + path == LIMITS:
            continue
        problem(service.get(path, headers), 403, "feature_unavailable")
    for path, body in WRITES:
        problem(service.post(path, headers, body), 403, "feature_unavailable")


def test_unknown_query_parameters_are_refused(service: Service, tenant: Tenant) -> None:
    """A misspelt, repeated or impossible query parameter is 422 on every route."""
    for path in READS:
        joint = "&" if "?" in path else "?"
        answer = service.get(f"{path}{joint}limt=5", tenant.headers())
        body = problem(answer, 422, "unknown_parameter")
        assert body["errors"] == [{"location": "query", "name": "limt", "detail": "unknown"}]
    for path, code in (
        ("/ledger?limit=5&limit=6", "repeated_parameter"),
        ("/ledger?limit=0", "invalid_request"),
        ("/ledger?limit=1001", "invalid_request"),
        ("/ledger?limit=abc", "invalid_request"),
        ("/ledger?start_at=yesterday", "invalid_instant"),
        ("/ledger?start_at=0.5", "invalid_instant"),
        ("/ledger?start_at=null", "invalid_request"),
        ("/ledger?start_at=2026-01-01T00:00:00", "invalid_instant"),
        ("/exports/parity?limit=5&start_date=2026-01-01", "invalid_request"),
        ("/exports/parity?start_date=2020-01-01&end_date=2026-01-01", "invalid_window"),
        ("/exports/parity?start_date=0001-01-01&end_date=9999-12-31", "invalid_window"),
        ("/approvals/queue?limit=201", "invalid_request"),
        ("/ledger?start_at=0001-01-01T00:00:00%2B20:00", "invalid_instant"),
    ):
        problem(service.get(path, tenant.headers()), 422, code)
    odd = "/ledger?start_at=2026-01-01T00:00:00%2B20:47"
    assert service.get(odd, tenant.headers()).status_code == 200
    problem(service.post("/policies?x=1", tenant.headers(), {}), 422, "unknown_parameter")


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_unknown_body_fields_are_refused(
    service: Service, world: World, tenant: Tenant, path: str, body: Any
) -> None:
    """A field that a body does not have is 422 and nothing is done."""
    before = world.query(
        "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s", (tenant.tenant_id,)
    )
    answer = service.post(path, tenant.headers(), {**body, "surprise": 1})
    errors = problem(answer, 422, "invalid_request")["errors"]
    assert "surprise" in errors[0]["detail"]
    after = world.query(
        "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s", (tenant.tenant_id,)
    )
    assert after == before


def test_bodies_are_typed_strictly(service: Service, tenant: Tenant) -> None:
    """Numbers in text, text in numbers, wrong media types and broken JSON are refused."""
    headers = tenant.headers()
    for change in (
        {"estimated_monthly_delta_usd": 10},
        {"estimated_monthly_delta_usd": "-1"},
        {"estimated_monthly_delta_usd": "1e3"},
        {"estimated_monthly_delta_usd": "10\n"},
        {"dry_run": "true"},
        {"dry_run": 1},
        {"metadata": []},
        {"action": ""},
        {"action": "a" * 65},
        {"resource_reference": "a\nb"},
        {"project_id": "\u0000"},
        {"metadata": {"text": "\u0000"}},
        {"metadata": {"deep": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}},
        {"metadata": {"big": "x" * 20_000}},
        {"idempotency_key": "abc"},
    ):
        answer = service.post("/gate/terraform", headers, gate_body(**change))
        assert (change, answer.status_code) == (change, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    client = service.client
    json_headers = {**headers, "content-type": "application/json"}
    problem(client.post(GATE, headers=json_headers, content=b"{"), 400, "malformed_json")
    problem(
        client.post(GATE, headers=json_headers, content=b'{"action":"\xff"}'), 400, "malformed_json"
    )
    deep = b'{"metadata":{"a":' + b"[" * 100_000
    problem(client.post(GATE, headers=json_headers, content=deep), 400, "malformed_json")
    problem(client.post(GATE, headers=json_headers), 422, "invalid_request")
    problem(
        client.post(GATE, headers={**headers, "content-type": "text/plain"}, content=b"{}"),
        415,
        "unsupported_media_type",
    )
    big = json.dumps(gate_body(metadata={"a": "x" * 400_000})).encode()
    problem(client.post(GATE, headers=json_headers, content=big), 413, "body_too_large")


def test_a_client_that_stalls_is_sent_away(service: Service, tenant: Tenant) -> None:
    """A body that does not come is 408 in the end; others are answered meanwhile."""
    host, port = service.url.removeprefix("http://").split(":")
    head = (
        f"POST {GATE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: {tenant.headers()['authorization']}\r\ncontent-length: 100\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as stalled:
        stalled.sendall(head.encode() + b'{"action":')
        assert service.get("/policies", tenant.headers()).status_code == 200
        answer = stalled.recv(65_536).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "body_too_slow" in answer or "content-type: application/problem+json" in answer


def test_routes_that_do_not_exist_are_problems_too(service: Service, tenant: Tenant) -> None:
    """An unknown path is 404, a wrong method 405 with the right ones, an id that is none 404."""
    problem(service.client.get("/nowhere"), 404, "route_unknown")
    answer = service.client.put(f"{PREFIX}/policies", headers=tenant.headers())
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}
    problem(service.post("/approvals/42/approve", tenant.headers(), {}), 404, "route_unknown")


def test_health_names_the_service_and_its_database(service: Service, tenant: Tenant) -> None:
    """Health is 200, asks the database itself, and names one instance whichever worker answers."""
    instances = set()
    for _ in range(8):
        answer = httpx.get(f"{service.url}/health", headers=tenant.headers(), timeout=10)
        body = answer.json()
        instances.add(body["instance_id"])
        assert (answer.status_code, body["status"], body["workers"]) == (200, "healthy", 2)
        assert body["unsafe"] == []
        database = body["database"]
        assert (database["status"], database["engine"], database["source"]) == (
            "up",
            "postgresql",
            "db-query",
        )
        assert (database["fsync"], database["synchronous_commit"]) == ("on", "on")
        assert database["system_identifier"].isdigit()
    assert len(instances) == 1
    assert service.client.get("/health/live").json() == {"status": "healthy"}


def test_health_tells_what_the_database_counts(
    service: Service, tenant: Tenant, world: World
) -> None:
    """Evidence reads transactions, log and the end of the caller's own ledger, and they hold."""

    def read(of: Tenant) -> RuntimeProbe:
        return probe(service.url, SUITE, of.headers(), "2026-01-01T00:00:00+00:00").runtime

    other = world.tenant()
    before, others = read(tenant), read(other)
    assert before.transactions_committed
    assert before.wal_bytes
    assert service.post("/gate/terraform", tenant.headers(), gate_body()).status_code == 200
    after = read(tenant)
    newest = service.get("/ledger?limit=1", tenant.headers()).json()[0]
    assert (after.journal_sequence, after.journal_hash) == (
        newest["sequence"],
        newest["entry_hash"],
    )
    assert after.journal_sequence != before.journal_sequence
    unchanged = read(other)
    assert (unchanged.journal_sequence, unchanged.journal_hash) == (
        others.journal_sequence,
        others.journal_hash,
    )
    judgement = Judgement("")
    judge_forward("runtime", before, after, COUNTS, judgement)
    judge_journal("runtime.after", before, after, judgement)
    assert (judgement.compared, judgement.findings) == (5, [])


def test_evidence_reads_what_parity_compared(service: Service, tenant: Tenant) -> None:
    """How many decisions, up to which entry, with one digest: before another is made and after."""
    target = Target(url=service.url, headers=tenant.headers())

    def read() -> RuntimeProbe:
        health = probe(service.url, SUITE, tenant.headers(), "2026-01-01T00:00:00+00:00")
        parity = read_parity(Client(target), SUITE.probes.parity)
        return msgspec.structs.replace(health.runtime, parity=parity)

    empty = read().parity
    assert empty is not None
    assert (empty.compared, empty.agreed, empty.last_sequence) == (0, True, None)
    readings = []
    for _ in range(2):
        assert service.post("/gate/terraform", tenant.headers(), gate_body()).status_code == 200
        readings.append(read())
    judgement = Judgement("")
    for reading in readings:
        assert reading.parity is not None
        assert reading.parity.last_sequence == reading.journal_sequence
        judge_books("parity", reading.parity, judgement)
    judge_compared_on("runtime.after", *readings, judgement)
    assert [one.parity.compared for one in readings if one.parity] == [1, 2]
    assert (judgement.compared, judgement.findings) == (9, [])


def test_a_request_keeps_its_id(service: Service, tenant: Tenant) -> None:
    """A plain request id is given back, one that could break a log line is replaced."""
    kept = service.get("/limits", {**tenant.headers(), "x-request-id": "abc-1"})
    assert kept.headers["x-request-id"] == "abc-1"
    replaced = service.get("/limits", {**tenant.headers(), "x-request-id": 'a"b c'})
    assert replaced.headers["x-request-id"] != 'a"b c'


def test_an_answer_names_its_worker(service: Service, tenant: Tenant) -> None:
    """Whoever must reach every worker sees which ones answered, refusals included."""
    named = Counter(
        (answer.headers["x-served-by"], answer.status_code)
        for answer in ask_every_worker(service, "/limits", tenant.headers(), {})
    )
    workers = [f"worker-{number}" for number in range(service.workers)]
    assert named == {(worker, status): 1 for worker in workers for status in (200, 401)}


def test_every_answer_is_counted_once(service: Service, tenant: Tenant) -> None:
    """The counters of all workers together grow by exactly the answers given."""
    before = sum(service.served("GET", "/limits", 200))
    for _ in range(20):
        httpx.get(f"{service.url}{LIMITS}", headers=tenant.headers(), timeout=10)
    assert sum(service.served("GET", "/limits", 200)) == before + 20
    text = service.client.get("/metrics", headers=tenant.headers()).text
    sample = (
        'http_server_requests_total{http_request_method="GET",'
        f'http_route="{LIMITS}",http_response_status_code="200"}} {before + 20}'
    )
    assert sample in text


def test_secrets_and_tokens_never_reach_the_log(service: Service, tenant: Tenant) -> None:
    """Neither keys, passwords nor tokens are in what the service logged."""
    token = sign(tenant.callers["owner"])
    service.get("/ledger?limit=0", {"authorization": f"Bearer {token}"})
    logged = service.log()
    for secret in (JWT_SECRET, "a" * 40, "p" * 40, token):
        assert secret not in logged
    for line in logged.splitlines():
        assert json.loads(line)["level"] in {"info", "warning", "error"}
