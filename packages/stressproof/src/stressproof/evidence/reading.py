"""Evidence from disk, read strictly: what two parsers could read in two ways is refused.

A path is opened once, without following a link at its end, and only a regular file is read. Size,
depth and the number of values are bounded before anything is parsed, so that time and memory are
bounded for any bytes at all (`stressproof.evidence.json_text` holds that half).
"""

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from stressproof.errors import EvidenceError, InconclusiveError, UsageError
from stressproof.evidence.json_text import MAX_BYTES, MalformedJson, parse_object

if TYPE_CHECKING:
    from pathlib import Path

STATEMENTS = ".intoto.jsonl"
"""How the name of what people signed of a document ends, in place of ``.json``."""

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def beside(path: "Path | str", suffix: str) -> str:
    """Return the file that belongs to a document and lies beside it."""
    return os.fspath(path).removesuffix(".json") + suffix


class Document(Struct, frozen=True):
    """One JSON object as it was read.

    Attributes:
        data: The object, as plain values.
        sha256: Of the bytes it was parsed from, in hex.
        size: Of those bytes.
        path: Where they came from, as the caller named it.
    """

    data: dict[str, Any]
    sha256: str
    size: int
    path: str


class UnreadableEvidenceError(EvidenceError):
    """A file is there and cannot be taken as evidence.

    Args:
        seen: What was found.
        expected: What would have been taken.
        hint: What to do about it.
        path: Which file.
        sha256: Of its bytes in hex, None where they could not be read whole.
        size: Of its bytes, None likewise.
    """

    def __init__(
        self,
        seen: str,
        expected: str,
        *,
        hint: str,
        path: str,
        sha256: str | None = None,
        size: int | None = None,
    ) -> None:
        super().__init__(f"{path}: {seen}; expected {expected}", hint=hint)
        self.seen = seen
        self.expected = expected
        self.path = path
        self.sha256 = sha256
        self.size = size


class AbsentEvidenceError(InconclusiveError):
    """There is no file to judge.

    Args:
        path: Where none is.
    """

    seen = "no such file"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path}: {self.seen}; expected evidence there",
            hint="Capture it, or correct the path; paths are relative to the working directory.",
        )
        self.path = path


def read_document(path: "Path | str", *, max_bytes: int = MAX_BYTES) -> Document:
    """Read one document of evidence.

    Args:
        path: Relative to the working directory, or absolute.
        max_bytes: Refuse more than this before reading.

    Raises:
        AbsentEvidenceError: Nothing is there (exit 3).
        UnreadableEvidenceError: Something is there that cannot be evidence (exit 6).
        UsageError: The path could not name a file at all.
    """
    name = os.fspath(path)
    if not name or "\0" in name:
        raise UsageError(f"{name!r} cannot be a path", hint="Name the evidence file.")
    return parse_document(read_bytes(name, max_bytes=max_bytes), name)


def parse_document(raw: bytes, name: str) -> Document:
    """Return one document of evidence from its bytes.

    Args:
        raw: All of them.
        name: Where they came from, for people.

    Raises:
        UnreadableEvidenceError: They cannot be evidence (exit 6).
    """
    digest = hashlib.sha256(raw).hexdigest()
    try:
        data = parse_object(raw)
    except MalformedJson as malformed:
        raise UnreadableEvidenceError(
            malformed.seen,
            malformed.expected,
            hint=malformed.hint,
            path=name,
            sha256=digest,
            size=len(raw),
        ) from None
    return Document(data=data, sha256=digest, size=len(raw), path=name)


def read_bytes(name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a regular file that nobody changed meanwhile; raises as above."""
    try:
        descriptor = os.open(name, _READ_FLAGS)
    except OSError as error:
        raise _not_opened(name, error) from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _not_regular(name, before.st_mode)
        if before.st_size > max_bytes:
            raise UnreadableEvidenceError(
                f"{before.st_size} bytes",
                f"at most {max_bytes}",
                hint="No capture writes so much; check that this is the right file.",
                path=name,
            )
        raw = _read_all(descriptor, before.st_size)
        after = os.fstat(descriptor)
    except OSError as error:
        raise UnreadableEvidenceError(
            f"reading failed: {error.strerror or error}",
            "a file that can be read",
            hint="Copy it to a healthy disk, or capture again.",
            path=name,
        ) from error
    finally:
        os.close(descriptor)
    if len(raw) != before.st_size or _version(before) != _version(after):
        raise UnreadableEvidenceError(
            "the file changed while it was read",
            "a file that nobody writes to",
            hint="Wait until the capture has ended, then verify again.",
            path=name,
        )
    return raw


def _read_all(descriptor: int, size: int) -> bytes:
    """Read up to one byte more than expected: the one more shows that the file grew."""
    chunks: list[bytes] = []
    missing = size + 1
    while missing > 0 and (chunk := os.read(descriptor, missing)):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _not_opened(name: str, error: OSError) -> Exception:
    if error.errno in _ABSENT:
        return AbsentEvidenceError(name)
    if error.errno == errno.ELOOP:
        seen, expected = "a symbolic link", "a regular file"
        hint = "Name the file itself: a link could point elsewhere a moment later."
    elif error.errno in {errno.ENXIO, errno.ENODEV}:
        seen, expected = "a socket or device", "a regular file"
        hint = "Name the JSON file that the capture wrote."
    else:
        seen, expected = f"cannot be opened: {error.strerror or error}", "a readable file"
        hint = "Give this user permission to read it."
    return UnreadableEvidenceError(seen, expected, hint=hint, path=name)


def _not_regular(name: str, mode: int) -> UnreadableEvidenceError:
    kind = next((word for test, word in _KINDS if test(mode)), "not a regular file")
    return UnreadableEvidenceError(
        kind,
        "a regular file",
        hint="Name the JSON file that the capture wrote.",
        path=name,
    )
