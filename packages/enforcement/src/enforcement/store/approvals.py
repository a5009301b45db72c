"""Approvals: asked for, reviewed, and their tokens spent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import msgspec

from enforcement.domain import approvals as domain
from enforcement.domain import tokens
from enforcement.domain.approvals import Approval, check_notes
from enforcement.domain.canonical import canonical_text
from enforcement.domain.decision import Decision
from enforcement.domain.enums import ApprovalState, Event, RiskClass
from enforcement.domain.errors import ConflictError, InvalidError, NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.policy import DEFAULT_POLICY, Policy, read_policy
from enforcement.domain.routing import route
from enforcement.domain.tokens import Claims, Expectations
from enforcement.store import records, reservations
from enforcement.store.database import Database, Transaction

MAX_QUEUE: Final = 200


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
    check_notes(notes)

    async def work(tx: Transaction) -> Reviewed:
        found = await _by_decision(tx, decision_id)
        if found is not None:
            return found
        decision = await _decision(tx, decision_id)
        if not decision.approval_required or decision.dry_run:
            raise ConflictError("approval_not_needed", "the decision does not ask for an approval")
        approval = await _create(tx, caller, decision, notes)
        named = msgspec.structs.replace(decision, approval_id=approval.approval_id)
        return Reviewed(approval=approval, decision=named)

    return await db.run(caller.tenant_id, work)


async def _create(tx: Transaction, caller: Caller, decision: Decision, notes: str) -> Approval:
    context = decision.details.computed_context
    policy = await _policy_version(tx, decision.policy_version)
    approval = Approval(
        approval_id=uuid4(),
        tenant_id=tx.tenant_id,
        decision_id=decision.decision_id,
        state=ApprovalState.PENDING,
        routing=route(
            policy,
            environment=decision.environment,
            action=decision.action,
            monthly_delta_usd=decision.monthly_delta_usd,
            risk_class=RiskClass.HIGH if context is None else context.risk_class,
        ),
        requested_by=caller.principal_id,
        requested_at=tx.now,
        expires_at=tx.now + timedelta(seconds=decision.ttl_seconds),
        notes=notes,
    )
    await tx.execute(
        "SELECT enforcement.add_approval(%s, %s::jsonb, %s)",
        (
            tx.tenant_id,
            msgspec.json.encode(approval).decode(),
            canonical_text(records.approval_payload(approval)),
        ),
    )
    await tx.execute(
        "UPDATE enforcement.decisions SET approval_id = %s"
        " WHERE tenant_id = %s AND decision_id = %s",
        (approval.approval_id, tx.tenant_id, decision.decision_id),
    )
    return approval


async def _policy_version(tx: Transaction, version: int) -> Policy:
    row = await tx.one(
        "SELECT document FROM enforcement.policies WHERE tenant_id = %s AND version = %s",
        (tx.tenant_id, version),
    )
    return DEFAULT_POLICY if row is None else read_policy(row[0], version)


async def queue(db: Database, caller: Caller, *, limit: int) -> list[Reviewed]:
    """Return pending, unexpired approvals that the caller may review, oldest first.

    The conditions are those of ``enforcement.domain.routing.demand_reviewer``, in one query.

    Raises:
        InvalidError: ``limit_out_of_range`` outside 1 to 200.
    """
    if not 1 <= limit <= MAX_QUEUE:
        raise InvalidError("limit_out_of_range", f"limit is {limit}, expected 1 to {MAX_QUEUE}")
    permissions = [permission.value for permission in caller.all_permissions()]
    rows = await db.read(
        caller.tenant_id,
        "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
        " FROM enforcement.approvals a"
        " JOIN enforcement.decisions d USING (tenant_id, decision_id)"
        " WHERE a.tenant_id = %s AND a.state = 'pending' AND a.expires_at > clock_timestamp()"
        " AND (%s = 'owner' OR %s = ANY (a.allowed_roles))"
        " AND a.required_permission = ANY (%s)"
        " AND NOT (a.require_separation AND a.requested_by = %s)"
        " ORDER BY a.requested_at, a.approval_id LIMIT %s",
        (
            caller.tenant_id,
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
        ConflictError: ``approval_not_pending``, or ``approval_expired`` (which is then recorded,
            and the reservation released).
    """

    async def work(tx: Transaction) -> Reviewed:
        found = await _load(tx, approval_id)
        moved = domain.review(
            found.approval, caller, verdict=ApprovalState.APPROVED, notes=notes, now=tx.now
        )
        token = None
        if moved.state is ApprovalState.APPROVED:
            claims = tokens.issue(moved, found.decision, token_id=uuid4(), now=tx.now)
            token = sign(claims)
            moved = msgspec.structs.replace(
                moved,
                token_sha256=tokens.token_sha256(token),
                token_expires_at=tx.now + timedelta(seconds=found.decision.ttl_seconds),
            )
        decision = await _store(tx, found, moved, caller)
        return Reviewed(approval=moved, decision=decision, token=token)

    return _demand_unexpired(await db.run(caller.tenant_id, work))


