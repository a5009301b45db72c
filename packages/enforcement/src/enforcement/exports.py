"""Exports and archives of a ledger as files: one JSON object a line, read and written.

A line is a ledger row with the rows of the tables that it was the last to write, or a part of a
checkpoint. Where a history does not begin at its first row, the checkpoint before it comes first,
with the rows that stand there; an archive ends with the checkpoint behind it.
"""

import contextlib
import hashlib
import itertools
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

import msgspec

from enforcement.domain.canonical import canonical_text
from enforcement.domain.checkpoint import Checkpoint, Row
from enforcement.domain.ledger import Entry
from enforcement.domain.timestamps import instant, rfc3339
from enforcement.exits import CommandError, Exit
from enforcement.store.history import History

_SUMS_A_LINE: Final = 2
_MAX_LINE_BYTES: Final = 4 * 1024 * 1024
# Of a checkpoint; a policy may be as long as a request.
_PART_BYTES: Final = 512 * 1024
_CHECKPOINT: Final = b'{"checkpoint":'


class ExportedState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a table, its columns in the words of the ledger."""

    kind: str
    id: str
    state: msgspec.Raw

    def row(self, sequence: int) -> Row:
        """Return it as the replay sees it."""
        return Row(sequence, self.kind, self.id, bytes(self.state).decode())


class ExportedRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of an export: a ledger row as the API shows it, whose it is, and state.

    Attributes:
        rows: Of the tables, those that this ledger row is the last to have written.
        sums: Some of the rows that are sums over many events; each is on one line of the export.
        last: Whether the ledger ended here: a file without such a line is cut off.
    """

    tenant_id: UUID
    sequence: int
    event: str
    occurred_at: str
    actor: UUID
    decision_id: UUID | None
    decision_digest: str | None
    prev_hash: str
    entry_hash: str
    payload: dict[str, Any]
    rows: list[ExportedState] = []
    sums: list[ExportedState] = []
    last: bool = False

    def entry(self) -> Entry:
        """Return the row as the chain sees it.

        Raises:
            ValueError: A hash or an instant is none.
        """
        return Entry(
            tenant_id=self.tenant_id,
            sequence=self.sequence,
            event=self.event,
            occurred_at=instant(self.occurred_at),
            actor=self.actor,
            decision_id=self.decision_id,
            decision_digest=(
                None if self.decision_digest is None else bytes.fromhex(self.decision_digest)
            ),
            payload=canonical_text(self.payload),
            prev_hash=bytes.fromhex(self.prev_hash),
            entry_hash=bytes.fromhex(self.entry_hash),
        )


class ExportedCheckpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of an export: a part of the checkpoint at a row of the ledger.

    Attributes:
        checkpoint: The number of that row.
        standing: What stands there.
        complete: Whether this part is the checkpoint's last.
        rows: Of the tables, those that stand there, as they are now.
        sums: Rows that are sums over many events.
    """

    checkpoint: int
    tenant_id: UUID
    entry_hash: str
    standing: list[Row] = []
    complete: bool = False
    rows: list[Row] = []
    sums: list[Row] = []


Line = ExportedRow | ExportedCheckpoint


class Reading:
    """A file of lines as it is read.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._hashed = hashlib.sha256()

    def lines(self) -> Iterator[Line]:
        """Return the lines.

        Raises:
            CommandError: The file cannot be read, or a line is none of an export.
        """
        try:
            with self._path.open("rb") as stream:
                while text := stream.readline(_MAX_LINE_BYTES):
                    self._number += 1
                    self._hashed.update(text)
                    yield self._decode(text)
        except OSError as error:
            raise CommandError(
                Exit.EVIDENCE, f"cannot read {self._path}: {error.strerror}", hint="Check the path."
            ) from error

    def _decode(self, text: bytes) -> Line:
        try:
            if text.startswith(_CHECKPOINT):
                return msgspec.json.decode(text, type=ExportedCheckpoint)
            return msgspec.json.decode(text, type=ExportedRow)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.bad_line(str(error)) from error

    def bad_line(self, detail: str) -> CommandError:
        """Return the error of the line that was read last."""
        return CommandError(
            Exit.EVIDENCE,
            f"{self._path}, line {self._number} is not a ledger row: {detail}",
            hint="Expected what `enforcement ledger export` or `archive` writes: one JSON object a"
            " line.",
        )

    def sha256(self) -> str:
        """Return the digest of what was read, in hexadecimal."""
        return self._hashed.hexdigest()


