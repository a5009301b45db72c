"""What the gate answers with the database dead, frozen or locked, and what becomes of it."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from disposable_postgres import PostgresServer
from running_service import (
    Service,
    Tenant,
    World,
    eventually,
    gate_body,
    hammer,
    make_world,
    start,
)

GATE_TIMEOUT_S = 1.0
MARGIN_S = 0.25
# The bound is a promise, but of a service that is given the processor; a machine that is busy with
# something else must not fail the test, only a gate that waits for the database may.
HANG_S = 8.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be killed and frozen."""
    with PostgresServer.start() as running:
        yield running


@pytest.fixture(scope="module")
def fragile(server: PostgresServer) -> World:
    """A world on that server."""
    return make_world(server)


@pytest.fixture(scope="module")
def frail(fragile: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on that world, with a gate timeout of one second."""
    running = start(
        tmp_path_factory.mktemp("frail"),
        "--dsn",
        fragile.dsn,
        "--gate-timeout-seconds",
        str(GATE_TIMEOUT_S),
        env={"ENFORCEMENT_OPERATION_TIMEOUT_SECONDS": "2"},
    )
    yield running
    assert running.stop() == 0


@pytest.fixture
def modes(fragile: World, frail: Service) -> dict[str, Tenant]:
    """A tenant of each mode, known to every worker."""
    made = {mode: fragile.tenant() for mode in ("shadow", "soft", "hard")}
    for mode, tenant in made.items():
        answer = frail.post("/policies", tenant.headers(), {"terraform_mode": mode})
        assert answer.status_code == 200, answer.text
        warm(frail, tenant)
    return made


def warm(service: Service, tenant: Tenant) -> None:
    """Have every worker answer a gate of this tenant, so that it knows its policy."""
    path, headers = "/gate/terraform", tenant.headers("member")
    before = service.served("POST", path, 200)

    def all_did() -> bool:
        hammer(service, [(path, headers, gate_body(dry_run=True)) for _ in range(8)])
        after = service.served("POST", path, 200)
        return all(now > then for now, then in zip(after, before, strict=True))

    eventually(all_did, "every worker answered")


EXPECTED = {
    "shadow": ("ALLOW", "shadow_mode_fail_open"),
    "soft": ("REQUIRE_APPROVAL", "soft_mode_fail_safe_escalation"),
    "hard": ("DENY", "hard_mode_fail_closed"),
}


def assert_fail_safe(answer: Any, mode: str, trigger: set[str]) -> None:
    """Assert that an answer is the fail-safe of its mode."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    outcome, suffix = EXPECTED[mode]
    assert (mode, body["decision"], body["fail_safe"]) == (mode, outcome, True)
    assert body["reason_codes"][1] == suffix
    assert {body["reason_codes"][0], body["fail_safe_trigger"]} <= trigger
    assert (body["reservation_active"], body["reserved_monthly_usd"]) == (False, "0.0000")


def assert_written_once(world: World, service: Service, decision_ids: list[str]) -> None:
    """Assert that each fail-safe reaches the ledger, and none twice."""

    def rows() -> list[tuple[Any, ...]]:
        return world.query(
            "SELECT decision_id::text, count(*) FROM enforcement.ledger"
            " WHERE event = 'decision.failsafe' AND decision_id = ANY(%s::uuid[])"
            " GROUP BY decision_id",
            (decision_ids,),
        )

    eventually(lambda: len(rows()) == len(set(decision_ids)), "every fail-safe is in the ledger")
    eventually(
        lambda: all(p.stat().st_size == 0 for p in (service.data_dir / "journal").glob("w*")),
        "the journals are empty",
    )
    assert {count for _, count in rows()} == {1}


def ask_all(service: Service, modes: dict[str, Tenant]) -> dict[str, Any]:
    """Ask one gate of each mode at once."""
    answers = hammer(
        service,
        [("/gate/terraform", t.headers("member"), gate_body()) for t in modes.values()],
    )
    return dict(zip(modes, answers, strict=True))


def test_with_postgresql_killed_each_mode_has_its_fail_safe(
    server: PostgresServer, fragile: World, frail: Service, modes: dict[str, Tenant]
) -> None:
    """Killed: 200 with the mode's fail-safe; reads 503; back: each is in the ledger once."""
    server.kill()
    try:
        began = time.monotonic()
        answers = ask_all(frail, modes)
        took_s = time.monotonic() - began
        for mode, answer in answers.items():
            assert_fail_safe(answer, mode, {"gate_evaluation_error", "gate_timeout"})
        assert took_s < HANG_S
        for path in ("/policies", "/ledger", "/exports/parity", "/approvals/queue", "/limits"):
            read = frail.get(path, modes["hard"].headers())
            assert (path, read.status_code) == (path, 503)
            assert read.headers["content-type"] == "application/problem+json"
            assert int(read.headers["retry-after"]) >= 1
            assert "127.0.0.1" not in read.text
        health = frail.client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert frail.client.get("/health/live").status_code == 200
        never_seen = fragile_stranger()
        unknown = frail.post("/gate/terraform", never_seen, gate_body())
        assert_fail_safe(unknown, "hard", {"gate_evaluation_error", "gate_timeout"})
    finally:
        server.restart()
    ids = [answer.json()["decision_id"] for answer in answers.values()]
    assert_written_once(fragile, frail, ids)
    eventually(lambda: frail.client.get("/health").status_code == 200, "the service recovered")
    for tenant in modes.values():
        parity = frail.get("/exports/parity?limit=50", tenant.headers()).json()
        assert parity["parity_ok"] is True
    queue = frail.get("/approvals/queue", modes["soft"].headers("admin")).json()
    assert [item["decision_id"] for item in queue] == [answers["soft"].json()["decision_id"]]
    set_aside = (frail.data_dir / "journal" / "set-aside.jsonl").read_text()
    assert unknown.json()["decision_id"] in set_aside, "a tenant that is none cannot be recorded"


def fragile_stranger() -> dict[str, str]:
    """Return the headers of a well-signed token that no database knows."""
    from enforcement.domain.enums import Role  # noqa: PLC0415  # this test alone
    from enforcement.domain.identity import Caller  # noqa: PLC0415  # this test alone
    from running_service import sign  # noqa: PLC0415  # this test alone

    caller = Caller(tenant_id=uuid.uuid4(), principal_id=uuid.uuid4(), role=Role.OWNER)
    return {"authorization": f"Bearer {sign(caller)}"}


def test_with_postgresql_frozen_an_answer_comes_and_its_key_stays_free(
    server: PostgresServer, fragile: World, frail: Service, modes: dict[str, Tenant]
) -> None:
    """Frozen: a fail-safe within the bound; thawed: the same key gets a real decision."""
    body = gate_body(idempotency_key=f"frozen-{uuid.uuid4()}")
    headers = modes["hard"].headers("member")
    server.freeze()
    try:
        began = time.monotonic()
        answer = frail.post("/gate/terraform", headers, body)
        took_s = time.monotonic() - began
        assert_fail_safe(answer, "hard", {"gate_timeout", "gate_evaluation_error"})
        assert took_s < HANG_S
        read = frail.get("/policies", modes["hard"].headers())
        assert read.status_code == 503
    finally:
        server.thaw()
    assert_written_once(fragile, frail, [answer.json()["decision_id"]])

    def real() -> bool:
        again = frail.post("/gate/terraform", headers, body).json()
        return bool(again["decision"] == "ALLOW" and not again["fail_safe"])

    eventually(real, "the same key is decided")


def test_a_held_lock_times_out_alone(
    fragile: World, frail: Service, modes: dict[str, Tenant]
) -> None:
    """A tenant whose lock is held gets gate_lock_timeout; another tenant gets decisions."""
    held, free = modes["hard"], modes["soft"]
    with psycopg.connect(fragile.admin_dsn) as blocker:
        blocker.execute("SELECT enforcement.enter_locked(%s, 1000)", (held.tenant_id,))
        answers: list[Any] = []
        crowd = threading.Thread(
            target=lambda: answers.extend(
                hammer(
                    frail,
                    [("/gate/terraform", held.headers("member"), gate_body()) for _ in range(40)],
                )
            )
        )
        crowd.start()
        for _ in range(5):
            answer = frail.post("/gate/terraform", free.headers("member"), gate_body())
            assert answer.json()["fail_safe"] is False, answer.text
        crowd.join()
        blocker.rollback()
    for answer in answers:
        assert_fail_safe(answer, "hard", {"gate_lock_timeout", "gate_timeout"})
    assert any(a.json()["fail_safe_trigger"] == "gate_lock_timeout" for a in answers)
    assert_written_once(fragile, frail, [answer.json()["decision_id"] for answer in answers])


def test_backends_terminated_under_a_gate_leave_one_decision(
    fragile: World, frail: Service, modes: dict[str, Tenant]
) -> None:
    """With all backends terminated again and again, each key has one real decision at the end."""
    tenant = modes["soft"]
    bodies = [gate_body(idempotency_key=f"cut-{uuid.uuid4()}") for _ in range(30)]
    stop = threading.Event()

    def terminate() -> None:
        while not stop.wait(0.05):
            fragile.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'enforcement-worker%%'"
            )

    cutter = threading.Thread(target=terminate)
    cutter.start()
    try:
        path, headers = "/gate/terraform", tenant.headers("member")
        answers = hammer(frail, [(path, headers, body) for body in bodies])
    finally:
        stop.set()
        cutter.join()
    assert {answer.status_code for answer in answers} == {200}
    for body in bodies:
        eventually(
            lambda body=body: (
                frail.post("/gate/terraform", headers, body).json()["fail_safe"] is False
            ),
            "a real decision",
        )
    rows = fragile.query(
        "SELECT idempotency_key, count(*) FROM enforcement.decisions"
        " WHERE tenant_id = %s AND NOT failsafe AND idempotency_key LIKE 'cut-%%'"
        " GROUP BY idempotency_key",
        (tenant.tenant_id,),
    )
    assert sorted(count for _, count in rows) == [1] * 30


