"""What the gate answers when it cannot decide: by mode alone, from the last policy known.

A fail-safe reserves nothing, is journalled by whoever made it, and is written to the ledger
exactly once when the database is back. It is never the stored answer for its idempotency key.
"""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec

from enforcement.domain import reasons
from enforcement.domain.context import compute
from enforcement.domain.decision import Decision, Details, details_text, route_request
from enforcement.domain.enums import Mode, Outcome
from enforcement.domain.money import ZERO
from enforcement.domain.policy import DEFAULT_POLICY, Policy
from enforcement.domain.request import GateRequest
from enforcement.domain.routing import Routing

OUTCOMES: Final = {
    Mode.SHADOW: Outcome.ALLOW,
    Mode.SOFT: Outcome.REQUIRE_APPROVAL,
    Mode.HARD: Outcome.DENY,
}
MAX_DETAILS_LENGTH: Final = 500


class FailsafeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a worker's journal: what was answered, and who may review it.

    Attributes:
        decision: Its ``decision_id`` is the journal's id; replaying it twice writes it once.
        routing: Only where the answer was an escalation that is not a dry run.
        instead_of: The decision that the database may have made all the same, unheard; where it
            contradicts what was answered, it is voided.
    """

    decision: Decision
    routing: Routing | None
    instead_of: UUID | None = None


def fail_safe(
    request: GateRequest,
    policy: Policy | None,
    *,
    trigger: str,
    details: str,
    decision_id: UUID,
    tenant_id: UUID,
    created_by: UUID,
    now: datetime,
    instead_of: UUID | None = None,
) -> FailsafeEntry:
    """Answer without the database.

    Args:
        request: The normalised request.
        policy: The last one known; None (never loaded) is judged as hard mode.
        trigger: Reason code of what went wrong, such as ``gate_timeout``.
        details: One line for operators; cut at 500 characters.
        decision_id: Doubles as the journal's id, which makes the later write exactly-once.
        tenant_id: Of the caller.
        created_by: Principal.
        now: The worker's clock, since the database's cannot be asked.
        instead_of: The id of the decision that the database was asked for.
    """
    mode = Mode.HARD if policy is None else policy.mode(request.source, request.environment)
    known = policy or DEFAULT_POLICY
    outcome = OUTCOMES[mode]
    escalates = outcome is Outcome.REQUIRE_APPROVAL and not request.dry_run
    decision = Decision(
        decision_id=decision_id,
        tenant_id=tenant_id,
        source=request.source,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        outcome=outcome,
        reason_codes=reasons.once((trigger, reasons.FAILSAFE_SUFFIX[mode])),
        mode=mode,
        policy_version=known.version,
        policy_sha256=known.sha256,
        project_id=request.project_id,
        environment=request.environment,
        action=request.action,
        resource_reference=request.resource_reference,
        monthly_delta_usd=request.monthly_delta_usd,
        hourly_delta_usd=request.hourly_delta_usd,
        dry_run=request.dry_run,
        allocation_usd=ZERO,
        credits_usd=ZERO,
        reservation_active=False,
        approval_required=outcome is Outcome.REQUIRE_APPROVAL,
        ttl_seconds=known.document.execution.ttl_seconds,
        failsafe=True,
        created_by=created_by,
        created_at=now,
        details_text=details_text(
            Details(fail_safe_trigger=trigger, fail_safe_details=details[:MAX_DETAILS_LENGTH])
        ),
        approval_id=uuid5(decision_id, "approval") if escalates else None,
        key_given=request.key_given,
    )
    if not escalates:
        return FailsafeEntry(decision=decision, routing=None, instead_of=instead_of)
    # No cost data is at hand, so none is used.
    context = compute(request, (), now.date(), None)
    return FailsafeEntry(
        decision=decision,
        routing=route_request(known, request, context),
        instead_of=instead_of,
    )


def contradicts(entry: FailsafeEntry, made: Decision) -> bool:
    """Say whether a decision that was made unheard is not what was answered instead of it."""
    return (
        made.outcome is not entry.decision.outcome
        or made.reservation_active
        or made.approval_id is not None
    )
