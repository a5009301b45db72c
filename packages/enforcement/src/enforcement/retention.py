"""``enforcement ledger archive`` and ``prune``: settled history kept in files, provably."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

from enforcement.domain.checkpoint import Checkpoint
from enforcement.domain.errors import EnforcementError
from enforcement.domain.replay import HistoryVerifier
from enforcement.exits import CommandError, Exit
from enforcement.exports import exported, write_checkpoint, write_line, written
from enforcement.reach import demand_reachable, unreachable
from enforcement.store.history import History, histories
from enforcement.store.retention import Anchor, keeper
from enforcement.verification import Archive, Result, find_tenant, read_archive, unwritable


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds: rows from the first to the last sequence."""

    first: int
    last: int


def archive(dsn: str, tenant: str, *, older_than: timedelta, out: Path) -> Archived:
    """Write the rows of a tenant's ledger that are older than that to a file, and verify them.

    Reads one snapshot, and changes nothing. The file appears whole, or not at all.

    Raises:
        CommandError: There is none so old, or one does not hold; the database cannot be read, or
            the file not written.
    """
    demand_reachable(dsn)
    try:
        tenant_id = find_tenant(dsn, tenant)
        with histories(dsn, tenant_id) as found, contextlib.closing(found):
            history = next(found)
            last = history.last_before(datetime.now(UTC) - older_than)
            first = history.head.archived_sequence + 1
            if last < first:
                raise CommandError(
                    Exit.INCONCLUSIVE,
                    f"tenant {tenant} has no rows older than {older_than.days} days that are not"
                    " archived already",
                    hint="Give a smaller --older-than-days.",
                )
            with written(out) as stream:
                _write(history, last, stream)
    except EnforcementError as error:
        raise unreachable(error) from error
    except OSError as error:
        raise unwritable(out, error) from error
    return Archived(first=first, last=last)


def _write(history: History, last: int, stream: BinaryIO) -> None:
    verifier = HistoryVerifier()
    if history.checkpoint is not None:
        write_checkpoint(history.tenant_id, history.checkpoint, stream)
        verifier.begin(history.checkpoint)
    verifier.stand(history.standing())
    for entry in history.events():
        rows = list(history.rows.upto(entry.sequence))
        verifier.feed(entry, rows)
        write_line(exported(entry, rows, (), last=False), stream)
        if verifier.fault is not None:
            result = Result(
                tenant_id=history.tenant_id,
                since=verifier.since,
                rows=verifier.rows,
                fault=verifier.fault,
            )
            raise CommandError(
                Exit.EVIDENCE,
                f"nothing is archived: {result.line()}",
                hint="`enforcement ledger verify` says more; nobody may remove what is edited.",
            )
        if entry.sequence == last:
            break
    try:
        checkpoint = verifier.checkpoint()
    except ValueError as error:
        raise CommandError(
            Exit.INCONCLUSIVE,
            f"rows up to {last} cannot be archived alone: {error}",
            hint="This ledger was begun by an older version. Give a smaller --older-than-days, once"
            " the upgrade is older than that.",
        ) from error
    write_checkpoint(history.tenant_id, checkpoint, stream)


def prune(dsn: str, path: Path) -> Archive:
    """Make the end of an archive the anchor of its ledger, and remove what it holds.

    Gates go on meanwhile. Killed at any moment, it goes on where it was when it is run again.

    Raises:
        CommandError: The archive does not hold, or does not follow on what is archived already; the
            database refuses.
    """
    demand_reachable(dsn)
    found = read_archive(path)
    try:
        with keeper(dsn, found.tenant_id) as keeping:
            anchor = keeping.anchor()
            keeping.prune()  # what an earlier one left behind
            if anchor != _anchor(found.last):
                recorded = keeping.recorded_checkpoint()
                hash_there = keeping.hash_of(found.last.sequence)
                _demand_follows(path, found, anchor, recorded, hash_there)
                keeping.move_anchor(found.last, found.sha256)
                keeping.prune()
    except EnforcementError as error:
        raise unreachable(error) from error
    return found


def _anchor(checkpoint: Checkpoint) -> Anchor:
    return Anchor(checkpoint.sequence, checkpoint.entry_hash)


def _demand_follows(
    path: Path, found: Archive, anchor: Anchor, recorded: str | None, hash_there: bytes | None
) -> None:
    begins = 0 if found.first is None else found.first.sequence
    if begins != anchor.sequence:
        seen = f"it begins at row {begins + 1}, and rows up to {anchor.sequence} are archived"
    elif found.first is not None and found.first.sha256() != recorded:
        seen = "it begins with another checkpoint than the ledger records"
    elif hash_there != found.last.entry_hash:
        seen = f"row {found.last.sequence} of the ledger is not the one it ends with"
    else:
        return
    raise CommandError(
        Exit.EVIDENCE,
        f"{path} does not follow on this ledger: {seen}",
        hint="Nothing was removed. Prune archives of this database in the order they were made.",
    )
