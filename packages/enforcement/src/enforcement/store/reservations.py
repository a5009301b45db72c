"""Reservations: listed while active, settled once, swept when overdue."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain import reservations as domain
from enforcement.domain.approvals import check_notes, end, is_alive
from enforcement.domain.decision import Decision
from enforcement.domain.enums import ApprovalState, Event
from enforcement.domain.errors import ConflictError, NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.money import ZERO, monthly, monthly_text
from enforcement.domain.request import line
from enforcement.domain.reservations import CreditReservation, Reconciliation
from enforcement.store import pages, records
from enforcement.store.database import Database, Transaction
from enforcement.store.pages import NEWEST, OLDEST, Place, demand_limit

_ACTIVE: Final = """
    SELECT enforcement.decision_json(d),
           greatest(0, floor(extract(epoch FROM clock_timestamp() - d.created_at)))::bigint
    FROM enforcement.decisions d WHERE d.tenant_id = %s AND d.reservation_active
      AND (d.created_at, d.decision_id) > (%s, %s)
    ORDER BY d.created_at, d.decision_id LIMIT %s
"""
_DRIFTING: Final = """
    SELECT enforcement.reconciliation_json(r) FROM enforcement.reconciliations r
    WHERE r.tenant_id = %s AND r.drift_usd <> 0 AND (r.reconciled_at, r.decision_id) < (%s, %s)
    ORDER BY r.reconciled_at DESC, r.decision_id DESC LIMIT %s
"""


class ActiveReservation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision whose reservation is active, and how old it is by the database's clock."""

    decision: Decision
    age_seconds: int


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement, and whether it is the stored one of an earlier call."""

    reconciliation: Reconciliation
    replayed: bool


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """What an overdue sweep released."""

    decision_ids: tuple[UUID, ...]
    released_usd: Decimal
    swept_at: datetime


async def active(
    db: Database, caller: Caller, *, limit: int, after: Place = OLDEST
) -> list[ActiveReservation]:
    """Return a page of active reservations, oldest first.

    Args:
        db: The pool.
        caller: Of the tenant.
        limit: 1 to 1000.
        after: Continue after the last decision of the page before.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    rows = await pages.read(db, caller, _ACTIVE, after, limit)
    return [
        ActiveReservation(decision=records.decision(text), age_seconds=age) for text, age in rows
    ]


async def reconcile(
    db: Database,
    caller: Caller,
    decision_id: UUID,
    *,
    actual_monthly_delta_usd: Decimal,
    notes: str | None,
    idempotency_key: str,
) -> Reconciled:
    """Settle a reservation against its real cost, once, with a ledger row.

    Raises:
        NotFoundError: ``decision_unknown``.
        ConflictError: ``reservation_not_active``, ``already_reconciled`` or
            ``idempotency_conflict``.
    """
    key = line(idempotency_key, "idempotency_key", 4, 128)
    actual = monthly(actual_monthly_delta_usd)

    async def work(tx: Transaction) -> Reconciled:
        stored = await _stored(tx, decision_id)
        if stored is not None:
            again = domain.replay(stored, idempotency_key=key, actual=actual, notes=notes)
            return Reconciled(reconciliation=again, replayed=True)
        place = await _active(tx, decision_id)
        decision = place.decision
        settlement = domain.settle(decision.allocation_usd, await _held(tx, decision_id), actual)
        done = Reconciliation(
            decision_id=decision_id,
            idempotency_key=key,
            notes=check_notes(notes or ""),
            actual_usd=actual,
            reserved_usd=decision.reserved_usd,
            allocation_spent_usd=settlement.allocation_spent_usd,
            credits_consumed_usd=settlement.credits_consumed_usd,
            credits_released_usd=settlement.credits_released_usd,
            drift_usd=settlement.drift_usd,
            status=settlement.status,
            reconciled_by=caller.principal_id,
            reconciled_at=tx.now,
        )
        await tx.record(
            Event.RECONCILED,
            caller.principal_id,
            {
                **place.payload(),
                **msgspec.structs.asdict(done),
                "credits": _credits(settlement.credits),
            },
            decision_id=decision_id,
        )
        await end_approval(tx, decision_id, actor=caller.principal_id)
        return Reconciled(reconciliation=done, replayed=False)

    return await db.run(caller.tenant_id, work)


