"""One request, one meaning: spellings, encodings and names that could be read in two ways."""

import gzip
import json
import socket
import uuid

import httpx
import pytest

from enforcement.api.paths import PREFIX
from running_service import GATE, Service, Tenant, World, gate_body


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """Assert that an answer is this refusal."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_is_kept_to_itself(service: Service, tenant: Tenant) -> None:
    """No answer, refusals included, may be stored by a cache or taken for another type."""
    for path, headers in (
        ("/health/live", {}),
        ("/metrics", {}),
        ("/nowhere", {}),
        (f"{PREFIX}/policies", {}),
        (f"{PREFIX}/policies", tenant.headers()),
    ):
        answer = service.client.get(path, headers=headers)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].count("charset") <= 1


@pytest.mark.parametrize("path", ["/health/live", "/health", "/metrics", "/openapi.json"])
def test_what_can_be_got_has_a_head(service: Service, path: str) -> None:
    """HEAD is answered as GET is, without the body."""
    got, head = service.client.get(path), service.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


def test_tenant_routes_have_heads_too(service: Service, tenant: Tenant) -> None:
    """HEAD needs the same token, and a route that is only written to has none."""
    url = f"{PREFIX}/budgets"
    assert service.client.head(url, headers=tenant.headers()).status_code == 200
    assert service.client.head(url).status_code == 401
    answer = service.client.head(GATE, headers=tenant.headers())
    assert answer.status_code == 405
    assert "HEAD" not in answer.headers["allow"]
    answer = service.client.put(url, headers=tenant.headers())
    assert "HEAD" in answer.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/health/",
        "//health",
        "/health//live",
        "/health%2flive",
        "/health%2Flive",
        "/%68ealth",
        f"{PREFIX}/policies/",
        f"{PREFIX}//policies",
        f"{PREFIX}%2fpolicies",
        f"{PREFIX}/./policies",
        f"{PREFIX}/x/../policies",
        f"{PREFIX}/policies;v=1",
    ],
)
def test_a_path_has_one_spelling(service: Service, tenant: Tenant, path: str) -> None:
    """Doubled, trailing and encoded slashes lead nowhere."""
    host, port = service.url.removeprefix("http://").split(":")
    token = tenant.headers()["authorization"]
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n\r\n"
    # A client of the field would tidy the path up before it sends it.
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:200]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "route_unknown"


@pytest.mark.parametrize(
    "spelling",
    ["urn:uuid:{0}", "{{{0}}}", "{0.hex}", "0x{0.hex}", "-{0}", "{0.hex}-"],
)
def test_an_id_has_one_spelling(service: Service, tenant: Tenant, spelling: str) -> None:
    """Python's reader of UUIDs takes many forms: whoever guards a path in front of us does not."""
    body = gate_body(environment="prod", estimated_monthly_delta_usd="100")
    held = service.post("/gate/terraform", tenant.headers("member"), body).json()
    approval = uuid.UUID(held["approval_request_id"])
    path = f"/approvals/{spelling.format(approval)}/deny"
    refused(service.post(path, tenant.headers(), {}), 404, "route_unknown")
    denied = service.post(f"/approvals/{str(approval).upper()}/deny", tenant.headers(), {})
    assert denied.status_code == 200, denied.text


def test_many_names_of_which_one_stands_twice_hold_nobody_up(
    service: Service, tenant: Tenant
) -> None:
    """As many as a body may hold, the last of them twice: refused by the worker that was asked."""
    before = service.worker_pids()
    metadata = ",".join(f'"{number:x}":0' for number in range(26_000))
    body = json.dumps(gate_body(metadata={"": 0})).replace('"": 0', f'{metadata},"z":0,"z":0')
    assert len(body) < 262_144
    headers = {**tenant.headers(), "content-type": "application/json"}
    answer = service.client.post(GATE, headers=headers, content=body)
    refused(answer, 400, "malformed_json")
    assert service.worker_pids() == before


def test_a_name_stands_once_in_a_body(service: Service, tenant: Tenant) -> None:
    """A name given twice, at any depth, is refused: readers differ in which they believe."""
    headers = {**tenant.headers(), "content-type": "application/json"}
    whole = json.dumps(gate_body(metadata={"a": {"b": 1}}))
    for broken in (
        whole.replace('"action": "create"', '"action": "create", "action": "destroy"'),
        whole.replace('"b": 1', '"b": 1, "b": 1'),
        whole.replace('"b": 1', '"b": 1, "\\u0062": 2'),
    ):
        assert broken != whole
        refused(service.client.post(GATE, headers=headers, content=broken), 400, "malformed_json")
    assert service.client.post(GATE, headers=headers, content=whole).status_code == 200


