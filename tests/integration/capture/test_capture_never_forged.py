"""What the tool itself captured reads as what it is, whatever the executor and the service."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fake_target import FakeTarget, as_json
from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence.reading import read_document
from stressproof.exits import Exit
from stressproof.suite import PLAIN
from stressproof.verify.instants import now_us
from stressproof.verify.stress.verifier import STRESS

SHAPES = {
    "constant-vus": ("--users", "3", "--duration", "3", "--ramp", "1"),
    "constant-vus without a ramp": ("--users", "2", "--duration", "2", "--ramp", "0"),
    "constant-vus with a ramp longer than the window": (
        *("--users", "4", "--duration", "2", "--ramp", "3"),
    ),
    "constant-vus of two workers": (
        *("--users", "4", "--duration", "2", "--ramp", "1", "--workers", "2"),
    ),
    "ramping-vus down to none": (
        *("--users", "2", "--stage", "4:1", "--stage", "0:2", "--ramp", "0"),
    ),
    "shared-iterations, over at once": ("--users", "2", "--iterations", "20", "--duration", "20"),
    "per-vu-iterations": ("--users", "3", "--iterations", "15", "--duration", "20"),
    "constant-arrival-rate of one in two seconds": (
        *("--rate", "0.5", "--max-vus", "3", "--duration", "4", "--ramp", "0"),
    ),
    "constant-arrival-rate of one in ten seconds": (
        *("--rate", "0.1", "--max-vus", "3", "--duration", "3", "--ramp", "1"),
    ),
    "constant-arrival-rate": ("--rate", "40", "--max-vus", "20", "--duration", "3", "--ramp", "1"),
    "ramping-arrival-rate down to none": (
        *("--rate", "5", "--stage", "30:1", "--stage", "0:2", "--max-vus", "20", "--ramp", "1"),
    ),
}
"""Flags by name, which begins with the executor's."""

NOT_ABOUT_TRUTH = {Exit.PASS, Exit.OBJECTIVES, Exit.INCONCLUSIVE}


@pytest.mark.parametrize("foreign", [False, True], ids=["with health", "foreign"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_honest_capture_reads_as_forged(
    target: FakeTarget, tmp_path: Path, shape: str, *, foreign: bool
) -> None:
    """No rule rejects it; too little load, too few samples and missing health say so themselves."""
    target.silent = foreign
    target.answers["/health/live"] = lambda _: as_json(200, {"status": "healthy"})
    out = tmp_path / "a.json"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "stressproof", "capture", "--url", target.url),
            *("--profile", "health"),
            *("--executor", shape.replace(",", "").split()[0], *SHAPES[shape]),
            *("--rounds", "2", "--out", str(out)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": "/nonexistent"},
    )
    assert out.exists(), ended.stderr
    asked: StressRequirements = msgspec.structs.replace(
        PLAIN.stress_requirements("health"),
        min_rounds=2,
        min_duration_seconds=1,
        min_concurrent_users=1,
        runner="stressproof capture",
    )
    verdict = STRESS.verify(read_document(out), asked, now_us())
    rejected = {
        result.rule: [(one.where, one.seen, one.expected) for one in result.findings]
        for result in verdict.results
        if result.exit_code not in NOT_ABOUT_TRUTH
    }
    floors = {"stress.load-reached", "stress.thresholds"}
    assert {rule: why for rule, why in rejected.items() if rule not in floors} == {}
