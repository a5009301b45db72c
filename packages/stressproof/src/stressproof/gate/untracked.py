"""What lies in the working tree and is not in the commit.

A file that git does not know can be what a step imports or is configured by, so it makes another
build, unless the commit's own ignore files leave it out and it is neither. Ignore files that are
not committed are not believed; they are files that git does not know themselves.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from stressproof.gate.repository import GitSilentError, Repository
from stressproof.gate.tree import SUBMODULE, Change, Tree, shown

_CACHES = frozenset(
    {
        b"__pycache__",
        b".hypothesis",
        b".import_linter_cache",
        b".mypy_cache",
        b".pytest_cache",
        b".ruff_cache",
        b"node_modules",
    }
)
"""Names of folders that tools fill; steps are given empty ones in their place."""

_IMPORTABLE = (
    *(b".dll", b".dylib", b".egg", b".pth", b".py", b".pyc", b".pyd", b".pyi", b".pyo", b".pyw"),
    *(b".so", b".whl", b".zip"),
)
_CONFIGURATION = (b".cfg", b".ini", b".toml")
_CONFIGURES = frozenset(
    {
        *(b".coveragerc", b".env", b".flake8", b".gitattributes", b".gitignore", b".gitmodules"),
        *(b".importlinter", b".pylintrc", b".python-version", b"Makefile", b"entry_points.txt"),
        *(b"package.json", b"tsconfig.json"),
    }
)
_UNKNOWN = (
    "is not in HEAD",
    "Commit it, remove it, or keep it where [gate] evidence of stressproof.toml says.",
)
_IGNORED = (
    "is ignored, and could be imported or configure a step",
    "Remove it, or commit it; only what is neither may be left out of a commit.",
)
_LOCK = b"uv.lock"
_NAMED_MAX = 8


def find_untracked(
    repository: Repository, tree: Tree, evidence: tuple[str, ...], named: frozenset[bytes]
) -> tuple[list[Change], list[str]]:
    """Return the unknown files that make another build, and what was not judged.

    Args:
        repository: Whose working tree is looked at.
        tree: Of the commit.
        evidence: Folders whose content is none of the build, each ending in a slash.
        named: Absolute paths of files that are judged by themselves or written by who asks.

    Raises:
        GitSilentError: Git could not say what the commit's ignore files leave out.
    """
    root = repository.place.root
    unknown: list[bytes] = []
    not_judged: list[str] = []
    folders = {path[:at] for path in tree for at, byte in enumerate(path) if byte == ord("/")}
    submodules = {path for path, entry in tree.items() if entry.mode == SUBMODULE}
    skipped = {os.fsencode(folder).rstrip(b"/") for folder in evidence}
    for path, is_folder in _walk(root, b"", skipped | submodules, folders):
        if path in tree:
            continue
        if is_folder or path == _LOCK:
            not_judged.append(shown(path) + "/" * is_folder)
        elif os.fsencode(root) + b"/" + path in named and not _matters(root, path):
            continue
        else:
            unknown.append(path)
    ignored = _ignored(repository, unknown)
    changes = [Change(shown(path), *_UNKNOWN) for path in unknown if path not in ignored]
    changes += [Change(shown(path), *_IGNORED) for path in sorted(ignored) if _matters(root, path)]
    harmless = [shown(path) for path in sorted(ignored) if not _matters(root, path)]
    return changes, [*not_judged, *_abridged(harmless)]


def _walk(
    root: Path, folder: bytes, skipped: set[bytes], folders: set[bytes]
) -> Iterator[tuple[bytes, bool]]:
    """Yield every file, and every cache and environment as a folder that is not entered."""
    with os.scandir(os.fsencode(root) + b"/" + folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = folder + entry.name
        if path in skipped or path == b".git":
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield path, False
        elif path not in folders and (entry.name in _CACHES or _is_environment(root, path)):
            yield path, True
        else:
            yield from _walk(root, path + b"/", skipped, folders)


def _is_environment(root: Path, path: bytes) -> bool:
    """Return whether a folder is a virtual environment: ours, or a hidden one at the top.

    Hidden names cannot be imported from. The marker alone is not believed elsewhere: whoever may
    write a package may write the marker beside it.
    """
    folder = root / os.fsdecode(path)
    if folder == Path(sys.prefix).resolve():
        return True
    return b"/" not in path and path.startswith(b".") and (folder / "pyvenv.cfg").is_file()


def _ignored(repository: Repository, unknown: list[bytes]) -> set[bytes]:
    """Return those of the unknown that ignore files in the tree leave out.

    Ignore files of the user and of the repository's own settings are not heard. Those in the tree
    that are not committed are changes themselves, so what they hide is of no consequence.
    """
    if not unknown:
        return set()
    try:
        answer = repository.ask(
            *("check-ignore", "--no-index", "--stdin", "-z"),
            work_tree=True,
            given=b"\0".join(unknown) + b"\0",
        )
    except GitSilentError as silent:
        # It ends with 1, and says nothing, where it ignores none of them.
        if silent.seen == "git ended with 1":
            return set()
        raise
    return {path for path in answer.split(b"\0") if path}


def _matters(root: Path, path: bytes) -> bool:
    """Return whether an ignored path could be imported or configure a step."""
    name = path.rpartition(b"/")[2]
    return (
        name in _CONFIGURES
        or name.startswith(b".env")
        or name.lower().endswith(_IMPORTABLE + _CONFIGURATION)
        or (root / os.fsdecode(path)).is_symlink()
    )


def _abridged(paths: list[str]) -> list[str]:
    """Return some names and how many more there are."""
    more = len(paths) - _NAMED_MAX
    return paths if more <= 0 else [*paths[:_NAMED_MAX], f"{more} more ignored files"]