def test_a_body_is_plain_json_in_utf8(service: Service, tenant: Tenant) -> None:
    """An encoded body, and one in another character set, is not taken for what it is not."""
    headers = {**tenant.headers(), "content-type": "application/json"}
    body = json.dumps(gate_body()).encode()

    def post(content: bytes, **more: str) -> httpx.Response:
        changed = {name.replace("_", "-"): value for name, value in more.items()}
        return service.client.post(GATE, headers={**headers, **changed}, content=content)

    for content in (gzip.compress(body), body):
        answer = post(content, content_encoding="gzip")
        refused(answer, 415, "unsupported_encoding")
        assert answer.headers["accept-encoding"] == "identity"
    assert post(body, content_encoding="identity").status_code == 200
    charset = "application/json; charset="
    assert post(body, content_type=f"{charset}UTF-8").status_code == 200
    refused(post(body, content_type=f"{charset}latin-1"), 415, "unsupported_media_type")


def test_a_header_that_decides_stands_once(service: Service, tenant: Tenant) -> None:
    """Two idempotency keys, content types or encodings would leave it to chance which one holds."""
    token = tenant.headers()["authorization"]
    for name, value in (
        ("idempotency-key", "key-1"),
        ("content-type", "application/json"),
        ("content-encoding", "identity"),
        ("authorization", token),
    ):
        fields = [("authorization", token), ("content-type", "application/json")]
        fields += [(name, value)] * 2
        answer = service.client.post(GATE, headers=fields, content=json.dumps(gate_body()))
        refused(answer, 400, "malformed_request")


@pytest.mark.parametrize("key", ["schlüssel-1", "ключ-один", "é" * 128, "🔑🔑🔑🔑"])
def test_a_key_is_the_same_in_header_and_body(
    service: Service, world: World, tenant: Tenant, key: str
) -> None:
    """A key of other letters makes one decision, whether it comes as a header or in the body."""
    headers = tenant.headers("member")
    body = gate_body(resource_reference=f"r-{uuid.uuid4().hex}")
    by_body = service.post("/gate/terraform", headers, {**body, "idempotency_key": key}).json()
    with_key = {**headers, "idempotency-key": key.encode()}
    answer = service.client.post(GATE, headers=with_key, json=body)  # type: ignore[arg-type]
    by_header = answer.json()
    assert by_header["idempotency_key"] == by_body["idempotency_key"] == key
    assert (by_header["decision_id"], by_header["replayed"]) == (by_body["decision_id"], True)
    assert world.events(tenant, "decision") == 1


def test_a_key_that_is_no_text_is_refused(service: Service, tenant: Tenant) -> None:
    """Bytes that are not UTF-8, and keys too short or too long, are 422 in a header too."""
    for key in (b"k\xe9y-1", b"abc", b"\xc3\xa9" * 3, b"k" * 129):
        headers = {**tenant.headers("member"), "idempotency-key": key}
        answer = service.client.post(GATE, headers=headers, json=gate_body())  # type: ignore[arg-type]
        refused(answer, 422, "invalid_request")
        assert answer.json()["errors"][0]["location"] == "header"


def test_a_whole_number_may_be_written_as_a_fraction(service: Service, tenant: Tenant) -> None:
    """What JSON Schema calls an integer is one: 60.0 passes for 60, and 60.5 does not."""
    path = "/reservations/reconcile-overdue"
    for seconds, status in ((60, 200), (60.0, 200), (60.5, 422), ("60", 422), (True, 422)):
        answer = service.post(path, tenant.headers(), {"older_than_seconds": seconds})
        assert (seconds, answer.status_code) == (seconds, status)
    for days, status in ((5, 200), (5.0, 200), (None, 200), (5.5, 422), (36.0, 422)):
        answer = service.post("/policies", tenant.headers(), {"max_cost_age_days": days})
        assert (days, answer.status_code) == (days, status)
        nested = {"policy_document": {"execution": {"max_cost_age_days": days}}}
        assert service.post("/policies", tenant.headers(), nested).status_code == status
