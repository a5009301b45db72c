"""A git repository read without its settings: objects and HEAD, nothing that anyone configured.

Configuration, filters, index flags, replacement refs, grafts, ignore files and hooks of a
repository are its author's to write, and some of them run programs. So git is never asked *in* the
repository: it is given an empty one of ours that borrows the objects (``objects/info/alternates``),
and what it hands out is hashed again here.
"""

import contextlib
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

from stressproof.errors import StressproofError

TIMEOUT_S = 60
OBJECT_BYTES_MAX = 256 * 1024 * 1024

_HASHES = {40: "sha1", 64: "sha256"}
_GITDIR_BYTES = 4096
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_REF = re.compile(r"(?!.*(?:\.\.|//|@\{|\.lock$|/$))[A-Za-z0-9][A-Za-z0-9._/+@-]*", re.ASCII)


class GitSilentError(StressproofError):
    """Git has no answer: it is missing, there is no repository, or it refuses this one.

    Args:
        seen: Git's own words, or why it could not be asked.
    """

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen


class Place(Struct, frozen=True):
    """Where a repository lies.

    Attributes:
        root: Top of the working tree.
        git_dir: What belongs to this working tree (HEAD, index).
        common_dir: What all working trees share (objects, refs).
    """

    root: Path
    git_dir: Path
    common_dir: Path


def locate(folder: Path) -> Place:
    """Return the repository that holds a folder, found as git finds it: by the nearest ``.git``.

    Git itself is not asked: ``core.worktree`` would let a repository name another tree.

    Raises:
        GitSilentError: There is none.
    """
    start = folder.resolve()
    for root in (start, *start.parents):
        entry = root / ".git"
        if entry.is_dir():
            return Place(root, entry, _common(entry))
        if entry.is_file():
            git_dir = _linked(entry)
            return Place(root, git_dir, _common(git_dir))
    raise GitSilentError(f"not a git repository: {start}")


def _linked(entry: Path) -> Path:
    """Return where a ``.git`` file (of a worktree or submodule) points."""
    with entry.open("rb") as stream:
        text = stream.read(_GITDIR_BYTES).decode("utf-8", "surrogateescape").rstrip("\n")
    if not text.startswith("gitdir: "):
        raise GitSilentError(f"{entry} does not name a repository")
    return (entry.parent / text.removeprefix("gitdir: ")).resolve()


def _common(git_dir: Path) -> Path:
    try:
        named = (git_dir / "commondir").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return git_dir
    except (OSError, UnicodeDecodeError) as error:
        raise GitSilentError(f"cannot read {git_dir / 'commondir'}: {error}") from error
    return (git_dir / named).resolve()


def resolve(place: Place, name: str) -> str:
    """Return the commit that HEAD, a full ref, a branch or a hash names.

    Raises:
        GitSilentError: It names none.
    """
    if not (_REF.fullmatch(name) or _HASH.fullmatch(name)):
        raise GitSilentError(f"{name!r} is no name of a commit")
    # The ref store (loose, packed, reftable) is git's to read; it says a hash and nothing else.
    answer = run_git(
        f"--git-dir={place.git_dir}",
        "rev-parse",
        "--verify",
        "--end-of-options",
        name + "^{commit}",
    )
    commit = answer.decode("ascii", "replace").strip()
    if not _HASH.fullmatch(commit):
        raise GitSilentError(f"git names {commit!r} for {name}")
    return commit


class Repository:
    """Objects of a repository, through an empty one.

    Args:
        place: Where the repository lies.
        empty: The empty one.

    Attributes:
        place: Likewise.
    """

    def __init__(self, place: Place, empty: Path) -> None:
        self.place = place
        self._empty = empty

    @property
    def is_shallow(self) -> bool:
        """Whether history ends early."""
        return (self._empty / "shallow").exists()

    def ask(self, *arguments: str, work_tree: bool = False, given: bytes = b"") -> bytes:
        """Return git's answer, from the objects alone.

        Args:
            arguments: The command.
            work_tree: Whether it also looks at the files of the working tree.
            given: Its standard input.

        Raises:
            GitSilentError: It has none.
        """
        place = [f"--git-dir={self._empty}"]
        if work_tree:
            place += [f"--work-tree={self.place.root}", "-c", "core.bare=false"]
        return run_git(*place, *arguments, given=given, cwd=self.place.root)

    def says_yes(self, *arguments: str) -> bool:
        """Return whether git answers at all: for questions whose answer is the exit code."""
        try:
            self.ask(*arguments)
        except GitSilentError:
            return False
        return True

    @contextlib.contextmanager
    def objects(self) -> Iterator["Objects"]:
        """Yield a reader of single objects."""
        with _batch(self._empty) as (asked, answered):
            yield Objects(asked, answered)


