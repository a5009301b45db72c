"""HEAD's tree against the files on disk, each hashed here.

Git's own comparison believes its index, its flags and its filters, which are the author's to set.
Here the tree is read from verified objects, and a file is what was committed only if its bytes, its
kind and its mode are.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.gate.repository import GitSilentError, Objects, object_hash

LINK = 0o120000
SUBMODULE = 0o160000
FOLDER = 0o040000
_EXECUTABLE = 0o100755
_CHUNK = 1 << 20
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_POINTER_BYTES = 1024
_DEPTH_MAX = 200


class Entry(Struct, frozen=True):
    """One path of a tree.

    Attributes:
        mode: As git has it.
        name: Hash of its content; of a submodule, its commit.
    """

    mode: int
    name: str


class Change(Struct, frozen=True):
    """A path that makes the tree on disk another build than the commit.

    Attributes:
        path: Relative to the root; bytes that are no UTF-8 are shown by their codes.
        seen: What is there.
        remedy: What to do about it.
    """

    path: str
    seen: str
    remedy: str


Tree = Mapping[bytes, Entry]
"""Paths of a commit, relative to its root."""

Seen = tuple[str, str]
"""What is wrong with a path, and what to do about it."""


def read_tree(objects: Objects, commit: str) -> Tree:
    """Return every path of a commit, from objects that are what their hashes say.

    Raises:
        GitSilentError: Some are absent or replaced.
    """
    found: dict[bytes, Entry] = {}
    waiting = [(b"", _root_of(objects, commit), 0)]
    while waiting:
        prefix, name, depth = waiting.pop()
        if depth > _DEPTH_MAX:
            raise GitSilentError(f"the tree of {commit} is nested more than {_DEPTH_MAX} deep")
        for part, entry in _entries(objects.read(name, "tree"), len(name) // 2):
            if entry.mode == FOLDER:
                waiting.append((prefix + part + b"/", entry.name, depth + 1))
            else:
                found[prefix + part] = entry
    return found


def read_file(objects: Objects, commit: str, path: bytes) -> bytes | None:
    """Return the bytes of one file of a commit, None where there is none.

    Raises:
        GitSilentError: The commit or a tree of it is absent or replaced.
        UsageError: It is no file; what a link leads to is no part of the commit.
    """
    entry: Entry | None = Entry(FOLDER, _root_of(objects, commit))
    for part in path.split(b"/"):
        if entry is None or entry.mode != FOLDER:
            return None
        entry = dict(_entries(objects.read(entry.name, "tree"), len(entry.name) // 2)).get(part)
    if entry is None:
        return None
    if entry.mode in {LINK, FOLDER, SUBMODULE}:
        raise UsageError(
            f"{shown(path)} of {commit[:12]} is no file", hint="Commit the file in its place."
        )
    return objects.read(entry.name, "blob")


def _root_of(objects: Objects, commit: str) -> str:
    first = objects.read(commit, "commit").split(b"\n", 1)[0]
    if not first.startswith(b"tree "):
        raise GitSilentError(f"the commit {commit} names no tree")
    return first.removeprefix(b"tree ").decode("ascii", "replace")


def _entries(content: bytes, width: int) -> Iterator[tuple[bytes, Entry]]:
    """Yield the entries of a tree object: mode, blank, name, NUL, raw hash."""
    at = 0
    while at < len(content):
        blank, end = content.index(b" ", at), content.index(b"\0", at)
        name = content[end + 1 : end + 1 + width].hex()
        yield content[blank + 1 : end], Entry(int(content[at:blank], 8), name)
        at = end + 1 + width


def differences(
    root: Path,
    tree: Tree,
    objects: Objects,
    evidence: tuple[str, ...],
    submodule: Callable[[Path, str], Seen | None],
) -> list[Change]:
    """Return every tracked path that is not on disk as the commit has it.

    Args:
        root: Top of the working tree.
        tree: Of the commit.
        objects: Where its blobs are, asked only about files that differ.
        evidence: Folders in which a difference is none of the build.
        submodule: Judges a submodule's folder against its commit.
    """
    skipped = tuple(os.fsencode(folder) for folder in evidence)
    base = os.fsencode(root)
    folders: dict[bytes, bool] = {b"": True}
    found = []
    for path, entry in sorted(tree.items()):
        if path.startswith(skipped):
            continue
        if not _reached_through_folders(base, path, folders):
            linked = os.path.lexists(base + b"/" + path)
            seen: Seen | None = _LINKED_FOLDER if linked else _absent()
        elif entry.mode == SUBMODULE:
            seen = submodule(root / os.fsdecode(path), entry.name)
        elif entry.mode == LINK:
            seen = _link(base, path, entry, tree, skipped)
        else:
            seen = _file(base + b"/" + path, entry, objects)
        if seen is not None:
            found.append(Change(shown(path), *seen))
    return found


def _reached_through_folders(base: bytes, path: bytes, known: dict[bytes, bool]) -> bool:
    """Return whether every folder above a path is a folder and no link to one."""
    parent = path.rpartition(b"/")[0]
    if parent not in known:
        try:
            real = stat.S_ISDIR(os.lstat(base + b"/" + parent).st_mode)
        except OSError:
            real = False
        known[parent] = real and _reached_through_folders(base, parent, known)
    return known[parent]


_LINKED_FOLDER = ("lies behind a link", "Replace the link by the folder that was committed.")
_UNFETCHED = ("is a pointer to a file that was not fetched", "Fetch it: git lfs pull.")
_NONE = ("", b"")
_CHANGED = ("differs from HEAD", "Commit or stash the change, then capture on that commit.")


def _absent() -> Seen:
    return (
        "is absent",
        "Restore it (git restore PATH); a sparse checkout: git sparse-checkout disable.",
    )


def _file(full: bytes, entry: Entry, objects: Objects) -> Seen | None:
    """A file has the bytes and the mode that were committed."""
    try:
        status = os.lstat(full)
        digest, head = _hash_file(full, len(entry.name)) if stat.S_ISREG(status.st_mode) else _NONE
    except FileNotFoundError:
        return _absent()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}", "Make it readable for this user."
    if not digest:
        return "is another kind of file than HEAD has", _CHANGED[1]
    if bool(status.st_mode & stat.S_IXUSR) != (entry.mode == _EXECUTABLE):
        return "has another mode than HEAD", _CHANGED[1]
    if digest != entry.name:
        return _why_changed(full, entry, objects)
    return _UNFETCHED if head.startswith(_POINTER) else None


def _hash_file(full: bytes, digits: int) -> tuple[str, bytes]:
    """Return the blob name of a file's bytes, and how it begins."""
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        size = os.fstat(descriptor).st_size
        hashed = hashlib.new("sha1" if digits == 40 else "sha256", usedforsecurity=False)  # noqa: PLR2004
        hashed.update(b"blob %d\0" % size)
        head = chunk = stream.read(_CHUNK)
        while chunk:
            hashed.update(chunk)
            chunk = stream.read(_CHUNK)
    return hashed.hexdigest(), head[:_POINTER_BYTES]


