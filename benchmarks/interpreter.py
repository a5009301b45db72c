"""The interpreter as users have it: it keeps what it compiled instead of compiling it anew."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment with bytecode kept in ``folder``, not beside the source."""
    found = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder)}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def compiled(folder: Path, modules: Sequence[str]) -> dict[str, str]:
    """Return `environment` once these modules and all they import have been compiled."""
    found = environment(folder)
    subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], env=found, check=True)
    return found
