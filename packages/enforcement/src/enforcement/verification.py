"""``enforcement ledger``: whole ledgers from a database or from a file, verified row by row."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from enforcement.domain.canonical import canonical_text
from enforcement.domain.enums import Role
from enforcement.domain.errors import EnforcementError
from enforcement.domain.identity import Caller
from enforcement.domain.ledger import ChainFault, ChainVerifier, Entry
from enforcement.domain.timestamps import instant
from enforcement.exits import CommandError, Exit
from enforcement.service import demand_reachable, unreachable
from enforcement.store import ledger, tenants
from enforcement.store.database import Database
from enforcement.store.settings import StoreSettings

_PAGE: Final = 1000
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


class ExportedRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of an export: a ledger row as the API shows it, and whose it is."""

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
    """Verify the ledgers of a database against themselves and against its decisions.

    Raises:
        CommandError: It cannot be read with this role.
    """
    try:
        found = ledger.verify(dsn, tenant_id)
    except EnforcementError as error:
        raise unreachable(error) from error
    return [Result(tenant_id=item.tenant_id, rows=item.rows, fault=item.fault) for item in found]


def verify_export(path: Path) -> list[Result]:
    """Verify the ledgers of a file; what it does not hold (its end cut off) nobody can see in it.

    Raises:
        CommandError: The file cannot be read, or a line is not a ledger row.
    """
    verifiers: dict[UUID, ChainVerifier] = {}
    faults: dict[UUID, ChainFault] = {}
    for number, row in _rows(path):
        verifier = verifiers.setdefault(row.tenant_id, ChainVerifier())
        if row.tenant_id in faults:
            continue
        try:
            fault = verifier.feed(row.entry())
        except ValueError as error:
            raise _bad_line(path, number, str(error)) from error
        if fault is not None:
            faults[row.tenant_id] = fault
    return [
        Result(tenant_id=tenant_id, rows=verifier.sequence, fault=faults.get(tenant_id))
        for tenant_id, verifier in verifiers.items()
    ]


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
    """Write a tenant's ledger to a file, oldest row first; return how many rows.

    Raises:
        CommandError: The database cannot be read, or the file not written.
    """
    demand_reachable(dsn)
    try:
        return asyncio.run(_export(dsn, tenant, out))
    except EnforcementError as error:
        raise unreachable(error) from error
    except OSError as error:
        raise CommandError(
            Exit.OUTPUT, f"cannot write {out}: {error.strerror}", hint="Name another --out."
        ) from error


async def _export(dsn: str, tenant: str, out: Path) -> int:
    """Page through the ledger from its newest row, then write the pages in reverse.

    Rows that are appended meanwhile are newer than the first page and stay out.
    """
    pages: list[bytes] = []
    async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=5.0)) as db:
        found = await tenants.find(db, name=tenant)
        caller = Caller(
            tenant_id=found.tenant_id, principal_id=UUID(int=0), role=Role.ADMIN, plan=found.plan
        )
        rows = 0
        before: int | None = None
        while page := msgspec.json.decode(
            await ledger.page_json(db, caller, limit=_PAGE, before_sequence=before)
        ):
            before = page[-1]["sequence"]
            rows += len(page)
            lines = ({"tenant_id": str(found.tenant_id), **row} for row in reversed(page))
            pages.append(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    _write(out, reversed(pages))
    return rows


def _write(out: Path, parts: Iterator[bytes]) -> None:
    descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(out)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
