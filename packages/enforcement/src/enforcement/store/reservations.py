"""Reservations: listed while active, settled once, swept when overdue."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain import reservations as domain
from enforcement.domain.approvals import check_notes
from enforcement.domain.decision import Decision
from enforcement.domain.enums import Event
from enforcement.domain.errors import ConflictError, InvalidError, NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.money import ZERO, monthly, monthly_text
from enforcement.domain.request import line
from enforcement.domain.reservations import CreditReservation, Reconciliation, Settlement
from enforcement.store import records
from enforcement.store.database import Database, Transaction

MAX_LISTED: Final = 1000


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


async def active(db: Database, caller: Caller, *, limit: int) -> list[ActiveReservation]:
    """Return active reservations, oldest first.

    Raises:
        InvalidError: ``limit_out_of_range`` outside 1 to 1000.
    """
    _check_limit(limit)
    rows = await db.read(
        caller.tenant_id,
        "SELECT enforcement.decision_json(d),"
        " greatest(0, floor(extract(epoch FROM clock_timestamp() - d.created_at)))::bigint"
        " FROM enforcement.decisions d WHERE d.tenant_id = %s AND d.reservation_active"
        " ORDER BY d.created_at, d.decision_id LIMIT %s",
        (caller.tenant_id, limit),
    )
    return [
        ActiveReservation(decision=records.decision(text), age_seconds=age) for text, age in rows
    ]


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LISTED:
        raise InvalidError("limit_out_of_range", f"limit is {limit}, expected 1 to {MAX_LISTED}")


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
        decision = await _claim(tx, decision_id)
        settlement = domain.settle(decision.allocation_usd, await held(tx, decision_id), actual)
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
        await _write(tx, done, settlement)
        return Reconciled(reconciliation=done, replayed=False)

    return await db.run(caller.tenant_id, work)


async def _stored(tx: Transaction, decision_id: UUID) -> Reconciliation | None:
    row = await tx.one(
        "SELECT enforcement.reconciliation_json(r) FROM enforcement.reconciliations r"
        " WHERE r.tenant_id = %s AND r.decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    return None if row is None else records.reconciliation(row[0])


async def _claim(tx: Transaction, decision_id: UUID) -> Decision:
    """Close a reservation if it is active; whoever closes it owns what follows.

    Raises:
        NotFoundError: ``decision_unknown``.
        ConflictError: ``reservation_not_active``.
    """
    row = await tx.one(
        "UPDATE enforcement.decisions d SET reservation_active = false"
        " WHERE d.tenant_id = %s AND d.decision_id = %s AND d.reservation_active"
        " RETURNING enforcement.decision_json(d)",
        (tx.tenant_id, decision_id),
    )
    if row is not None:
        return records.decision(row[0])
    known = await tx.one(
        "SELECT 1 FROM enforcement.decisions WHERE tenant_id = %s AND decision_id = %s",
        (tx.tenant_id, decision_id),
    )
    if known is None:
        raise NotFoundError("decision_unknown", "there is no such decision")
    raise ConflictError("reservation_not_active", "the decision holds no active reservation")


async def held(tx: Transaction, decision_id: UUID) -> tuple[CreditReservation, ...]:
    """Return the credits a decision holds, in the order they were drawn."""
    rows = await tx.all(
        "SELECT grant_id, reserved_usd FROM enforcement.credit_reservations"
        " WHERE tenant_id = %s AND decision_id = %s ORDER BY position",
        (tx.tenant_id, decision_id),
    )
    return tuple(
        CreditReservation(grant_id=grant_id, reserved_usd=reserved) for grant_id, reserved in rows
    )


async def settle_credits(
    tx: Transaction, decision_id: UUID, credits_settled: Sequence[CreditReservation]
) -> None:
    """Store how held credits were settled, and give what is released back to the grants."""
    if not credits_settled:
        return
    grants = [item.grant_id for item in credits_settled]
    consumed = [item.consumed_usd for item in credits_settled]
    released = [item.released_usd for item in credits_settled]
    await tx.execute(
        "UPDATE enforcement.credit_reservations r"
        " SET consumed_usd = x.consumed, released_usd = x.released"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[])"
        "   AS x (grant_id, consumed, released)"
        " WHERE r.tenant_id = %s AND r.decision_id = %s AND r.grant_id = x.grant_id",
        (grants, consumed, released, tx.tenant_id, decision_id),
    )
    await tx.execute(
        "UPDATE enforcement.credit_grants g SET remaining_usd = g.remaining_usd + x.released"
        " FROM unnest(%s::uuid[], %s::numeric[]) AS x (grant_id, released)"
        " WHERE g.tenant_id = %s AND g.grant_id = x.grant_id AND x.released > 0",
        (grants, released, tx.tenant_id),
    )


async def _write(tx: Transaction, done: Reconciliation, settlement: Settlement) -> None:
    await settle_credits(tx, done.decision_id, settlement.credits)
    values = msgspec.structs.asdict(done)
    await tx.execute(
        "INSERT INTO enforcement.reconciliations (tenant_id, decision_id, idempotency_key, notes,"
        " actual_usd, reserved_usd, allocation_spent_usd, credits_consumed_usd,"
        " credits_released_usd, drift_usd, status, reconciled_by, reconciled_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (tx.tenant_id, *values.values()),
    )
    await tx.append(
        Event.RECONCILED,
        done.reconciled_by,
        {
            "decision_id": done.decision_id,
            "idempotency_key": done.idempotency_key,
            "notes": done.notes,
            "status": done.status.value,
            "actual_usd": monthly_text(done.actual_usd),
            "reserved_usd": monthly_text(done.reserved_usd),
            "credits_consumed_usd": monthly_text(done.credits_consumed_usd),
            "credits_released_usd": monthly_text(done.credits_released_usd),
            "drift_usd": monthly_text(done.drift_usd),
            "credits": [
                {
                    "grant_id": item.grant_id,
                    "consumed_usd": monthly_text(item.consumed_usd),
                    "released_usd": monthly_text(item.released_usd),
                }
                for item in settlement.credits
            ],
        },
        decision_id=done.decision_id,
    )


async def release(tx: Transaction, decision: Decision, *, actor: UUID, reason: str) -> bool:
    """Close a decision's reservation, if active, and give all its credits back.

    Returns:
        Whether there was an active reservation; its ledger row is then written.
    """
    closed = await tx.execute(
        "UPDATE enforcement.decisions SET reservation_active = false"
        " WHERE tenant_id = %s AND decision_id = %s AND reservation_active",
        (tx.tenant_id, decision.decision_id),
    )
    if not closed:
        return False
    await _give_back(tx, decision, actor=actor, reason=reason)
    return True


async def _give_back(tx: Transaction, decision: Decision, *, actor: UUID, reason: str) -> None:
    settled = domain.release(await held(tx, decision.decision_id))
    await settle_credits(tx, decision.decision_id, settled)
    payload = {
        "decision_id": decision.decision_id,
        "reason": reason,
        "allocation_released_usd": monthly_text(decision.allocation_usd),
        "credits": [
            {"grant_id": item.grant_id, "released_usd": monthly_text(item.released_usd)}
            for item in settled
        ],
    }
    await tx.append(Event.RELEASED, actor, payload, decision_id=decision.decision_id)


async def release_overdue(
    db: Database, caller: Caller, *, older_than_seconds: int, limit: int
) -> Sweep:
    """Release active reservations older than that, oldest first, each with a ledger row.

    Reservations that another transaction holds are skipped, not waited for.

    Raises:
        InvalidError: ``overdue_out_of_range`` or ``limit_out_of_range``.
    """
    _check_limit(limit)

    async def work(tx: Transaction) -> Sweep:
        bound = domain.overdue_before(tx.now, older_than_seconds)
        rows = await tx.all(
            # Materialised: as a subquery of IN it may be run once a row, each time with LIMIT more.
            "WITH due AS MATERIALIZED ("
            "   SELECT decision_id FROM enforcement.decisions"
            "   WHERE tenant_id = %s AND reservation_active AND created_at < %s"
            "   ORDER BY created_at, decision_id LIMIT %s FOR UPDATE SKIP LOCKED)"
            " UPDATE enforcement.decisions d SET reservation_active = false"
            " FROM due WHERE d.tenant_id = %s AND d.decision_id = due.decision_id"
            " RETURNING enforcement.decision_json(d)",
            (tx.tenant_id, bound, limit, tx.tenant_id),
        )
        swept = sorted(
            (records.decision(text) for (text,) in rows),
            key=lambda decision: (decision.created_at, decision.decision_id),
        )
        for decision in swept:
            await _give_back(tx, decision, actor=caller.principal_id, reason="overdue")
        return Sweep(
            decision_ids=tuple(decision.decision_id for decision in swept),
            released_usd=sum((decision.reserved_usd for decision in swept), start=ZERO),
            swept_at=tx.now,
        )

    return await db.run(caller.tenant_id, work)


async def exceptions(db: Database, caller: Caller, *, limit: int) -> list[Reconciliation]:
    """Return settlements whose drift is not zero, newest first.

    Raises:
        InvalidError: ``limit_out_of_range`` outside 1 to 1000.
    """
    _check_limit(limit)
    rows = await db.read(
        caller.tenant_id,
        "SELECT enforcement.reconciliation_json(r) FROM enforcement.reconciliations r"
        " WHERE r.tenant_id = %s AND r.drift_usd <> 0"
        " ORDER BY r.reconciled_at DESC, r.decision_id LIMIT %s",
        (caller.tenant_id, limit),
    )
    return [records.reconciliation(row[0]) for row in rows]
