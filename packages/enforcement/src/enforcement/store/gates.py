"""Gate decisions: lock and read in one round trip, decide, write in one round trip."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec

from enforcement.domain.approvals import Approval
from enforcement.domain.balances import Balances
from enforcement.domain.canonical import canonical_text
from enforcement.domain.context import DailyCost
from enforcement.domain.credits import MAX_PAYERS, Draw, Grant, may_hide_others
from enforcement.domain.decision import (
    Decision,
    Judgement,
    Situation,
    decide,
    digest,
    record,
)
from enforcement.domain.enums import Source
from enforcement.domain.errors import ConflictError, EnforcementError, NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.money import monthly
from enforcement.domain.policy import DEFAULT_POLICY, Policy, read_policy
from enforcement.domain.request import GateRequest
from enforcement.store import records, wire
from enforcement.store.database import Database, Lease
from enforcement.store.errors import (
    EvaluationError,
    OutcomeUnknownError,
    StoreError,
    failsafe_reason,
)
from enforcement.store.tenant_batcher import TenantBatcher

__all__ = [
    "Ask",
    "GateAnswer",
    "evaluate",
    "failsafe_reason",
    "find_decision",
    "known_policy",
]


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and whether it had been made before under the same key."""

    decision: Decision
    replayed: bool


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request, who sent it, and the id of the decision that it will get if it gets one."""

    caller: Caller
    request: GateRequest
    decision_id: UUID = msgspec.field(default_factory=uuid4)


class _Reading(msgspec.Struct, frozen=True):
    """What ``enforcement.gate_begin`` returns; ``existing`` holds places in the batch."""

    now: datetime
    policy_version: int
    policy_text: str | None
    committed_usd: Decimal
    scopes: dict[str, Decimal]
    budgets: dict[str, Decimal]
    grants: tuple[Grant, ...]
    costs: tuple[DailyCost, ...]
    existing: tuple[tuple[int, Decision], ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A decision to write, with all that hangs on it."""

    decision: Decision
    draws: tuple[Draw, ...] = ()
    approval: Approval | None = None


_READER = msgspec.json.Decoder(_Reading)
_WRITER = msgspec.json.Encoder()


async def evaluate(
    db: Database,
    caller: Caller,
    request: GateRequest,
    *,
    deadline_s: float | None = None,
    decision_id: UUID | None = None,
) -> GateAnswer:
    """Decide a request and return what was committed.

    Requests of one tenant that wait for each other are decided in one transaction, one after
    the other; a lone one has a transaction of its own. Do not queue a tenant's gates before
    calling this: waiting here costs no connection.

    Args:
        db: The pool.
        caller: Becomes actor of the ledger row and requester of an approval.
        request: Normalised; looked up first, under its idempotency key where it was given one.
        deadline_s: Hard bound on everything, retries included. A caller that is cancelled gives
            up its answer; a decision under way is still made.
        decision_id: Of the decision, if this makes one: by it the caller can name what it never
            heard of.

    Raises:
        ConflictError: ``idempotency_conflict``: the key was used for another request.
        NotFoundError: ``tenant_unknown``.
        StoreError: Nothing was written, or (``OutcomeUnknownError``) it may have been;
            ``failsafe_reason`` gives the reason code for the fail-safe.
    """
    deadline = db.deadline(deadline_s)
    ask = Ask(caller=caller, request=request, decision_id=decision_id or uuid4())
    if db.safety.lock:
        return await _flights(db).join(caller.tenant_id, ask, deadline)
    # Without the lock there is nothing to wait for together.
    (answer,) = await _fly(db, [ask], deadline)
    if isinstance(answer, EnforcementError):
        raise answer
    return answer


def _flights(db: Database) -> TenantBatcher[Ask, GateAnswer]:
    if db.gate_flights is None:

        async def execute(
            asks: Sequence[Ask], deadline: float
        ) -> list[GateAnswer | EnforcementError]:
            return await _fly(db, asks, deadline)

        db.gate_flights = TenantBatcher[Ask, GateAnswer](execute, db.settings.lock_timeout_s)
    return db.gate_flights


