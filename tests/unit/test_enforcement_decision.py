"""The gate's judgement: waterfall, modes, thresholds, approvals, context, as one table."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
import pytest

from enforcement.domain import waterfall
from enforcement.domain.context import DailyCost, compute
from enforcement.domain.credits import Grant
from enforcement.domain.decision import Judgement, Situation, decide, digest, record
from enforcement.domain.enums import (
    CreditPool,
    Mode,
    Outcome,
    RiskClass,
    Source,
    StageStatus,
)
from enforcement.domain.failsafe import fail_safe
from enforcement.domain.policy import (
    ApprovalRules,
    Entitlements,
    Execution,
    ModeMatrix,
    Policy,
    PolicyDocument,
    SourceModes,
    materialise,
)
from enforcement.domain.request import GateRequest, gate_request
from enforcement.domain.waterfall import Budget, Standing

pytestmark = pytest.mark.gate

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)


def _policy(mode: Mode = Mode.HARD, *, approval: bool = False, **amounts: str | None) -> Policy:
    modes = SourceModes(default=mode)
    return materialise(
        PolicyDocument(
            mode_matrix=ModeMatrix(terraform=modes, k8s_admission=modes),
            approval=ApprovalRules(required_prod=approval, required_nonprod=approval),
            entitlements=Entitlements(**amounts),  # type: ignore[arg-type]
        ),
        1,
    )


def _request(monthly: str = "100", **changes: object) -> GateRequest:
    given: dict[str, object] = {
        "source": Source.TERRAFORM,
        "project_id": "web",
        "action": "create",
        "resource_reference": "module.app",
        "estimated_monthly_delta_usd": monthly,
    }
    return gate_request(**(given | changes))  # type: ignore[arg-type]


def _grant(amount: str, pool: CreditPool = CreditPool.RESERVED, **changes: object) -> Grant:
    given: dict[str, object] = {
        "grant_id": uuid4(),
        "pool": pool,
        "scope_key": "web",
        "total_usd": Decimal(amount),
        "remaining_usd": Decimal(amount),
        "created_at": NOW - timedelta(days=1),
    }
    return Grant(**(given | changes))  # type: ignore[arg-type]


def _budget(limit: str, committed: str = "0") -> Budget:
    return Budget(
        scope_key="web", monthly_limit_usd=Decimal(limit), committed_usd=Decimal(committed)
    )


def _decide(
    request: GateRequest,
    policy: Policy,
    budget: Budget | None = None,
    grants: tuple[Grant, ...] = (),
    committed: str = "0",
    costs: tuple[DailyCost, ...] = (),
) -> Judgement:
    standing = Standing(committed_usd=Decimal(committed), budget=budget, grants=grants)
    return decide(request, Situation(policy=policy, standing=standing, costs=costs, now=NOW))


@pytest.mark.parametrize(
    ("mode", "outcome", "reason", "kept"),
    [
        (Mode.SHADOW, Outcome.ALLOW, "shadow_mode_override", False),
        (Mode.SOFT, Outcome.REQUIRE_APPROVAL, "soft_mode_escalation", True),
        (Mode.HARD, Outcome.DENY, "hard_mode_block", False),
    ],
)
def test_an_unfunded_rest_is_answered_by_mode(
    mode: Mode, outcome: Outcome, reason: str, *, kept: bool
) -> None:
    """Shadow lets pass, soft escalates and keeps what is funded, hard denies."""
    judged = _decide(_request("100"), _policy(mode), _budget("60"))
    assert judged.outcome is outcome
    assert judged.reason_codes == ("budget_exceeded", reason)
    assert judged.reservation_active is kept
    assert judged.allocation_usd == (60 if kept else 0)
    assert (judged.routing is not None) is (outcome is Outcome.REQUIRE_APPROVAL)


def test_what_the_budget_funds_is_allowed_and_reserved() -> None:
    """The last unit of headroom is enough."""
    judged = _decide(_request("100"), _policy(), _budget("150", committed="50"))
    assert judged.outcome is Outcome.ALLOW
    assert judged.reason_codes == ("within_budget",)
    assert judged.allocation_usd == 100
    assert judged.reservation_active


def test_one_unit_too_much_is_denied() -> None:
    """A ten-thousandth above the headroom is above it."""
    judged = _decide(_request("100.0001"), _policy(), _budget("100"))
    assert judged.outcome is Outcome.DENY


def test_without_a_budget_spending_is_unbounded_and_says_so() -> None:
    """No budget means no bound, and a reason that names it."""
    judged = _decide(_request("100"), _policy())
    assert judged.outcome is Outcome.ALLOW
    assert judged.reason_codes == ("no_budget_configured",)


def test_credits_pay_what_the_budget_does_not_and_reserved_ones_first() -> None:
    """Budget, then reserved, then emergency credits; each draws only what is left."""
    reserved, emergency = _grant("30"), _grant("50", CreditPool.EMERGENCY, scope_key="other")
    judged = _decide(_request("100"), _policy(), _budget("40"), (emergency, reserved))
    assert judged.outcome is Outcome.ALLOW_WITH_CREDITS
    assert [(d.grant_id, d.amount_usd) for d in judged.draws] == [
        (reserved.grant_id, Decimal(30)),
        (emergency.grant_id, Decimal(30)),
    ]
    assert judged.reason_codes == ("reserved_credits_used", "emergency_credits_used")


def test_grants_pay_exact_scope_first_then_default_then_by_expiry_then_age() -> None:
    """The order of payers is fixed whatever order they come in."""
    ordered = [
        _grant("1", expires_at=NOW + timedelta(days=1)),
        _grant("1", expires_at=NOW + timedelta(days=2)),
        _grant("1", created_at=NOW - timedelta(days=9)),
        _grant("1", created_at=NOW - timedelta(days=2)),
        _grant("1", scope_key="default", expires_at=NOW + timedelta(hours=1)),
    ]
    judged = _decide(_request("5"), _policy(), _budget("0"), tuple(reversed(ordered)))
    assert [d.grant_id for d in judged.draws] == [g.grant_id for g in ordered]


@pytest.mark.parametrize(
    "useless",
    [
        _grant("100", expires_at=NOW),
        _grant("100", scope_key="other"),
        _grant("100", remaining_usd=Decimal(0)),
    ],
)
def test_a_grant_that_may_not_pay_does_not(useless: Grant) -> None:
    """Expired, foreign and empty grants fund nothing."""
    judged = _decide(_request("10"), _policy(), _budget("0"), (useless,))
    assert judged.outcome is Outcome.DENY
    assert judged.draws == ()


@pytest.mark.parametrize(
    ("ceiling", "reason"),
    [
        ("plan_monthly_ceiling_usd", "plan_limit_exceeded"),
        ("enterprise_monthly_ceiling_usd", "enterprise_ceiling_exceeded"),
    ],
)
def test_a_ceiling_binds_the_whole_tenant(ceiling: str, reason: str) -> None:
    """What the tenant has committed elsewhere counts against its ceilings."""
    policy = _policy(**{ceiling: "150"})
    assert _decide(_request("100"), policy, committed="50").outcome is Outcome.ALLOW
    judged = _decide(_request("100"), policy, committed="50.0001")
    assert judged.outcome is Outcome.DENY
    assert reason in judged.reason_codes


def test_a_failed_plan_ceiling_skips_every_later_stage() -> None:
    """Nothing is drawn after the first ceiling failed, and each stage is still recorded."""
    policy = _policy(Mode.SOFT, plan_monthly_ceiling_usd="1")
    judged = _decide(_request("100"), policy, _budget("500"), (_grant("5"),))
    assert [stage.name for stage in judged.stages] == list(waterfall.NAMES)
    assert [stage.status for stage in judged.stages] == [
        StageStatus.FAILED,
        *[StageStatus.SKIPPED] * 4,
    ]
    assert not judged.reservation_active


def test_stages_add_up() -> None:
    """What each stage consumed plus what remained is what was asked."""
    judged = _decide(_request("100"), _policy(Mode.SOFT), _budget("40"), (_grant("30"),))
    consumed = sum(stage.consumed_usd for stage in judged.stages)
    assert consumed + judged.stages[-1].remaining_usd == 100
    assert [stage.status for stage in judged.stages[1:4]] == [
        StageStatus.PARTIAL,
        StageStatus.PARTIAL,
        StageStatus.FAILED,
    ]


@pytest.mark.parametrize("mode", list(Mode))
def test_above_the_hard_deny_threshold_nothing_is_funded(mode: Mode) -> None:
    """The threshold is judged before the waterfall, so nothing is reserved."""
    judged = _decide(_request("5000.0001"), _policy(mode), _budget("99999"))
    assert "hard_deny_threshold_exceeded" in judged.reason_codes
    assert judged.stages == ()
    assert not judged.reservation_active
    assert _decide(_request("5000"), _policy(mode), _budget("99999")).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("monthly", "mode", "outcome", "reason"),
    [
        ("25", Mode.HARD, Outcome.ALLOW, "auto_approved"),
        ("25.0001", Mode.HARD, Outcome.REQUIRE_APPROVAL, "approval_required"),
        ("25.0001", Mode.SHADOW, Outcome.ALLOW, "within_budget"),
        ("900", Mode.HARD, Outcome.DENY, "budget_exceeded"),
    ],
)
def test_approval_is_asked_for_above_the_automatic_amount(
    monthly: str, mode: Mode, outcome: Outcome, reason: str
) -> None:
    """Small changes pass, others wait, shadow never waits, and a denial stays one."""
    judged = _decide(_request(monthly), _policy(mode, approval=True), _budget("500"))
    assert judged.outcome is outcome
    assert reason in judged.reason_codes


def test_a_change_that_waits_for_approval_holds_its_reservation() -> None:
    """Budget and credits stay set aside until somebody has decided."""
    judged = _decide(_request("100"), _policy(approval=True), _budget("40"), (_grant("60"),))
    assert judged.outcome is Outcome.REQUIRE_APPROVAL
    assert judged.reservation_active
    assert judged.routing is not None


@pytest.mark.parametrize("mode", list(Mode))
def test_a_dry_run_reserves_nothing_and_asks_nobody(mode: Mode) -> None:
    """A dry run shows the outcome and leaves nothing behind."""
    judged = _decide(
        _request("100", dry_run=True), _policy(mode, approval=True), _budget("40"), (_grant("90"),)
    )
    assert not judged.reservation_active
    assert judged.draws == ()
    assert judged.routing is None
    assert "dry_run" in judged.reason_codes
    assert judged.stages


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (Mode.SHADOW, Outcome.ALLOW),
        (Mode.SOFT, Outcome.REQUIRE_APPROVAL),
        (Mode.HARD, Outcome.DENY),
    ],
)
def test_demanded_cost_data_that_is_missing_is_a_violation(mode: Mode, outcome: Outcome) -> None:
    """A policy that demands fresh cost data gets it, or a violation; a zero delta needs none."""
    policy = _policy(mode)
    document = msgspec.structs.replace(policy.document, execution=Execution(max_cost_age_days=2))
    strict = materialise(document, 2)
    judged = _decide(_request("1"), strict)
    assert judged.outcome is outcome
    assert "computed_context_unavailable" in judged.reason_codes
    assert _decide(_request("0"), strict).outcome is Outcome.ALLOW
    fresh = (DailyCost(NOW.date() - timedelta(days=2), Decimal(5)),)
    assert _decide(_request("1"), strict, costs=fresh).outcome is Outcome.ALLOW


def _costs(*amounts: str, last: date) -> tuple[DailyCost, ...]:
    days = range(len(amounts) - 1, -1, -1)
    return tuple(
        DailyCost(last - timedelta(days=back), Decimal(amount))
        for back, amount in zip(days, amounts, strict=True)
    )


def test_the_context_counts_the_month_and_forecasts_its_end() -> None:
    """Burn rate is month to date over days begun; the forecast carries it to the month's end."""
    today = date(2026, 2, 10)
    costs = (
        DailyCost(date(2026, 1, 31), Decimal(999)),
        DailyCost(date(2026, 2, 1), Decimal(30)),
        DailyCost(date(2026, 2, 10), Decimal(20)),
        DailyCost(date(2026, 2, 11), Decimal(777)),
    )
    context = compute(_request(), costs, today, None)
    assert context.month_to_date_usd == 50
    assert context.burn_rate_daily_usd == 5
    assert context.forecast_month_usd == 140


