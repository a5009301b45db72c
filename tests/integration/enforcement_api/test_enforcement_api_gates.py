import uuid
from collections import Counter
from typing import Any

import httpx
import pytest

from enforcement.api import metrics
from enforcement.domain.decision import Details
from enforcement.store.limits import MAX_PER_MINUTE
from running_service import Service, Tenant, World, gate_body, hammer


def decide(service: Service, tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """Ask the gate as a member and return its answer."""
    answer = service.post("/gate/terraform", tenant.headers("member"), gate_body(**changes))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_decision_is_in_the_ledger_when_it_is_answered(
    service: Service, world: World, tenant: Tenant
) -> None:
    """An answered decision is committed with its ledger row, and parity holds over it."""
    answered = decide(service, tenant)
    assert answered["decision"] == "ALLOW"
    assert answered["reason_codes"] == ["no_budget_configured"]
    assert (answered["fail_safe"], answered["replayed"]) == (False, False)
    assert answered["approval_token"] is None
    rows = service.get("/ledger?limit=1", tenant.headers()).json()
    assert rows[0]["decision_id"] == answered["decision_id"]
    parity = service.get("/exports/parity?limit=50", tenant.headers()).json()
    assert (parity["parity_ok"], parity["decisions"]) == (True, 1)
    assert service.get("/exports/parity", tenant.headers()).json()["parity_ok"] is True


def test_a_tampered_decision_breaks_parity(service: Service, world: World, tenant: Tenant) -> None:
    """Parity is false, with status 200, once a decision is not what the ledger recorded."""
    decide(service, tenant)
    assert service.get("/exports/parity?limit=50", tenant.headers()).json()["parity_ok"] is True
    world.query(
        "UPDATE enforcement.decisions SET action = 'delete' WHERE tenant_id = %s RETURNING 1",
        (tenant.tenant_id,),
    )
    answer = service.get("/exports/parity?limit=50", tenant.headers())
    assert (answer.status_code, answer.json()["parity_ok"]) == (200, False)
    assert answer.json()["mismatch_reason"] == "digest_differs"


def test_modes_decide_what_a_violation_is(service: Service, tenant: Tenant) -> None:
    """Above the hard-deny threshold shadow allows, soft escalates and hard denies."""
    expected = {"shadow": "ALLOW", "soft": "REQUIRE_APPROVAL", "hard": "DENY"}
    for mode, outcome in expected.items():
        policy = service.post("/policies", tenant.headers(), {"terraform_mode": mode})
        assert policy.status_code == 200, policy.text
        answered = decide(service, tenant, estimated_monthly_delta_usd="5000.0001")
        assert (mode, answered["decision"]) == (mode, outcome)
        assert answered["policy_version"] == policy.json()["version"]
        assert answered["policy_sha256"] == policy.json()["sha256"]
        assert answered["reason_codes"][0] == "hard_deny_threshold_exceeded"


def test_credits_pay_what_the_budget_does_not(service: Service, tenant: Tenant) -> None:
    """A delta beyond the budget is allowed with credits, and the grant holds less afterwards."""
    owner = tenant.headers()
    service.post("/budgets", owner, {"monthly_limit_usd": "4"})
    granted = service.post(
        "/credits", owner, {"pool_type": "reserved", "total_amount_usd": "100", "reason": "trial"}
    )
    assert granted.status_code == 200, granted.text
    answered = decide(service, tenant)
    assert answered["decision"] == "ALLOW_WITH_CREDITS"
    assert (answered["reserved_monthly_usd"], answered["reserved_credits_usd"]) == (
        "10.0000",
        "6.0000",
    )
    assert service.get("/credits", owner).json()[0]["remaining_amount_usd"] == "94.0000"
    assert service.get("/budgets", owner).json()[0]["headroom_usd"] == "0.0000"


def test_a_key_answers_the_same_decision_and_no_other_request(
    service: Service, world: World, tenant: Tenant
) -> None:
    """The same key replays the decision; with another payload it is 409; the header's key wins."""
    key = f"key-{uuid.uuid4()}"
    body = gate_body(idempotency_key=key)
    headers = tenant.headers("member")
    first = service.post("/gate/terraform", headers, body).json()
    again = service.post("/gate/terraform", headers, body).json()
    assert (again["decision_id"], again["replayed"]) == (first["decision_id"], True)
    other = {**body, "estimated_monthly_delta_usd": "11"}
    conflict = service.post("/gate/terraform", headers, other)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    by_header = service.post(
        "/gate/terraform", {**headers, "idempotency-key": f"{key}-2"}, other
    ).json()
    assert by_header["decision_id"] != first["decision_id"]
    assert by_header["idempotency_key"] == f"{key}-2"
    assert world.events(tenant, "decision") == 2


def test_a_dry_run_reserves_nothing_and_pins_nothing(service: Service, tenant: Tenant) -> None:
    """A dry run leaves the real call a decision of its own, with its reservation."""
    body = gate_body()
    headers = tenant.headers("member")
    rehearsed = service.post("/gate/terraform", headers, {**body, "dry_run": True}).json()
    real = service.post("/gate/terraform", headers, body).json()
    assert (rehearsed["reservation_active"], real["reservation_active"]) == (False, True)
    assert rehearsed["decision_id"] != real["decision_id"]


def test_fifty_gates_for_the_last_unit_give_one(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Of 50 parallel gates for a budget that holds one, through all workers, one is allowed."""
    owner = tenant.headers()
    service.post("/policies", owner, {"terraform_mode": "hard"})
    service.post("/budgets", owner, {"monthly_limit_usd": "10"})
    before = service.served("POST", "/gate/terraform", 200)
    answers = hammer(
        service,
        [("/gate/terraform", tenant.headers("member"), gate_body()) for _ in range(50)],
    )
    assert [answer.status_code for answer in answers] == [200] * 50
    outcomes = Counter(answer.json()["decision"] for answer in answers)
    assert outcomes == {"ALLOW": 1, "DENY": 49}
    assert all(not answer.json()["fail_safe"] for answer in answers)
    after = service.served("POST", "/gate/terraform", 200)
    grown = [now - then for now, then in zip(after, before, strict=True)]
    assert sum(grown) == 50
    assert min(grown) > 0, "one worker answered them all, so nothing raced"
    assert world.events(tenant, "decision") == 50
    assert service.get("/budgets", owner).json()[0]["committed_usd"] == "10.0000"


def test_fifty_gates_with_one_key_make_one_decision(
    service: Service, world: World, tenant: Tenant
) -> None:
    """Of 50 parallel requests with one key one decides and all get its decision."""
    body = gate_body(idempotency_key="the-one-key")
    answers = hammer(service, [("/gate/terraform", tenant.headers("member"), body)] * 50)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["decision_id"] for answer in answers}) == 1
    assert Counter(answer.json()["replayed"] for answer in answers) == {True: 49, False: 1}
    assert world.events(tenant, "decision") == 1


def test_a_limit_holds_for_all_workers_together(service: Service, world: World) -> None:
    """Allowed 20 a minute, a tenant gets 20 of 50 gates; the rest is told when to return."""
    quiet, loud = world.tenant(), world.tenant(per_minute=20)
    answers = hammer(
        service, [("/gate/terraform", loud.headers("member"), gate_body()) for _ in range(50)]
    )
    assert Counter(answer.status_code for answer in answers) == {200: 20, 429: 30}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["ratelimit-limit"] == "20"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert world.events(loud, "decision") == 20
    other = service.post("/gate/terraform", quiet.headers("member"), gate_body())
    assert other.status_code == 200
    assert int(other.headers["ratelimit-remaining"]) > 0
    assert service.get("/policies", loud.headers()).status_code == 200


def test_the_limits_of_a_tenant_can_be_read(service: Service, world: World) -> None:
    """The limits that hold for the caller's tenant are told to any member."""
    loud = world.tenant(per_minute=77)
    answer = service.get("/limits", loud.headers("member"))
    told = answer.json()
    assert (told["tenant_per_minute"], told["global_per_minute"]) == (77, MAX_PER_MINUTE)
    assert set(told) == {
        f"{bucket}{scope}_per_minute"
        for bucket in ("", "read_", "write_", "approval_")
        for scope in ("tenant", "global")
    }


def test_decisions_reasons_and_limits_are_counted(service: Service, tenant: Tenant) -> None:
    """Each decision adds one to its outcome, one to each reason and one to the limiter."""
    names = (
        f'{metrics.DECISIONS}{{decision="ALLOW",mode="soft",path="normal"}}',
        f'{metrics.DECISION_REASONS}{{reason="no_budget_configured"}}',
        f'{metrics.ADMISSIONS}{{bucket="gate",result="admitted",path="shared"}}',
        f'{metrics.GATE_DURATION}_count{{path="normal"}}',
    )

    def read() -> list[float]:
        text = httpx.get(f"{service.url}/metrics", headers=tenant.headers(), timeout=10).text
        return [
            float(next((x.split()[-1] for x in text.splitlines() if x.startswith(name)), "0"))
            for name in names
        ]

    before = read()
    for _ in range(3):
        decide(service, tenant)
    assert [now - then for now, then in zip(read(), before, strict=True)] == [3.0] * 4


def test_a_decision_shows_how_it_was_funded(service: Service, tenant: Tenant) -> None:
    """Stages and computed context of a decision are those that its digest covers."""
    answered = decide(service, tenant)
    assert [stage["name"] for stage in answered["stages"]] == [
        "plan_ceiling",
        "project_allocation",
        "reserved_credits",
        "emergency_credits",
        "enterprise_ceiling",
    ]
    assert set(answered["computed_context"]) >= {"risk_score", "anomaly", "available"}
    assert Details.__struct_fields__[:2] == ("stages", "computed_context")


@pytest.mark.parametrize("amount", ["999999999999.9999", "0", "0.0001"])
def test_amounts_at_the_edge_are_decided(service: Service, tenant: Tenant, amount: str) -> None:
    """The largest and the smallest amounts that fit the pattern are decided, not refused."""
    assert decide(service, tenant, estimated_monthly_delta_usd=amount)["decision"] in {
        "ALLOW",
        "REQUIRE_APPROVAL",
    }