class Objects:
    """Reads objects one by one, each hashed again: a forged object file is found here.

    Args:
        asked: Where names are written.
        answered: Where objects come from.
    """

    def __init__(self, asked: IO[bytes], answered: IO[bytes]) -> None:
        self._asked = asked
        self._answered = answered

    def read(self, name: str, kind: str) -> bytes:
        """Return the content of an object.

        Args:
            name: Its hash.
            kind: ``commit``, ``tree`` or ``blob``.

        Raises:
            GitSilentError: It is absent, of another kind, too large, or not what its hash says.
        """
        self._asked.write(name.encode() + b"\n")
        self._asked.flush()
        header = self._answered.readline().split()
        if len(header) != 3:  # noqa: PLR2004  # name, kind, size
            raise GitSilentError(f"the repository does not hold the {kind} {name}")
        size = int(header[2])
        if size > OBJECT_BYTES_MAX:
            raise GitSilentError(f"the {kind} {name} has {size} bytes, more than is read")
        content = self._answered.read(size)
        self._answered.read(1)
        if header[1] != kind.encode():
            raise GitSilentError(f"{name} is a {header[1].decode()}, expected a {kind}")
        if object_hash(kind, content, len(name)) != name:
            raise GitSilentError(f"the {kind} stored as {name} is another object: it was replaced")
        return content


def object_hash(kind: str, content: bytes, digits: int) -> str:
    """Return the name that git gives an object, of so many hexadecimal digits."""
    found = hashlib.new(_HASHES[digits], usedforsecurity=False)
    found.update(b"%s %d\0" % (kind.encode(), len(content)))
    found.update(content)
    return found.hexdigest()


@contextlib.contextmanager
def open_repository(place: Place, commit: str) -> Iterator[Repository]:
    """Yield a repository read without its settings.

    Args:
        place: Where it lies.
        commit: One of its commits; its length says how the repository hashes.

    Raises:
        GitSilentError: The empty one could not be made.
    """
    with tempfile.TemporaryDirectory(prefix="stressproof-git-") as scratch:
        empty = Path(scratch)
        try:
            _make_empty(empty, place, _HASHES[len(commit)])
        except OSError as error:
            raise GitSilentError(f"cannot prepare to read the repository: {error}") from error
        yield Repository(place, empty)


def _make_empty(empty: Path, place: Place, hashed: str) -> None:
    """Lay out what git takes for a repository; no template, so nothing of the user's is in it."""
    (empty / "objects" / "info").mkdir(parents=True)
    (empty / "refs").mkdir()
    (empty / "HEAD").write_text("ref: refs/heads/none\n")
    version, extension = (1, "\tobjectformat = sha256\n") if hashed == "sha256" else (0, "")
    (empty / "config").write_text(
        f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n"
        + (f"[extensions]\n{extension}" if extension else "")
    )
    objects = os.fsencode(place.common_dir / "objects")
    quoted = b'"' + objects.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    (empty / "objects" / "info" / "alternates").write_bytes(quoted + b'"\n')
    with contextlib.suppress(FileNotFoundError):
        (empty / "shallow").write_bytes((place.common_dir / "shallow").read_bytes())


_SETTINGS = (
    # A graph file could tell another history than the commits do.
    *("-c", "core.commitGraph=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.excludesFile=/dev/null"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "safe.directory=*"),
)
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def _environment() -> dict[str, str]:
    """Return what git needs to be found, and nothing that could tell it something else."""
    passed = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return passed | _ENVIRONMENT


def run_git(*arguments: str, given: bytes = b"", cwd: Path | None = None) -> bytes:
    """Return what a git command prints.

    Raises:
        GitSilentError: It failed, or could not be run.
    """
    try:
        answer = subprocess.run(
            ["git", *_SETTINGS, *arguments],  # noqa: S607  # the user's own git
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            env=_environment(),
            input=given,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise GitSilentError("there is no git on this machine") from error
    except (OSError, ValueError) as error:
        raise GitSilentError(f"git could not be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise GitSilentError(f"git did not answer within {TIMEOUT_S} s") from error
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip().splitlines()
        raise GitSilentError(said[0] if said else f"git ended with {answer.returncode}")
    return answer.stdout


@contextlib.contextmanager
def _batch(empty: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    try:
        process = subprocess.Popen(
            ["git", *_SETTINGS, f"--git-dir={empty}", "cat-file", "--batch"],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise GitSilentError("there is no git on this machine") from error
    except OSError as error:
        raise GitSilentError(f"git could not be started: {error}") from error
    with process:
        if process.stdin is None or process.stdout is None:
            raise GitSilentError("git has no pipes to be asked through")
        try:
            yield process.stdin, process.stdout
        except BrokenPipeError as error:
            raise GitSilentError("git ended before it had answered") from error
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.kill()
