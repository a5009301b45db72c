"""The gate reads the largest evidence of both kinds at once within 10 s and 512 MiB."""

import importlib
import resource
import subprocess
import sys

import pytest

from release_project import FAILURE, RELEASE, STRESS, ReleaseProject, clean_environment
from stressproof.exits import Exit

worst = importlib.import_module("forgeries.worst")  # the corpus is no package

SECONDS = 10
BYTES = 512 * 1024 * 1024


def bounded() -> None:
    """Limits of a process: memory as addresses, and time of its processor."""
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


@pytest.mark.parametrize(
    ("stress", "failure"),
    [
        ("buckets", "effects"),
        pytest.param("unknown fields", "operations", marks=pytest.mark.slow),
        pytest.param("rounds", "scenarios", marks=pytest.mark.slow),
    ],
)
def test_the_gate_judges_any_evidence_within_bounds(
    project: ReleaseProject, stress: str, failure: str
) -> None:
    """Both documents are held at once, and nothing of either makes the gate give up."""
    (project.root / STRESS).write_bytes(worst.STRESS[stress]())
    (project.root / FAILURE).write_bytes(worst.FAILURE[failure]())
    ended = subprocess.run(
        [
            *(sys.executable, str(RELEASE)),
            *("--stress-evidence-path", STRESS, "--failure-evidence-path", FAILURE),
        ],
        preexec_fn=bounded,
        cwd=project.root,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == Exit.EVIDENCE, ended.stderr[-500:]
