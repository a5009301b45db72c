"""The ledger: pages of it, and the proof that nobody edited it."""

from datetime import datetime
from uuid import UUID

import msgspec

from enforcement.domain.identity import Caller
from enforcement.domain.ledger import ChainFault
from enforcement.domain.replay import HistoryVerifier
from enforcement.store.database import Database
from enforcement.store.history import History, demand_sight, histories
from enforcement.store.pages import demand_limit


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of verifying one tenant's ledger against itself and against the tables.

    Attributes:
        since: Rows up to this one are kept elsewhere; 0 where none are.
        rows: How many were checked.
        fault: The first thing wrong, or None.
    """

    tenant_id: UUID
    since: int
    rows: int
    head_sequence: int
    fault: ChainFault | None


class LedgerEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant's ledger ends.

    Attributes:
        sequence: Of the newest row, 0 of an empty ledger.
        entry_hash: Of that row, in hexadecimal; every row before it goes into it.
    """

    sequence: int
    entry_hash: str


async def end(db: Database, tenant_id: UUID, *, deadline_s: float) -> LedgerEnd | None:
    """Return where a tenant's ledger ends, None where there is no such tenant.

    Raises:
        StoreError: The database did not answer in time.
    """
    rows = await db.read(
        tenant_id,
        "SELECT sequence, encode(entry_hash, 'hex') FROM enforcement.ledger_heads"
        " WHERE tenant_id = %s",
        (tenant_id,),
        deadline_s=deadline_s,
    )
    return LedgerEnd(sequence=rows[0][0], entry_hash=rows[0][1]) if rows else None


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

    By sequence; cut by time, by the instant they record and then by sequence. The two differ for
    late rows alone: a fail-safe's, written when the database was back.

    Each element: ``{"sequence", "event", "occurred_at", "actor", "decision_id", "decision_digest",
    "prev_hash", "entry_hash", "payload": {...}}``; hashes in hexadecimal.

    Args:
        db: The pool.
        caller: Of the tenant.
        limit: 1 to 1000.
        before_sequence: Continue after the last row of the page before.
        start_at: Earliest instant, inclusive.
        end_at: Latest instant, exclusive.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    demand_limit(limit)
    return await db.call(
        "ledger_page", (caller.tenant_id, limit, before_sequence, start_at, end_at)
    )


async def archived_sequence(db: Database, caller: Caller) -> int:
    """Return up to which row the caller's ledger is kept elsewhere; 0 where none is."""
    rows = await db.read(
        caller.tenant_id,
        "SELECT archived_sequence FROM enforcement.ledger_heads WHERE tenant_id = %s",
        (caller.tenant_id,),
    )
    return int(rows[0][0]) if rows else 0


def verify(dsn: str, tenant_id: UUID | None = None) -> list[Verification]:
    """Replay whole ledgers with a privileged connection, synchronously.

    Every row is numbered, linked and hashed again in this process, independently of the
    database's functions; every event is applied again, and what they make is compared with every
    row of the tables. All of it sees one snapshot.

    Args:
        dsn: Of a role that may read all tenants (the migrating role), not the application's.
        tenant_id: One tenant, or None for all.

    Raises:
        StoreError: The database cannot be read, or its role sees through row-level security.
    """
    demand_sight(dsn)
    with histories(dsn, tenant_id) as found:
        return [_verify(history) for history in found]


def _verify(history: History) -> Verification:
    verifier = HistoryVerifier(complete=False)
    if history.checkpoint is not None:
        verifier.begin(history.checkpoint)
    verifier.stand(history.standing())
    for entry in history.events():
        if not verifier.feed(entry, history.rows.upto(entry.sequence)):
            break
    fault = verifier.end(history.sequence, history.entry_hash, history.rows.rest(), history.sums())
    return Verification(
        tenant_id=history.tenant_id,
        since=verifier.since,
        rows=verifier.rows,
        head_sequence=history.sequence,
        fault=fault,
    )
