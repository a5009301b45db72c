"""What the service must never say twice, and what it must not hold for ever."""

import json
import os
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from disposable_postgres import PostgresServer
from enforcement.domain.enums import Source
from enforcement.domain.failsafe import fail_safe
from enforcement.domain.policy import DEFAULT_POLICY
from enforcement.domain.request import gate_request
from enforcement.store import ledger
from running_service import (
    Service,
    Tenant,
    World,
    command,
    environment,
    eventually,
    gate_body,
    hammer,
    make_world,
    start,
)

QUICK = {"ENFORCEMENT_SWEEP_SECONDS": "0.2"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A database on a server of its own."""
    with PostgresServer.start() as server:
        yield make_world(server)


@pytest.fixture(scope="module")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two workers that sweep five times a second, with a gate timeout that tests can wait for."""
    running = start(tmp_path_factory.mktemp("service"), "--dsn", world.dsn, env=QUICK)
    yield running
    assert running.stop() == 0


def _gate(service: Service, tenant: Tenant, role: str = "member", **changes: Any) -> dict[str, Any]:
    answer = service.post("/gate/terraform", tenant.headers(role), gate_body(**changes))
    assert answer.status_code == 200, answer.text
    decided: dict[str, Any] = answer.json()
    return decided


def _budget(service: Service, tenant: Tenant, monthly: str) -> None:
    body = {"monthly_limit_usd": monthly}
    assert service.post("/budgets", tenant.headers(), body).status_code == 200


def _hard(service: Service, tenant: Tenant) -> None:
    body = {"terraform_mode": "hard"}
    assert service.post("/policies", tenant.headers(), body).status_code == 200


def _approve(service: Service, tenant: Tenant, approval_id: str) -> Any:
    return service.post(f"/approvals/{approval_id}/approve", tenant.headers(), {})


def _consume(service: Service, tenant: Tenant, token: str) -> Any:
    return service.post("/approvals/consume", tenant.headers(), {"approval_token": token})


def _verified(world: World, tenant: Tenant) -> None:
    (outcome,) = ledger.verify(world.admin_dsn, tenant.tenant_id)
    assert outcome.fault is None


def _age(world: World, table: str, column: str, tenant: Tenant) -> None:
    with psycopg.connect(world.admin_dsn, autocommit=True) as connection:
        connection.execute(
            f"UPDATE enforcement.{table} SET {column} = {column} - interval '1 day'"  # noqa: S608  # constants
            " WHERE tenant_id = %s",
            (tenant.tenant_id,),
        )


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("end", ["sweep", "reconcile", "reconcile_cost"])
def test_an_approval_ends_with_its_reservation(
    service: Service,
    world: World,
    end: str,
    approved: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """One budget of 100 never yields two tokens of 100, whatever freed it in between."""
    tenant = world.tenant()
    _budget(service, tenant, "100")
    first = _gate(service, tenant, environment="prod", estimated_monthly_delta_usd="100")
    token = ""
    if approved:
        token = _approve(service, tenant, first["approval_request_id"]).json()["approval_token"]
    if end == "sweep":
        _age(world, "decisions", "created_at", tenant)
        swept = service.post(
            "/reservations/reconcile-overdue", tenant.headers(), {"older_than_seconds": 60}
        )
        assert swept.json()["released_count"] == 1
    else:
        cost = "0" if end == "reconcile" else "40"
        settled = service.post(
            f"/reservations/{first['decision_id']}/reconcile",
            tenant.headers(),
            {"actual_monthly_delta_usd": cost},
        )
        assert settled.status_code == 200
    if approved:
        refused = _consume(service, tenant, token)
        assert (refused.status_code, refused.json()["code"]) == (409, "approval_not_approved")
    else:
        refused = _approve(service, tenant, first["approval_request_id"])
        assert (refused.status_code, refused.json()["code"]) == (409, "approval_not_pending")
    assert world.events(tenant, "approval.cancelled") == 1


def test_sweeps_and_approvals_at_once_give_one_budget_one_token(
    service: Service, world: World
) -> None:
    """Reconciling and approving race through both workers: spent or released, never both."""
    for _ in range(5):
        tenant = world.tenant()
        _budget(service, tenant, "100")
        first = _gate(service, tenant, environment="prod", estimated_monthly_delta_usd="100")
        approve = f"/approvals/{first['approval_request_id']}/approve"
        reconcile = f"/reservations/{first['decision_id']}/reconcile"
        answers = hammer(
            service,
            [(approve, tenant.headers(), {})] * 4
            + [(reconcile, tenant.headers(), {"actual_monthly_delta_usd": "0"})] * 4,
        )
        tokens = [a.json()["approval_token"] for a in answers[:4] if a.status_code == 200]
        for token in tokens:
            assert _consume(service, tenant, token).status_code == 409
        _verified(world, tenant)


@pytest.mark.parametrize("approved", [False, True])
def test_what_outlives_its_time_gives_its_budget_back(
    service: Service,
    world: World,
    approved: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Nobody asks, and the sweep expires the request or the unspent token and releases both."""
    tenant = world.tenant()
    _budget(service, tenant, "100")
    first = _gate(service, tenant, environment="prod", estimated_monthly_delta_usd="100")
    token = ""
    if approved:
        token = _approve(service, tenant, first["approval_request_id"]).json()["approval_token"]
    _age(world, "approvals", "token_expires_at" if approved else "expires_at", tenant)
    eventually(lambda: world.events(tenant, "reservation.released") == 1, "released")
    assert world.events(tenant, "approval.expired") == 1
    if approved:
        assert _consume(service, tenant, token).json()["code"] == "token_expired"
    again = _gate(service, tenant, environment="prod", estimated_monthly_delta_usd="100")
    assert again["reservation_active"] is True


def test_one_worker_sweeps_at_a_time(service: Service, world: World) -> None:
    """While somebody else holds the lock in the database, nobody sweeps; then somebody does."""
    tenant = world.tenant()
    with psycopg.connect(world.admin_dsn) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (0x73776570,))
        _gate(service, tenant, environment="prod", estimated_monthly_delta_usd="100")
        _age(world, "approvals", "expires_at", tenant)
        time.sleep(1.5)
        assert world.events(tenant, "approval.expired") == 0
    eventually(lambda: world.events(tenant, "approval.expired") == 1, "expired")


def test_the_queue_is_fast_over_what_expired(service: Service, world: World) -> None:
    """A hundred thousand expired requests in front of it cost the queue nothing to speak of."""
    tenant = world.tenant()
    _gate(service, tenant, environment="prod", estimated_monthly_delta_usd="100")
    with psycopg.connect(world.admin_dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        # Nobody may sweep them meanwhile.
        connection.execute("SELECT pg_advisory_lock(%s)", (0x73776570,))
        connection.execute(
            "INSERT INTO enforcement.approvals (tenant_id, approval_id, decision_id, state,"
            " required_permission, allowed_roles, require_separation, requested_by, requested_at,"
            " expires_at) SELECT tenant_id, gen_random_uuid(), gen_random_uuid(), state,"
            " required_permission, allowed_roles, require_separation, requested_by,"
            " requested_at - interval '1 hour', requested_at - interval '1 minute'"
            " FROM enforcement.approvals, generate_series(1, 100000) WHERE tenant_id = %s",
            (tenant.tenant_id,),
        )
        try:
            took = []
            for _ in range(10):
                began = time.monotonic()
                listed = service.get("/approvals/queue", tenant.headers())
                took.append(time.monotonic() - began)
                assert len(listed.json()) == 1
        finally:
            connection.execute(
                "DELETE FROM enforcement.approvals WHERE tenant_id = %s", (tenant.tenant_id,)
            )
    assert min(took) < 0.03, took


def test_without_a_key_a_denial_is_not_for_ever(service: Service, world: World) -> None:
    """The same request is judged anew once the budget is raised; under a key, it stays denied."""
    tenant = world.tenant()
    _hard(service, tenant)
    _budget(service, tenant, "5")
    body = gate_body()
    keyed = {**body, "idempotency_key": "a-given-key"}
    for asked in (body, keyed):
        assert _gate(service, tenant, **asked)["decision"] == "DENY"
    _budget(service, tenant, "100")
    assert _gate(service, tenant, **body)["decision"] == "ALLOW"
    assert _gate(service, tenant, **keyed)["decision"] == "DENY"


def test_without_a_key_a_decision_answers_while_it_is_alive(service: Service, world: World) -> None:
    """An active reservation or a pending approval is not made twice; a settled one is no answer."""
    tenant = world.tenant()
    _budget(service, tenant, "1000")
    body = gate_body()
    first = hammer(service, [("/gate/terraform", tenant.headers("member"), body)] * 10)
    ids = {answer.json()["decision_id"] for answer in first}
    assert len(ids) == 1
    (held,) = ids
    settled = service.post(
        f"/reservations/{held}/reconcile", tenant.headers(), {"actual_monthly_delta_usd": "1"}
    )
    assert settled.status_code == 200
    anew = _gate(service, tenant, **body)
    assert anew["decision_id"] != held
    assert anew["reservation_active"] is True
    escalated = gate_body(environment="prod", estimated_monthly_delta_usd="100")
    pending = _gate(service, tenant, **escalated)
    assert _gate(service, tenant, **escalated)["decision_id"] == pending["decision_id"]
    denied = f"/approvals/{pending['approval_request_id']}/deny"
    assert service.post(denied, tenant.headers(), {}).status_code == 200
    assert _gate(service, tenant, **escalated)["decision_id"] != pending["decision_id"]
    _verified(world, tenant)


def test_a_decision_committed_unheard_is_voided_once(service: Service, world: World) -> None:
    """The caller heard DENY, the commit came later: what it holds is given back, in the ledger."""
    tenant = world.tenant()
    _hard(service, tenant)
    _budget(service, tenant, "100")
    # Read once by each worker, so that the fail-safe knows that the mode is hard.
    hammer(service, [("/gate/terraform", tenant.headers(), gate_body(dry_run=True))] * 4)
    with psycopg.connect(world.admin_dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM set_config('client_connection_check_interval', '0', true), pg_sleep(2.5);"
            " RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON enforcement.decisions"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            f" WHEN (NEW.tenant_id = '{tenant.tenant_id}' AND NOT NEW.failsafe)"
            " EXECUTE FUNCTION public.late()"
        )
        try:
            body = gate_body(estimated_monthly_delta_usd="100", idempotency_key="ghost-key")
            heard = _gate(service, tenant, **body)
            assert heard["decision"] == "DENY"
            eventually(lambda: world.events(tenant, "decision.failsafe") == 1, "written")
        finally:
            connection.execute("DROP TRIGGER late ON enforcement.decisions")
            connection.execute("DROP FUNCTION public.late()")
    assert world.events(tenant, "decision.voided") == 1
    assert world.events(tenant, "reservation.released") == 1
    assert service.get("/reservations/active", tenant.headers()).json() == []
    _verified(world, tenant)
    again = _gate(service, tenant, **body)
    assert (again["decision"], again["reservation_active"]) == ("ALLOW", True)
    assert world.events(tenant, "decision.voided") == 1


RULE = {
    "name": "mine",
    "require_separation": False,
    "required_permission": "remediation.approve.nonprod",
}


def test_an_administrator_cannot_approve_its_own_production_change(
    service: Service, world: World
) -> None:
    """Whatever rule it posts, separation stays; turning it off is an owner's, and in the ledger."""
    tenant = world.tenant()
    admin, owner = tenant.headers("admin"), tenant.headers("owner")
    named = service.post(
        "/policies", admin, {"approval_routing_rules": [{**RULE, "environments": ["prod"]}]}
    )
    assert (named.status_code, named.json()["code"]) == (422, "invalid_routing_rule")
    service.post("/policies", admin, {"approval_routing_rules": [RULE]})
    asked = _gate(service, tenant, "admin", environment="prod", estimated_monthly_delta_usd="100")
    own = service.post(f"/approvals/{asked['approval_request_id']}/approve", admin, {})
    assert (own.status_code, own.json()["code"]) == (403, "reviewer_is_requester")
    off = {"enforce_prod_requester_reviewer_separation": False}
    refused = service.post("/policies", admin, off)
    assert (refused.status_code, refused.json()["code"]) == (403, "role_required")
    assert service.post("/policies", owner, off).status_code == 200
    row = service.get("/ledger?limit=1", owner).json()[0]
    assert row["event"] == "policy.updated"
    assert row["payload"]["separation_weakened"]["environment"] == "prod"
    # Put back by an administrator, which is no weakening, it is an owner's again.
    assert service.post("/policies", admin, {}).status_code == 200
    assert service.post("/policies", admin, off).status_code == 403


def test_a_journal_entry_that_is_refused_keeps_nobody_back(world: World, tmp_path: Path) -> None:
    """It is set aside, counted and told; what was journalled after it is in the ledger."""
    tenant = world.tenant()

    def entry(**changes: Any) -> bytes:
        request = gate_request(
            source=Source.TERRAFORM,
            action="create",
            resource_reference="x",
            estimated_monthly_delta_usd="1",
        )
        made = fail_safe(
            request,
            DEFAULT_POLICY,
            trigger="gate_timeout",
            details="",
            decision_id=uuid.uuid4(),
            tenant_id=tenant.tenant_id,
            created_by=uuid.uuid4(),
            now=datetime.now(UTC),
        )
        plain = msgspec.to_builtins(made)
        plain["decision"].update(changes)
        return json.dumps(plain).encode() + b"\n"

    journal = tmp_path / "data" / "journal"
    journal.mkdir(parents=True)
    (journal / "worker-0.jsonl").write_bytes(
        entry(monthly_delta_usd="1" + "0" * 30 + ".0000")
        + entry(project_id="a\x00b")
        + entry(approval_id=None)
        + entry()
        + b"{half a line\n"
        + entry()
    )
    running = start(tmp_path, "--dsn", world.dsn)
    try:
        eventually(lambda: world.events(tenant, "decision.failsafe") == 2, "written")
        text = running.client.get("/metrics").text
        eventually(
            lambda: "enforcement_failsafe_set_aside_total 4" in running.client.get("/metrics").text,
            text,
        )
        assert "enforcement_failsafe_pending 0" in running.client.get("/metrics").text
        assert running.log().count("journal_entry_set_aside") == 4
        assert len((journal / "set-aside.jsonl").read_bytes().splitlines()) == 4
    finally:
        assert running.stop() == 0


def test_an_export_replaces_regular_files_only(world: World, tmp_path: Path) -> None:
    """A device, a pipe and a link stay what they are; a folder and a socket are refused."""
    tenant = world.tenant()

    def export(out: Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [
                *command("ledger", "export", "--dsn", world.dsn, "--tenant", tenant.name),
                *("--out", str(out), "--data-dir", str(tmp_path / "data")),
            ],
            env=environment(tmp_path / "state"),
            capture_output=True,
            check=False,
            timeout=60,
        )

    null = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        null = Path(os.devnull)
    assert export(null).returncode == 0
    assert stat.S_ISCHR(null.lstat().st_mode)
    target, link = tmp_path / "ledger.jsonl", tmp_path / "link"
    link.symlink_to(target)
    assert export(link).returncode == 0
    assert link.is_symlink()
    assert target.read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    assert export(pipe).returncode == 0
    assert reader.communicate(timeout=30)[0] == target.read_bytes()
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
