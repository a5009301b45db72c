"""Who may review, what a review does, and every reason to refuse a token."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from enforcement.domain import approvals, tokens
from enforcement.domain.approvals import Approval
from enforcement.domain.decision import Decision, Situation, decide, record
from enforcement.domain.enums import (
    ApprovalState,
    Feature,
    Permission,
    Plan,
    RiskClass,
    Role,
    Source,
)
from enforcement.domain.errors import (
    ConflictError,
    EnforcementError,
    ForbiddenError,
    InvalidError,
    TokenError,
)
from enforcement.domain.identity import Caller
from enforcement.domain.policy import (
    DEFAULT_POLICY,
    ApprovalRules,
    PolicyDocument,
    RoutingRule,
    materialise,
)
from enforcement.domain.request import gate_request
from enforcement.domain.routing import Routing, demand_reviewer, may_review, route
from enforcement.domain.waterfall import Standing

pytestmark = pytest.mark.gate

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)
TENANT = UUID(int=1)
REQUESTER = UUID(int=2)
REVIEWER = UUID(int=3)


def _caller(
    role: Role = Role.OWNER,
    permissions: frozenset[Permission] = frozenset(),
    principal: UUID = REVIEWER,
    plan: Plan = Plan.PRO,
) -> Caller:
    return Caller(
        tenant_id=TENANT, principal_id=principal, role=role, permissions=permissions, plan=plan
    )


def _decision() -> Decision:
    request = gate_request(
        source=Source.TERRAFORM,
        project_id="web",
        environment="prod",
        action="create",
        resource_reference="module.app",
        estimated_monthly_delta_usd="100",
        estimated_hourly_delta_usd="0.2",
    )
    standing = Standing(committed_usd=Decimal(0), budget=None)
    situation = Situation(policy=DEFAULT_POLICY, standing=standing, costs=(), now=NOW)
    return record(
        request,
        decide(request, situation),
        DEFAULT_POLICY,
        decision_id=UUID(int=10),
        tenant_id=TENANT,
        created_by=REQUESTER,
        created_at=NOW,
        approval_id=UUID(int=11),
    )


def _approval(**changes: Any) -> Approval:
    given: dict[str, Any] = {
        "approval_id": UUID(int=11),
        "tenant_id": TENANT,
        "decision_id": UUID(int=10),
        "state": ApprovalState.PENDING,
        "routing": Routing(
            rule=None,
            required_permission=Permission.APPROVE_PROD,
            allowed_roles=(Role.OWNER, Role.ADMIN),
            require_separation=True,
        ),
        "requested_by": REQUESTER,
        "requested_at": NOW,
        "expires_at": NOW + timedelta(seconds=900),
    }
    return Approval(**(given | changes))


def _refused(code: str, kind: type[EnforcementError], call: Any, *args: Any, **named: Any) -> None:
    with pytest.raises(kind) as refusal:
        call(*args, **named)
    assert refusal.value.code == code


def test_roles_rank_and_an_owner_passes_everything() -> None:
    """Owner passes what admin needs, admin what member needs, never the other way round."""
    _caller(Role.OWNER).demand_role(Role.ADMIN)
    _caller(Role.ADMIN).demand_role(Role.MEMBER)
    _refused("role_required", ForbiddenError, _caller(Role.MEMBER).demand_role, Role.ADMIN)


def test_features_come_with_the_plan() -> None:
    """Pro and enterprise have both features, the cheaper plans neither."""
    for plan in (Plan.PRO, Plan.ENTERPRISE):
        _caller(plan=plan).demand_features(*Feature)
    for plan in (Plan.FREE, Plan.STARTER):
        _refused(
            "feature_unavailable",
            ForbiddenError,
            _caller(plan=plan).demand_features,
            Feature.API_ACCESS,
        )


@pytest.mark.parametrize(
    ("environment", "action", "delta", "risk", "rule"),
    [
        ("prod", "create", "10", RiskClass.LOW, None),
        ("prod", "delete_vm", "10", RiskClass.LOW, "destructive"),
        ("sandbox", "create", "1000", RiskClass.LOW, "large"),
        ("sandbox", "create", "2000", RiskClass.LOW, "large"),
        ("sandbox", "create", "2000.0001", RiskClass.LOW, None),
        ("sandbox", "create", "1", RiskClass.HIGH, "risky"),
        ("prod", "delete_vm", "1500", RiskClass.HIGH, "destructive"),
    ],
)
def test_the_first_enabled_rule_that_matches_decides(
    environment: str, action: str, delta: str, risk: RiskClass, rule: str | None
) -> None:
    """Rules are tried in order; disabled ones never match; bounds are inclusive."""
    rules = (
        RoutingRule(name="off", enabled=False),
        RoutingRule(name="destructive", environments=("prod",), action_prefixes=("delete",)),
        RoutingRule(name="large", min_monthly_delta_usd="1000", max_monthly_delta_usd="2000"),
        RoutingRule(name="risky", risk_levels=(RiskClass.HIGH,)),
    )
    policy = materialise(PolicyDocument(approval=ApprovalRules(routing_rules=rules)), 1)
    found = route(
        policy,
        environment=environment,
        action=action,
        monthly_delta_usd=Decimal(delta),
        risk_class=risk,
    )
    assert found.rule == rule


def test_without_a_rule_the_environment_decides() -> None:
    """Production needs the production permission and two people; elsewhere neither."""
    prod = route(
        DEFAULT_POLICY,
        environment="prod",
        action="x",
        monthly_delta_usd=Decimal(1),
        risk_class=RiskClass.LOW,
    )
    other = route(
        DEFAULT_POLICY,
        environment="nonprod",
        action="x",
        monthly_delta_usd=Decimal(1),
        risk_class=RiskClass.LOW,
    )
    assert (prod.required_permission, prod.require_separation) == (Permission.APPROVE_PROD, True)
    assert (other.required_permission, other.require_separation) == (
        Permission.APPROVE_NONPROD,
        False,
    )


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        (_caller(Role.OWNER), None),
        (_caller(Role.ADMIN), "reviewer_permission"),
        (_caller(Role.ADMIN, frozenset({Permission.APPROVE_PROD})), None),
        (_caller(Role.MEMBER, frozenset({Permission.APPROVE_PROD})), "reviewer_role"),
        (_caller(Role.OWNER, principal=REQUESTER), "reviewer_is_requester"),
    ],
)
def test_a_reviewer_needs_role_permission_and_distance(caller: Caller, code: str | None) -> None:
    """Each of the three is demanded, and the queue's predicate agrees with the refusal."""
    routing = _approval().routing
    assert may_review(routing, caller, REQUESTER) is (code is None)
    if code is not None:
        _refused(code, ForbiddenError, demand_reviewer, routing, caller, REQUESTER)


