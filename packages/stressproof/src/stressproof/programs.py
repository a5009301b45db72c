"""Programs that a project's file names: those of the environment that we run in go first."""

import os
import shutil
import sys
from pathlib import Path

PYTHON = "python"


def program(name: str) -> str | None:
    """Return the path of a program, None where there is none.

    ``python`` is the interpreter that runs us; what lies beside it goes before ``PATH``, whether or
    not its environment was activated.
    """
    if name == PYTHON:
        return sys.executable
    beside = Path(sys.executable).parent / name
    if "/" not in name and os.access(beside, os.X_OK) and beside.is_file():
        return str(beside)
    return shutil.which(name)
