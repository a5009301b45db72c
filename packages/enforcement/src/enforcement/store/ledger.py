"""The ledger: pages of it, and the proof that nobody edited it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow

from enforcement.domain.decision import Decision, digest
from enforcement.domain.errors import InvalidError
from enforcement.domain.identity import Caller
from enforcement.domain.ledger import ChainFault, ChainVerifier, Entry, head_fault
from enforcement.store import records
from enforcement.store.database import Database
from enforcement.store.errors import UnavailableError, classify

MAX_PAGE: Final = 1000
_CONNECT_TIMEOUT_S: Final = 5


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

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidError("limit_out_of_range", f"limit is {limit}, expected 1 to {MAX_PAGE}")
    return await db.call(
        "ledger_page", (caller.tenant_id, limit, before_sequence, start_at, end_at)
    )


def verify(dsn: str, tenant_id: UUID | None = None) -> list[Verification]:
    """Walk whole ledgers row by row with a privileged connection, synchronously.

    Every row is numbered, linked and hashed again in this process, independently of the
    database's functions; every decision is hashed again from its columns and compared with the
    ledger. All of it sees one snapshot.

    Args:
        dsn: Of a role that may read all tenants (the migrating role), not the application's.
        tenant_id: One tenant, or None for all.

    Raises:
        StoreError: The database cannot be read, or its role sees through row-level security.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            _demand_sight(connection)
            heads = connection.execute(
                "SELECT tenant_id, sequence, entry_hash FROM enforcement.ledger_heads"
                " WHERE %s::uuid IS NULL OR tenant_id = %s ORDER BY tenant_id",
                (tenant_id, tenant_id),
            ).fetchall()
            return [_verify_tenant(connection, *head) for head in heads]
    except psycopg.Error as error:
        raise classify(error, committing=False, cut=False) from error


def _demand_sight(connection: psycopg.Connection[TupleRow]) -> None:
    row = connection.execute("SELECT row_security_active('enforcement.ledger')").fetchone()
    if row is None or row[0]:
        raise UnavailableError(
            "not_privileged",
            "row-level security hides the ledgers from this role",
            hint="Verify with the DSN that migrates the database, not the application's.",
        )


def _verify_tenant(
    connection: psycopg.Connection[TupleRow], tenant_id: UUID, sequence: int, entry_hash: bytes
) -> Verification:
    verifier = ChainVerifier()
    decisions = _DecisionWalk(connection, tenant_id)
    fault = None
    for entry in _entries(connection, tenant_id):
        fault = verifier.feed(entry) or decisions.compare(entry)
        if fault is not None:
            break
    fault = fault or decisions.end() or head_fault(verifier, sequence, entry_hash)
    return Verification(
        tenant_id=tenant_id, rows=verifier.sequence, head_sequence=sequence, fault=fault
    )


class _DecisionWalk:
    """A tenant's decisions in ledger order, each compared with the row that recorded it."""

    def __init__(self, connection: psycopg.Connection[TupleRow], tenant_id: UUID) -> None:
        self._decisions = _decisions(connection, tenant_id)
        self._next = next(self._decisions, None)

    def compare(self, entry: Entry) -> ChainFault | None:
        """Follow one ledger row; return what is wrong between it and the decisions."""
        if self._next is not None and self._next[0] < entry.sequence:
            return self.end()
        claimed = self._next is not None and self._next[0] == entry.sequence
        if entry.decision_digest is None:
            return self.end() if claimed else None
        if self._next is None or not claimed:
            return ChainFault(
                sequence=entry.sequence,
                kind="missing_decision",
                detail=f"the decision {entry.decision_id} it records is not there",
            )
        recorded = self._next[1]
        self._next = next(self._decisions, None)
        same_id = recorded.decision_id == entry.decision_id
        if not same_id or digest(recorded) != entry.decision_digest:
            return ChainFault(
                sequence=entry.sequence,
                kind="digest_differs",
                detail=f"the decision {recorded.decision_id} is not what was recorded",
            )
        return None

    def end(self) -> ChainFault | None:
        """Return the first decision that no ledger row vouches for, if one is left."""
        if self._next is None:
            return None
        return ChainFault(
            sequence=self._next[0],
            kind="missing_ledger_row",
            detail=f"no row records the decision {self._next[1].decision_id}",
        )


def _decisions(
    connection: psycopg.Connection[TupleRow], tenant_id: UUID
) -> Iterator[tuple[int, Decision]]:
    with connection.cursor("decision_walk") as cursor:
        cursor.itersize = 2000
        cursor.execute(
            "SELECT d.ledger_sequence, enforcement.decision_json(d) FROM enforcement.decisions d"
            " WHERE d.tenant_id = %s ORDER BY d.ledger_sequence",
            (tenant_id,),
        )
        for sequence, text in cursor:
            yield sequence, records.decision(text)


def _entries(connection: psycopg.Connection[TupleRow], tenant_id: UUID) -> Iterator[Entry]:
    with connection.cursor("ledger_walk") as cursor:
        cursor.itersize = 2000
        cursor.execute(
            "SELECT tenant_id, sequence, event, occurred_at, actor, decision_id,"
            " decision_digest, payload, prev_hash, entry_hash"
            " FROM enforcement.ledger WHERE tenant_id = %s ORDER BY sequence",
            (tenant_id,),
        )
        for row in cursor:
            yield _entry(row)


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(
        tenant_id=row[0],
        sequence=row[1],
        event=row[2],
        occurred_at=row[3],
        actor=row[4],
        decision_id=row[5],
        decision_digest=row[6],
        payload=row[7],
        prev_hash=row[8],
        entry_hash=row[9],
    )
