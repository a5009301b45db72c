"""The run ledger: every run that began, in a file to which lines are only added.

Each line holds the sha256 of the one before, so that none can be taken out of the middle. A run has
two lines: one before the first request, one when it ended; whoever hands in the best of twenty
shows twenty beginnings. The end of the file can be cut off: what was signed meanwhile says how long
it was.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stressproof.errors import OutputError
from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.reading import (
    AbsentEvidenceError,
    UnreadableEvidenceError,
    read_bytes,
)
from stressproof.trust.statement import Commit, Hex128, LedgerPoint, Sha256, Text, Time

if TYPE_CHECKING:
    from pathlib import Path

LEDGER_NAME = "runs.jsonl"
VARIABLE = "STRESSPROOF_LEDGER"
"""Names the ledger where it is not the one in the evidence folder."""

FIRST = hashlib.sha256(b"").hexdigest()
"""What stands for the line before the first: the digest of none."""

MAX_BYTES = 16 * 1024 * 1024
_MODE = 0o666
_TAIL_BYTES = 8192
_NEW_CHAIN = "Set it aside and begin a new one; gates then say that few runs are known."

RunOutcome = Literal["pass", "fail", "inconclusive", "broken", "unsent"]
"""How a run came out when it was captured: by its limits, before any gate; whether at all."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line.

    Attributes:
        sequence: From 1.
        previous: sha256 of the line before, `FIRST` for none.
        event: Whether the run began or ended.
        run: Which run; drawn when it began.
        kind: ``stress`` or ``failure``.
        profile: As the suite calls it.
        commit: The build, null where git did not say.
        at: When, RFC 3339.
        plan: sha256 of the payload of the signed plan, null for none.
        sha256: At its end, of the artifact; null where none was kept.
        outcome: At its end, how it came out.
    """

    sequence: Annotated[int, Meta(ge=1)]
    previous: Sha256
    event: Literal["start", "end"]
    run: Hex128
    kind: Literal["stress", "failure"]
    profile: Text
    commit: Commit | None
    at: Time
    plan: Sha256 | None = None
    sha256: Sha256 | None = None
    outcome: RunOutcome | None = None


class Attempt(Struct, frozen=True):
    """One run as the ledger has it.

    Attributes:
        start: Its beginning.
        end: Its end, None where it never came.
    """

    start: Entry
    end: Entry | None


class Ledger(Struct, frozen=True):
    """A whole ledger whose chain holds.

    Attributes:
        entries: In order.
        digests: sha256 of each line.
    """

    entries: tuple[Entry, ...]
    digests: tuple[str, ...]

    def holds(self, point: LedgerPoint) -> bool:
        """Return whether the ledger has, or had, this line at this place."""
        return (
            point.sequence <= len(self.digests) and self.digests[point.sequence - 1] == point.digest
        )

    @property
    def attempts(self) -> list[Attempt]:
        """Every run in the order in which they began."""
        ends = {entry.run: entry for entry in self.entries if entry.event == "end"}
        return [
            Attempt(entry, ends.get(entry.run)) for entry in self.entries if entry.event == "start"
        ]

    def attempt_of(self, sha256: str) -> Attempt | None:
        """Return the run that an artifact is of, by its bytes; None where no line has them."""
        return next((one for one in self.attempts if one.end and one.end.sha256 == sha256), None)

    def point_of(self, entry: Entry) -> LedgerPoint:
        """Return the place of an entry as a statement names it."""
        return LedgerPoint(entry.sequence, self.digests[entry.sequence - 1])


def ledger_path(folder: "Path | str", environment: Mapping[str, str] = os.environ) -> str:
    """Return where runs are written: in a folder of evidence, unless the environment says where."""
    return environment.get(VARIABLE) or os.path.join(folder, LEDGER_NAME)  # noqa: PTH118  # pathlib costs 8 ms


def read_ledger(path: "Path | str") -> Ledger:
    """Return a ledger.

    Raises:
        AbsentEvidenceError: There is none.
        UnreadableEvidenceError: It cannot be read, or its chain is broken.
    """
    name = str(path)
    raw = read_bytes(name, max_bytes=MAX_BYTES)
    entries: list[Entry] = []
    digests: list[str] = []
    for number, line in enumerate(_lines(raw, name), 1):
        entry = _entry(line, f"{name}, line {number}")
        wanted = digests[-1] if digests else FIRST
        if (entry.sequence, entry.previous) != (number, wanted):
            raise _broken(f"{name}, line {number}", "a line that does not follow the one before")
        entries.append(entry)
        digests.append(hashlib.sha256(line).hexdigest())
    _check_runs(entries, name)
    return Ledger(tuple(entries), tuple(digests))


def _lines(raw: bytes, name: str) -> list[bytes]:
    if not raw:
        return []
    if not raw.endswith(b"\n"):
        raise _broken(name, "a last line that was cut short")
    return raw[:-1].split(b"\n")


def _entry(line: bytes, where: str) -> Entry:
    try:
        return msgspec.convert(parse_object(line), Entry, strict=True)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise _broken(where, f"no entry: {error}") from None


def _check_runs(entries: Sequence[Entry], name: str) -> None:
    """A run begins once and ends at most once, as what it began as."""
    begun: dict[str, Entry] = {}
    ended: set[str] = set()
    for entry in entries:
        where = f"{name}, line {entry.sequence}"
        if entry.event == "start":
            if begun.setdefault(entry.run, entry) is not entry:
                raise _broken(where, "a run that begins twice")
            continue
        start = begun.get(entry.run)
        if start is None or entry.run in ended or entry.outcome is None:
            raise _broken(where, "an end without its beginning, or without an outcome")
        if (start.kind, start.profile, start.commit) != (entry.kind, entry.profile, entry.commit):
            raise _broken(where, "a run that ends as another than it began as")
        ended.add(entry.run)


def _broken(where: str, seen: str) -> UnreadableEvidenceError:
    return UnreadableEvidenceError(seen, "a chain of runs", hint=_NEW_CHAIN, path=where)


def append_start(
    path: "Path",
    *,
    kind: Literal["stress", "failure"],
    profile: str,
    commit: str | None,
    at: str,
    plan: str | None = None,
    run: str | None = None,
) -> Entry:
    """Write that a run begins, before anything of it is sent, and return the line.

    Args:
        path: The ledger; made where it is missing.
        kind: Of evidence.
        profile: As the suite calls it.
        commit: The build, None where git did not say.
        at: When, RFC 3339.
        plan: sha256 of the payload of the signed plan.
        run: Its name, drawn if None.

    Raises:
        OutputError: It cannot be written, or ends in what is no entry.
    """
    made = Entry(
        sequence=1,
        previous=FIRST,
        event="start",
        run=run or new_run(),
        kind=kind,
        profile=profile,
        commit=commit,
        at=at,
        plan=plan,
    )
    return _append(path, made)


def append_end(
    path: "Path", start: Entry, *, at: str, sha256: str | None, outcome: RunOutcome
) -> Entry:
    """Write how a run ended, and return the line; raises as `append_start`."""
    made = msgspec.structs.replace(start, event="end", at=at, sha256=sha256, outcome=outcome)
    return _append(path, made)


def new_run() -> str:
    """Return a name that no other run has."""
    return os.urandom(16).hex()


def line_of(entry: Entry) -> bytes:
    """Return an entry as it stands in the file, without its newline."""
    return msgspec.json.encode(entry)


def _append(path: "Path", entry: Entry) -> Entry:
    try:
        with _locked(path) as descriptor:
            last = _last_line(descriptor, path)
            if last:
                before = _entry(last, str(path))
                entry = msgspec.structs.replace(
                    entry,
                    sequence=before.sequence + 1,
                    previous=hashlib.sha256(last).hexdigest(),
                )
            line = line_of(entry) + b"\n"
            if os.write(descriptor, line) != len(line):
                raise OutputError(f"{path}: the disk is full")
            os.fsync(descriptor)
    except UnreadableEvidenceError as error:
        raise OutputError(error.message, hint=_NEW_CHAIN) from error
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint=f"Every run is written there before it begins; {VARIABLE} names another file.",
        ) from error
    return entry


@contextlib.contextmanager
def _locked(path: "Path") -> Iterator[int]:
    """Yield the ledger for appending; two runs that begin at once wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, _MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _last_line(descriptor: int, path: "Path") -> bytes:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    if not tail:
        return b""
    if not tail.endswith(b"\n"):
        raise _broken(str(path), "a last line that was cut short")
    return tail[:-1].rpartition(b"\n")[2]


def read_or_reason(
    path: "Path | str",
) -> Ledger | UnreadableEvidenceError | AbsentEvidenceError:
    """Read a ledger; what keeps it from being read is for a rule to tell, not an end."""
    try:
        return read_ledger(path)
    except (UnreadableEvidenceError, AbsentEvidenceError) as error:
        return error
