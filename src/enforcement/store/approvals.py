"""Approvals: asked for, reviewed, and their tokens spent."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from enforcement.domain.approvals import Approval
from enforcement.domain.decision import Decision
from enforcement.domain.identity import Caller
from enforcement.domain.tokens import Claims, Expectations
from enforcement.store.database import Database


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """An approval with its decision; the token only right after approval."""

    approval: Approval
    decision: Decision
    token: str | None = None


async def request(db: Database, caller: Caller, decision_id: UUID, *, notes: str) -> Reviewed:
    """Return the decision's approval request, made now if there was none.

    Raises:
        NotFoundError: ``decision_unknown``.
        ConflictError: ``approval_not_needed`` when the decision does not ask for one.
    """
    raise NotImplementedError


async def queue(db: Database, caller: Caller, *, limit: int) -> list[Reviewed]:
    """Return pending, unexpired approvals that the caller may review, oldest first."""
    raise NotImplementedError


async def approve(
    db: Database,
    caller: Caller,
    approval_id: UUID,
    *,
    notes: str,
    sign: Callable[[Claims], str],
) -> Reviewed:
    """Approve, and hand out the one token.

    Args:
        db: The pool.
        caller: The reviewer.
        approval_id: Of the request.
        notes: Kept with the review.
        sign: Turns claims into a token; called inside the transaction, must not do I/O.

    Raises:
        NotFoundError: ``approval_unknown``.
        ForbiddenError: ``reviewer_role``, ``reviewer_permission``, ``reviewer_is_requester``.
        ConflictError: ``approval_not_pending``, or ``approval_expired`` (which is then recorded,
            and the reservation released).
    """
    raise NotImplementedError


async def deny(db: Database, caller: Caller, approval_id: UUID, *, notes: str) -> Reviewed:
    """Deny, and release the reservation. Raises as :func:`approve`."""
    raise NotImplementedError


async def consume(
    db: Database,
    caller: Caller,
    *,
    claims: Claims,
    token_sha256: str,
    expectations: Expectations,
) -> Reviewed:
    """Spend a token, at most once, with a ledger row.

    Args:
        db: The pool.
        caller: The consumer.
        claims: ``tokens.read_claims`` of a payload whose signature was verified.
        token_sha256: ``tokens.token_sha256`` of the token.
        expectations: What the consumer states.

    Raises:
        ForbiddenError: ``token_of_another_tenant``.
        NotFoundError: ``approval_unknown``.
        ConflictError: As ``tokens.demand_consumable``; a second consumption ``token_replayed``.
    """
    raise NotImplementedError
