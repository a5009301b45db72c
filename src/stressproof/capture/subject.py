"""The build that evidence is about, read from the repository."""

import subprocess
from pathlib import Path

from stressproof.evidence.stress import Subject

_TIMEOUT_S = 30


def _git(folder: Path, *arguments: str) -> str | None:
    """Return git's answer, None where it has none (no git, no repository, no commit)."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607  # the user's own git
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else None


def read_subject(folder: Path) -> Subject:
    """Return the commit checked out at a folder and whether the tree differs from it.

    Dirty means that tracked files changed, or that untracked files lie under ``src/`` or
    ``scripts/`` (ruling 1). Both are null outside of a repository.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD^{commit}")
    top = _git(folder, "rev-parse", "--show-toplevel")
    if commit is None or top is None:
        return Subject(git_commit=None, git_dirty=None)
    root = Path(top.rstrip("\n"))
    tracked = _git(root, "status", "--porcelain", "--untracked-files=no")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "--", "src", "scripts")
    dirty = None if tracked is None or untracked is None else bool(tracked or untracked)
    return Subject(git_commit=commit.strip(), git_dirty=dirty)