async def deny(db: Database, caller: Caller, approval_id: UUID, *, notes: str) -> Reviewed:
    """Deny, and release the reservation. Raises as :func:`approve`."""

    async def work(tx: Transaction) -> Reviewed:
        found = await _load(tx, approval_id)
        moved = domain.review(
            found.approval, caller, verdict=ApprovalState.DENIED, notes=notes, now=tx.now
        )
        decision = await _store(tx, found, moved, caller)
        return Reviewed(approval=moved, decision=decision)

    return _demand_unexpired(await db.run(caller.tenant_id, work))


async def expire_overdue(db: Database, caller: Caller, *, limit: int = 500) -> int:
    """Move pending requests that outlived their time to ``expired``; return how many.

    Nobody needs to look at a request for its reservation to come back.
    """

    async def work(tx: Transaction) -> int:
        rows = await tx.all(
            "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
            " FROM enforcement.approvals a"
            " JOIN enforcement.decisions d USING (tenant_id, decision_id)"
            " WHERE a.tenant_id = %s AND a.state = 'pending' AND a.expires_at <= %s"
            " ORDER BY a.requested_at, a.approval_id LIMIT %s",
            (tx.tenant_id, tx.now, limit),
        )
        for left, right in rows:
            found = Reviewed(approval=records.approval(left), decision=records.decision(right))
            await _store(tx, found, domain.expire(found.approval, tx.now), caller)
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


async def _by_decision(tx: Transaction, decision_id: UUID) -> Reviewed | None:
    row = await tx.one(
        "SELECT enforcement.approval_json(a), enforcement.decision_json(d)"
        " FROM enforcement.approvals a"
        " JOIN enforcement.decisions d USING (tenant_id, decision_id)"
        " WHERE a.tenant_id = %s AND a.decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    if row is None:
        return None
    return Reviewed(approval=records.approval(row[0]), decision=records.decision(row[1]))


async def _decision(tx: Transaction, decision_id: UUID) -> Decision:
    row = await tx.one(
        "SELECT enforcement.decision_json(d) FROM enforcement.decisions d"
        " WHERE d.tenant_id = %s AND d.decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    if row is None:
        raise NotFoundError("decision_unknown", "there is no such decision")
    return records.decision(row[0])


async def _store(tx: Transaction, found: Reviewed, moved: Approval, caller: Caller) -> Decision:
    """Write a move out of ``pending``, its ledger row, and what it releases."""
    changed = await tx.execute(
        "UPDATE enforcement.approvals SET state = %s, reviewed_by = %s, reviewed_at = %s,"
        " review_notes = %s, token_sha256 = %s, token_expires_at = %s"
        " WHERE tenant_id = %s AND approval_id = %s AND state = 'pending'",
        (
            moved.state.value,
            moved.reviewed_by,
            moved.reviewed_at,
            moved.review_notes,
            moved.token_sha256,
            moved.token_expires_at,
            tx.tenant_id,
            moved.approval_id,
        ),
    )
    if changed != 1:
        raise ConflictError("approval_not_pending", "somebody else reviewed it at this moment")
    await tx.append(
        domain.EVENTS[moved.state],
        caller.principal_id,
        records.approval_payload(moved),
        decision_id=moved.decision_id,
    )
    decision = found.decision
    if moved.state in domain.RELEASING and await reservations.release(
        tx, decision, actor=caller.principal_id, reason=f"approval_{moved.state.value}"
    ):
        decision = msgspec.structs.replace(decision, reservation_active=False)
    return decision


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
    tokens.demand_own_tenant(claims, caller.tenant_id)

    async def work(tx: Transaction) -> Reviewed:
        found = await _load(tx, claims.approval_id)
        tokens.demand_consumable(
            claims, token_sha256, found.approval, found.decision, expectations, tx.now
        )
        # Conditional even under the lock: this row alone decides that a token is spent once.
        changed = await tx.execute(
            "UPDATE enforcement.approvals SET token_consumed_at = %s, token_consumed_by = %s"
            " WHERE tenant_id = %s AND approval_id = %s AND token_consumed_at IS NULL",
            (tx.now, caller.principal_id, tx.tenant_id, claims.approval_id),
        )
        if changed != 1:
            raise ConflictError("token_replayed", "the token has been consumed before")
        spent = msgspec.structs.replace(
            found.approval, token_consumed_at=tx.now, token_consumed_by=caller.principal_id
        )
        payload = {
            "approval_id": spent.approval_id,
            "decision_id": spent.decision_id,
            "token_sha256": token_sha256,
        }
        await tx.append(
            Event.TOKEN_CONSUMED, caller.principal_id, payload, decision_id=spent.decision_id
        )
        return Reviewed(approval=spent, decision=found.decision)

    return await db.run(caller.tenant_id, work)
