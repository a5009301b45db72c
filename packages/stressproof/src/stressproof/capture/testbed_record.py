"""Where failures were injected, for evidence."""

import hashlib
import os
import platform
import sys
from pathlib import Path

from stressproof.capture.stage import Stage
from stressproof.failures.artifact import TestbedRecord
from stressproof.failures.fault_kinds import limits_of
from stressproof.faults.testbed import Testbed
from stressproof.version import __version__


def record_of(stage: Stage, testbed: Testbed | None = None) -> TestbedRecord:
    """Return what is known of a testbed.

    Args:
        stage: The scenarios, and what of them is permitted.
        testbed: Entered; None for one that never stood.
    """
    binary = None if testbed is None else testbed.postgres_binary
    return TestbedRecord(
        tool="stressproof",
        version=__version__,
        python=platform.python_version(),
        host=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpus=_cpus(),
        workers=0 if testbed is None else testbed.workers,
        proxy="" if testbed is None else testbed.proxy_path,
        postgres_binary_sha256=_sha256(binary),
        limits=limits_of(stage.scenarios),
        unsupported=[],
        permitted_faults=list(stage.permissions.breaks),
        permitted_upstreams=list(stage.permissions.upstreams),
    )


def _sha256(program: Path | None) -> str | None:
    try:
        return None if program is None else hashlib.sha256(program.read_bytes()).hexdigest()
    except OSError:
        return None


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
