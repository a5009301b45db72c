"""Objectives judged while a capture runs, and after it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fake_target import FakeTarget, as_json

CONFIG = """\
[thresholds]
http_req_failed = { threshold = "rate < 50% over 2s", abortOnFail = true }
http_reqs = "count >= 1"
"""


def capture(target: FakeTarget, out: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Capture a little of the target's health, twenty times a second."""
    given = ["--url", target.url, "--profile", "health", "--ramp", "0"]
    given += ["--executor", "constant-arrival-rate", "--rate", "20", "--max-vus", "10"]
    return subprocess.run(
        [sys.executable, "-m", "stressproof", "capture", *given, "--out", str(out)]
        + [str(one) for one in arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=out.parent,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file whose first threshold ends a run."""
    path = tmp_path / "stressproof.toml"
    path.write_text(CONFIG)
    return path


def test_a_capture_ends_where_a_threshold_is_crossed(
    target: FakeTarget, config: Path, tmp_path: Path
) -> None:
    """A service that fails ends the run after two settled seconds, and the evidence is kept."""
    target.answers["/health/live"] = lambda number: as_json(
        200 if number < 20 else 503, {"status": "healthy"}
    )
    out = tmp_path / "a.json"
    done = capture(target, out, "--duration", 60, "--config", config, "--enforce-thresholds")
    assert done.returncode == 99, done.stderr
    assert "crossed http_req_failed: rate < 50% over 2s" in done.stderr
    artifact = json.loads(out.read_bytes())
    assert artifact["status"] == "interrupted"
    seconds = {row["second"] for row in artifact["measurements"]["runs"][0]["rows"]}
    assert 2 <= len(seconds) < 60


def test_a_capture_that_meets_its_objectives_passes_and_shows_them(
    target: FakeTarget, config: Path, tmp_path: Path
) -> None:
    """Every objective is shown with its figure; a missed one decides only where it may."""
    out = tmp_path / "a.json"
    done = capture(target, out, "--duration", 2, "--config", config)
    assert "✓ http_reqs: count >= 1" in done.stdout
    assert json.loads(out.read_bytes())["status"] == "complete"
    hopeless = ("--threshold", "http_req_duration: max < 1us")
    done = capture(target, out, "--duration", 1, *hopeless, "--no-enforce")
    assert done.returncode == 0
    assert "✗ http_req_duration: max < 1us" in done.stdout
    assert "not enforced" in done.stdout
    done = capture(target, out, "--duration", 1, *hopeless)
    assert done.returncode == 99


def test_an_objective_that_cannot_be_meant_sends_no_load(
    target: FakeTarget, tmp_path: Path
) -> None:
    """A misspelt threshold is a usage error before anything is asked of the target."""
    done = capture(target, tmp_path / "a.json", "--threshold", "http_req_duration: p95 < 1")
    assert done.returncode == 2
    assert "p(95)" in done.stderr
    assert not target.served
