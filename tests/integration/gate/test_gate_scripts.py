"""Both gates as the protocol calls them: real processes in real repositories."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from enforcement_suite.suite import STRESS_PREFIX
from release_project import (
    ENTERPRISE,
    FAILURE,
    RELEASE,
    STRESS,
    ReleaseProject,
    clean_environment,
    honest,
)
from stressproof.gate.step_environment import NESTING_MARKER

NOT_RELEASE = "NOT RELEASE EVIDENCE"
NO_DECISION = "NOT A RELEASE DECISION"
FAILURE_PATH = "ENFORCEMENT_FAILURE_INJECTION_EVIDENCE_PATH"
PROTOCOL = {
    "ENFORCEMENT_STRESS_EVIDENCE_PATH": STRESS,
    "ENFORCEMENT_STRESS_EVIDENCE_MAX_AGE_HOURS": "24",
    "ENFORCEMENT_STRESS_EVIDENCE_MIN_DURATION_SECONDS": "30",
    "ENFORCEMENT_STRESS_EVIDENCE_MIN_CONCURRENT_USERS": "10",
    "ENFORCEMENT_STRESS_EVIDENCE_REQUIRED": "true",
    "ENFORCEMENT_STRESS_EVIDENCE_REQUIRED_DATABASE_ENGINE": "postgresql",
}
ONE_PASS = (
    *("--stress-max-age-hours", "24"),
    *("--failure-max-age-hours", "48"),
    *("--stress-min-duration-seconds", "30"),
    *("--stress-min-concurrent-users", "10"),
    *("--stress-required-database-engine", "postgresql"),
)


def sha256(path: Path) -> str:
    """Digest of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_six_variables_gate_a_good_artifact_twice_in_a_row(project: ReleaseProject) -> None:
    """The enterprise gate passes as the protocol sets it up, and again."""
    digest = sha256(project.stress())
    for _ in range(2):
        ended = project.run(ENTERPRISE, **PROTOCOL)
        assert ended.code == 0, ended.out + ended.err
        assert ended.last_line.startswith("PASS  enterprise gate: stress evidence holds")
        assert ended.last_line.endswith("exit 0")
        assert digest in ended.out
        assert "second ran" in ended.err
    assert project.git("status", "--porcelain") == "?? docs/ops/evidence/stress.json"


def test_the_one_pass_command_names_the_half_that_is_missing(project: ReleaseProject) -> None:
    """Without failure evidence it is inconclusive, the stress half complete, and no step is run."""
    project.stress()
    ended = project.release(*ONE_PASS)
    assert ended.code == 3
    assert f"{FAILURE}: " in ended.out
    assert "stress evidence holds (recomputed)" in ended.last_line
    assert "2 of 2 steps not run" in ended.last_line
    assert "first ran" not in ended.err


def test_the_release_gate_asks_for_more_than_words_of_both_halves(project: ReleaseProject) -> None:
    """Failure evidence without its operations is judged, and is not enough for a release."""
    project.stress()
    project.failure()
    ended = project.release(*ONE_PASS, "--format", "json")
    data = json.loads(ended.out)
    assert data["accepted"] is False
    assert "failure.assurance" in {
        each["rule"] for each in data["verdicts"][1]["results"] if each["exit_code"]
    }
    assert ended.code == 6


def test_paths_that_nobody_names_block_the_release_gate(project: ReleaseProject) -> None:
    """Without flags and variables both halves are missing, and both are said to be."""
    ended = project.run(RELEASE)
    assert ended.code == 3
    assert "gate.stress-path" in ended.out
    assert "gate.failure-path" in ended.out
    assert "--failure-evidence-path" in ended.out


def test_variables_serve_the_release_gate_where_flags_do_not(project: ReleaseProject) -> None:
    """CI may set both paths in its environment."""
    project.stress()
    ended = project.run(RELEASE, **{STRESS_PREFIX + "PATH": STRESS, FAILURE_PATH: FAILURE})
    assert ended.code == 3
    assert "stress evidence holds" in ended.last_line
    assert f"{FAILURE}: " in ended.out


def stale(project: ReleaseProject) -> None:
    """Evidence of yesterday."""
    project.stress(captured=datetime.now(UTC) - timedelta(hours=25))


def missing(project: ReleaseProject) -> None:
    """No evidence."""
    (project.root / STRESS).unlink(missing_ok=True)


def empty(project: ReleaseProject) -> None:
    """A file of no bytes."""
    (project.root / STRESS).write_bytes(b"")


def of_another_commit(project: ReleaseProject) -> None:
    """Evidence of some other build."""
    project.stress(commit="1" * 40)


