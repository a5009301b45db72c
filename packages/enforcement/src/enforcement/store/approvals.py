"""Approvals: asked for, reviewed, and their tokens spent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import msgspec

from enforcement.domain import approvals as domain
from enforcement.domain import tokens
from enforcement.domain.approvals import Approval, check_notes
from enforcement.domain.decision import Decision
from enforcement.domain.enums import ApprovalState, Event
from enforcement.domain.errors import ConflictError, NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.reservations import demand_reserved
from enforcement.domain.tokens import Claims, Expectations
from enforcement.store import records, reservations
from enforcement.store.database import Database, Transaction
from enforcement.store.pages import OLDEST, Place, demand_limit

MAX_QUEUE: Final = 200


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """An approval with its decision; the token only right after approval."""

    approval: Approval
    decision: Decision
    token: str | None = None


async def request(db: Database, caller: Caller, decision_id: UUID, *, notes: str) -> Reviewed:
    """Return the decision's approval request, which was made with it.

    Args:
        db: The pool.
        caller: Of the tenant.
        decision_id: Of the decision.
        notes: Checked and not kept: the request has those it was made with.

    Raises:
        NotFoundError: ``decision_unknown``.
        ConflictError: ``approval_not_needed`` when the decision does not ask for one.
    """
    check_notes(notes)
    rows = await db.read(
        caller.tenant_id,
        "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
        " FROM enforcement.decisions d"
        " LEFT JOIN enforcement.approvals a USING (tenant_id, decision_id)"
        " WHERE d.tenant_id = %s AND d.decision_id = %s",
        (caller.tenant_id, decision_id),
    )
    if not rows:
        raise NotFoundError("decision_unknown", "there is no such decision")
    decision = records.decision(rows[0][1])
    if decision.approval_id is None:
        raise ConflictError("approval_not_needed", "the decision does not ask for an approval")
    return Reviewed(approval=records.approval(rows[0][0]), decision=decision)


async def queue(
    db: Database, caller: Caller, *, limit: int, after: Place = OLDEST
) -> list[Reviewed]:
    """Return a page of pending approvals that the caller may review, the next to expire first.

    The conditions are those of ``enforcement.domain.routing.demand_reviewer``, in one query.

    Args:
        db: The pool.
        caller: The reviewer.
        limit: 1 to 200.
        after: Continue after the last approval of the page before, by its expiry.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    demand_limit(limit, MAX_QUEUE)
    permissions = [permission.value for permission in caller.all_permissions()]
    rows = await db.read(
        caller.tenant_id,
        "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
        " FROM enforcement.approvals a"
        " JOIN enforcement.decisions d USING (tenant_id, decision_id)"
        " WHERE a.tenant_id = %s AND a.state = 'pending'"
        " AND a.expires_at > statement_timestamp() AND (a.expires_at, a.approval_id) > (%s, %s)"
        " AND (%s = 'owner' OR %s = ANY (a.allowed_roles))"
        " AND a.required_permission = ANY (%s)"
        " AND NOT (a.require_separation AND a.requested_by = %s)"
        " ORDER BY a.expires_at, a.approval_id LIMIT %s",
        (
            caller.tenant_id,
            after.at,
            after.row_id,
            caller.role.value,
            caller.role.value,
            permissions,
            caller.principal_id,
            limit,
        ),
    )
    return [
        Reviewed(approval=records.approval(left), decision=records.decision(right))
        for left, right in rows
    ]


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
        ConflictError: ``approval_not_pending``, ``reservation_ended``, or ``approval_expired``
            (which is then recorded, and the reservation released).
    """

    async def work(tx: Transaction) -> Reviewed:
        found = await _load(tx, approval_id)
        moved = domain.review(
            found.approval, caller, verdict=ApprovalState.APPROVED, notes=notes, now=tx.now
        )
        token = None
        if moved.state is ApprovalState.APPROVED:
            demand_reserved(found.decision)
            claims = tokens.issue(moved, found.decision, token_id=uuid4(), now=tx.now)
            token = sign(claims)
            moved = msgspec.structs.replace(
                moved,
                token_sha256=tokens.token_sha256(token),
                token_expires_at=tx.now + timedelta(seconds=found.decision.ttl_seconds),
            )
        decision = await _store(tx, moved, found.decision, caller.principal_id)
        return Reviewed(approval=moved, decision=decision, token=token)

    return _demand_unexpired(await db.run(caller.tenant_id, work))


async def deny(db: Database, caller: Caller, approval_id: UUID, *, notes: str) -> Reviewed:
    """Deny, and release the reservation. Raises as :func:`approve`."""

    async def work(tx: Transaction) -> Reviewed:
        found = await _load(tx, approval_id)
        moved = domain.review(
            found.approval, caller, verdict=ApprovalState.DENIED, notes=notes, now=tx.now
        )
        decision = await _store(tx, moved, found.decision, caller.principal_id)
        return Reviewed(approval=moved, decision=decision)

    return _demand_unexpired(await db.run(caller.tenant_id, work))


async def expire_overdue(db: Database, caller: Caller, *, limit: int = 500) -> int:
    """End requests and unspent tokens that outlived their time; return how many.

    Nobody needs to look at a request for its reservation to come back. The longest overdue go
    first.
    """

    async def work(tx: Transaction) -> int:
        rows = await tx.all(
            "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
            " FROM enforcement.approvals a"
            " JOIN enforcement.decisions d USING (tenant_id, decision_id)"
            " WHERE a.tenant_id = %s"
            " AND (a.state = 'pending' OR (a.state = 'approved' AND a.token_consumed_at IS NULL))"
            " AND enforcement.ends_at(a.state, a.expires_at, a.token_expires_at) <= %s"
            " ORDER BY enforcement.ends_at(a.state, a.expires_at, a.token_expires_at) LIMIT %s",
            (tx.tenant_id, tx.now, limit),
        )
        for left, right in rows:
            moved = domain.end(records.approval(left), ApprovalState.EXPIRED, tx.now)
            await _store(tx, moved, records.decision(right), caller.principal_id)
        return len(rows)

    return await db.run(caller.tenant_id, work)


def _demand_unexpired(reviewed: Reviewed) -> Reviewed:
    """Refuse only after the expiry is committed: it is true whoever asks.

    Raises:
        ConflictError: ``approval_expired``.
    """
    if reviewed.approval.state is ApprovalState.EXPIRED:
        raise ConflictError(
            "approval_expired",
            "the request expired before it was reviewed; its reservation is released",
            hint="Ask the gate again.",
        )
    return reviewed


async def _load(tx: Transaction, approval_id: UUID) -> Reviewed:
    row = await tx.one(
        "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
        " FROM enforcement.approvals a"
        " JOIN enforcement.decisions d USING (tenant_id, decision_id)"
        " WHERE a.tenant_id = %s AND a.approval_id = %s",
        (tx.tenant_id, approval_id),
    )
    if row is None:
        raise NotFoundError("approval_unknown", "there is no such approval request")
    return Reviewed(approval=records.approval(row[0]), decision=records.decision(row[1]))


async def _store(tx: Transaction, moved: Approval, decision: Decision, actor: UUID) -> Decision:
    """Record a move, and release what it ends; return the decision as it is then."""
    await tx.record(
        domain.EVENTS[moved.state],
        actor,
        records.approval_payload(moved),
        decision_id=moved.decision_id,
    )
    if moved.state not in domain.RELEASING:
        return decision
    reason = f"approval_{moved.state.value}"
    return await reservations.release(tx, moved.decision_id, actor=actor, reason=reason)


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
        ConflictError: As ``tokens.demand_consumable``, or ``reservation_ended``.
    """
    tokens.demand_own_tenant(claims, caller.tenant_id)

    async def work(tx: Transaction) -> Reviewed:
        found = await _load(tx, claims.approval_id)
        tokens.demand_consumable(
            claims, token_sha256, found.approval, found.decision, expectations, tx.now
        )
        demand_reserved(found.decision)
        spent = msgspec.structs.replace(
            found.approval, token_consumed_at=tx.now, token_consumed_by=caller.principal_id
        )
        await tx.record(
            Event.TOKEN_CONSUMED,
            caller.principal_id,
            records.approval_payload(spent),
            decision_id=spent.decision_id,
        )
        return Reviewed(approval=spent, decision=found.decision)

    return await db.run(caller.tenant_id, work)
