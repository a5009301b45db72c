"""Captures that are written to the ledger and signed, in a project with a trust policy."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake_target import FakeTarget
from release_project import ReleaseProject, clean_environment
from signing_people import POLICY, Team, make_team
from stressproof.exits import Exit
from stressproof.trust.bundle import read_bundle
from stressproof.trust.ledger import Ledger, read_ledger
from stressproof.trust.statement import EVIDENCE, PLAN
from stressproof.verify.instants import now_us

OUT = "docs/ops/evidence/a.json"
BUNDLE = "docs/ops/evidence/a.intoto.jsonl"
LEDGER = "docs/ops/evidence/runs.jsonl"
MEASURED = {Exit.PASS, Exit.INCONCLUSIVE}
"""How a run ends that misses nothing: a busy machine may say that its generator was the limit."""
QUICK = (
    "--duration",
    "1",
    "--ramp",
    "0",
    "--rate",
    "20",
    "--max-vus",
    "4",
    "--endpoint",
    "/health/live",
)


class CapturedProject(ReleaseProject):
    """A project with a trust policy, whose captures are real.

    Args:
        root: An empty folder.
        team: Who signs.
    """

    def __init__(self, root: Path, team: Team) -> None:
        super().__init__(root)
        self.team = team
        self.policy = team.policy()
        self.commit("trust", team.files(POLICY))

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command here."""
        return subprocess.Popen(
            [sys.executable, "-m", "stressproof", *arguments],
            cwd=self.root,
            env=clean_environment({"STRESSPROOF_LEDGER": "", **variables}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def capture(self, url: str, *arguments: str, **variables: str) -> tuple[int, str]:
        """Capture to `OUT`, and return the exit code and what was said."""
        with self.start(
            *("capture", "--url", url, "--out", OUT, *QUICK, *arguments), **variables
        ) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    @property
    def key(self) -> tuple[str, ...]:
        """The flags that sign as the executor."""
        return ("--sign", "--signing-key", str(self.team.folder / "ada"))

    @property
    def ledger(self) -> Ledger:
        """What was written of the runs."""
        return read_ledger(self.root / LEDGER)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """An executor, an approver and a gate."""
    return make_team(tmp_path_factory.mktemp("team"))


@pytest.fixture
def project(tmp_path: Path, team: Team) -> CapturedProject:
    """A project to capture in."""
    root = tmp_path / "project"
    root.mkdir()
    return CapturedProject(root, team)


def test_a_signed_capture_has_a_plan_a_run_and_a_statement(
    project: CapturedProject, target: FakeTarget
) -> None:
    """Planned before, written down, signed after, all of one run; the artifact as it was."""
    code, said = project.capture(target.url, *project.key)
    assert code in MEASURED, said
    bundle = read_bundle(project.root / BUNDLE, project.policy, now_us())
    assert [each.kind for each in bundle.signed] == [PLAN, EVIDENCE]
    plan, evidence = bundle.signed
    [attempt] = project.ledger.attempts
    assert attempt.end is not None
    assert attempt.end.outcome in {"pass", "inconclusive"}
    assert attempt.start.plan == plan.digest
    assert plan.predicate.nonce == attempt.start.run
    assert evidence.predicate.plan_digest == plan.digest
    assert evidence.names(attempt.end.sha256 or "")
    assert evidence.commits == {project.head}
    data = json.loads((project.root / OUT).read_bytes())
    assert plan.predicate.thresholds == data["thresholds"]
    assert project.ledger.attempt_of(attempt.end.sha256 or "") == attempt
    # Evidence, bundle and ledger lie where differences are none of the build.
    assert project.capture(target.url)[0] in MEASURED
    assert json.loads((project.root / OUT).read_bytes())["subject"]["git_dirty"] is False


def test_what_was_signed_follows_what_is_set_aside(
    project: CapturedProject, target: FakeTarget
) -> None:
    """An older artifact keeps its statements; a new one that nobody signed has none."""
    assert project.capture(target.url, *project.key)[0] in MEASURED
    signed = (project.root / BUNDLE).read_bytes()
    captured = json.loads((project.root / OUT).read_bytes())["captured_at"]
    assert project.capture(target.url)[0] in MEASURED
    assert not (project.root / BUNDLE).exists()
    kept = [each.read_bytes() for each in (project.root / "docs/ops/evidence").glob("*.jsonl")]
    assert signed in kept
    assert captured
    assert len(project.ledger.attempts) == 2


def test_every_run_is_written_down_however_it_ends(
    project: CapturedProject, target: FakeTarget
) -> None:
    """Passed, missed, not reached, killed: each has its line, and none is lost."""
    assert project.capture(target.url)[0] in MEASURED
    assert project.capture(target.url, "--p95-target", "0s")[0] == Exit.OBJECTIVES
    assert project.capture(target.url, "--p95-target", "0s", "--no-enforce")[0] == Exit.PASS
    assert project.capture("http://127.0.0.1:9")[0] == Exit.TARGET
    started = project.start(
        *("capture", "--url", target.url, "--out", OUT, *QUICK[2:], "--duration", "60")
    )
    with started as process:
        deadline = time.monotonic() + 30
        while len(project.ledger.attempts) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    outcomes = [each.end and each.end.outcome for each in project.ledger.attempts]
    assert outcomes[0] in {"pass", "inconclusive"}
    assert outcomes[1:] == ["fail", "fail", "unsent", None]


def test_who_cannot_sign_sends_nothing(project: CapturedProject, target: FakeTarget) -> None:
    """An approver's key, no key, no policy, nothing to sign: told before any load."""
    grace = ("--sign", "--signing-key", str(project.team.folder / "grace"))
    for flags in (
        grace,
        ("--sign", "--signing-key", str(project.root / "absent")),
        ("--signing-key", str(project.team.folder / "ada")),
        (*project.key, "--policy", "absent.toml"),
        (*project.key, "--policy-ref", "main"),
        (*project.key, "--digest", "sha256:0"),
    ):
        code, said = project.capture(target.url, *flags)
        assert code == Exit.USAGE, said
    project.git("rm", "-q", "-r", "trust")
    project.git("commit", "-q", "-m", "none")
    code, said = project.capture(target.url, *project.key)
    assert (code, "nobody knows who may sign" in said) == (Exit.USAGE, True)
    assert not (project.root / OUT).exists()
    assert not (project.root / LEDGER).exists()


def test_a_ledger_that_cannot_be_written_is_told_before_any_load(
    project: CapturedProject, target: FakeTarget
) -> None:
    """Cut short, a folder, or another file: 7, and the variable that names another."""
    for content in (b"no ledger", b"no ledger\n"):
        (project.root / LEDGER).write_bytes(content)
        code, said = project.capture(target.url)
        assert code == Exit.OUTPUT, said
        assert (project.root / LEDGER).read_bytes() == content
    (project.root / LEDGER).unlink()
    (project.root / LEDGER).mkdir()
    code, said = project.capture(target.url)
    assert (code, "STRESSPROOF_LEDGER" in said) == (Exit.OUTPUT, True)
    elsewhere = project.root / "elsewhere.jsonl"
    assert project.capture(target.url, STRESSPROOF_LEDGER=str(elsewhere))[0] in MEASURED
    assert len(read_ledger(elsewhere).attempts) == 1


def test_outside_of_a_repository_the_ledger_lies_beside_the_artifact(
    tmp_path: Path, target: FakeTarget
) -> None:
    """And without a file there is nothing to lie beside."""
    command = [sys.executable, "-m", "stressproof", "capture", "--url", target.url, *QUICK]
    environment = clean_environment({"STRESSPROOF_LEDGER": ""})
    for out in (("--out", "kept/a.json"), ()):
        ended = subprocess.run(
            [*command, *out], cwd=tmp_path, env=environment, check=False, capture_output=True
        )
        assert ended.returncode in MEASURED
    assert len(read_ledger(tmp_path / "kept/runs.jsonl").attempts) == 1
