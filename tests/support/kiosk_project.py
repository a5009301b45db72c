"""A kiosk of one's own on PostgreSQL: how the tool is run in its folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Inject = Callable[..., "subprocess.CompletedProcess[str]"]
"""Injects the kiosk's failures, with arguments and variables."""


def command(*arguments: str) -> list[str]:
    """Return a command of ours."""
    return [sys.executable, "-m", "stressproof", *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing is left behind for others."""
    return {**os.environ, "XDG_STATE_HOME": str(folder.parent / "state"), **more}
