"""From a request and what the tenant stands at, to a decision; and the record of it.

``decide`` is the whole of the gate's judgement, a pure function. The store reads a
:class:`Situation` under the tenant's lock, calls it, and writes what it says.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain import reasons
from enforcement.domain.canonical import canonical_text, sha256_hex
from enforcement.domain.context import ComputedContext, DailyCost, compute
from enforcement.domain.credits import Draw
from enforcement.domain.enums import Mode, Outcome, Source
from enforcement.domain.money import ZERO, hourly_text, monthly_text
from enforcement.domain.policy import Policy
from enforcement.domain.request import GateRequest
from enforcement.domain.routing import Routing, route
from enforcement.domain.timestamps import rfc3339
from enforcement.domain.waterfall import Funding, Stage, Standing, fund

DIGEST_DOMAIN: Final = "enforcement.decision.v1"


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision depends on beside the request, read under the tenant's lock."""

    policy: Policy
    standing: Standing
    costs: Sequence[DailyCost]
    now: datetime


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate decides, before it has a number and a date.

    Attributes:
        allocation_usd: To reserve from the budget; 0 where nothing is reserved.
        draws: To reserve from credit grants; empty where nothing is reserved.
        routing: Who must review, where an approval row is to be created.
    """

    outcome: Outcome
    mode: Mode
    reason_codes: tuple[str, ...]
    stages: tuple[Stage, ...]
    allocation_usd: Decimal
    draws: tuple[Draw, ...]
    reservation_active: bool
    routing: Routing | None
    context: ComputedContext


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The long part of a decision, kept as canonical JSON and covered by its digest."""

    stages: tuple[Stage, ...] = ()
    computed_context: ComputedContext | None = None
    fail_safe_trigger: str | None = None
    fail_safe_details: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as recorded.

    Nothing in it changes afterwards but ``reservation_active`` and ``voided``.

    Attributes:
        key_given: Whether the caller gave the idempotency key. Such a key keeps its decision for
            ever; without one, a decision answers for its like as long as it is alive.
        voided: Its caller was told something else, and it holds nothing any more.
        reservation_active: Whether the reservation was active when this was read.
        details_text: Canonical JSON of :class:`Details`.
        approval_id: Of the approval request created with it, if any.
        failsafe: Made without the database's consent; not pinned to its idempotency key.
    """

    decision_id: UUID
    tenant_id: UUID
    source: Source
    idempotency_key: str
    fingerprint: str
    outcome: Outcome
    reason_codes: tuple[str, ...]
    mode: Mode
    policy_version: int
    policy_sha256: str
    project_id: str
    environment: str
    action: str
    resource_reference: str
    monthly_delta_usd: Decimal
    hourly_delta_usd: Decimal
    dry_run: bool
    allocation_usd: Decimal
    credits_usd: Decimal
    reservation_active: bool
    approval_required: bool
    ttl_seconds: int
    failsafe: bool
    created_by: UUID
    created_at: datetime
    details_text: str
    approval_id: UUID | None = None
    key_given: bool = True
    voided: bool = False

    @property
    def details(self) -> Details:
        """Return the long part, parsed."""
        return msgspec.json.decode(self.details_text, type=Details)

    @property
    def reserved_usd(self) -> Decimal:
        """Return allocation plus credits."""
        return self.allocation_usd + self.credits_usd


def decide(request: GateRequest, situation: Situation) -> Judgement:
    """Judge a request: context, thresholds, waterfall, approval, in the order specified."""
    policy = situation.policy
    mode = policy.mode(request.source, request.environment)
    context = compute(
        request,
        situation.costs,
        situation.now.astimezone(UTC).date(),
        policy.document.execution.max_cost_age_days,
    )
    funding = _early_violation(request, policy, context)
    if funding is None:
        funding = fund(
            request.monthly_delta_usd,
            situation.standing,
            project_id=request.project_id,
            plan_ceiling=policy.plan_ceiling_usd,
            enterprise_ceiling=policy.enterprise_ceiling_usd,
            now=situation.now,
        )
    outcome, codes = _outcome(mode, funding)
    outcome, codes = _ask_for_approval(request, policy, mode, outcome, codes)
    if context.anomaly:
        codes = (*codes, reasons.COST_ANOMALY)
    if request.dry_run:
        codes = (*codes, reasons.DRY_RUN)
    active = (
        not request.dry_run
        and mode is not Mode.SHADOW
        and outcome is not Outcome.DENY
        and funding.reserved_usd > 0
    )
    routing = None
    if outcome is Outcome.REQUIRE_APPROVAL and not request.dry_run:
        routing = route_request(policy, request, context)
    return Judgement(
        outcome=outcome,
        mode=mode,
        reason_codes=reasons.once(codes),
        stages=funding.stages,
        allocation_usd=funding.allocation_usd if active else ZERO,
        draws=funding.draws if active else (),
        reservation_active=active,
        routing=routing,
        context=context,
    )


def route_request(policy: Policy, request: GateRequest, context: ComputedContext) -> Routing:
    """Find who must review this request."""
    return route(
        policy,
        environment=request.environment,
        action=request.action,
        monthly_delta_usd=request.monthly_delta_usd,
        risk_class=context.risk_class,
    )


def _early_violation(
    request: GateRequest, policy: Policy, context: ComputedContext
) -> Funding | None:
    delta = request.monthly_delta_usd
    if not context.available and delta > 0:
        violation = reasons.CONTEXT_UNAVAILABLE
    elif delta > policy.hard_deny_usd:
        violation = reasons.HARD_DENY_THRESHOLD_EXCEEDED
    else:
        return None
    return Funding(
        stages=(), allocation_usd=ZERO, draws=(), violation=violation, reason_codes=(violation,)
    )


_VIOLATED: Final = {
    Mode.SHADOW: Outcome.ALLOW,
    Mode.SOFT: Outcome.REQUIRE_APPROVAL,
    Mode.HARD: Outcome.DENY,
}


def _outcome(mode: Mode, funding: Funding) -> tuple[Outcome, tuple[str, ...]]:
    codes = funding.reason_codes
    if funding.violation is not None:
        return _VIOLATED[mode], (*codes, reasons.VIOLATION_SUFFIX[mode])
    if funding.draws:
        return Outcome.ALLOW_WITH_CREDITS, codes
    return Outcome.ALLOW, codes or (reasons.WITHIN_BUDGET,)


def _ask_for_approval(
    request: GateRequest, policy: Policy, mode: Mode, outcome: Outcome, codes: tuple[str, ...]
) -> tuple[Outcome, tuple[str, ...]]:
    allowed = outcome in {Outcome.ALLOW, Outcome.ALLOW_WITH_CREDITS}
    if not allowed or mode is Mode.SHADOW or not policy.needs_approval(request.environment):
        return outcome, codes
    if request.monthly_delta_usd <= policy.auto_approve_usd:
        return outcome, (*codes, reasons.AUTO_APPROVED)
    return Outcome.REQUIRE_APPROVAL, (*codes, reasons.APPROVAL_REQUIRED)


def record(
    request: GateRequest,
    judgement: Judgement,
    policy: Policy,
    *,
    decision_id: UUID,
    tenant_id: UUID,
    created_by: UUID,
    created_at: datetime,
    approval_id: UUID | None,
) -> Decision:
    """Write a judgement down as a decision."""
    details = Details(stages=judgement.stages, computed_context=judgement.context)
    return Decision(
        decision_id=decision_id,
        tenant_id=tenant_id,
        source=request.source,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        outcome=judgement.outcome,
        reason_codes=judgement.reason_codes,
        mode=judgement.mode,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        project_id=request.project_id,
        environment=request.environment,
        action=request.action,
        resource_reference=request.resource_reference,
        monthly_delta_usd=request.monthly_delta_usd,
        hourly_delta_usd=request.hourly_delta_usd,
        dry_run=request.dry_run,
        allocation_usd=judgement.allocation_usd,
        credits_usd=sum((item.amount_usd for item in judgement.draws), start=ZERO),
        reservation_active=judgement.reservation_active,
        approval_required=judgement.outcome is Outcome.REQUIRE_APPROVAL,
        ttl_seconds=policy.document.execution.ttl_seconds,
        failsafe=False,
        created_by=created_by,
        created_at=created_at,
        details_text=details_text(details),
        approval_id=approval_id,
        key_given=request.key_given,
    )


def details_text(details: Details) -> str:
    """Return the canonical JSON of a decision's long part."""
    return canonical_text(msgspec.to_builtins(details, builtin_types=(Decimal,)))


