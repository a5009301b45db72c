"""Settling a reservation: who pays, what comes back, and answering twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from enforcement.domain.enums import SettlementStatus
from enforcement.domain.errors import ConflictError, InvalidError
from enforcement.domain.reservations import (
    CreditReservation,
    Reconciliation,
    overdue_before,
    release,
    replay,
    settle,
)

pytestmark = pytest.mark.gate

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)


def _held(*amounts: str) -> tuple[CreditReservation, ...]:
    return tuple(
        CreditReservation(grant_id=UUID(int=i), reserved_usd=Decimal(amount))
        for i, amount in enumerate(amounts)
    )


@pytest.mark.parametrize(
    ("allocation", "credit", "actual", "consumed", "drift", "status"),
    [
        ("60", "40", "100", "40", "0", SettlementStatus.MATCHED),
        ("60", "40", "80", "20", "-20", SettlementStatus.SAVINGS),
        ("60", "40", "50", "0", "-50", SettlementStatus.SAVINGS),
        ("60", "40", "0", "0", "-100", SettlementStatus.SAVINGS),
        ("60", "40", "130", "40", "30", SettlementStatus.OVERAGE),
        ("100", "0", "100.0001", "0", "0.0001", SettlementStatus.OVERAGE),
        ("0", "100", "95", "95", "-5", SettlementStatus.SAVINGS),
    ],
)
def test_the_budget_pays_first_and_credits_the_rest(
    allocation: str, credit: str, actual: str, consumed: str, drift: str, status: SettlementStatus
) -> None:
    """Credits consumed, released and drift follow from the three amounts."""
    held = _held(credit) if credit != "0" else ()
    done = settle(Decimal(allocation), held, Decimal(actual))
    assert done.credits_consumed_usd == Decimal(consumed)
    assert done.credits_released_usd == Decimal(credit) - Decimal(consumed)
    assert done.allocation_spent_usd == Decimal(actual) - Decimal(consumed)
    assert done.drift_usd == Decimal(drift)
    assert done.status is status


def test_the_first_grants_drawn_are_consumed_first() -> None:
    """Consumption goes through the grants in the order they were drawn."""
    done = settle(Decimal(0), _held("10", "20", "30"), Decimal(25))
    assert [c.consumed_usd for c in done.credits] == [10, 15, 0]
    assert [c.released_usd for c in done.credits] == [0, 5, 30]


def test_a_release_gives_everything_back() -> None:
    """Nothing is consumed by a denial, an expiry or a sweep."""
    assert [c.released_usd for c in release(_held("10", "20"))] == [10, 20]
    assert [c.consumed_usd for c in release(_held("10", "20"))] == [0, 0]


def _stored() -> Reconciliation:
    return Reconciliation(
        decision_id=UUID(int=1),
        idempotency_key="key-1",
        notes="n",
        actual_usd=Decimal("5.0000"),
        reserved_usd=Decimal("5.0000"),
        allocation_spent_usd=Decimal("5.0000"),
        credits_consumed_usd=Decimal("0.0000"),
        credits_released_usd=Decimal("0.0000"),
        drift_usd=Decimal("0.0000"),
        status=SettlementStatus.MATCHED,
        reconciled_by=UUID(int=2),
        reconciled_at=NOW,
    )


@pytest.mark.parametrize("notes", [None, "n"])
def test_the_same_reconciliation_again_gives_the_stored_answer(notes: str | None) -> None:
    """Same key, same amount, same notes where given."""
    again = replay(_stored(), idempotency_key="key-1", actual=Decimal(5), notes=notes)
    assert again == _stored()


@pytest.mark.parametrize(
    ("key", "actual", "notes", "code"),
    [
        ("key-2", "5", None, "already_reconciled"),
        ("key-1", "6", None, "idempotency_conflict"),
        ("key-1", "5", "other", "idempotency_conflict"),
    ],
)
def test_another_reconciliation_of_the_same_decision_is_a_conflict(
    key: str, actual: str, notes: str | None, code: str
) -> None:
    """A reservation is settled once, and a key means one payload."""
    with pytest.raises(ConflictError) as refusal:
        replay(_stored(), idempotency_key=key, actual=Decimal(actual), notes=notes)
    assert refusal.value.code == code


def test_overdue_is_bounded() -> None:
    """From a minute to a week, both inclusive."""
    for seconds in (60, 604_800):
        assert overdue_before(NOW, seconds) == NOW - timedelta(seconds=seconds)
    for seconds in (59, 604_801):
        with pytest.raises(InvalidError):
            overdue_before(NOW, seconds)
