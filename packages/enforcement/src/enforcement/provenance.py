"""What was built: the version, and the commit where the code is a git checkout."""

import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from enforcement.api.worker_config import Build

_DISTRIBUTION: Final = "enforcement"
_PACKAGE: Final = Path(__file__).resolve().parent
_TIMEOUT_S: Final = 10
# Untracked files elsewhere cannot be part of what runs.
_BUILT_FROM: Final = ("packages", "scripts")


def read_build() -> Build:
    """Return what this process was built from; never fails, at worst it does not know."""
    try:
        version = importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    # A package inside somebody else's repository (a virtual environment) is not tracked there.
    if _git("ls-files", "--error-unmatch", "provenance.py") is None:
        return Build(version=version)
    commit = _git("rev-parse", "HEAD")
    return Build(version=version, git_commit=commit, git_dirty=_is_dirty())


def _is_dirty() -> bool | None:
    root = _git("rev-parse", "--show-toplevel")
    if root is None:
        return None
    tracked = _git("-C", root, "status", "--porcelain", "--untracked-files=no")
    untracked = _git("-C", root, "ls-files", "--others", "--exclude-standard", "--", *_BUILT_FROM)
    if tracked is None or untracked is None:
        return None
    return bool(tracked or untracked)


def _git(*arguments: str) -> str | None:
    """Return what git prints, or None where it fails or is not there."""
    program = shutil.which("git")
    if program is None:
        return None
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            [program, "-C", str(_PACKAGE), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