@pytest.mark.parametrize(
    ("amounts", "anomaly"),
    [
        (("0",) * 7 + ("99.9999",), False),
        (("0",) * 7 + ("100",), True),
        (("1000",) * 7 + ("1299",), False),
        (("1000",) * 7 + ("1300",), True),
        (("100",) * 7 + ("199",), False),
        (("100",) * 7 + ("200",), True),
    ],
)
def test_a_spend_that_stands_out_is_an_anomaly(amounts: tuple[str, ...], *, anomaly: bool) -> None:
    """It takes 100 more and 30 % more than the week's mean, or 100 from nothing."""
    today = date(2026, 2, 20)
    context = compute(_request(), _costs(*amounts, last=today), today, None)
    assert context.anomaly is anomaly


@pytest.mark.parametrize(
    ("changes", "monthly", "score", "risk"),
    [
        ({}, "1", 0, RiskClass.LOW),
        ({"environment": "prod"}, "1", 3, RiskClass.MEDIUM),
        ({"action": "vm.delete"}, "1000", 3, RiskClass.MEDIUM),
        ({"metadata": {"criticality": "Medium"}}, "1", 1, RiskClass.LOW),
        ({"resource_reference": "aws_rds.x"}, "5000", 3, RiskClass.MEDIUM),
        (
            {
                "environment": "prod",
                "action": "destroy",
                "metadata": {"criticality": "critical"},
                "resource_reference": "gke_cluster",
            },
            "5000",
            10,
            RiskClass.HIGH,
        ),
        ({"action": "undeleted"}, "1", 0, RiskClass.LOW),
    ],
)
def test_risk_is_scored(
    changes: dict[str, object], monthly: str, score: int, risk: RiskClass
) -> None:
    """Production, destruction, criticality, impact and size each add their points."""
    context = compute(_request(monthly, **changes), (), date(2026, 2, 1), None)
    assert (context.risk_score, context.risk_class) == (score, risk)


