"""The journal of fail-safes: on disk before the answer leaves, in the ledger when it can be.

One file a worker, one JSON object a line. An entry is written and fsynced before its decision is
answered, and stays until the database has it. Writing an entry to the database twice writes it
once (its decision id is the key), so a crash between the two loses nothing and doubles nothing.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.domain.errors import NotFoundError
from enforcement.domain.failsafe import FailsafeEntry
from enforcement.logs import Log, place_of
from enforcement.store.errors import EvaluationError, RefusedError, StoreError

MAX_PENDING: Final = 50_000
FSYNC_WAIT_S: Final = 0.15
REPLAY_PAUSE_S: Final = 0.25
REPLAY_MAX_PAUSE_S: Final = 2.0
SET_ASIDE: Final = "set-aside.jsonl"
_PATTERN: Final = "worker-*.jsonl"
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(FailsafeEntry)

Recorder = Callable[[FailsafeEntry], Awaitable[bool]]


class JournalError(Exception):
    """An entry could not be written; its decision must not be answered."""


class Journal:
    """The journal of one worker. Nothing else writes its file.

    Args:
        directory: Shared by the workers of one service.
        slot_number: Of this worker.
        workers: How many there are; files of workers that are no more are shared out.
        slot: Counters.
        log: Of this worker.
    """

    def __init__(
        self, directory: Path, *, slot_number: int, workers: int, slot: Slot, log: Log
    ) -> None:
        self._directory = directory
        self._path = directory / f"worker-{slot_number}.jsonl"
        self._slot_number = slot_number
        self._workers = workers
        self._slot = slot
        self._log = log
        self._pending: dict[UUID, FailsafeEntry] = {}
        self._descriptor = -1
        self._syncing: asyncio.Future[None] | None = None
        self._written = 0
        self._synced = 0
        self._lost = 0

    @property
    def pending(self) -> int:
        """Return how many entries are on disk only."""
        return len(self._pending)

    def open(self) -> None:
        """Take over what former workers left behind.

        Raises:
            OSError: The directory cannot be used.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._load(self._path)
        for orphan in sorted(self._directory.glob(_PATTERN)):
            number = _number(orphan)
            if number is None or number < self._workers:
                continue
            if number % self._workers == self._slot_number:
                self._adopt(orphan)
        self._slot.set(metrics.JOURNAL_PENDING, self.pending)
        if self._pending:
            self._log.warning("journal_found", entries=self.pending)

    def close(self) -> None:
        """Close the file; what is pending stays in it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def append(self, entry: FailsafeEntry) -> None:
        """Write an entry and wait, for a bounded time, until the disk has it.

        Where the disk is slower than 0.15 s the entry is written (a crash of this process loses
        nothing any more) and its fsync under way.

        Raises:
            JournalError: It is not written.
        """
        if self.pending >= MAX_PENDING:
            raise JournalError(f"{MAX_PENDING} fail-safes wait for the database already")
        data = _ENCODER.encode(entry) + b"\n"
        try:
            self._write(data)
        except OSError as error:
            raise JournalError(f"the journal cannot be written: {error}") from error
        self._pending[entry.decision.decision_id] = entry
        self._slot.add(metrics.JOURNAL_WRITTEN)
        self._slot.set(metrics.JOURNAL_PENDING, self.pending)
        self._written += 1
        await self._sync(self._written)

    def _write(self, data: bytes) -> None:
        """Append whole lines or nothing: half a line would swallow the beginning of the next."""
        begin = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                raise OSError(f"{written} of {len(data)} bytes written")  # noqa: TRY301  # one way out
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, begin)
            raise

    async def _sync(self, number: int) -> None:
        """Wait until the entry of that number is on the disk; one fsync serves many entries."""
        deadline = asyncio.get_running_loop().time() + FSYNC_WAIT_S
        while self._synced < number:
            if self._syncing is None:
                self._syncing = asyncio.ensure_future(self._sync_all(self._written))
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                self._log.warning("journal_slow", waited_s=FSYNC_WAIT_S)
                return
            await asyncio.wait({self._syncing}, timeout=left_s)
        if number <= self._lost:
            # A later fsync would succeed and mean nothing: the kernel has dropped the pages.
            raise JournalError("the disk did not take the journal")

    async def _sync_all(self, upto: int) -> None:
        try:
            await asyncio.to_thread(os.fsync, self._descriptor)
        except OSError as error:
            self._log.error("journal_fsync_failed", error=error.strerror)
            self._lost = upto
        finally:
            self._synced = upto
            self._syncing = None

    async def replay(self, record: Recorder) -> None:
        """Write pending entries to the database as long as this runs.

        Args:
            record: Writes one entry, at most once.
        """
        pause_s = REPLAY_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            if not self._pending:
                pause_s = REPLAY_PAUSE_S
                continue
            try:
                await self._replay_once(record)
                pause_s = REPLAY_PAUSE_S
            except StoreError:
                pause_s = min(REPLAY_MAX_PAUSE_S, pause_s * 2)
            except OSError as error:
                self._log.error("journal_unusable", error=error.strerror)
                pause_s = REPLAY_MAX_PAUSE_S

    async def _replay_once(self, record: Recorder) -> None:
        """Write what is pending; what cannot be written now does not keep back what follows."""
        postponed: StoreError | None = None
        for decision_id, entry in list(self._pending.items()):
            try:
                await record(entry)
            except (RefusedError, NotFoundError) as error:
                # The database will never take it: what it holds is wrong, or its tenant is gone.
                self._set_aside(_ENCODER.encode(entry) + b"\n", error.code, error.detail)
            except EvaluationError as error:
                postponed = error
                self._log.error("journal_entry_postponed", detail=error.detail)
                continue
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001  # a bug of ours with one must not stop all
                self._set_aside(_ENCODER.encode(entry) + b"\n", "bug", place_of(error))
            else:
                self._slot.add(metrics.JOURNAL_REPLAYED)
            del self._pending[decision_id]
            self._slot.set(metrics.JOURNAL_PENDING, self.pending)
        if postponed is not None:
            raise postponed
        if not self._pending and self._syncing is None:
            os.ftruncate(self._descriptor, 0)
            self._log.info("journal_replayed")

    def _load(self, path: Path) -> None:
        for line in path.read_bytes().splitlines():
            try:
                entry = _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                # A line cut by a crash was never answered; anything else is for people to see.
                self._set_aside(line + b"\n", "unreadable", "the line is no entry")
                continue
            self._pending[entry.decision.decision_id] = entry

    def _adopt(self, orphan: Path) -> None:
        """Move the entries of a worker that is no more into this file, then remove its own."""
        data = orphan.read_bytes()
        if data:
            self._load(orphan)
            os.write(self._descriptor, data if data.endswith(b"\n") else data + b"\n")
            os.fsync(self._descriptor)
        orphan.unlink()

    def _set_aside(self, line: bytes, reason: str, detail: str) -> None:
        """Keep an entry that nobody will write for people to see; count it and say so."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._directory / SET_ASIDE, flags, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._slot.add(metrics.JOURNAL_SET_ASIDE)
        self._log.error(
            "journal_entry_set_aside",
            reason=reason,
            detail=detail,
            file=str(self._directory / SET_ASIDE),
        )


def _number(path: Path) -> int | None:
    text = path.stem.removeprefix("worker-")
    return int(text) if text.isascii() and text.isdigit() else None
