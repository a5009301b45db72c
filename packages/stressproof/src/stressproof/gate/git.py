"""Questions to git as processes: bounded, without locks, deaf to variables that point elsewhere."""

import os
import subprocess
from pathlib import Path

from stressproof.errors import StressproofError

TIMEOUT_S = 60

_ELSEWHERE = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CEILING_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""Set inside hooks and by mistake: each would answer for another repository or index."""

_SETTINGS = (
    # A file system monitor is a program named by the repository; what it says is not looked at.
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.untrackedCache=false",
    "-c",
    "core.quotePath=false",
)


class GitSilentError(StressproofError):
    """Git has no answer: it is missing, there is no repository, or it refuses this one.

    Args:
        seen: Git's own words, or why it could not be asked.
    """

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen


def ask(folder: Path, *arguments: str) -> str:
    """Return git's answer about the repository that holds a folder.

    Raises:
        GitSilentError: It has none.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    # Replacement objects would let a ref rewrite history for us alone.
    environment |= {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            ["git", *_SETTINGS, "-C", str(folder), *arguments],  # noqa: S607  # the user's own git
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise GitSilentError("there is no git on this machine") from error
    except (OSError, ValueError) as error:
        raise GitSilentError(f"git could not be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise GitSilentError(f"git did not answer within {TIMEOUT_S} s") from error
    if answer.returncode:
        prose = answer.stderr.decode(errors="replace").strip().splitlines()
        raise GitSilentError(prose[0] if prose else f"git ended with {answer.returncode}")
    return answer.stdout.decode(errors="surrogateescape")


def says_yes(folder: Path, *arguments: str) -> bool:
    """Return whether git answers at all: for questions whose answer is the exit code."""
    try:
        ask(folder, *arguments)
    except GitSilentError:
        return False
    return True
