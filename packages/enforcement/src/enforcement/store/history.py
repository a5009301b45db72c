"""A tenant's whole history as it streams out of the database: events, and the rows they wrote.

Events come in order, each with the rows of the state that name it as the last to have written
them. Nothing is held but what is under way, however long the history is.
"""

import contextlib
import heapq
import math
import operator
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from enforcement.domain.checkpoint import Checkpoint, Row
from enforcement.domain.ledger import Entry
from enforcement.domain.standing import APPROVALS, DECISIONS, HELD, RECONCILIATIONS
from enforcement.store.errors import UnavailableError, classify

_CONNECT_TIMEOUT_S: Final = 5
# Rows that the driver hands over together, where it can. The server sends ahead meanwhile, as far
# as the socket takes it, so that it reads while this process hashes.
_CHUNK_ROWS: Final = 200 if psycopg.capabilities.has_stream_chunked() else 1
# What goes when a decision that was over is removed.
_REMOVED: Final = frozenset({DECISIONS, APPROVALS, HELD, RECONCILIATIONS})
_STREAMS: Final = ("events", "decisions", "state", "sums")

_EVENTS: Final = """
    SELECT tenant_id, sequence, event, occurred_at, actor, decision_id, decision_digest, payload,
           prev_hash, entry_hash
    FROM enforcement.ledger WHERE tenant_id = %s AND sequence > %s ORDER BY sequence
"""
_DECISIONS: Final = """
    SELECT ledger_sequence, decision_id::text, enforcement.decision_json(d)
    FROM enforcement.decisions d WHERE d.tenant_id = %s ORDER BY ledger_sequence
"""
_STATE: Final = """
    SELECT ledger_sequence, kind, id, state FROM enforcement.state
    WHERE tenant_id = %s ORDER BY ledger_sequence
"""
_SUMS: Final = """
    SELECT 0, kind, id, state FROM enforcement.sums WHERE tenant_id = %s
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


class Head(msgspec.Struct, frozen=True):
    """Where a tenant's chain ends, and behind which row it begins here.

    Attributes:
        archived_sequence: Rows up to this one are kept elsewhere; 0 where none are.
        leaving_after: Of what was over by then, rows beyond this one may still be here: they are
            being removed.
    """

    tenant_id: UUID
    sequence: int
    entry_hash: bytes
    archived_sequence: int
    archived_hash: bytes
    leaving_after: int


class History:
    """One tenant's events and rows, in one snapshot.

    Args:
        connections: One for each stream, in transactions that see one snapshot.
        head: Of its chain.

    Attributes:
        checkpoint: What stood where the events begin; None where they begin at the first.
        rows: Of the tables, behind the checkpoint.
    """

    def __init__(self, connections: Mapping[str, psycopg.Connection[TupleRow]], head: Head) -> None:
        self.head = head
        self.tenant_id = head.tenant_id
        self.sequence = head.sequence
        self.entry_hash = head.entry_hash
        self._connections = connections
        self._streams: list[Generator[TupleRow]] = []
        self.checkpoint = self._read_checkpoint() if head.archived_sequence else None
        decisions = (
            Row(number, DECISIONS, key, text)
            for number, key, text in self._open("decisions", _DECISIONS)
        )
        others = (Row(*row) for row in self._open("state", _STATE))
        self.rows = RowStream(heapq.merge(decisions, others, key=operator.attrgetter("sequence")))

    def standing(self) -> Iterator[Row]:
        """Return the rows that stand in the checkpoint, as they are now; before any others."""
        checkpointed = () if self.checkpoint is None else self.checkpoint.rows
        standing = {(row.kind, row.id) for row in checkpointed if row.kind in _REMOVED}
        for row in self.rows.upto(self.head.archived_sequence):
            leaving = row.kind in _REMOVED and row.sequence > self.head.leaving_after
            if not leaving or (row.kind, row.id) in standing:
                yield row

    def events(self) -> Iterator[Entry]:
        """Return the events in order."""
        return (
            Entry(**dict(zip(_FIELDS, row, strict=True)))
            for row in self._open("events", _EVENTS, self.head.archived_sequence)
        )

    def last_before(self, cutoff: datetime) -> int:
        """Return the last row before which, itself included, no row is as young as an instant."""
        row = (
            self._connections["sums"]
            .execute(
                "SELECT min(sequence) - 1 FROM enforcement.ledger"
                " WHERE tenant_id = %s AND occurred_at >= %s AND sequence > %s",
                (self.tenant_id, cutoff, self.head.archived_sequence),
            )
            .fetchone()
        )
        return self.sequence if row is None or row[0] is None else int(row[0])

    def sums(self) -> Iterator[Row]:
        """Return the rows that are sums over many events."""
        return (Row(*row) for row in self._open("sums", _SUMS))

    def close(self) -> None:
        """Let go of what was not read to its end."""
        for stream in self._streams:
            stream.close()

    def _read_checkpoint(self) -> Checkpoint:
        rows = self._connections["events"].execute(
            "SELECT sequence, kind, id, state FROM enforcement.checkpoint_rows"
            " WHERE tenant_id = %s AND as_of = %s ORDER BY position",
            (self.tenant_id, self.head.archived_sequence),
        )
        return Checkpoint(
            sequence=self.head.archived_sequence,
            entry_hash=self.head.archived_hash,
            rows=[Row(*row) for row in rows],
        )

    def _open(self, name: str, query: str, *parameters: object) -> Iterator[TupleRow]:
        # Closed by us, never by the garbage collector, which may come in the middle of a fetch.
        stream = self._rows_of(name, query, parameters)
        self._streams.append(stream)
        return stream

    def _rows_of(self, name: str, query: str, parameters: Sequence[object]) -> Generator[TupleRow]:
        with self._connections[name].cursor() as cursor:
            yield from cursor.stream(query, (self.tenant_id, *parameters), size=_CHUNK_ROWS)


_FIELDS: Final = Entry.__struct_fields__


@contextlib.contextmanager
def histories(dsn: str, tenant_id: UUID | None) -> Iterator[Generator[History]]:
    """Open the histories of one tenant or of all, in one snapshot.

    Args:
        dsn: Of a role that may read them: of all tenants one that passes row-level security, of
            one tenant the application's will do.
        tenant_id: One tenant, or None for all.

    Raises:
        StoreError: The database cannot be read.
    """
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(_connected(dsn)) for name in _STREAMS}
        snapshot = None
        for connection in connections.values():
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            if snapshot is None:
                row = connection.execute("SELECT pg_export_snapshot()").fetchone()
                snapshot = "" if row is None else str(row[0])
            else:
                connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
            connection.execute(
                "SELECT set_config('enforcement.tenant_id', %s, true)", (str(tenant_id or ""),)
            )
        yield _histories(connections, tenant_id)


def _histories(
    connections: Mapping[str, psycopg.Connection[TupleRow]], tenant_id: UUID | None
) -> Generator[History]:
    heads = (
        connections["events"]
        .execute(
            "SELECT h.tenant_id, h.sequence, h.entry_hash, h.archived_sequence, h.archived_hash,"
            " coalesce(p.pruned_sequence, 0)"
            " FROM enforcement.ledger_heads h LEFT JOIN enforcement.pruning p USING (tenant_id)"
            " WHERE %s::uuid IS NULL OR h.tenant_id = %s ORDER BY h.tenant_id",
            (tenant_id, tenant_id),
        )
        .fetchall()
    )
    for head in heads:
        with contextlib.closing(History(connections, Head(*head))) as history:
            yield history


def all_tenants(dsn: str) -> list[tuple[UUID, str, str]]:
    """Return id, name and plan of every tenant, by name.

    Raises:
        StoreError: The database cannot be read, or its role sees through row-level security.
    """
    demand_sight(dsn)
    with _connected(dsn) as connection:
        return connection.execute(
            "SELECT tenant_id, name, plan FROM enforcement.tenants ORDER BY name"
        ).fetchall()


def demand_sight(dsn: str) -> None:
    """Refuse a role that row-level security shows nothing, before nothing looks like all is well.

    Raises:
        StoreError: The database cannot be read, or its role sees through row-level security.
    """
    with _connected(dsn) as connection:
        row = connection.execute("SELECT row_security_active('enforcement.ledger')").fetchone()
    if row is None or row[0]:
        raise UnavailableError(
            "not_privileged",
            "row-level security hides the other tenants from this role",
            hint="Give the DSN that migrates the database, not the application's.",
        )


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[TupleRow]]:
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            yield connection
    except psycopg.Error as error:
        raise classify(error, committing=False, cut=False) from error
