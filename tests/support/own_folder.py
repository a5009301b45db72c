"""The command as somebody with a folder of their own runs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stressproof.exits import Exit

Ran = subprocess.CompletedProcess[str]
Stressproof = Callable[..., Ran]


def stressproof_in(folder: Path, *, timeout_s: float = 100) -> Stressproof:
    """Return what runs ``stressproof`` in a folder; keyword arguments are variables."""

    def run(*arguments: object, stdin: str = "", **environment: str) -> Ran:
        return subprocess.run(
            [sys.executable, "-m", "stressproof", *map(str, arguments)],
            capture_output=True,
            input=stdin,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": "/nonexistent", "NO_COLOR": "1", **environment},
        )

    return run


def passed(ran: Ran) -> bool:
    """Whether a capture met all its limits; a busy machine may be the limit itself."""
    return ran.returncode == 0 or (
        ran.returncode == Exit.INCONCLUSIVE
        and "(exit 3): the generator was the limit." in ran.stdout
    )