def _why_changed(full: bytes, entry: Entry, objects: Objects) -> Seen | None:
    """Tell a filter's work from an edit; a fetched large file is proven by its pointer."""
    try:
        blob = objects.read(entry.name, "blob")
        with open(full, "rb") as stream:  # noqa: PTH123  # bytes paths
            content = stream.read()
    except (GitSilentError, OSError):
        return _CHANGED
    if blob.startswith(_POINTER):
        lines = blob.decode("utf-8", "replace").splitlines()
        wanted = {f"oid sha256:{hashlib.sha256(content).hexdigest()}", f"size {len(content)}"}
        return None if wanted <= set(lines) else _CHANGED
    if content.replace(b"\r\n", b"\n") == blob.replace(b"\r\n", b"\n"):
        return (
            "has other line endings than HEAD",
            "Check out with git -c core.autocrlf=false, and without eol in .gitattributes.",
        )
    return _CHANGED


def _link(
    base: bytes, path: bytes, entry: Entry, tree: Tree, skipped: tuple[bytes, ...]
) -> Seen | None:
    """A link is what was committed, and leads to what was hashed."""
    full = base + b"/" + path
    try:
        target = os.readlink(full)  # noqa: PTH115  # bytes paths
    except FileNotFoundError:
        return _absent()
    except OSError:
        return "is no link, as HEAD has it", _CHANGED[1]
    if object_hash("blob", target, len(entry.name)) != entry.name:
        return "links elsewhere than in HEAD", _CHANGED[1]
    inside = os.path.realpath(full).removeprefix(os.path.realpath(base) + b"/")
    known = inside in tree or any(name.startswith(inside + b"/") for name in tree)
    if inside.startswith((b"/", *skipped)) or not known:
        return (
            "links to what is not part of the commit",
            "Commit the file in place of the link, or link within the source.",
        )
    return None


def shown(path: bytes) -> str:
    """Return a path as text, bytes that are no UTF-8 by their codes."""
    return path.decode("utf-8", "backslashreplace")
