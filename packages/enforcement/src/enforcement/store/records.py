"""Rows as domain values, and domain values as what the ledger keeps of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from enforcement.domain.approvals import Approval
from enforcement.domain.credits import Draw
from enforcement.domain.decision import Decision
from enforcement.domain.enums import ApprovalState
from enforcement.domain.money import hourly_text, monthly_text
from enforcement.domain.reservations import Reconciliation
from enforcement.domain.routing import Routing

_DECISION: Final = msgspec.json.Decoder(Decision)
_RECONCILIATION: Final = msgspec.json.Decoder(Reconciliation)
_APPROVAL: Final = msgspec.json.Decoder(Approval)


def decision(text: str) -> Decision:
    """Read what ``enforcement.decision_json`` wrote."""
    return _DECISION.decode(text)


def approval(text: str) -> Approval:
    """Read what ``enforcement.approval_json`` wrote."""
    return _APPROVAL.decode(text)


def reconciliation(text: str) -> Reconciliation:
    """Read what ``enforcement.reconciliation_json`` wrote."""
    return _RECONCILIATION.decode(text)


def pending_approval(about: Decision, routing: Routing, now: datetime) -> Approval:
    """Return the approval request that a decision creates; it expires after the policy's ttl.

    Raises:
        ValueError: The decision carries no approval id: a bug of ours.
    """
    if about.approval_id is None:
        raise ValueError("the decision carries no approval id")
    return Approval(
        approval_id=about.approval_id,
        tenant_id=about.tenant_id,
        decision_id=about.decision_id,
        state=ApprovalState.PENDING,
        routing=routing,
        requested_by=about.created_by,
        requested_at=now,
        expires_at=now + timedelta(seconds=about.ttl_seconds),
    )


def decision_payload(about: Decision, draws: Iterable[Draw], sha256: str) -> dict[str, object]:
    """Return what the ledger keeps of a decision, readable without the decisions table.

    Args:
        about: The decision.
        draws: The credits it reserves.
        sha256: Its digest in hexadecimal.
    """
    return {
        "decision_id": about.decision_id,
        "source": about.source.value,
        "idempotency_key": about.idempotency_key,
        "key_given": about.key_given,
        "request_sha256": about.fingerprint,
        "response_sha256": sha256,
        "outcome": about.outcome.value,
        "reason_codes": list(about.reason_codes),
        "mode": about.mode.value,
        "policy_version": about.policy_version,
        "policy_sha256": about.policy_sha256,
        "project_id": about.project_id,
        "environment": about.environment,
        "action": about.action,
        "resource_reference": about.resource_reference,
        "monthly_delta_usd": monthly_text(about.monthly_delta_usd),
        "hourly_delta_usd": hourly_text(about.hourly_delta_usd),
        "dry_run": about.dry_run,
        "failsafe": about.failsafe,
        "reservation_active": about.reservation_active,
        "allocation_usd": monthly_text(about.allocation_usd),
        "credits_usd": monthly_text(about.credits_usd),
        "credits": [
            {"grant_id": draw.grant_id, "amount_usd": monthly_text(draw.amount_usd)}
            for draw in draws
        ],
        "approval_id": about.approval_id,
    }


def approval_payload(about: Approval) -> dict[str, object]:
    """Return what the ledger keeps of an approval's state."""
    return {
        "approval_id": about.approval_id,
        "decision_id": about.decision_id,
        "state": about.state.value,
        "routing_rule": about.routing.rule,
        "required_permission": about.routing.required_permission.value,
        "allowed_roles": [role.value for role in about.routing.allowed_roles],
        "require_separation": about.routing.require_separation,
        "requested_by": about.requested_by,
        "requested_at": about.requested_at,
        "expires_at": about.expires_at,
        "notes": about.notes,
        "reviewed_by": about.reviewed_by,
        "reviewed_at": about.reviewed_at,
        "review_notes": about.review_notes,
        "token_sha256": about.token_sha256,
        "token_expires_at": about.token_expires_at,
        "token_consumed_at": about.token_consumed_at,
        "token_consumed_by": about.token_consumed_by,
    }