def digest(decision: Decision) -> bytes:
    """Return the SHA-256 over a decision's unchanging columns.

    ``enforcement.decision_digest`` in the database computes the same from the stored row, one
    field a line in this order, so that an edited column no longer agrees with the ledger.
    """
    fields = (
        DIGEST_DOMAIN,
        str(decision.tenant_id),
        str(decision.decision_id),
        decision.source.value,
        decision.idempotency_key,
        decision.fingerprint,
        decision.outcome.value,
        ",".join(decision.reason_codes),
        decision.mode.value,
        str(decision.policy_version),
        decision.policy_sha256,
        decision.project_id,
        decision.environment,
        decision.action,
        decision.resource_reference,
        monthly_text(decision.monthly_delta_usd),
        hourly_text(decision.hourly_delta_usd),
        _flag(decision.dry_run),
        monthly_text(decision.allocation_usd),
        monthly_text(decision.credits_usd),
        _flag(decision.approval_required),
        str(decision.ttl_seconds),
        _flag(decision.failsafe),
        str(decision.created_by),
        rfc3339(decision.created_at),
        sha256_hex(decision.details_text),
    )
    return hashlib.sha256("\n".join(fields).encode()).digest()


def _flag(value: bool) -> str:  # noqa: FBT001  # one word of a digest, not an option
    return "true" if value else "false"