async def _stored(tx: Transaction, decision_id: UUID) -> Reconciliation | None:
    row = await tx.one(
        "SELECT enforcement.reconciliation_json(r) FROM enforcement.reconciliations r"
        " WHERE r.tenant_id = %s AND r.decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    return None if row is None else records.reconciliation(row[0])


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and the number of its ledger row."""

    decision: Decision
    sequence: int

    def payload(self) -> dict[str, object]:
        """Return what an event that ends its reservation says of it."""
        return {
            "decision_id": self.decision.decision_id,
            "decision_sequence": self.sequence,
            "project_id": self.decision.project_id,
            "allocation_usd": monthly_text(self.decision.allocation_usd),
        }


async def _find(tx: Transaction, decision_id: UUID) -> _Place:
    row = await tx.one(
        "SELECT enforcement.decision_json(d), d.ledger_sequence FROM enforcement.decisions d"
        " WHERE d.tenant_id = %s AND d.decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    if row is None:
        raise NotFoundError("decision_unknown", "there is no such decision")
    return _Place(decision=records.decision(row[0]), sequence=row[1])


async def _active(tx: Transaction, decision_id: UUID) -> _Place:
    """Return a decision that holds an active reservation.

    Raises:
        NotFoundError: ``decision_unknown``.
        ConflictError: ``reservation_not_active``.
    """
    place = await _find(tx, decision_id)
    if not place.decision.reservation_active:
        raise ConflictError("reservation_not_active", "the decision holds no active reservation")
    return place


async def _held(tx: Transaction, decision_id: UUID) -> tuple[CreditReservation, ...]:
    """Return the credits a decision holds, in the order they were drawn."""
    rows = await tx.all(
        "SELECT grant_id, reserved_usd FROM enforcement.credit_reservations"
        " WHERE tenant_id = %s AND decision_id = %s ORDER BY position",
        (tx.tenant_id, decision_id),
    )
    return tuple(
        CreditReservation(grant_id=grant_id, reserved_usd=reserved) for grant_id, reserved in rows
    )


def _credits(settled: Sequence[CreditReservation]) -> list[dict[str, object]]:
    return [
        {
            "grant_id": item.grant_id,
            "consumed_usd": monthly_text(item.consumed_usd),
            "released_usd": monthly_text(item.released_usd),
        }
        for item in settled
    ]


async def release(tx: Transaction, decision_id: UUID, *, actor: UUID, reason: str) -> Decision:
    """Give a decision's reservation back, if it is active, with all its credits.

    Its approval is not touched: whoever ends that calls this.

    Returns:
        The decision as it is then.
    """
    place = await _find(tx, decision_id)
    decision = place.decision
    if not decision.reservation_active:
        return decision
    settled = domain.release(await _held(tx, decision_id))
    payload = {
        **place.payload(),
        "reason": reason,
        "allocation_released_usd": monthly_text(decision.allocation_usd),
        "credits": _credits(settled),
    }
    await tx.record(Event.RELEASED, actor, payload, decision_id=decision_id)
    return msgspec.structs.replace(decision, reservation_active=False)


async def end_approval(tx: Transaction, decision_id: UUID, *, actor: UUID) -> None:
    """End what may still be approved or spent of a decision whose reservation has ended."""
    row = await tx.one(
        "SELECT enforcement.approval_json(a) FROM enforcement.approvals a"
        " WHERE a.tenant_id = %s AND a.decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    if row is None:
        return
    approval = records.approval(row[0])
    if is_alive(approval):
        ended = end(approval, ApprovalState.CANCELLED, tx.now)
        await tx.record(
            Event.APPROVAL_CANCELLED,
            actor,
            records.approval_payload(ended),
            decision_id=decision_id,
        )


async def release_overdue(
    db: Database, caller: Caller, *, older_than_seconds: int, limit: int
) -> Sweep:
    """Release active reservations older than that, oldest first, each with a ledger row.

    Their approvals end with them. Reservations that another transaction holds are skipped, not
    waited for.

    Raises:
        InvalidError: ``overdue_out_of_range`` or ``limit_out_of_range``.
    """
    demand_limit(limit)

    async def work(tx: Transaction) -> Sweep:
        bound = domain.overdue_before(tx.now, older_than_seconds)
        rows = await tx.all(
            "SELECT enforcement.overdue_reservations(%s, %s, %s)", (tx.tenant_id, bound, limit)
        )
        swept = [records.decision(text) for (text,) in rows]
        for decision in swept:
            await release(tx, decision.decision_id, actor=caller.principal_id, reason="overdue")
            await end_approval(tx, decision.decision_id, actor=caller.principal_id)
        return Sweep(
            decision_ids=tuple(decision.decision_id for decision in swept),
            released_usd=sum((decision.reserved_usd for decision in swept), start=ZERO),
            swept_at=tx.now,
        )

    return await db.run(caller.tenant_id, work)


async def exceptions(
    db: Database, caller: Caller, *, limit: int, before: Place = NEWEST
) -> list[Reconciliation]:
    """Return a page of settlements whose drift is not zero, newest first.

    Args:
        db: The pool.
        caller: Of the tenant.
        limit: 1 to 1000.
        before: Continue after the last settlement of the page before.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    rows = await pages.read(db, caller, _DRIFTING, before, limit)
    return [records.reconciliation(row[0]) for row in rows]
