"""A tenant's whole history as it streams out of the database: events, and the rows they wrote.

Events come in order, each with the rows of the state that name it as the last to have written
them. Nothing is held but what is under way, however long the history is.
"""

import contextlib
import heapq
import math
import operator
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from enforcement.domain.ledger import Entry
from enforcement.domain.replay import DECISIONS, Row
from enforcement.store.errors import classify

_CONNECT_TIMEOUT_S: Final = 5
_FETCHED_AT_ONCE: Final = 2000

_EVENTS: Final = """
    SELECT tenant_id, sequence, event, occurred_at, actor, decision_id, decision_digest, payload,
           prev_hash, entry_hash
    FROM enforcement.ledger WHERE tenant_id = %s ORDER BY sequence
"""
_DECISIONS: Final = """
    SELECT ledger_sequence, decision_id::text, enforcement.decision_json(d)
    FROM enforcement.decisions d WHERE d.tenant_id = %s ORDER BY ledger_sequence
"""
_STATE: Final = """
    SELECT ledger_sequence, kind, id, state FROM enforcement.state
    WHERE tenant_id = %s AND ledger_sequence IS NOT NULL ORDER BY ledger_sequence
"""
_SUMS: Final = """
    SELECT ledger_sequence, kind, id, state FROM enforcement.state
    WHERE tenant_id = %s AND ledger_sequence IS NULL
"""


class RowStream:
    """Rows in the order of their numbers, taken as far as somebody wants."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def upto(self, sequence: float) -> Iterator[Row]:
        """Return the rows up to a number that were not taken before."""
        while self._next is not None and self._next.sequence <= sequence:
            yield self._next
            self._next = next(self._rows, None)

    def rest(self) -> Iterator[Row]:
        """Return all rows that are left."""
        return self.upto(math.inf)


class History:
    """One tenant's events and rows, in one snapshot.

    Args:
        connection: In a transaction that sees one snapshot.
        tenant_id: Whose.
        sequence: Where the chain's head stands.
        entry_hash: The hash there.
    """

    def __init__(
        self,
        connection: psycopg.Connection[TupleRow],
        tenant_id: UUID,
        sequence: int,
        entry_hash: bytes,
    ) -> None:
        self.tenant_id = tenant_id
        self.sequence = sequence
        self.entry_hash = entry_hash
        self._connection = connection
        self._cursors: list[psycopg.ServerCursor[TupleRow]] = []
        decisions = (
            Row(number, DECISIONS, key, text)
            for number, key, text in self._open("decisions", _DECISIONS)
        )
        others = (Row(*row) for row in self._open("state", _STATE))
        self.rows = RowStream(heapq.merge(decisions, others, key=operator.attrgetter("sequence")))

    def events(self) -> Iterator[Entry]:
        """Return the events in order."""
        return (
            Entry(**dict(zip(_FIELDS, row, strict=True))) for row in self._open("events", _EVENTS)
        )

    def sums(self) -> Iterator[Row]:
        """Return the rows that are sums over many events."""
        return (Row(0, *row[1:]) for row in self._open("sums", _SUMS))

    def close(self) -> None:
        """Let go of what was not read to its end."""
        for cursor in self._cursors:
            cursor.close()

    def _open(self, name: str, query: str) -> psycopg.ServerCursor[TupleRow]:
        # Closed by us, never by the garbage collector, which may come in the middle of a fetch.
        cursor = self._connection.cursor(f"{name}_{self.tenant_id.hex}")
        cursor.itersize = _FETCHED_AT_ONCE
        self._cursors.append(cursor)
        return cursor.execute(query, (self.tenant_id,))


_FIELDS: Final = Entry.__struct_fields__


@contextlib.contextmanager
def histories(dsn: str, tenant_id: UUID | None) -> Iterator[Iterator[History]]:
    """Open the histories of one tenant or of all, in one snapshot.

    Args:
        dsn: Of a role that may read them: of all tenants one that passes row-level security, of
            one tenant the application's will do.
        tenant_id: One tenant, or None for all.

    Raises:
        StoreError: The database cannot be read.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            connection.execute(
                "SELECT set_config('enforcement.tenant_id', %s, true)", (str(tenant_id or ""),)
            )
            yield _histories(connection, tenant_id)
    except psycopg.Error as error:
        raise classify(error, committing=False, cut=False) from error


def _histories(
    connection: psycopg.Connection[TupleRow], tenant_id: UUID | None
) -> Iterator[History]:
    heads = connection.execute(
        "SELECT tenant_id, sequence, entry_hash FROM enforcement.ledger_heads"
        " WHERE %s::uuid IS NULL OR tenant_id = %s ORDER BY tenant_id",
        (tenant_id, tenant_id),
    ).fetchall()
    for head in heads:
        with contextlib.closing(History(connection, *head)) as history:
            yield history


def sees_everything(dsn: str) -> bool:
    """Say whether a role sees the rows of all tenants.

    Raises:
        StoreError: The database cannot be read.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            row = connection.execute("SELECT row_security_active('enforcement.ledger')").fetchone()
            return row is not None and not row[0]
    except psycopg.Error as error:
        raise classify(error, committing=False, cut=False) from error
