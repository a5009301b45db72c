"""What a quality step is given of the world: little, and nothing that could stand in for its tools.

Variables such as ``PYTEST_ADDOPTS``, ``PYTEST_PLUGINS``, ``MYPYPATH`` or ``PYTHONPATH`` change what
a tool does; bytecode and caches of an earlier run are believed without being looked at; the working
directory on the module path lets any file replace a tool. None of them reaches a step.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from stressproof.config.steps import Step

NESTING_MARKER = "STRESSPROOF_GATE_RUNNING"
"""Set for every step, so that a gate started by one refuses: it would wait for itself."""

PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "TERM"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"),
    *("CI", "GITHUB_ACTIONS", "GITLAB_CI", "SSL_CERT_DIR", "SSL_CERT_FILE", "XDG_RUNTIME_DIR"),
)
"""Variables that every step is given; ``pass_env`` of a step names more."""


def step_environment(
    step: Step, root: Path, scratch: Path, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the variables of a step.

    Args:
        step: Which may name more variables to pass, and folders to import from.
        root: The project's folder; the step's folders are relative to it.
        scratch: An empty folder for what tools keep between runs.
        environment: What there is.
    """
    names = (*PASSED, *step.pass_env)
    passed = {name: environment[name] for name in names if name in environment}
    if step.path:
        passed["PYTHONPATH"] = os.pathsep.join(str((root / each).resolve()) for each in step.path)
    # Where the step switches the cache off, --strict-config knows no such option.
    cached = not any(word.endswith("no:cacheprovider") for word in step.run)
    options = ("-o", f"cache_dir={scratch / 'pytest'}") if cached else ()
    return passed | {
        NESTING_MARKER: "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"),
        "PYTEST_ADDOPTS": shlex.join(options),
        "MYPY_CACHE_DIR": str(scratch / "mypy"),
        "RUFF_CACHE_DIR": str(scratch / "ruff"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
        # Whatever a developer measured before stays as it is.
        "COVERAGE_FILE": str(scratch / "coverage"),
    }
