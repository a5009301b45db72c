"""``enforcement ledger``: whole ledgers from a database or from a file, verified row by row."""

import asyncio
import contextlib
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
from enforcement.domain.errors import EnforcementError
from enforcement.domain.ledger import ChainFault, Entry
from enforcement.domain.replay import HistoryVerifier, Row
from enforcement.domain.timestamps import instant, rfc3339
from enforcement.exits import CommandError, Exit
from enforcement.reach import demand_reachable, unreachable
from enforcement.store import ledger, tenants
from enforcement.store.database import Database
from enforcement.store.history import History, histories
from enforcement.store.settings import StoreSettings

_SUMS_A_LINE: Final = 2
_MAX_LINE_BYTES: Final = 4 * 1024 * 1024


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one tenant's ledger."""

    tenant_id: UUID
    rows: int
    fault: ChainFault | None

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {"verified": self.fault is None, **plain}

    def line(self) -> str:
        """Return it as one line for people."""
        if self.fault is None:
            return f"tenant {self.tenant_id}: {self.rows} rows, every one holds"
        return (
            f"tenant {self.tenant_id}: BROKEN at row {self.fault.sequence} "
            f"({self.fault.kind}): {self.fault.detail}"
        )


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


def verify_database(dsn: str, tenant_id: UUID | None) -> list[Result]:
    """Verify the ledgers of a database against themselves and against its tables.

    Raises:
        CommandError: It cannot be read with this role.
    """
    try:
        found = ledger.verify(dsn, tenant_id)
    except EnforcementError as error:
        raise unreachable(error) from error
    return [Result(tenant_id=item.tenant_id, rows=item.rows, fault=item.fault) for item in found]


class _Exported:
    """One tenant's lines of an export, verified as they come."""

    def __init__(self) -> None:
        self._verifier = HistoryVerifier()
        self._sums: list[Row] = []
        self._end: Entry | None = None

    def feed(self, line: ExportedRow) -> None:
        """Take the next line.

        Raises:
            ValueError: A hash, an instant or a row is none.
        """
        entry = line.entry()
        self._sums.extend(item.row(0) for item in line.sums)
        self._verifier.feed(entry, [item.row(entry.sequence) for item in line.rows])
        self._end = entry if line.last else None

    def result(self, tenant_id: UUID) -> Result:
        """Return what became of it."""
        rows, fault = self._verifier.rows, self._verifier.fault
        if fault is None and self._end is None:
            fault = ChainFault(
                sequence=rows + 1, kind="cut_off", detail="the export ends before the ledger did"
            )
        if fault is None and self._end is not None:
            fault = self._verifier.end(
                self._end.sequence, self._end.entry_hash, [], iter(self._sums)
            )
        return Result(tenant_id=tenant_id, rows=rows, fault=fault)


def verify_export(path: Path) -> list[Result]:
    """Verify the ledgers of a file, and the state of the tables that it holds.

    Raises:
        CommandError: The file cannot be read, or a line is not a ledger row.
    """
    tenants: dict[UUID, _Exported] = {}
    for number, line in _rows(path):
        try:
            tenants.setdefault(line.tenant_id, _Exported()).feed(line)
        except ValueError as error:
            raise _bad_line(path, number, str(error)) from error
    return [exported.result(tenant_id) for tenant_id, exported in tenants.items()]


def _rows(path: Path) -> Iterator[tuple[int, ExportedRow]]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE_BYTES), b""), 1):
                try:
                    yield number, msgspec.json.decode(line, type=ExportedRow)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise _bad_line(path, number, str(error)) from error
    except OSError as error:
        raise CommandError(
            Exit.EVIDENCE, f"cannot read {path}: {error.strerror}", hint="Check the path."
        ) from error


def _bad_line(path: Path, number: int, detail: str) -> CommandError:
    return CommandError(
        Exit.EVIDENCE,
        f"{path}, line {number} is not a ledger row: {detail}",
        hint="Expected what `enforcement ledger export` writes: one JSON object a line.",
    )


def export_ledger(dsn: str, tenant: str, out: Path) -> int:
    """Write a tenant's ledger and state to a file, oldest row first; return how many rows.

    What is there already is replaced as a whole where it is a regular file, and written to where
    it is a pipe or a character device; nothing else is touched.

    Raises:
        CommandError: The database cannot be read, or the file not written.
    """
    demand_reachable(dsn)
    try:
        tenant_id = asyncio.run(_find(dsn, tenant))
        with histories(dsn, tenant_id) as found, _written(out) as stream:
            return sum(_export(history, stream) for history in found)
    except EnforcementError as error:
        raise unreachable(error) from error
    except OSError as error:
        raise CommandError(
            Exit.OUTPUT, f"cannot write {out}: {error.strerror}", hint="Name another --out."
        ) from error


async def _find(dsn: str, tenant: str) -> UUID:
    async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=5.0)) as db:
        return (await tenants.find(db, name=tenant)).tenant_id


def _export(history: History, stream: BinaryIO) -> int:
    sums = history.sums()
    for entry in history.events():
        line = _exported(
            entry,
            history.rows.upto(entry.sequence),
            # As many sums as there are projects and grants, each of which began with an event.
            itertools.islice(sums, _SUMS_A_LINE),
            last=entry.sequence == history.sequence,
        )
        stream.write(msgspec.json.encode(line) + b"\n")
    return history.sequence


def _exported(entry: Entry, rows: Iterable[Row], sums: Iterable[Row], *, last: bool) -> ExportedRow:
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
def _written(out: Path) -> Iterator[BinaryIO]:
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
