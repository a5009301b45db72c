"""Evidence references that point at files: looked up once, before anything is judged.

Three forms are known: ``#/json/pointer`` into the artifact (judged without looking anything up),
a path in the checkout (``tests/test_gate.py::test_timeout`` names a test in it), and ``sha256:`` of
a file beside the artifact.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

DIGEST = "sha256:"
POINTER = "#"

REFERENCE_LENGTH_MAX = 4096
"""Characters of a reference: what is longer names nothing that a person wrote."""

REFERENCES_MAX = 1000
"""Looked up of one artifact: ours have a few dozen."""

FILES_MAX = 1000
"""Looked at beside an artifact: more is no evidence folder."""

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Of a file that is referred to."""

FOLDER_BYTES_MAX = 512 * 1024 * 1024
"""Of all files beside an artifact that are hashed."""

SOURCE_BYTES_MAX = 4 * 1024 * 1024
"""Of a source that a test is looked up in."""

SOURCES_BYTES_MAX = 128 * 1024 * 1024
"""Of all of them together."""

FOLDERS_MAX = 64
"""That a path leads through."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_NODE = re.compile(r"([A-Za-z_]\w*)(?:\[.*\])?", re.ASCII | re.DOTALL)
_DEFINITION = re.compile(rb"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def look_up(references: Iterable[str], checkout: Path, artifact: Path) -> dict[str, str]:
    """Return for each reference to a file why it does not resolve; empty text where it does.

    Args:
        references: As the artifact has them; pointers into it are left out.
        checkout: The folder that paths are relative to.
        artifact: The artifact, whose folder ``sha256:`` is looked up in.
    """
    found: dict[str, str] = {}
    digests: set[str] | None = None
    sources = _Sources(checkout)
    for reference in references:
        if reference.startswith(POINTER) or reference in found:
            continue
        if len(found) >= REFERENCES_MAX:
            found[reference] = f"not looked up: more than {REFERENCES_MAX} references"
        elif len(reference) > REFERENCE_LENGTH_MAX:
            found[reference] = f"longer than {REFERENCE_LENGTH_MAX} characters"
        elif reference.startswith(DIGEST):
            if digests is None:
                digests = _digests_beside(artifact)
            found[reference] = _digest_problem(reference, digests)
        else:
            found[reference] = _path_problem(reference, sources)
    return found


def _digest_problem(reference: str, digests: set[str]) -> str:
    if not _DIGEST.fullmatch(reference):
        return "not sha256: and 64 lower-case hex digits"
    if reference.removeprefix(DIGEST) in digests:
        return ""
    return "no file beside the artifact has this digest"


def _digests_beside(artifact: Path) -> set[str]:
    digests = set()
    try:
        names = sorted(entry.name for entry in os.scandir(artifact.parent))[:FILES_MAX]
    except OSError:
        return set()
    left = FOLDER_BYTES_MAX
    for name in names:
        if name != artifact.name:
            content = _regular(artifact.parent / name, min(FILE_BYTES_MAX, left))
            if content:
                left -= len(content)
                digests.add(hashlib.sha256(content).hexdigest())
    return digests


def _regular(path: Path, limit: int) -> bytes | None:
    """Return what a regular file holds, None where it is none or holds more than the limit."""
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)


class _Sources:
    """Files of the checkout, each opened once.

    Attributes:
        checkout: The folder that paths are relative to.
    """

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout.resolve()
        self._defined: dict[str, frozenset[str] | None] = {}
        self._left = SOURCES_BYTES_MAX

    def has(self, name: str) -> bool:
        """Return whether a path is a regular file inside the checkout that holds something."""
        path = self.checkout / name
        try:
            status = path.lstat()
            inside = path.resolve().is_relative_to(self.checkout)
        except (OSError, RuntimeError):
            return False
        return inside and stat.S_ISREG(status.st_mode) and status.st_size > 0

    def defined(self, name: str) -> frozenset[str] | None:
        """Return the functions and classes that a source defines, None where it is too large."""
        if name not in self._defined:
            limit = min(SOURCE_BYTES_MAX, self._left)
            content = _regular(self.checkout / name, limit)
            self._defined[name] = None
            if content is not None:
                self._left -= len(content)
                found = _DEFINITION.findall(content)
                self._defined[name] = frozenset(one.decode(errors="replace") for one in found)
        return self._defined[name]


def _path_problem(reference: str, sources: _Sources) -> str:
    name, *nodes = reference.split("::")
    relative = PurePosixPath(name)
    if not name or name != str(relative) or "\\" in name or "\0" in name:
        return "not a plain relative path"
    if relative.is_absolute() or ".." in relative.parts or len(relative.parts) > FOLDERS_MAX:
        return "not a path inside the checkout"
    if not sources.has(name):
        return "no such regular file with content in the checkout"
    return _node_problem(name, nodes, sources) if nodes else ""


def _node_problem(name: str, nodes: list[str], sources: _Sources) -> str:
    matched = [_NODE.fullmatch(node) for node in nodes]
    if not name.endswith(".py") or not all(matched):
        return "not a test in a Python file"
    defined = sources.defined(name)
    if defined is None:
        return f"a source of more than {SOURCE_BYTES_MAX} bytes, or one of too many"
    missing = [match[1] for match in matched if match and match[1] not in defined]
    return f"the file defines no {missing[0]}" if missing else ""
