"""``enforcement ledger``: whole ledgers from a database or from files, verified row by row."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from enforcement.domain.checkpoint import Checkpoint, Row
from enforcement.domain.errors import EnforcementError
from enforcement.domain.ledger import ChainFault, Entry
from enforcement.domain.replay import HistoryVerifier
from enforcement.exits import CommandError, Exit
from enforcement.exports import ExportedCheckpoint, Line, Reading, write_history, written
from enforcement.reach import demand_reachable, unreachable
from enforcement.store import ledger, tenants
from enforcement.store.database import Database
from enforcement.store.history import histories
from enforcement.store.settings import StoreSettings


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one tenant's ledger.

    Attributes:
        since: Rows up to this one are kept elsewhere, and were not seen; 0 where all were.
        upto: Rows behind this one are elsewhere: this was an archive; 0 where it was the ledger.
    """

    tenant_id: UUID
    since: int
    upto: int = 0
    rows: int
    fault: ChainFault | None

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {"verified": self.fault is None, **plain}

    def line(self) -> str:
        """Return it as one line for people."""
        if self.fault is not None:
            return (
                f"tenant {self.tenant_id}: BROKEN at row {self.fault.sequence} "
                f"({self.fault.kind}): {self.fault.detail}"
            )
        notes = [f"tenant {self.tenant_id}: {self.rows} rows, every one holds"]
        if self.since:
            notes.append(f"rows up to {self.since} are in archives, which were not looked at")
        if self.upto:
            notes.append(f"rows behind {self.upto} are not in this archive")
        return "; ".join(notes)


def verify_database(dsn: str, tenant_id: UUID | None) -> list[Result]:
    """Verify the ledgers of a database against themselves and against its tables.

    Raises:
        CommandError: It cannot be read with this role.
    """
    try:
        found = ledger.verify(dsn, tenant_id)
    except EnforcementError as error:
        raise unreachable(error) from error
    return [
        Result(tenant_id=item.tenant_id, since=item.since, rows=item.rows, fault=item.fault)
        for item in found
    ]


class _Exported:
    """One tenant's lines of exports and archives, verified as they come.

    Attributes:
        first: The checkpoint that they begin with; None where they begin with the ledger.
        last: The checkpoint that they end with; None where they end with an event.
    """

    def __init__(self) -> None:
        self.first: Checkpoint | None = None
        self.last: Checkpoint | None = None
        self._verifier = HistoryVerifier()
        self._place: tuple[int, str] | None = None
        self._standing: list[Row] = []
        self._sums: list[Row] = []
        self._end: Entry | None = None

    def feed(self, line: Line) -> None:
        """Take the next line.

        Raises:
            ValueError: A hash, an instant or a row is none.
        """
        if isinstance(line, ExportedCheckpoint):
            self._feed_checkpoint(line)
            return
        if self._standing:
            raise ValueError("the checkpoint before it is not complete")
        entry = line.entry()
        self._sums.extend(item.row(0) for item in line.sums)
        self._verifier.feed(entry, [item.row(entry.sequence) for item in line.rows])
        self._end = entry if line.last else None
        self.last = None

    def _feed_checkpoint(self, line: ExportedCheckpoint) -> None:
        place = (line.checkpoint, line.entry_hash)
        if line.standing or line.complete:
            self._place = self._place if self._standing else place
        if place != self._place:
            raise ValueError("it is a part of another checkpoint than the line before")
        self._standing.extend(line.standing)
        if line.complete:
            self.last = Checkpoint(
                sequence=line.checkpoint,
                entry_hash=bytes.fromhex(line.entry_hash),
                rows=self._standing,
            )
            if self._verifier.is_new:
                self.first = self.last
            self._verifier.begin(self.last)
            self._standing, self._sums, self._end = [], [], None
        if any(row.sequence for row in line.sums):
            raise ValueError("a sum over many events names one that wrote it")
        self._sums.extend(line.sums)
        self._verifier.stand(line.rows)

    def result(self, tenant_id: UUID) -> Result:
        """Return what became of it."""
        rows, fault = self._verifier.rows, self._verifier.fault
        upto = 0
        if fault is None and self._end is not None:
            fault = self._verifier.end(
                self._end.sequence, self._end.entry_hash, [], iter(self._sums)
            )
        elif fault is None and self.last is not None and not self._standing and rows:
            upto = self.last.sequence
        elif fault is None:
            fault = ChainFault(
                sequence=self._verifier.since + rows + 1,
                kind="cut_off",
                detail="the export ends before the ledger did",
            )
        return Result(
            tenant_id=tenant_id, since=self._verifier.since, upto=upto, rows=rows, fault=fault
        )


def verify_export(*paths: Path) -> list[Result]:
    """Verify the ledgers of files, and the state of the tables that they hold.

    Args:
        paths: Archives, oldest first, then an export; or some of these that follow each other.

    Raises:
        CommandError: A file cannot be read, or a line is not a ledger row.
    """
    tenants: dict[UUID, _Exported] = {}
    for path in paths:
        _follow(Reading(path), tenants)
    return [exported.result(tenant_id) for tenant_id, exported in tenants.items()]


def _follow(reading: Reading, tenants: dict[UUID, _Exported]) -> None:
    for line in reading.lines():
        try:
            tenants.setdefault(line.tenant_id, _Exported()).feed(line)
        except ValueError as error:
            raise reading.bad_line(str(error)) from error


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that was verified.

    Attributes:
        first: The checkpoint before it; None where it begins with the ledger.
        last: The checkpoint behind it.
        sha256: Of the file, in hexadecimal.
    """

    tenant_id: UUID
    first: Checkpoint | None
    last: Checkpoint
    sha256: str


def read_archive(path: Path) -> Archive:
    """Verify an archive and return what it is.

    Raises:
        CommandError: It is not an archive of one tenant, or does not hold.
    """
    reading = Reading(path)
    tenants: dict[UUID, _Exported] = {}
    _follow(reading, tenants)
    for tenant_id, exported in tenants.items():
        result = exported.result(tenant_id)
        if result.fault is not None:
            raise CommandError(
                Exit.EVIDENCE,
                f"{path} does not hold: {result.line()}",
                hint="Nothing was removed. Make the archive anew.",
            )
        if len(tenants) == 1 and exported.last is not None:
            return Archive(
                tenant_id=tenant_id,
                first=exported.first,
                last=exported.last,
                sha256=reading.sha256(),
            )
    raise CommandError(
        Exit.EVIDENCE,
        f"{path} is not an archive: expected rows of one tenant, up to a checkpoint",
        hint="Give what `enforcement ledger archive` wrote.",
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
        tenant_id = find_tenant(dsn, tenant)
        with histories(dsn, tenant_id) as found, written(out) as stream:
            return sum(write_history(history, stream) for history in found)
    except EnforcementError as error:
        raise unreachable(error) from error
    except OSError as error:
        raise unwritable(out, error) from error


def find_tenant(dsn: str, name: str) -> UUID:
    """Return a tenant's id.

    Raises:
        NotFoundError: ``tenant_unknown``.
        StoreError: The database cannot be read.
    """

    async def find() -> UUID:
        async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=5.0)) as db:
            return (await tenants.find(db, name=name)).tenant_id

    return asyncio.run(find())


def unwritable(out: Path, error: OSError) -> CommandError:
    """Return the error of a file that cannot be written."""
    return CommandError(
        Exit.OUTPUT, f"cannot write {out}: {error.strerror}", hint="Name another --out."
    )