async def _fly(
    db: Database, asks: Sequence[Ask], deadline: float
) -> list[GateAnswer | EnforcementError]:
    unheard = False

    async def once() -> list[GateAnswer | EnforcementError]:
        nonlocal unheard
        try:
            async with db.lease(deadline) as lease:
                return await decide_on(
                    db,
                    lease,
                    asks,
                    lock_timeout_ms=db.lock_timeout_ms(deadline),
                    unheard=unheard,
                )
        except OutcomeUnknownError:
            unheard = True
            raise

    try:
        # Also after the answer to a commit was lost: what was committed is found by its id.
        return await db.retrying(once, deadline, repeatable=True)
    except StoreError as error:
        if unheard:
            raise OutcomeUnknownError(
                "outcome_unknown", f"an answer was lost, and could not be had again: {error.detail}"
            ) from error
        if not isinstance(error, EvaluationError) or len(asks) == 1:
            raise
    # One of them is something the database will not have: the others shall not pay for it.
    return [answer for ask in asks for answer in await _alone(db, ask, deadline)]


async def _alone(
    db: Database, ask: Ask, deadline: float
) -> Sequence[GateAnswer | EnforcementError]:
    try:
        return await _fly(db, [ask], deadline)
    except EnforcementError as error:
        return [error]


async def decide_on(
    db: Database,
    lease: Lease,
    asks: Sequence[Ask],
    *,
    lock_timeout_ms: int,
    alone: bool = True,
    unheard: bool = False,
) -> list[GateAnswer | EnforcementError]:
    """Decide requests of one tenant: one message that locks and reads, one that writes.

    Where the tenant has more grants than a decision draws on, one such pair for each of them.

    Args:
        db: The pool, for what it knows of policies and safety.
        lease: The connection.
        asks: In the order in which they are decided.
        lock_timeout_ms: How long to wait for the tenant's lock.
        alone: Whether this is a transaction of its own; else the caller has opened one, and
            commits it.
        unheard: Whether these decisions may have been committed before, unheard.

    Returns:
        An answer for each; a ``ConflictError`` for one whose key belongs to another request.
    """
    tenant_id = asks[0].caller.tenant_id
    answers: list[GateAnswer | EnforcementError] = []
    width = len(asks)
    while len(answers) < len(asks):
        turn = asks[len(answers) :][:width]
        arguments = _reading_of(db, turn, lock_timeout_ms, unheard=unheard)
        begin = (wire.BEGIN,) if alone and not answers else ()
        text = await lease.text(*begin, wire.call("gate_begin", arguments))
        reading = _READER.decode(text)
        if len(turn) > 1 and may_hide_others(reading.grants):
            width, turn = 1, turn[:1]
        made, entries = _decide(db, turn, reading, _policy(db, tenant_id, reading))
        answers += made
        if entries:
            await write(lease, tenant_id, entries, alone=alone and len(answers) == len(asks))
    if alone and not lease.committing:
        # The last was a replay: that it was heard is kept, and what those before it wrote.
        await lease.commit()
    return answers


def _reading_of(
    db: Database, asks: Sequence[Ask], lock_timeout_ms: int, *, unheard: bool
) -> tuple[wire.Value, ...]:
    tenant_id = asks[0].caller.tenant_id
    known = db.policies.get(tenant_id)
    return (
        tenant_id,
        [ask.request.source.value for ask in asks],
        [ask.request.idempotency_key for ask in asks],
        ["true" if ask.request.key_given else "false" for ask in asks],
        [str(ask.decision_id) for ask in asks] if unheard else None,
        [ask.request.project_id for ask in asks],
        None if known is None else known.version,
        lock_timeout_ms,
        db.safety.lock,
        db.safety.idempotency,
        MAX_PAYERS,
    )


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