def test_a_worker_killed_with_a_full_journal_loses_nothing(
    server: PostgresServer, fragile: World, tmp_path: Path
) -> None:
    """Fail-safes journalled by a service that was killed are written by the next one, once."""
    tenant = fragile.tenant()
    arguments = ("--dsn", fragile.dsn, "--gate-timeout-seconds", str(GATE_TIMEOUT_S))
    first = start(tmp_path, *arguments, workers=3)
    warm(first, tenant)
    server.kill()
    try:
        path, headers = "/gate/terraform", tenant.headers("member")
        answers = hammer(first, [(path, headers, gate_body()) for _ in range(12)])
    finally:
        first.process.kill()
        first.stop()
        server.restart()
    ids = [answer.json()["decision_id"] for answer in answers]
    assert all(answer.json()["fail_safe"] for answer in answers)
    journal = first.data_dir / "journal" / "worker-0.jsonl"
    with journal.open("ab") as stream:
        stream.write(b'{"decision":{"decision_id":"cut off he')
    second = start(tmp_path, *arguments, workers=2)
    try:
        assert_written_once(fragile, second, ids)
        assert not (second.data_dir / "journal" / "worker-2.jsonl").exists()
    finally:
        assert second.stop() == 0
    assert fragile.events(tenant, "decision.failsafe") == len(ids)


def test_a_journal_that_cannot_be_written_is_no_answer(
    server: PostgresServer, fragile: World, tmp_path: Path
) -> None:
    """With neither database nor disk the gate is 503 and says to treat it as a refusal."""
    tenant = fragile.tenant()
    running = start(tmp_path, "--dsn", fragile.dsn, "--gate-timeout-seconds", "1", workers=1)
    try:
        warm(running, tenant)
        pid = running.worker_pids()[0]
        limit_files(pid, 0)
        server.kill()
        answer = running.post("/gate/terraform", tenant.headers("member"), gate_body())
        assert (answer.status_code, answer.json()["code"]) == (503, "failsafe_not_journalled")
    finally:
        server.restart()
        running.stop()
    assert fragile.events(tenant, "decision.failsafe") == 0


def limit_files(pid: int, size: int) -> None:
    """Let a process write no file beyond that size, as a full disk would."""
    import resource  # noqa: PLC0415  # Linux alone

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
