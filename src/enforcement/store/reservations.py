"""Reservations: listed while active, settled once, swept when overdue."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from enforcement.domain.decision import Decision
from enforcement.domain.identity import Caller
from enforcement.domain.reservations import Reconciliation
from enforcement.store.database import Database


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
    """Return active reservations, oldest first."""
    raise NotImplementedError


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
    raise NotImplementedError


async def release_overdue(
    db: Database, caller: Caller, *, older_than_seconds: int, limit: int
) -> Sweep:
    """Release active reservations older than that, oldest first, each with a ledger row.

    Reservations that another transaction holds are skipped, not waited for.

    Raises:
        InvalidError: ``overdue_out_of_range``.
    """
    raise NotImplementedError


async def exceptions(db: Database, caller: Caller, *, limit: int) -> list[Reconciliation]:
    """Return settlements whose drift is not zero, newest first."""
    raise NotImplementedError