def _decide(
    db: Database, asks: Sequence[Ask], reading: _Reading, policy: Policy
) -> tuple[list[GateAnswer | EnforcementError], list[Entry]]:
    """Answer each request from the books as those before it leave them."""
    books = Balances(
        committed_usd=monthly(reading.committed_usd),
        by_scope=reading.scopes,
        budgets=reading.budgets,
        grants=reading.grants,
    )
    made = {
        _key(asks[place].request): decision
        for place, decision in reading.existing
        if place < len(asks)
    }
    answers: list[GateAnswer | EnforcementError] = []
    entries: list[Entry] = []
    for ask in asks:
        request = ask.request
        before = made.get(_key(request))
        if before is not None:
            answers.append(_again(before, ask))
            continue
        standing = books.standing(request.project_id)
        situation = Situation(
            policy=policy, standing=standing, costs=reading.costs, now=reading.now
        )
        judgement = decide(request, situation)
        entry = _record(db, ask, policy, judgement, reading.now)
        entries.append(entry)
        answers.append(GateAnswer(decision=entry.decision, replayed=False))
        books = books.after(request.project_id, judgement)
        if db.safety.idempotency and (request.key_given or _is_alive(entry.decision)):
            made[_key(request)] = entry.decision
    return answers, entries


def _key(request: GateRequest) -> tuple[Source, bool, str]:
    return (request.source, request.key_given, request.idempotency_key)


def _is_alive(decision: Decision) -> bool:
    """Say whether a decision just made answers for its like, as the database does later."""
    return decision.reservation_active or decision.approval_id is not None


def _again(before: Decision, ask: Ask) -> GateAnswer | ConflictError:
    """Return the decision made before, if it was for this very request."""
    if before.fingerprint == ask.request.fingerprint:
        # An attempt of this request may have made it, whose answer was lost.
        return GateAnswer(decision=before, replayed=before.decision_id != ask.decision_id)
    return ConflictError(
        "idempotency_conflict",
        "the idempotency key was used for another request, whose fingerprint is "
        f"{before.fingerprint}",
        hint="Use a new key for a new request.",
    )


def _record(db: Database, ask: Ask, policy: Policy, judgement: Judgement, now: datetime) -> Entry:
    """Number and date a judgement, with the approval request it needs."""
    request, decision_id = ask.request, ask.decision_id
    if not db.safety.idempotency:
        # Without its protection nothing else may tell that it was decided before.
        decision_id = uuid4()
        request = msgspec.structs.replace(
            request, idempotency_key=f"unsafe:{uuid4()}", key_given=True
        )
    decision = record(
        request,
        judgement,
        policy,
        decision_id=decision_id,
        tenant_id=ask.caller.tenant_id,
        created_by=ask.caller.principal_id,
        created_at=now,
        approval_id=None if judgement.routing is None else uuid4(),
    )
    approval = None
    if judgement.routing is not None:
        approval = records.pending_approval(decision, judgement.routing, now)
    return Entry(decision=decision, draws=judgement.draws, approval=approval)


async def write(
    lease: Lease, tenant_id: UUID, entries: Sequence[Entry], *, alone: bool = True
) -> None:
    """Write decisions with all that hangs on them; alone, commit in the same message."""
    items = []
    for entry in entries:
        hashed = digest(entry.decision).hex()
        payload = canonical_text(records.decision_payload(entry.decision, entry.draws, hashed))
        items.append({"decision": entry.decision, "digest": hashed, "payload": payload})
    draws = [
        {"decision_id": entry.decision.decision_id, "position": position, **_columns(draw)}
        for entry in entries
        for position, draw in enumerate(entry.draws)
    ]
    approvals = [
        canonical_text(records.approval_payload(entry.approval))
        for entry in entries
        if entry.approval is not None
    ]
    lease.committing = alone
    arguments = (
        tenant_id,
        _json(items),
        _json(draws) if draws else None,
        _json(approvals) if approvals else None,
    )
    end = (wire.COMMIT,) if alone else ()
    await lease.text(wire.call("gate_commit", arguments), *end)


def _columns(draw: Draw) -> dict[str, object]:
    return {"grant_id": draw.grant_id, "reserved_usd": draw.amount_usd}


def _json(value: object) -> str:
    return _WRITER.encode(value).decode()


def known_policy(db: Database, tenant_id: UUID) -> Policy | None:
    """Return the tenant's policy as this process last read it, without I/O; None if never."""
    return db.policies.get(tenant_id)


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
