"""Approvals: a pending request becomes approved, denied, expired or cancelled, once."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.enums import ApprovalState, Event
from enforcement.domain.errors import ConflictError, InvalidError
from enforcement.domain.identity import Caller
from enforcement.domain.routing import Routing, demand_reviewer

MAX_NOTES_LENGTH: Final = 1000

EVENTS: Final = {
    ApprovalState.PENDING: Event.APPROVAL_REQUESTED,
    ApprovalState.APPROVED: Event.APPROVAL_APPROVED,
    ApprovalState.DENIED: Event.APPROVAL_DENIED,
    ApprovalState.EXPIRED: Event.APPROVAL_EXPIRED,
    ApprovalState.CANCELLED: Event.APPROVAL_CANCELLED,
}
# Leaving pending for one of these gives the reservation back.
RELEASING: Final = frozenset({ApprovalState.DENIED, ApprovalState.EXPIRED, ApprovalState.CANCELLED})


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A request that somebody else say yes.

    Attributes:
        expires_at: A pending request may not be approved from this instant on.
        token_sha256: Of the token handed out once, at approval; the token itself is not kept.
        token_consumed_at: When the token was spent; it can be spent once.
    """

    approval_id: UUID
    tenant_id: UUID
    decision_id: UUID
    state: ApprovalState
    routing: Routing
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime
    notes: str = ""
    reviewed_by: UUID | None = None
    reviewed_at: datetime | None = None
    review_notes: str = ""
    token_sha256: str | None = None
    token_expires_at: datetime | None = None
    token_consumed_at: datetime | None = None
    token_consumed_by: UUID | None = None


def check_notes(notes: str) -> str:
    """Return notes that can be kept.

    Raises:
        InvalidError: ``invalid_length`` beyond 1000 characters, ``invalid_text`` for U+0000.
    """
    if len(notes) > MAX_NOTES_LENGTH:
        raise InvalidError("invalid_length", f"notes have {len(notes)} characters, at most 1000")
    if "\x00" in notes or any("\ud800" <= ch <= "\udfff" for ch in notes):
        raise InvalidError("invalid_text", "notes hold U+0000 or half a surrogate pair")
    return notes


def is_expired(approval: Approval, now: datetime) -> bool:
    """Say whether a pending request has outlived its time."""
    return approval.state is ApprovalState.PENDING and approval.expires_at <= now


def review(
    approval: Approval, caller: Caller, *, verdict: ApprovalState, notes: str, now: datetime
) -> Approval:
    """Move a pending request to the reviewer's verdict.

    An expired request moves to ``expired`` instead, whatever the verdict: look at the state.

    Args:
        approval: Read under the tenant's lock.
        caller: The reviewer.
        verdict: ``approved`` or ``denied``.
        notes: Kept with the review.
        now: The database's clock.

    Raises:
        ForbiddenError: The routing does not admit this reviewer.
        ConflictError: ``approval_not_pending``.
    """
    demand_reviewer(approval.routing, caller, approval.requested_by)
    demand_pending(approval)
    if is_expired(approval, now):
        return end(approval, ApprovalState.EXPIRED, now)
    return msgspec.structs.replace(
        approval,
        state=verdict,
        reviewed_by=caller.principal_id,
        reviewed_at=now,
        review_notes=check_notes(notes),
    )


def demand_pending(approval: Approval) -> None:
    """Refuse an approval that has left ``pending``.

    Raises:
        ConflictError: ``approval_not_pending``.
    """
    if approval.state is not ApprovalState.PENDING:
        raise ConflictError("approval_not_pending", f"the approval is {approval.state.value}")


def is_alive(approval: Approval) -> bool:
    """Say whether a request may still be reviewed, or its token still be spent."""
    return approval.state is ApprovalState.PENDING or (
        approval.state is ApprovalState.APPROVED and approval.token_consumed_at is None
    )


def end(approval: Approval, state: ApprovalState, now: datetime) -> Approval:
    """End a request or an unspent token that nobody ended: ``expired`` or ``cancelled``.

    Who reviewed it, if anybody did, stays; the token is worth nothing from here on.

    Raises:
        ConflictError: ``approval_not_pending``.
    """
    if not is_alive(approval):
        demand_pending(approval)
    return msgspec.structs.replace(
        approval,
        state=state,
        reviewed_at=approval.reviewed_at or now,
        token_sha256=None,
        token_expires_at=None,
    )