def write_history(history: History, stream: BinaryIO) -> int:
    """Write a whole history with its tables; return how many events it has."""
    sums = history.sums()
    if history.checkpoint is not None:
        write_checkpoint(history.tenant_id, history.checkpoint, stream)
        # There may be more of them than events are left to carry them.
        _write_parts(history.tenant_id, history.checkpoint, "sums", sums, stream)
        _write_parts(history.tenant_id, history.checkpoint, "rows", history.standing(), stream)
    for entry in history.events():
        line = exported(
            entry,
            history.rows.upto(entry.sequence),
            # As many sums as there are projects and grants, each of which began with an event.
            itertools.islice(sums, _SUMS_A_LINE),
            last=entry.sequence == history.sequence,
        )
        write_line(line, stream)
    return history.sequence - history.head.archived_sequence


def write_checkpoint(tenant_id: UUID, checkpoint: Checkpoint, stream: BinaryIO) -> None:
    """Write a checkpoint, in parts."""
    _write_parts(tenant_id, checkpoint, "standing", checkpoint.rows, stream)
    write_line(_part_of(tenant_id, checkpoint, complete=True), stream)


def _write_parts(
    tenant_id: UUID, checkpoint: Checkpoint, name: str, rows: Iterable[Row], stream: BinaryIO
) -> None:
    part: list[Row] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row.state)
        if size >= _PART_BYTES:
            write_line(_part_of(tenant_id, checkpoint, **{name: part}), stream)
            part, size = [], 0
    if part:
        write_line(_part_of(tenant_id, checkpoint, **{name: part}), stream)


def _part_of(tenant_id: UUID, checkpoint: Checkpoint, **content: Any) -> ExportedCheckpoint:
    return ExportedCheckpoint(
        checkpoint=checkpoint.sequence,
        tenant_id=tenant_id,
        entry_hash=checkpoint.entry_hash.hex(),
        **content,
    )


def write_line(line: Line, stream: BinaryIO) -> None:
    """Write a line."""
    stream.write(msgspec.json.encode(line) + b"\n")


def exported(entry: Entry, rows: Iterable[Row], sums: Iterable[Row], *, last: bool) -> ExportedRow:
    """Return an event as a line, with rows of the tables."""
    digest = entry.decision_digest
    return ExportedRow(
        tenant_id=entry.tenant_id,
        sequence=entry.sequence,
        event=entry.event,
        occurred_at=rfc3339(entry.occurred_at),
        actor=entry.actor,
        decision_id=entry.decision_id,
        decision_digest=None if digest is None else digest.hex(),
        prev_hash=entry.prev_hash.hex(),
        entry_hash=entry.entry_hash.hex(),
        payload=msgspec.json.decode(entry.payload),
        rows=[_exported_state(row) for row in rows],
        sums=[_exported_state(row) for row in sums],
        last=last,
    )


def _exported_state(row: Row) -> ExportedState:
    return ExportedState(row.kind, row.id, msgspec.Raw(row.state.encode()))


@contextlib.contextmanager
def written(out: Path) -> Iterator[BinaryIO]:
    """Open a file that appears whole or not at all; a pipe or a terminal is written as it is."""
    target = out.resolve()
    mode = target.stat().st_mode if target.exists() else stat.S_IFREG
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
        with target.open("wb") as stream:
            yield stream
        return
    if not stat.S_ISREG(mode):
        raise CommandError(
            Exit.OUTPUT,
            f"cannot write {out}: it is neither a regular file nor a pipe or character device",
            hint="Name another --out.",
        )
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