def test_an_anomaly_is_a_reason() -> None:
    """The decision says that costs stood out when it was made."""
    costs = _costs(*("0",) * 7, "500", last=NOW.date())
    assert "cost_anomaly" in _decide(_request("1"), _policy(), costs=costs).reason_codes


def test_the_digest_covers_every_column_that_must_not_change() -> None:
    """Changing any recorded field but the reservation's state changes the digest."""
    policy = _policy()
    request = _request()
    decision = record(
        request,
        _decide(request, policy),
        policy,
        decision_id=UUID(int=1),
        tenant_id=UUID(int=2),
        created_by=UUID(int=3),
        created_at=NOW,
        approval_id=None,
    )
    changed: dict[str, object] = {
        "decision_id": UUID(int=9),
        "tenant_id": UUID(int=9),
        "source": Source.CLOUD_EVENT,
        "idempotency_key": "other",
        "fingerprint": "0" * 64,
        "outcome": Outcome.DENY,
        "reason_codes": ("other",),
        "mode": Mode.SOFT,
        "policy_version": 2,
        "policy_sha256": "0" * 64,
        "project_id": "other",
        "environment": "prod",
        "action": "other",
        "resource_reference": "other",
        "monthly_delta_usd": Decimal("1.0000"),
        "hourly_delta_usd": Decimal("1.000000"),
        "dry_run": True,
        "allocation_usd": Decimal("1.0000"),
        "credits_usd": Decimal("1.0000"),
        "approval_required": True,
        "ttl_seconds": 1,
        "failsafe": True,
        "created_by": UUID(int=9),
        "created_at": NOW + timedelta(microseconds=1),
        "details_text": "{}",
    }
    mutable = {"reservation_active", "approval_id", "key_given", "voided"}
    assert changed.keys() | mutable == set(decision.__struct_fields__)
    for field, value in changed.items():
        altered = msgspec.structs.replace(decision, **{field: value})
        assert digest(altered) != digest(decision), field
    assert digest(msgspec.structs.replace(decision, reservation_active=False)) == digest(decision)


