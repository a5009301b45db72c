"""Gate decisions: lock and read in one round trip, decide, write in one round trip."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec

from enforcement.domain.approvals import Approval
from enforcement.domain.canonical import canonical_text
from enforcement.domain.context import DailyCost
from enforcement.domain.credits import Draw, Grant
from enforcement.domain.decision import (
    Decision,
    Judgement,
    Situation,
    decide,
    digest,
    record,
)
from enforcement.domain.errors import ConflictError, NotFoundError
from enforcement.domain.failsafe import FailsafeEntry
from enforcement.domain.identity import Caller
from enforcement.domain.money import monthly
from enforcement.domain.policy import DEFAULT_POLICY, Policy, read_policy
from enforcement.domain.request import GateRequest
from enforcement.domain.waterfall import Budget, Standing
from enforcement.store import records
from enforcement.store.database import Database, Lease
from enforcement.store.errors import failsafe_reason

__all__ = [
    "GateAnswer",
    "evaluate",
    "failsafe_reason",
    "find_decision",
    "known_policy",
    "record_failsafe",
]


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and whether it had been made before under the same key."""

    decision: Decision
    replayed: bool


class _Reading(msgspec.Struct, frozen=True):
    """What ``enforcement.gate_begin`` returns."""

    existing: Decision | None = None
    now: datetime | None = None
    policy_version: int = 0
    policy_text: str | None = None
    committed_usd: Decimal = Decimal(0)
    budget_scope: str | None = None
    budget_limit_usd: Decimal | None = None
    budget_committed_usd: Decimal = Decimal(0)
    grants: tuple[Grant, ...] = ()
    costs: tuple[DailyCost, ...] = ()


_READER = msgspec.json.Decoder(_Reading)
_WRITER = msgspec.json.Encoder()


async def evaluate(
    db: Database, caller: Caller, request: GateRequest, *, deadline_s: float | None = None
) -> GateAnswer:
    """Decide a request in one transaction and return what was committed.

    Args:
        db: The pool.
        caller: Becomes actor of the ledger row and requester of an approval.
        request: Normalised; its idempotency key is looked up first.
        deadline_s: Hard bound on everything, retries included. Do not wrap this call in
            ``asyncio.timeout``: a cancellation throws the connection away.

    Raises:
        ConflictError: ``idempotency_conflict``: the key was used for another request.
        NotFoundError: ``tenant_unknown``.
        StoreError: Nothing was written, or (``OutcomeUnknownError``) it may have been;
            ``failsafe_reason`` gives the reason code for the fail-safe.
    """
    deadline = db.deadline(deadline_s)

    async def once() -> GateAnswer:
        async with db.lease(deadline) as lease:
            return await decide_on(
                db, lease, caller, request, lock_timeout_ms=db.lock_timeout_ms(deadline)
            )

    return await db.retrying(once, deadline)


async def decide_on(
    db: Database,
    lease: Lease,
    caller: Caller,
    request: GateRequest,
    *,
    lock_timeout_ms: int,
    alone: bool = True,
) -> GateAnswer:
    """Decide a request on a connection: one message that locks and reads, one that writes.

    Args:
        db: The pool, for what it knows of policies and safety.
        lease: The connection.
        caller: As :func:`evaluate`.
        request: As :func:`evaluate`.
        lock_timeout_ms: How long to wait for the tenant's lock.
        alone: Whether the decision is a transaction of its own; else the caller has opened one,
            and commits it.

    Raises:
        ConflictError: As :func:`evaluate`.
    """
    reading = await _begin(db, lease, caller, request, lock_timeout_ms, alone=alone)
    if reading.existing is not None:
        return GateAnswer(decision=_same(reading.existing, request), replayed=True)
    policy = _policy(db, caller.tenant_id, reading)
    judgement = decide(request, _situation(policy, reading))
    decision, approval = _record(db, caller, request, policy, judgement, reading)
    await write(lease, decision, draws=judgement.draws, approval=approval, alone=alone)
    return GateAnswer(decision=decision, replayed=False)


async def _begin(
    db: Database,
    lease: Lease,
    caller: Caller,
    request: GateRequest,
    lock_timeout_ms: int,
    *,
    alone: bool,
) -> _Reading:
    known = db.policies.get(caller.tenant_id)
    rows = await lease.message(
        ("BEGIN; " if alone else "")
        + "SELECT enforcement.gate_begin(%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            caller.tenant_id,
            request.source.value,
            request.idempotency_key,
            request.project_id,
            None if known is None else known.version,
            lock_timeout_ms,
            db.safety.lock,
            db.safety.idempotency,
        ),
    )
    return _READER.decode(rows[0][0])


def _same(existing: Decision, request: GateRequest) -> Decision:
    """Return the decision made before, if it was for this very request."""
    if existing.fingerprint != request.fingerprint:
        raise ConflictError(
            "idempotency_conflict",
            "the idempotency key was used for another request, whose fingerprint is "
            f"{existing.fingerprint}",
            hint="Use a new key for a new request.",
        )
    return existing


