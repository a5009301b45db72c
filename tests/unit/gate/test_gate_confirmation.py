"""A decision, confirmed where it is acted on."""

import hashlib
import json
import os
import subprocess
import sys
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


def linked(project: ReleaseProject, path: str) -> None:
    """The same bytes behind a link, which could lead elsewhere a moment later."""
    (project.root / path).rename(project.root / ".git" / "moved")
    (project.root / path).symlink_to(project.root / ".git" / "moved")


def piped(project: ReleaseProject, path: str) -> None:
    """A pipe that nobody writes to."""
    (project.root / path).unlink()
    os.mkfifo(project.root / path)


def twofold(project: ReleaseProject) -> None:
    """A file that says both: readers differ in which of two equal keys they believe."""
    path = project.root / DECISION
    path.write_text(path.read_text().replace("{", '{"accepted": false, ', 1))


def parts(project: ReleaseProject, field: str) -> list[Any]:
    """A list in the decision."""
    found: list[Any] = json.loads((project.root / DECISION).read_text())[field]
    return found


def more_steps(project: ReleaseProject) -> None:
    """The policy's steps, and one that it does not have."""
    steps = parts(project, "steps")
    change(project, steps=[*steps, {**steps[0], "name": "third"}])


def other_policy(project: ReleaseProject) -> None:
    """Another policy since, and a decision that is moved to its commit."""
    policy = (project.root / "stressproof.toml").read_text().replace("second", "third")
    change(project, commit=project.commit("stricter", {"stressproof.toml": policy}))


def stale_evidence(project: ReleaseProject) -> None:
    """Older evidence, which a new decision is written for by hand."""
    project.stress(captured=datetime.now(UTC) - timedelta(hours=30))
    digest = hashlib.sha256((project.root / STRESS).read_bytes()).hexdigest()
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
    "a link to the decision": (lambda p: linked(p, DECISION), 6, "a symbolic link"),
    "a link to the evidence": (lambda p: linked(p, STRESS), 6, "confirm.evidence"),
    "a pipe for the decision": (lambda p: piped(p, DECISION), 6, "expected a regular file"),
    "a pipe for the evidence": (lambda p: piped(p, STRESS), 6, "confirm.evidence"),
    "two decisions in one file": (twofold, 6, "twice in one object"),
    "a decision under an earlier policy": (other_policy, 6, "confirm.steps"),
    "a step more": (more_steps, 6, "confirm.steps"),
    "the steps in another order": (
        lambda p: change(p, steps=parts(p, "steps")[::-1]),
        6,
        "confirm.steps",
    ),
    "a step that ended otherwise": (lambda p: edit(p, "steps", exit_code=1), 6, "confirm.steps"),
    "a step that did not run": (
        lambda p: edit(p, "steps", outcome="not_checked"),
        6,
        "confirm.steps",
    ),
    "one verdict too many": (
        lambda p: change(p, verdicts=parts(p, "verdicts") * 2),
        6,
        "confirm.accepted",
    ),
    "one kind twice": (
        lambda p: change(p, evidence=parts(p, "evidence") * 2),
        6,
        "confirm.accepted",
    ),
    "an older age": (
        lambda p: change(p, asked={"stress": {"max_artifact_age_hours": 1000}}),
        6,
        "confirm.asked",
    ),
    "a signature that is not here": (
        lambda p: change(p, trust_digest="0" * 64),
        3,
        "confirm.signed",
    ),
    "stale evidence of the same commit": (stale_evidence, 6, "confirm.judged-again"),
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


def test_another_policy_than_the_decision_was_made_under_is_refused(
    decided: ReleaseProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who confirms names the policy: a decision under the author's own is none under it."""
    decided.git("checkout", "--quiet", "-b", "guarded")
    policy = (decided.root / "stressproof.toml").read_text().replace("second", "third")
    guarded = decided.commit("stricter", {"stressproof.toml": policy})
    decided.git("checkout", "--quiet", "main")
    code, said = confirmed(capsys, "--policy-ref", guarded)
    assert code == 6
    assert "confirm.steps" in said


def test_two_confirm_at_once(decided: ReleaseProject) -> None:
    """Both read what is there, and neither changes it."""
    before = (decided.root / DECISION).read_bytes()
    program = (
        "import sys; from stressproof.cli.run import run; "
        "from stressproof.cli.gate_confirm import command; "
        f"sys.exit(run(command, 'confirm', [{DECISION!r}], suite='enforcement_suite.suite:SUITE'))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=decided.root, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for one in both:
        said, _ = one.communicate(timeout=100)
        assert one.returncode == 0, said
    assert (decided.root / DECISION).read_bytes() == before


def test_a_decision_of_another_clone_is_judged_by_what_is_in_this_one(
    decided: ReleaseProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same commit elsewhere: the decision alone is not enough, its evidence must be there."""
    clone = decided.root.parent / "clone"
    decided.git("clone", "--quiet", str(decided.root), str(clone))
    (clone / DECISION).write_bytes((decided.root / DECISION).read_bytes())
    monkeypatch.chdir(clone)
    code, said = confirmed(capsys)
    assert code == 6
    assert "confirm.evidence" in said
    (clone / STRESS).write_bytes((decided.root / STRESS).read_bytes())
    assert confirmed(capsys)[0] == 0
