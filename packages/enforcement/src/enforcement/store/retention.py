"""Retention: the anchor of a tenant's ledger is moved, and what is archived before it removed."""

import contextlib
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from enforcement.domain.canonical import canonical_text
from enforcement.domain.checkpoint import Checkpoint
from enforcement.domain.enums import Event
from enforcement.domain.identity import OPERATOR
from enforcement.store.errors import ContendedError, RefusedError, UnavailableError, classify
from enforcement.store.settings import OWNER_ROLE

_CONNECT_TIMEOUT_S: Final = 5
_LOCK: Final = 0x7072756E  # "prun"
# A tenant's gates wait as long for the anchor to move, which takes some milliseconds.
_LOCK_TIMEOUT_MS: Final = 10_000
# Rows of each table that one transaction removes.
_PART_ROWS: Final = 500
_SESSION: Final = "-c timezone=UTC -c client_connection_check_interval=1000"


class Anchor(msgspec.Struct, frozen=True):
    """Up to where a tenant's ledger is archived."""

    sequence: int
    entry_hash: bytes


@contextlib.contextmanager
def keeper(dsn: str, tenant_id: UUID) -> Iterator["Keeper"]:
    """Connect as the owner, for one tenant; only one at a time.

    Raises:
        StoreError: The database cannot be reached, or the role may not act as the owner.
    """
    try:
        with psycopg.connect(
            dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, options=_SESSION
        ) as connection:
            try:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER_ROLE)))
            except psycopg.errors.InsufficientPrivilege as error:
                raise UnavailableError(
                    "not_privileged",
                    f"this role may not act as {OWNER_ROLE}",
                    hint="Give the DSN that migrates the database, not the application's.",
                ) from error
            # Held by the session, so that it ends with this process whatever becomes of it.
            locked = connection.execute(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s)),"
                " set_config('enforcement.tenant_id', %s, false)",
                (_LOCK, str(tenant_id), str(tenant_id)),
            ).fetchone()
            if locked is None or not locked[0]:
                raise ContendedError(
                    "prune_under_way", "this tenant's ledger is being pruned by another process"
                )
            yield Keeper(connection, tenant_id)
    except psycopg.Error as error:
        raise classify(error, committing=False, cut=False) from error


class Keeper:
    """Whoever moves a tenant's anchor.

    Args:
        connection: As the owner, in autocommit.
        tenant_id: Whose ledger.
    """

    def __init__(self, connection: psycopg.Connection[TupleRow], tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def anchor(self) -> Anchor:
        """Return where the anchor is; at 0 where nothing was ever archived."""
        row = self._connection.execute(
            "SELECT archived_sequence, archived_hash FROM enforcement.ledger_heads"
            " WHERE tenant_id = %s",
            (self._tenant_id,),
        ).fetchone()
        if row is None:
            raise RefusedError("tenant_unknown", "this database has no such tenant")
        return Anchor(*row)

    def hash_of(self, sequence: int) -> bytes | None:
        """Return the hash of a row of the ledger; None where it is not there."""
        row = self._connection.execute(
            "SELECT entry_hash FROM enforcement.ledger WHERE tenant_id = %s AND sequence = %s",
            (self._tenant_id, sequence),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def recorded_checkpoint(self) -> str | None:
        """Return the digest of the checkpoint at the anchor, as the ledger has it."""
        row = self._connection.execute(
            "SELECT payload::json ->> 'checkpoint_sha256' FROM enforcement.ledger"
            " WHERE tenant_id = %s AND event = %s ORDER BY sequence DESC LIMIT 1",
            (self._tenant_id, Event.ARCHIVED),
        ).fetchone()
        return None if row is None else str(row[0])

    def move_anchor(self, checkpoint: Checkpoint, archive_sha256: str) -> None:
        """Write what stands at a row, then make that row the anchor, in the ledger too.

        Killed in between, it leaves rows that nothing reads and that the next attempt replaces.
        """
        key = (self._tenant_id, checkpoint.sequence)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM enforcement.checkpoint_rows WHERE tenant_id = %s AND as_of = %s", key
            )
            cursor.executemany(
                "INSERT INTO enforcement.checkpoint_rows VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    (*key, position, row.sequence, row.kind, row.id, row.state)
                    for position, row in enumerate(checkpoint.rows)
                ),
            )
        payload = {
            "archived_sequence": checkpoint.sequence,
            "archived_hash": checkpoint.entry_hash.hex(),
            "archive_sha256": archive_sha256,
            "checkpoint_sha256": checkpoint.sha256(),
        }
        with self._connection.transaction():
            self._connection.execute(
                "SELECT enforcement.enter_locked(%s, %s)", (self._tenant_id, _LOCK_TIMEOUT_MS)
            )
            self._connection.execute(
                "SELECT enforcement.move_anchor(%s, %s, %s)",
                (self._tenant_id, OPERATOR, canonical_text(payload)),
            )

    def prune(self) -> None:
        """Remove what is archived, some hundred rows at a time; goes on where it was killed."""
        while True:
            row = self._connection.execute(
                "SELECT enforcement.prune_part(%s, %s) < as_of FROM enforcement.pruning"
                " WHERE tenant_id = %s",
                (self._tenant_id, _PART_ROWS, self._tenant_id),
            ).fetchone()
            if row is None or not row[0]:
                return