def _policy(db: Database, tenant_id: UUID, reading: _Reading) -> Policy:
    """Return the policy read under the lock; its text is sent only when it changed."""
    known = db.policies.get(tenant_id)
    if known is None or known.version != reading.policy_version:
        known = (
            DEFAULT_POLICY
            if reading.policy_text is None
            else read_policy(reading.policy_text, reading.policy_version)
        )
        db.policies[tenant_id] = known
    return known


def _situation(policy: Policy, reading: _Reading) -> Situation:
    assert reading.now is not None  # noqa: S101  # gate_begin returns it beside every policy
    budget = None
    if reading.budget_scope is not None and reading.budget_limit_usd is not None:
        budget = Budget(
            scope_key=reading.budget_scope,
            monthly_limit_usd=reading.budget_limit_usd,
            committed_usd=monthly(reading.budget_committed_usd),
        )
    standing = Standing(
        committed_usd=monthly(reading.committed_usd), budget=budget, grants=reading.grants
    )
    return Situation(policy=policy, standing=standing, costs=reading.costs, now=reading.now)


def _record(
    db: Database,
    caller: Caller,
    request: GateRequest,
    policy: Policy,
    judgement: Judgement,
    reading: _Reading,
) -> tuple[Decision, Approval | None]:
    """Number and date a judgement, with the approval request it needs."""
    assert reading.now is not None  # noqa: S101  # as above
    if not db.safety.idempotency:
        # Without its protection the key must not be refused by the unique index either.
        request = msgspec.structs.replace(request, idempotency_key=f"unsafe:{uuid4()}")
    decision = record(
        request,
        judgement,
        policy,
        decision_id=uuid4(),
        tenant_id=caller.tenant_id,
        created_by=caller.principal_id,
        created_at=reading.now,
        approval_id=None if judgement.routing is None else uuid4(),
    )
    if judgement.routing is None:
        return decision, None
    return decision, records.pending_approval(decision, judgement.routing, reading.now)


async def write(
    lease: Lease,
    decision: Decision,
    *,
    draws: tuple[Draw, ...],
    approval: Approval | None,
    alone: bool = True,
) -> None:
    """Write a decision with everything that hangs on it; alone, commit in the same message."""
    hashed = digest(decision)
    payload = canonical_text(records.decision_payload(decision, draws, hashed.hex()))
    lease.committing = alone
    await lease.message(
        "SELECT enforcement.gate_commit(%s, %s, %s, %s, %s, %s, %s)"
        + ("; COMMIT" if alone else ""),
        (
            decision.tenant_id,
            _json(decision),
            hashed,
            payload,
            _json(draws) if draws else None,
            None if approval is None else _json(approval),
            None if approval is None else canonical_text(records.approval_payload(approval)),
        ),
    )


def _json(value: object) -> str:
    return _WRITER.encode(value).decode()


def known_policy(db: Database, tenant_id: UUID) -> Policy | None:
    """Return the tenant's policy as this process last read it, without I/O; None if never."""
    return db.policies.get(tenant_id)


async def record_failsafe(db: Database, entry: FailsafeEntry) -> bool:
    """Write a journalled fail-safe, its approval and its ledger row, exactly once.

    Returns:
        Whether this call wrote it; False when an earlier one had.

    Raises:
        StoreError: It is not written, or not known to be; try again later.
        NotFoundError: ``tenant_unknown``; it can never be written.
    """
    decision = entry.decision
    deadline = db.deadline(None)

    async def once() -> bool:
        async with db.lease(deadline) as lease:
            rows = await lease.message(
                "BEGIN; SELECT enforcement.enter_locked(%s, %s); "
                "SELECT EXISTS (SELECT 1 FROM enforcement.decisions "
                "WHERE tenant_id = %s AND decision_id = %s), clock_timestamp()",
                (
                    decision.tenant_id,
                    db.lock_timeout_ms(deadline),
                    decision.tenant_id,
                    decision.decision_id,
                ),
            )
            exists, now = rows[0]
            if exists:
                return False
            approval = None
            if entry.routing is not None:
                approval = records.pending_approval(decision, entry.routing, now)
            await write(lease, decision, draws=(), approval=approval)
            return True

    return await db.retrying(once, deadline)


async def find_decision(db: Database, caller: Caller, decision_id: UUID) -> Decision:
    """Return a decision of the caller's tenant.

    Raises:
        NotFoundError: ``decision_unknown``.
        StoreError: As every operation.
    """
    rows = await db.read(
        caller.tenant_id,
        "SELECT enforcement.decision_json(d) FROM enforcement.decisions d"
        " WHERE d.tenant_id = %s AND d.decision_id = %s",
        (caller.tenant_id, decision_id),
    )
    if not rows:
        raise NotFoundError("decision_unknown", "there is no such decision")
    return records.decision(rows[0][0])
