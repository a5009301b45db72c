"""A decision, confirmed where it is acted on."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_project import STRESS, ReleaseProject, asking
from stressproof.cli.gate_confirm import command
from stressproof.cli.run import run
from stressproof.gate.gate import ENTERPRISE, gate
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.report.gate_json import undecided
from stressproof.report.gates import render

pytestmark = pytest.mark.gate

DECISION = "decision.json"


@pytest.fixture
def decided(project: ReleaseProject, monkeypatch: pytest.MonkeyPatch) -> ReleaseProject:
    """A project whose gate accepted it."""
    monkeypatch.chdir(project.root)
    monkeypatch.delenv(NESTING_MARKER, raising=False)
    project.stress()
    asked = asking(stress_path=STRESS, stress_required=True)
    decision = gate(asked, name=ENTERPRISE)
    (project.root / DECISION).write_text(render(decision, "json"))
    return project


def confirmed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of a confirmation, and what it says."""
    code = run(command, "confirm", [DECISION, *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def change(project: ReleaseProject, **fields: Any) -> None:
    """Write other values into the decision."""
    path = project.root / DECISION
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_an_accepting_decision_about_what_is_here_is_confirmed(
    decided: ReleaseProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing changed since the gate, so its word holds, and holds again."""
    for _ in range(2):
        code, said = confirmed(capsys)
        assert code == 0, said
        assert said.rstrip().endswith("exit 0")


def test_evidence_committed_after_the_decision_changes_nothing(
    decided: ReleaseProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """A commit of nothing but evidence is the same build."""
    decided.git("add", "--force", STRESS)
    decided.git("commit", "--quiet", "--message", "evidence")
    assert confirmed(capsys)[0] == 0


def other_evidence(project: ReleaseProject) -> None:
    """Good evidence, but not what was judged."""
    project.stress(seed=2)


def no_evidence(project: ReleaseProject) -> None:
    """The artifact is gone."""
    (project.root / STRESS).unlink()


def other_commit(project: ReleaseProject) -> None:
    """A commit that nobody judged."""
    project.commit("more", {"src/service.py": "ANSWER = 43\n"})


def local_change(project: ReleaseProject) -> None:
    """A tree that is no commit."""
    project.write({"src/service.py": "ANSWER = 43\n"})


def old(project: ReleaseProject) -> None:
    """A decision of the day before yesterday."""
    change(project, decided_at=(datetime.now(UTC) - timedelta(hours=25)).isoformat())


def from_the_future(project: ReleaseProject) -> None:
    """A decision of tomorrow."""
    change(project, decided_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())


def edit(project: ReleaseProject, field: str, **values: Any) -> None:
    """Write other values into the first part of the decision."""
    parts = json.loads((project.root / DECISION).read_text())[field]
    change(project, **{field: [{**parts[0], **values}, *parts[1:]]})


def hand_written(project: ReleaseProject) -> None:
    """A decision that accepts a file holding nothing."""
    (project.root / STRESS).write_text("{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    edit(project, "evidence", sha256=digest)


REFUSED: dict[str, tuple[Callable[[ReleaseProject], object], int, str]] = {
    "other evidence": (other_evidence, 6, "confirm.evidence"),
    "no evidence": (no_evidence, 6, "confirm.evidence"),
    "another commit": (other_commit, 6, "confirm.commit"),
    "a local change": (local_change, 6, "confirm.commit"),
    "an old decision": (old, 6, "confirm.age"),
    "a decision from the future": (from_the_future, 6, "confirm.age"),
    "a decision without a time": (lambda p: change(p, decided_at=None), 3, "confirm.age"),
    "a decision against it": (lambda p: change(p, accepted=False), 6, "confirm.accepted"),
    "a decision with a code": (lambda p: change(p, exit_code=3), 6, "confirm.accepted"),
    "a verdict's decision": (
        lambda p: change(p, schema="stressproof.decision/1"),
        6,
        "confirm.accepted",
    ),
    "a decision on nothing": (lambda p: change(p, evidence=[]), 6, "confirm.accepted"),
    "a decision of no commit": (lambda p: change(p, commit=None), 6, "confirm.commit"),
    "a gate that died": (
        lambda p: (p.root / DECISION).write_bytes(undecided(ENTERPRISE)),
        6,
        "confirm.accepted",
    ),
    "evidence in its place": (
        lambda p: (p.root / DECISION).write_bytes((p.root / STRESS).read_bytes()),
        6,
        "expected a decision of a gate",
    ),
    "nobody's file": (hand_written, 6, "confirm.judged-again"),
    "a rehearsal": (lambda p: change(p, dry_run=True), 6, "confirm.accepted"),
    "a failure by its word": (lambda p: change(p, outcome="fail"), 6, "confirm.accepted"),
    "evidence alone": (lambda p: change(p, evidence_only=True), 6, "confirm.accepted"),
    "loosened floors": (lambda p: change(p, loosened=["x"]), 6, "confirm.accepted"),
    "no verdicts": (lambda p: change(p, verdicts=[]), 6, "confirm.accepted"),
    "a failed verdict": (lambda p: edit(p, "verdicts", outcome="fail"), 6, "confirm.accepted"),
    "a failed rule": (lambda p: edit(p, "checks", exit_code=6), 6, "confirm.accepted"),
    "a failed step": (lambda p: edit(p, "steps", outcome="fail"), 6, "confirm.steps"),
    "a step left out": (lambda p: change(p, steps=[]), 6, "confirm.steps"),
    "another step": (lambda p: edit(p, "steps", command=["true"]), 6, "confirm.steps"),
    "easier limits": (
        lambda p: change(p, asked={"stress": {"min_concurrent_users": 1}}),
        6,
        "confirm.asked",
    ),
    "a limit that is none": (
        lambda p: change(p, asked={"stress": {"minimum_level": "declared"}}),
        6,
        "cannot be asked minimum_level",
    ),
    "a kind that is none": (
        lambda p: edit(p, "evidence", kind="other"),
        6,
        "no evidence is called",
    ),
    "no digest": (
        lambda p: change(p, evidence=[{"kind": "stress", "path": STRESS, "sha256": None}]),
        6,
        "confirm.evidence",
    ),
    "no path": (
        lambda p: change(p, evidence=[{"kind": "stress", "path": "", "sha256": "0" * 64}]),
        6,
        "expected a decision of a gate",
    ),
    "accepted as a word": (lambda p: change(p, accepted="true"), 6, "expected a decision"),
    "no file": (lambda p: (p.root / DECISION).unlink(), 3, "no such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused(
    decided: ReleaseProject, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each way in which a decision is not about what is here ends with its code and its reason."""
    make, code, prose = REFUSED[case]
    make(decided)
    found, said = confirmed(capsys)
    assert found == code, said
    assert prose in said


def test_no_repository_is_inconclusive(
    decided: ReleaseProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without git nobody knows what would be promoted."""
    (decided.root / ".git").rename(decided.root / "gone")
    code, said = confirmed(capsys)
    assert code == 3
    assert "confirm.commit" in said


def test_the_age_may_only_be_tightened(
    decided: ReleaseProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day is a floor too."""
    assert confirmed(capsys, "--max-age-hours", "0.5")[0] == 0
    assert confirmed(capsys, "--max-age-hours", "25")[0] == 2
