"""Both halves of the evidence, read once and judged; nothing here decides."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from stressproof.config.stress_requirements import Requirements
from stressproof.evidence.reading import (
    AbsentEvidenceError,
    Document,
    UnreadableEvidenceError,
    read_document,
)
from stressproof.evidence.references import look_up
from stressproof.gate.request import GateRequest, Half
from stressproof.verify.failure import verifier as failure_verifier
from stressproof.verify.failure.case import references_of
from stressproof.verify.stress import verifier as stress_verifier
from stressproof.verify.verdict import Verdict, unread

Unread = UnreadableEvidenceError | AbsentEvidenceError


class LoadedEvidence(Struct, frozen=True, kw_only=True):
    """What was read of one half.

    Attributes:
        half: Which.
        path: As the caller named it.
        document: The document, or why there is none.
        files: What references to files of failure evidence lead to, looked up at the same time.
    """

    half: Half
    path: str
    document: Document | Unread
    files: Mapping[str, str] = {}

    @property
    def sha256(self) -> str | None:
        """Digest of the bytes, None where they could not be read."""
        return getattr(self.document, "sha256", None)

    @property
    def claimed_commit(self) -> str | None:
        """The commit that the document says it is about; nothing is believed by this."""
        subject = self.document.data.get("subject") if isinstance(self.document, Document) else None
        commit: Any = subject.get("git_commit") if isinstance(subject, dict) else None
        return commit if isinstance(commit, str) else None


def read_halves(asked: GateRequest, root: Path) -> list[LoadedEvidence]:
    """Read every half that has a path, once; what cannot be read is kept as its reason.

    Args:
        asked: What the gate asks.
        root: Top of the checkout, which references of failure evidence are relative to.
    """
    return [_read(half, asked.path(half), root) for half in Half if asked.path(half)]


def _read(half: Half, path: str, root: Path) -> LoadedEvidence:
    try:
        document = read_document(path)
    except (UnreadableEvidenceError, AbsentEvidenceError) as error:
        return LoadedEvidence(half=half, path=path, document=error)
    files = look_up(references_of(document.data), root, Path(path)) if half is Half.FAILURE else {}
    return LoadedEvidence(half=half, path=path, document=document, files=files)


def judge(
    reading: LoadedEvidence, asked: GateRequest, commits: tuple[str, ...], now_us: int
) -> Verdict:
    """Return the verdict on one half, read or not.

    Args:
        reading: What was read.
        asked: What the gate asks.
        commits: Those that the evidence may be about.
        now_us: The time, in microseconds since 1970.
    """
    half, document = reading.half, reading.document
    wanted, loosened = asked.bound_to(half, commits), asked.loosened(half)
    if not isinstance(document, Document):
        return unread(
            half.value,
            document,
            path=reading.path,
            required_level=wanted.minimum_level,
            now_us=now_us,
            dry_run=asked.dry_run,
            loosened=loosened,
        )
    if isinstance(wanted, Requirements):
        return stress_verifier.verify(
            document, wanted, now_us, dry_run=asked.dry_run, loosened=loosened
        )
    return failure_verifier.verify(
        document,
        wanted,
        now_us,
        files=reading.files,
        dry_run=asked.dry_run,
        loosened=loosened,
    )


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000
