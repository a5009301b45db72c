"""Reservations: money set aside until the real cost is known, then settled once.

For a reservation with allocation ``a`` and credits ``c``, and a real cost ``x``::

    credits consumed = min(c, max(0, x - a))        the budget pays first
    credits released = c - credits consumed
    drift            = x - (a + c)                  above zero: overage; below: savings
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.decision import Decision
from enforcement.domain.enums import SettlementStatus
from enforcement.domain.errors import ConflictError, InvalidError
from enforcement.domain.money import ZERO

MIN_OVERDUE_S: Final = 60
MAX_OVERDUE_S: Final = 604_800
DEFAULT_OVERDUE_S: Final = 86_400


class CreditReservation(msgspec.Struct, frozen=True, kw_only=True):
    """Credit of one grant held for one decision; consumed + released never exceed reserved."""

    grant_id: UUID
    reserved_usd: Decimal
    consumed_usd: Decimal = ZERO
    released_usd: Decimal = ZERO


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a real cost makes of a reservation.

    Attributes:
        actual_usd: The real monthly cost.
        allocation_spent_usd: Part of it that the budget pays: all that credits do not.
        credits_consumed_usd: Part of it that credits pay.
        credits_released_usd: What goes back to the grants.
        drift_usd: Actual minus reserved.
        credits: The reservations after it, each settled in full.
    """

    actual_usd: Decimal
    allocation_spent_usd: Decimal
    credits_consumed_usd: Decimal
    credits_released_usd: Decimal
    drift_usd: Decimal
    status: SettlementStatus
    credits: tuple[CreditReservation, ...]


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement as stored: under which key, with which notes, by whom, when."""

    decision_id: UUID
    idempotency_key: str
    notes: str
    actual_usd: Decimal
    reserved_usd: Decimal
    allocation_spent_usd: Decimal
    credits_consumed_usd: Decimal
    credits_released_usd: Decimal
    drift_usd: Decimal
    status: SettlementStatus
    reconciled_by: UUID
    reconciled_at: datetime


def demand_reserved(decision: Decision) -> None:
    """Refuse to go on with a decision whose money was given back or settled meanwhile.

    Raises:
        ConflictError: ``reservation_ended``.
    """
    if decision.reserved_usd > 0 and not decision.reservation_active:
        raise ConflictError(
            "reservation_ended",
            "what was reserved for this change has been released or settled",
            hint="Ask the gate again.",
        )


def settle(
    allocation: Decimal, credits_held: Sequence[CreditReservation], actual: Decimal
) -> Settlement:
    """Settle a reservation against the real cost; the first grants drawn pay first.

    Args:
        allocation: Reserved from the budget.
        credits_held: Reserved from grants, in the order they were drawn; none settled yet.
        actual: The real monthly cost, not negative.
    """
    held = sum((item.reserved_usd for item in credits_held), start=ZERO)
    consumed = min(held, max(ZERO, actual - allocation))
    drift = actual - (allocation + held)
    return Settlement(
        actual_usd=actual,
        allocation_spent_usd=actual - consumed,
        credits_consumed_usd=consumed,
        credits_released_usd=held - consumed,
        drift_usd=drift,
        status=_status(drift),
        credits=_spread(credits_held, consumed),
    )


def release(credits_held: Sequence[CreditReservation]) -> tuple[CreditReservation, ...]:
    """Give every credit back: what a denial, an expiry or an overdue sweep does."""
    return _spread(credits_held, ZERO)


def _spread(
    credits_held: Sequence[CreditReservation], consumed: Decimal
) -> tuple[CreditReservation, ...]:
    settled: list[CreditReservation] = []
    left = consumed
    for item in credits_held:
        part = min(left, item.reserved_usd)
        left -= part
        settled.append(
            msgspec.structs.replace(item, consumed_usd=part, released_usd=item.reserved_usd - part)
        )
    return tuple(settled)


def _status(drift: Decimal) -> SettlementStatus:
    if drift == 0:
        return SettlementStatus.MATCHED
    return SettlementStatus.OVERAGE if drift > 0 else SettlementStatus.SAVINGS


def replay(
    stored: Reconciliation, *, idempotency_key: str, actual: Decimal, notes: str | None
) -> Reconciliation:
    """Answer a second reconciliation of one decision.

    Args:
        stored: What the first one did.
        idempotency_key: Of the second.
        actual: Of the second.
        notes: Of the second; None does not care.

    Returns:
        The stored result, when the second is the first again.

    Raises:
        ConflictError: ``already_reconciled`` for another key, ``idempotency_conflict`` for the
            same key with another payload.
    """
    if stored.idempotency_key != idempotency_key:
        raise ConflictError(
            "already_reconciled", "the reservation was settled before, under another key"
        )
    if stored.actual_usd != actual or (notes is not None and stored.notes != notes):
        raise ConflictError(
            "idempotency_conflict", "this key settled the reservation with another payload"
        )
    return stored


def overdue_before(now: datetime, older_than_seconds: int) -> datetime:
    """Return the instant before which an active reservation is overdue.

    Raises:
        InvalidError: ``overdue_out_of_range`` outside 60 to 604800 seconds.
    """
    if not MIN_OVERDUE_S <= older_than_seconds <= MAX_OVERDUE_S:
        raise InvalidError(
            "overdue_out_of_range",
            f"older_than_seconds is {older_than_seconds}, expected {MIN_OVERDUE_S} to "
            f"{MAX_OVERDUE_S}",
        )
    return now - timedelta(seconds=older_than_seconds)
