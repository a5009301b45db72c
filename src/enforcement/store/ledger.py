"""The ledger: pages of it, and the proof that nobody edited it."""

from datetime import datetime
from uuid import UUID

import msgspec

from enforcement.domain.identity import Caller
from enforcement.domain.ledger import ChainFault
from enforcement.store.database import Database


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of verifying one tenant's ledger against itself and against its decisions.

    Attributes:
        rows: How many were checked.
        fault: The first thing wrong, or None.
    """

    tenant_id: UUID
    rows: int
    head_sequence: int
    fault: ChainFault | None


async def page_json(
    db: Database,
    caller: Caller,
    *,
    limit: int,
    before_sequence: int | None = None,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> str:
    """Return rows newest first as the text of a JSON array, built by the database.

    Each element: ``{"sequence", "event", "occurred_at", "actor", "decision_id", "decision_digest",
    "prev_hash", "entry_hash", "payload": {...}}``; hashes in hexadecimal.

    Args:
        db: The pool.
        caller: Of the tenant.
        limit: 1 to 1000.
        before_sequence: Continue after the last row of the page before.
        start_at: Earliest instant, inclusive.
        end_at: Latest instant, exclusive.
    """
    raise NotImplementedError


def verify(dsn: str, tenant_id: UUID | None = None) -> list[Verification]:
    """Walk whole ledgers row by row with a privileged connection, synchronously.

    Args:
        dsn: Of a role that may read all tenants (the migrating role), not the application's.
        tenant_id: One tenant, or None for all.

    Raises:
        StoreError: The database cannot be read.
    """
    raise NotImplementedError