@pytest.mark.parametrize(
    ("policy", "outcome", "suffix"),
    [
        (_policy(Mode.SHADOW), Outcome.ALLOW, "shadow_mode_fail_open"),
        (_policy(Mode.SOFT), Outcome.REQUIRE_APPROVAL, "soft_mode_fail_safe_escalation"),
        (_policy(Mode.HARD), Outcome.DENY, "hard_mode_fail_closed"),
        (None, Outcome.DENY, "hard_mode_fail_closed"),
    ],
)
def test_a_fail_safe_follows_the_last_policy_known(
    policy: Policy | None, outcome: Outcome, suffix: str
) -> None:
    """By mode alone; a policy never loaded is hard. Nothing is reserved."""
    entry = fail_safe(
        _request(),
        policy,
        trigger="gate_timeout",
        details="no answer in 2 s",
        decision_id=UUID(int=1),
        tenant_id=UUID(int=2),
        created_by=UUID(int=3),
        now=NOW,
    )
    decision = entry.decision
    assert decision.outcome is outcome
    assert decision.reason_codes == ("gate_timeout", suffix)
    assert decision.failsafe
    assert not decision.reservation_active
    assert decision.reserved_usd == 0
    assert decision.details.fail_safe_trigger == "gate_timeout"
    assert (entry.routing is not None) is (outcome is Outcome.REQUIRE_APPROVAL)
    assert (decision.approval_id is not None) is (entry.routing is not None)