def short(project: ReleaseProject) -> None:
    """Rounds below the floor."""
    project.stress(duration_s=29)


def lonely(project: ReleaseProject) -> None:
    """Fewer users than the floor."""
    project.stress(users=9)


def dirty(project: ReleaseProject) -> None:
    """Good evidence, and an edited tree."""
    project.stress()
    project.write({"src/service.py": "ANSWER = 43\n"})


def forged(project: ReleaseProject) -> None:
    """Figures that do not follow from the measurements, everywhere they are written."""
    data = project.stress_data()
    for results in (data["results"], *(run["results"] for run in data["runs"])):
        results["p95_response_time"] = 0.001
    data["evaluation"]["worst_p95_seconds"] = 0.001
    project.store(STRESS, data)


def on_sqlite(project: ReleaseProject) -> None:
    """The wrong engine, honestly told."""
    data = project.stress_data()
    data["runtime"]["database_engine"] = "sqlite"
    project.store(STRESS, data)


def legacy(project: ReleaseProject) -> None:
    """An artifact from before the runtime was recorded."""
    data = project.stress_data()
    del data["runtime"]
    project.store(STRESS, data)


BAD: dict[str, tuple[Callable[[ReleaseProject], None], int, str]] = {
    "stale": (stale, 6, "stress.age"),
    "missing": (missing, 3, "evidence.reading"),
    "empty": (empty, 6, "evidence.reading"),
    "of another commit": (of_another_commit, 6, "stress.commit"),
    "short": (short, 6, "stress.workload"),
    "lonely": (lonely, 6, "stress.workload"),
    "dirty": (dirty, 6, "gate.clean"),
    "forged": (forged, 6, "stress.rounds-recomputed"),
    "on sqlite": (on_sqlite, 6, "stress.engine"),
    "legacy": (legacy, 6, "stress.legacy"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_evidence_blocks_before_any_step(project: ReleaseProject, case: str) -> None:
    """Each kind of bad evidence ends with its code, its rule and what to do, and runs nothing."""
    make, code, rule = BAD[case]
    make(project)
    ended = project.enterprise()
    assert ended.code == code, ended.out + ended.err
    assert rule in ended.out
    assert "→ " in ended.out
    assert ended.last_line.endswith(f"exit {code}")
    assert "first ran" not in ended.err
    assert "Traceback" not in ended.err


def test_missed_objectives_have_their_own_code(project: ReleaseProject) -> None:
    """Honest evidence of a build that is too slow is not rejected; the build is."""
    project.stress(limits=honest.Thresholds(0.05, 1.0, 0.5))
    ended = project.enterprise(**{STRESS_PREFIX + "MAX_P95_SECONDS": "0.05"})
    assert ended.code == 99, ended.out
    assert ended.last_line.endswith("exit 99")


def test_a_tighter_capture_passes_its_gate(project: ReleaseProject) -> None:
    """The gate can be told the limits that the capture was held to, by variable and by flag."""
    project.stress(limits=honest.Thresholds(1.9, 0.5, 5.0))
    assert project.enterprise().code == 6
    variables = {
        STRESS_PREFIX + "MAX_P95_SECONDS": "1.9",
        STRESS_PREFIX + "MAX_ERROR_RATE_PERCENT": "0.5",
        STRESS_PREFIX + "MIN_THROUGHPUT_RPS": "5",
    }
    assert project.enterprise(**variables).code == 0
    flags = (
        *("--stress-max-p95-seconds", "1.9"),
        *("--stress-max-error-rate-percent", "0.5"),
        *("--stress-min-throughput-rps", "5.0"),
    )
    assert "stress evidence holds" in project.release(*flags).last_line


def test_no_evidence_and_none_required_is_no_release_decision(project: ReleaseProject) -> None:
    """The quality steps alone may pass; the last line says what that is worth."""
    ended = project.run(ENTERPRISE)
    assert ended.code == 0
    assert ended.last_line.startswith(NO_DECISION)
    assert "2 of 2 steps hold" in ended.last_line


def test_wrong_variables_are_usage_all_at_once(project: ReleaseProject) -> None:
    """A gate that was told something impossible judges nothing."""
    project.stress()
    wrong = {
        STRESS_PREFIX + "REQUIRED": "required",
        STRESS_PREFIX + "MAX_AGE_HOURS": "inf",
        STRESS_PREFIX + "REQUIRED_DATABASE_ENGINE": "sqlite",
    }
    ended = project.enterprise(**wrong)
    assert ended.code == 2
    assert all(name in ended.err for name in wrong)
    assert ended.out == ""


@pytest.mark.parametrize(
    "flags",
    [
        ("--stress-max-age-hours", "nan"),
        ("--stress-max-age-hours", "-1"),
        ("--stress-max-age-hours", "48"),
        ("--failure-max-age-hours", "49"),
        ("--failure-max-age-hours", "inf"),
        ("--stress-min-duration-seconds", "29"),
        ("--stress-min-duration-seconds", "30.5"),
        ("--stress-min-concurrent-users", "1"),
        ("--stress-required-database-engine", "sqlite"),
        ("--stress-required-database-engine", "PostgreSQL"),
        ("--stress-max-p95-seconds", "3"),
        ("--stress-max-error-rate-percent", "100"),
        ("--stress-min-throughput-rps", "0"),
        ("--without-failure-evidence",),
        ("--format", "xml"),
        ("--no-such-flag",),
        ("positional",),
    ],
)
def test_flags_that_cannot_be_meant_are_usage(
    project: ReleaseProject, flags: tuple[str, ...]
) -> None:
    """No flag loosens a floor or lets everything through."""
    project.stress()
    project.failure()
    ended = project.release(*flags)
    assert ended.code == 2, ended.out + ended.err
    assert flags[0] in ended.err
    assert ended.out == ""


def test_the_decision_file_carries_the_digest_of_the_file_judged(
    project: ReleaseProject, tmp_path: Path
) -> None:
    """Written whole, beside nothing else, and equal to what stdout shows."""
    digest = sha256(project.stress())
    out = tmp_path / "decisions" / "decision.json"
    ended = project.enterprise("--decision-out", str(out), "--format", "json")
    assert ended.code == 0
    data = json.loads(out.read_text())
    assert data == json.loads(ended.out)
    assert data["accepted"] is True
    assert data["evidence"][0]["sha256"] == digest
    assert data["commit"] == project.head
    assert [each.name for each in out.parent.iterdir()] == ["decision.json"]


def test_a_decision_of_before_does_not_outlive_a_gate_that_blocks_or_dies(
    project: ReleaseProject,
) -> None:
    """Whatever ends a gate, what lies at its decision file accepts nothing that it did not."""
    project.stress()
    out = project.root / "decision.json"
    arguments = ("--decision-out", "decision.json")
    assert project.enterprise(*arguments).code == 0
    assert json.loads(out.read_text())["accepted"] is True
    assert project.enterprise(*arguments, **{STRESS_PREFIX + "REQUIRED": "?"}).code == 2
    assert json.loads(out.read_text())["accepted"] is False
    assert project.enterprise(*arguments).code == 0
    (project.root / STRESS).unlink()
    assert project.enterprise(*arguments).code == 3
    data = json.loads(out.read_text())
    assert (data["accepted"], data["exit_code"]) == (False, 3)


def test_what_is_no_decision_is_not_overwritten(project: ReleaseProject) -> None:
    """A slip of the hand does not cost the evidence."""
    path = project.stress()
    before = path.read_bytes()
    ended = project.enterprise("--decision-out", STRESS)
    assert ended.code == 2
    assert path.read_bytes() == before


def test_a_decision_that_cannot_be_written_is_told_before_anything_is_judged(
    project: ReleaseProject,
) -> None:
    """Nobody waits minutes for steps whose result is lost."""
    project.stress()
    ended = project.enterprise("--decision-out", "README.md/decision.json")
    assert ended.code == 7
    assert "first ran" not in ended.err


REHEARSALS: dict[str, tuple[Callable[[ReleaseProject], object], dict[str, str], int]] = {
    "good": (lambda project: project.stress(), {}, 0),
    "loosened and short": (short, {STRESS_PREFIX + "MIN_DURATION_SECONDS": "5"}, 3),
    "loosened and good": (
        lambda project: project.stress(),
        {STRESS_PREFIX + "MAX_AGE_HOURS": "100"},
        3,
    ),
    "forged": (forged, {}, 6),
    "missing": (missing, {}, 3),
}


@pytest.mark.parametrize("case", REHEARSALS)
def test_a_rehearsal_cannot_look_like_a_release(project: ReleaseProject, case: str) -> None:
    """Every line is marked, no decision is written, no step is run, and it says what would be."""
    make, variables, code = REHEARSALS[case]
    make(project)
    arguments = ("--dry-run", "--decision-out", "decision.json")
    ended = project.enterprise(*arguments, **variables)
    assert ended.code == code, ended.out + ended.err
    lines = [*ended.out.splitlines(), *ended.err.splitlines()]
    assert all(line.startswith(NOT_RELEASE) for line in lines)
    assert "print('first ran')" in ended.out
    assert "first ran\n" not in ended.err
    assert not (project.root / "decision.json").exists()
    told = json.loads(project.enterprise("--dry-run", "--format", "json", **variables).out)
    assert told["accepted"] is False
    assert told["notice"] == NOT_RELEASE
    assert told["would_pass"] is (case not in {"forged", "missing"})


@pytest.mark.parametrize("form", ["github", "markdown"])
def test_a_rehearsal_is_marked_in_every_form(project: ReleaseProject, form: str) -> None:
    """What CI shows of a rehearsal cannot be read as a release."""
    project.stress()
    ended = project.enterprise("--dry-run", "--format", form)
    assert ended.code == 0
    headline = [line for line in ended.out.splitlines() if "PASS" in line]
    assert headline
    assert all(NOT_RELEASE in line or "evidence, recomputed" in line for line in headline)


def test_github_gets_annotations_and_a_page(project: ReleaseProject, tmp_path: Path) -> None:
    """At most ten errors, one notice with the digest, and the whole decision on the step's page."""
    forged(project)
    page = tmp_path / "page.md"
    ended = project.enterprise("--format", "github", GITHUB_STEP_SUMMARY=str(page))
    assert ended.code == 6
    lines = ended.out.splitlines()
    assert all(line.startswith("::") for line in lines)
    assert 0 < sum(line.startswith("::error ") for line in lines) <= 10
    assert sha256(project.root / STRESS) in lines[-1]
    assert "enterprise gate" in page.read_text()


def test_the_evidence_steps_alone_say_what_they_are(project: ReleaseProject) -> None:
    """The demonstration's gate: evidence judged, steps left out, nothing released."""
    project.stress()
    ended = project.run(
        RELEASE,
        *("--stress-evidence-path", STRESS, "--evidence-only", "--without-failure-evidence"),
    )
    assert ended.code == 0, ended.out
    assert ended.last_line.startswith(f"{NO_DECISION} (evidence only)")
    assert "failure evidence not asked for" in ended.last_line
    assert "first ran" not in ended.err
    both = project.release("--evidence-only")
    assert both.code == 3


def test_a_gate_inside_a_gate_is_refused(project: ReleaseProject) -> None:
    """A step that runs the gate fails instead of running forever."""
    command = json.dumps(["python", str(ENTERPRISE)])
    project.commit(
        "steps", {"stressproof.toml": f'[gate]\nsteps = [{{ name = "self", run = {command} }}]\n'}
    )
    project.stress()
    ended = project.enterprise()
    assert ended.code == 99
    assert "already running" in ended.err
    assert project.enterprise(**{NESTING_MARKER: "1"}).code == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_too(project: ReleaseProject, number: int, code: int) -> None:
    """Ctrl-C leaves no step behind, and no decision that accepts."""
    script = (
        "import os, pathlib, time; "
        "pathlib.Path('pid.part').write_text(str(os.getpid())); os.rename('pid.part', 'pid'); "
        "time.sleep(3600)"
    )
    command = json.dumps(["python", "-c", script])
    project.commit(
        "steps", {"stressproof.toml": f'[gate]\nsteps = [{{ name = "long", run = {command} }}]\n'}
    )
    project.stress()
    with subprocess.Popen(
        [sys.executable, str(ENTERPRISE), "--decision-out", "decision.json"],
        cwd=project.root,
        env=clean_environment(PROTOCOL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while not (project.root / "pid").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    step = int((project.root / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(step, 0)
    assert json.loads((project.root / "decision.json").read_text())["accepted"] is False


def test_the_installed_command_is_the_same_gate(project: ReleaseProject) -> None:
    """``stressproof gate`` offers both, for projects without our scripts."""
    project.stress()
    program = Path(sys.executable).parent / "stressproof"
    ended = subprocess.run(
        [program, "gate", "enterprise", "--format", "json"],
        cwd=project.root,
        env=clean_environment(PROTOCOL),
        check=False,
        capture_output=True,
    )
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["gate"] == "enterprise"
    ended = subprocess.run(
        [program, "gate", "release", "--stress-evidence-path", STRESS],
        cwd=project.root,
        env=clean_environment(),
        check=False,
        capture_output=True,
    )
    assert ended.returncode == 3


def test_no_git_is_inconclusive(project: ReleaseProject, tmp_path: Path) -> None:
    """Outside of a checkout the same evidence proves nothing about what is here."""
    project.stress()
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("stressproof.toml", STRESS):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_bytes((project.root / name).read_bytes())
    ended = subprocess.run(
        [sys.executable, str(ENTERPRISE)],
        cwd=outside,
        env=clean_environment(PROTOCOL),
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 3
    assert "gate.checkout" in ended.stdout
