"""A process that judges one file and ends: what makes it start and stop quickly.

The garbage collector and the interpreter's own taking down cost such a process a fifth of its time
and find nothing to do: the one is off from before the imports, the other is left out.
"""

import gc
import importlib
import os
import sys
from typing import NoReturn


def run_briefly(module: str, name: str, *, suite: str = "") -> NoReturn:
    """Import a command's module, run its ``command`` and end the process.

    Args:
        module: Where the command is, imported here so that the collector is off by then.
        name: How the user called it; shown in usage lines.
        suite: As `stressproof.cli.run.run` takes it.
    """
    gc.disable()
    entry = importlib.import_module("stressproof.cli.run")
    code: int = entry.run(importlib.import_module(module).command, name, suite=suite)
    if "coverage" in sys.modules:
        sys.exit(code)  # it writes what it saw while the interpreter is taken down
    # `run` has flushed stdout and told of what could not be written; stderr has no buffer of ours.
    os._exit(code)
