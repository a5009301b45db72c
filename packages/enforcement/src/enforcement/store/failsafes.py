"""Fail-safes on their way from the journal into the ledger, and what they contradict."""

from datetime import datetime

from enforcement.domain.enums import Event
from enforcement.domain.errors import ConflictError
from enforcement.domain.failsafe import FailsafeEntry, contradicts
from enforcement.domain.identity import OPERATOR
from enforcement.store import records, reservations
from enforcement.store.database import Database, Transaction
from enforcement.store.errors import ContendedError
from enforcement.store.gates import Entry, write


async def record_failsafe(db: Database, entry: FailsafeEntry) -> bool:
    """Write a journalled fail-safe, its approval and its ledger row, exactly once.

    A decision that was made all the same, though its caller heard the fail-safe, is voided in the
    same transaction where it contradicts that: its reservation is released and its approval
    ended. (Whoever could still commit it holds the tenant's lock, so it is there or never will
    be.) One that its caller has heard since, under its key, stays.

    Returns:
        Whether this call wrote it; False when an earlier one had.

    Raises:
        StoreError: It is not written, or not known to be; try again later.
        RefusedError: The database will not have it.
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
            await _void(Transaction(lease, decision.tenant_id, now), entry)
            await write(lease, decision.tenant_id, [_entry(entry, now)])
            return True

    try:
        return await db.retrying(once, deadline)
    except ConflictError as error:
        # Its caller heard the decision at this very moment: it stays, seen the next time.
        raise ContendedError("lock_contended", error.detail) from error


def _entry(entry: FailsafeEntry, now: datetime) -> Entry:
    if entry.routing is None:
        return Entry(decision=entry.decision)
    approval = records.pending_approval(entry.decision, entry.routing, now)
    return Entry(decision=entry.decision, approval=approval)


async def _void(tx: Transaction, entry: FailsafeEntry) -> None:
    if entry.instead_of is None:
        return
    row = await tx.one(
        "SELECT enforcement.decision_json(d), d.ledger_sequence FROM enforcement.decisions d"
        " WHERE d.tenant_id = %s AND d.decision_id = %s AND NOT d.voided AND NOT d.replayed",
        (tx.tenant_id, entry.instead_of),
    )
    if row is None:
        return
    made, sequence = records.decision(row[0]), row[1]
    if not contradicts(entry, made):
        return
    await tx.record(
        Event.VOIDED,
        OPERATOR,
        {
            "decision_id": made.decision_id,
            "decision_sequence": sequence,
            "outcome": made.outcome,
            "answered_decision_id": entry.decision.decision_id,
            "answered_outcome": entry.decision.outcome,
        },
        decision_id=made.decision_id,
    )
    await reservations.release(tx, made.decision_id, actor=OPERATOR, reason="voided")
    await reservations.end_approval(tx, made.decision_id, actor=OPERATOR)
