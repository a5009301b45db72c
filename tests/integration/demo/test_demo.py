"""The demo as a new user runs it, only shorter, and what is left when it is cut off."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
QUICK = ("--rounds", "1", "--duration", "2", "--users", "2", "--skip-injection")


def processes_naming(folder: Path) -> list[str]:
    """Command lines of living processes that name a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and str(folder) in line and entry.name != str(os.getpid()):
            found.append(line)
    return found


@pytest.fixture
def folder(passable: Path) -> Path:
    """Where a demo goes."""
    return passable / "demo"


def test_a_short_demo_runs_the_protocol_and_says_why_it_is_no_release_evidence(
    folder: Path,
) -> None:
    """Everything runs; rounds under the floor are measured, and rejected by verifier and gate."""
    ran = subprocess.run(
        [sys.executable, "-m", "stressproof", "demo", "--directory", str(folder), *QUICK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    artifacts = list(folder.glob("*/enforcement_stress_artifact.json"))
    assert len(artifacts) == 1, ran.stderr
    artifact = json.loads(artifacts[0].read_bytes())
    assert artifact["status"] == "complete"
    assert artifact["runner"] == "scripts/load_test_api.py"
    assert artifact["runtime"]["database_engine"] == "postgresql"
    assert artifact["target"]["after"]["workers"] == 2
    assert ran.returncode == 6, ran.stderr
    assert "duration" in ran.stdout + ran.stderr
    assert str(artifacts[0]) in ran.stdout
    assert processes_naming(folder) == []
    assert not list(folder.glob("*/data"))
    (page,) = folder.glob("*/report.html")
    assert artifact["subject"]["git_commit"][:12] in page.read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_demo_ends_with_a_promotion(folder: Path) -> None:
    """As the first page has it: five scenarios are injected, two people sign, one promotes."""
    ran = subprocess.run(
        [sys.executable, "-m", "stressproof", "demo", "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert "PASS (exit 0): 5 of 5 passed" in ran.stdout + ran.stderr
    assert "PASS  promote commit" in ran.stdout
    assert processes_naming(folder) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_cut_off_stops_everything_and_keeps_the_evidence(
    folder: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C and SIGTERM leave no process, and an artifact that says it was interrupted."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "stressproof", "demo"),
            *("--directory", str(folder), "--rounds", "1", "--duration", "90", "--users", "2"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("round 1"):
                break
        time.sleep(8)  # past the ramp, so that there is something to keep
        if number == signal.SIGINT:
            os.killpg(child.pid, number)  # as a terminal does
        else:
            child.send_signal(number)
        child.communicate(timeout=90)
    assert child.returncode == code
    [path] = folder.glob("*/enforcement_stress_artifact.json")
    artifact = json.loads(path.read_bytes())
    assert artifact["status"] == "interrupted"
    assert artifact["meets_targets"] is False
    assert processes_naming(folder) == []


def test_a_killed_demo_leaves_no_service_behind(folder: Path) -> None:
    """Not even SIGKILL of the demo leaves a service or a database running."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "stressproof", "demo"),
            *("--directory", str(folder), "--rounds", "1", "--duration", "5", "--users", "1"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("service on"):
                break
        child.kill()
    deadline = time.monotonic() + 60
    while processes_naming(folder):
        assert time.monotonic() < deadline, processes_naming(folder)
        time.sleep(0.1)


def test_outside_of_a_checkout_the_demo_says_where_to_run_it(tmp_path: Path) -> None:
    """Evidence is about a commit, so the demo wants a checkout."""
    ran = subprocess.run(
        [sys.executable, "-m", "stressproof", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "top of a clone" in ran.stderr