@pytest.mark.parametrize("verdict", [ApprovalState.APPROVED, ApprovalState.DENIED])
def test_a_review_moves_a_pending_request_once(verdict: ApprovalState) -> None:
    """The verdict is kept with its reviewer, and a second review is a conflict."""
    moved = approvals.review(_approval(), _caller(), verdict=verdict, notes="ok", now=NOW)
    assert (moved.state, moved.reviewed_by, moved.review_notes) == (verdict, REVIEWER, "ok")
    _refused(
        "approval_not_pending",
        ConflictError,
        approvals.review,
        moved,
        _caller(),
        verdict=verdict,
        notes="",
        now=NOW,
    )


@pytest.mark.parametrize(
    "state", [state for state in ApprovalState if state is not ApprovalState.PENDING]
)
def test_every_other_state_is_final(state: ApprovalState) -> None:
    """Nothing leaves denied, expired, cancelled, or approved with its token spent."""
    final = _approval(state=state, token_consumed_at=NOW)
    assert not approvals.is_alive(final)
    _refused(
        "approval_not_pending", ConflictError, approvals.end, final, ApprovalState.EXPIRED, NOW
    )
    _refused(
        "approval_not_pending",
        ConflictError,
        approvals.review,
        final,
        _caller(),
        verdict=ApprovalState.APPROVED,
        notes="",
        now=NOW,
    )


def test_a_request_reviewed_too_late_expires_instead() -> None:
    """From its expiry on, a request becomes expired whatever the verdict was."""
    late = NOW + timedelta(seconds=900)
    moved = approvals.review(
        _approval(), _caller(), verdict=ApprovalState.APPROVED, notes="", now=late
    )
    assert moved.state is ApprovalState.EXPIRED
    assert not approvals.is_expired(_approval(), late - timedelta(microseconds=1))


def test_notes_are_bounded() -> None:
    """A thousand characters are kept, one more is refused; so is U+0000."""
    assert approvals.check_notes("x" * 1000) == "x" * 1000
    _refused("invalid_length", InvalidError, approvals.check_notes, "x" * 1001)
    _refused("invalid_text", InvalidError, approvals.check_notes, "a\x00")


