"""A capture that is told to end: soon or at once, it keeps what was measured."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from fake_target import FakeTarget, as_json
from stressproof.evidence.reading import read_document
from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit
from stressproof.suite import PLAIN
from stressproof.verify.instants import now_us
from stressproof.verify.stress.verifier import STRESS

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, str(ROOT / "scripts" / "load_test_api.py"), "--profile", "health"]
LONG = ("--duration", "60", "--ramp", "0", "--users", "2", "--timeout", "30")


def started(target: FakeTarget, out: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start a long capture."""
    command = [*COMMAND, "--url", target.url, *LONG, "--out", str(out), *more]
    environment = {**os.environ, "XDG_STATE_HOME": "/nonexistent"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(target: FakeTarget, requests: int, path: str = "/health/live") -> None:
    """Wait until so many requests have been answered."""
    for _ in range(1200):
        if target.served[path] >= requests:
            return
        time.sleep(0.05)
    pytest.fail("the load never came")


def kept(out: Path) -> StressArtifact:
    """Read what a capture left."""
    return msgspec.json.decode(out.read_bytes(), type=StressArtifact)


@pytest.mark.parametrize(
    ("number", "code", "load"),
    [
        (signal.SIGINT, 130, ()),
        (signal.SIGTERM, 143, ("--rate", "90/s")),
        (signal.SIGHUP, 129, ()),
    ],
)
def test_a_signal_ends_a_capture_and_keeps_it(
    target: FakeTarget, tmp_path: Path, number: int, code: int, load: tuple[str, ...]
) -> None:
    """What was measured is kept, marked as interrupted, and the exit code names the signal."""
    out = tmp_path / "a.json"
    process = started(target, out, *load)
    wait_for(target, 50)
    time.sleep(1.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    artifact = kept(out)
    assert artifact.status == "interrupted"
    assert artifact.results.total_requests > 0
    verdict = STRESS.verify(read_document(out), PLAIN.stress_requirements("health"), now_us())
    rejected = {one.rule for one in verdict.blocking if one.exit_code is Exit.EVIDENCE}
    assert "stress.status" in rejected
    assert rejected <= TOO_LITTLE, "an honest capture that was broken off reads as edited"


TOO_LITTLE = {
    *(
        "stress.status",
        "stress.runner",
        "stress.rounds",
        "stress.overall",
        "stress.workload",
        "stress.load-reached",
    ),
}
"""What a capture that was broken off is refused for, by a suite's own floors."""


def test_a_second_signal_ends_a_capture_at_once(target: FakeTarget, tmp_path: Path) -> None:
    """Answers that do not come are not waited for, nor is the probe after the load; all is kept."""
    out = tmp_path / "a.json"
    process = started(target, out)
    wait_for(target, 50)
    time.sleep(1.2)
    hold = 60.0

    def held(_: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(hold)
        return as_json(200, {})

    target.answers["/health/live"] = held
    target.health = lambda: held(0)  # type: ignore[method-assign]
    process.send_signal(signal.SIGINT)
    time.sleep(0.7)  # the round has ended, and the target is asked how it is
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert time.monotonic() - began < 3
    artifact = kept(out)
    assert artifact.status == "interrupted"
    assert artifact.results.total_requests > 0
    assert artifact.target.after is None


def test_two_signals_in_a_row_keep_the_round(target: FakeTarget, tmp_path: Path) -> None:
    """Both may come while a round is measured."""
    out = tmp_path / "a.json"
    process = started(target, out)
    wait_for(target, 50)
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert kept(out).results.total_requests > 0


def test_a_signal_ends_preflight_too(target: FakeTarget, tmp_path: Path) -> None:
    """An endpoint that does not answer holds up nobody who wants to leave."""
    out = tmp_path / "a.json"

    def held(_: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(60)
        return as_json(200, {})

    target.answers["/health/live"] = held
    process = started(target, out, "--preflight-timeout", "60", "--preflight-attempts", "9")
    wait_for(target, 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    artifact = kept(out)
    assert (artifact.status, artifact.runs) == ("interrupted", [])


def test_a_terminal_that_goes_away_leaves_the_evidence(target: FakeTarget, tmp_path: Path) -> None:
    """SIGHUP from a terminal that was closed, to which nothing can be written any more."""
    out = tmp_path / "a.json"
    terminal, ours = pty.openpty()
    command = ["setsid", "--ctty", *COMMAND, "--url", target.url, *LONG, "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=ours, stdout=ours, stderr=ours)
    os.close(ours)
    wait_for(target, 50)
    time.sleep(1.5)
    os.close(terminal)
    assert process.wait(60) == 129
    assert kept(out).results.total_requests > 0