def _approved() -> tuple[Approval, tokens.Claims]:
    pending = _approval()
    claims = tokens.issue(pending, _decision(), token_id=UUID(int=20), now=NOW)
    approved = msgspec.structs.replace(
        pending,
        state=ApprovalState.APPROVED,
        token_sha256=tokens.token_sha256("the token"),
        token_expires_at=NOW + timedelta(seconds=900),
    )
    return approved, claims


def _consume(
    approval: Approval,
    claims: tokens.Claims,
    *,
    sha256: str | None = None,
    expectations: tokens.Expectations | None = None,
    now: datetime = NOW,
) -> None:
    tokens.demand_consumable(
        claims,
        sha256 or tokens.token_sha256("the token"),
        approval,
        _decision(),
        expectations or tokens.Expectations(),
        now,
    )


def test_a_good_token_is_consumable_with_all_its_expectations() -> None:
    """What was approved, as approved, passes; the claims survive their JSON."""
    approval, claims = _approved()
    decision = _decision()
    wire = msgspec.json.decode(msgspec.json.encode(claims))
    assert tokens.read_claims(wire) == claims
    _consume(
        approval,
        claims,
        expectations=tokens.Expectations(
            source="terraform",
            project_id="web",
            environment="prod",
            request_fingerprint=decision.fingerprint,
            resource_reference="module.app",
        ),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"aud": "authenticated"},
        {"sub": "enforcement_approval:00000000-0000-0000-0000-000000000000"},
        {"token_type": "access"},
        {"exp": "soon"},
        {"exp": True},
        {"decision_id": "x"},
        {"extra": 1},
        {"jti": None},
    ],
)
def test_a_payload_of_another_kind_is_no_approval_token(change: dict[str, object]) -> None:
    """Missing, foreign, mistyped and unknown claims are refused as unauthenticated."""
    _, claims = _approved()
    wire = msgspec.json.decode(msgspec.json.encode(claims)) | change
    _refused("invalid_token", TokenError, tokens.read_claims, wire)


def test_another_tenants_token_is_forbidden() -> None:
    """The tenant is judged before anything is looked up."""
    _, claims = _approved()
    tokens.demand_own_tenant(claims, TENANT)
    _refused(
        "token_of_another_tenant", ForbiddenError, tokens.demand_own_tenant, claims, UUID(int=99)
    )


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("source", "k8s_admission"),
        ("project_id", "other"),
        ("environment", "nonprod"),
        ("request_fingerprint", "0" * 64),
        ("resource_reference", "other"),
        ("max_monthly_delta_usd", "100.0001"),
        ("max_hourly_delta_usd", "9.000000"),
    ],
)
def test_a_claim_that_differs_from_the_decision_is_refused(claim: str, value: str) -> None:
    """Every bound claim is compared, the cost caps too."""
    approval, claims = _approved()
    forged = msgspec.structs.replace(claims, **{claim: value})
    _refused("token_mismatch", ConflictError, _consume, approval, forged)


@pytest.mark.parametrize(
    "field",
    ["source", "project_id", "environment", "request_fingerprint", "resource_reference"],
)
def test_an_expectation_that_does_not_hold_is_refused(field: str) -> None:
    """A consumer that expects something else does not get this approval."""
    approval, claims = _approved()
    wrong = tokens.Expectations(**{field: "other"})
    _refused("expectation_mismatch", ConflictError, _consume, approval, claims, expectations=wrong)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": ApprovalState.DENIED}, "approval_not_approved"),
        ({"token_sha256": "0" * 64}, "token_replaced"),
        ({"token_sha256": None}, "token_replaced"),
        ({"token_expires_at": NOW}, "token_expired"),
        ({"token_consumed_at": NOW}, "token_replayed"),
        ({"decision_id": UUID(int=77)}, "token_decision_mismatch"),
    ],
)
def test_a_token_must_fit_its_approval(change: dict[str, object], code: str) -> None:
    """State, hash, time, decision and first use are each demanded."""
    approval, claims = _approved()
    _refused(code, ConflictError, _consume, msgspec.structs.replace(approval, **change), claims)


def test_a_tokens_own_times_bind_too() -> None:
    """Before nbf and from exp on it is refused, whatever the approval says."""
    approval, claims = _approved()
    early = msgspec.structs.replace(claims, nbf=claims.nbf + 1)
    _refused("token_not_yet_valid", ConflictError, _consume, approval, early)
    late = msgspec.structs.replace(claims, exp=int(NOW.timestamp()))
    _refused("token_expired", ConflictError, _consume, approval, late)
