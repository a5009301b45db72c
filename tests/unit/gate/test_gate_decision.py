"""What evidence, the gate's own rules and the steps add up to."""

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from enforcement_suite.suite import SUITE
from release_project import FAILURE, STRESS, ReleaseProject, asking
from stressproof.errors import UsageError
from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.gate import gate as gates
from stressproof.gate.decision import Decision
from stressproof.gate.gate import ENTERPRISE, RELEASE, judge_evidence
from stressproof.gate.request import GateRequest, plain_request
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.outcome import Outcome
from stressproof.report.gate_text import NOT_A_DECISION, summary
from stressproof.report.gates import FORMATS, render
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify import kinds

pytestmark = pytest.mark.gate


@pytest.fixture(autouse=True)
def in_project(project: ReleaseProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate runs in the project, as if no gate ran these tests."""
    monkeypatch.chdir(project.root)
    monkeypatch.delenv(NESTING_MARKER, raising=False)


def stress_asked(**fields: Any) -> GateRequest:
    """A gate that demands stress evidence."""
    return asking(**{"stress_path": STRESS, "stress_required": True, **fields})


def both_asked(**fields: Any) -> GateRequest:
    """A gate that demands both; failure evidence need not carry its operations."""
    plain = plain_request(SUITE).of(kinds.FAILURE).requirements
    return stress_asked(
        failure_path=FAILURE,
        failure_required=True,
        failure=msgspec.structs.replace(plain, minimum_level=Level.DECLARED),
        **fields,
    )


def decided(asked: GateRequest, gate: str = ENTERPRISE) -> Decision:
    """The decision of a whole gate."""
    return gates.gate(asked, name=gate)


def blocking(decision: Decision) -> set[str]:
    """Ids of everything that keeps the gate shut."""
    return {result.rule for result in decision.blocking}


def test_good_evidence_and_good_steps_are_accepted(project: ReleaseProject) -> None:
    """Both halves hold, both steps hold, so the build may be released."""
    project.stress()
    project.failure()
    decision = decided(both_asked(), RELEASE)
    assert not blocking(decision)
    assert (decision.exit_code, decision.outcome) == (Exit.PASS, Outcome.PASS)
    assert decision.accepted
    assert [step.outcome for step in decision.steps] == [Outcome.PASS, Outcome.PASS]
    assert decision.commit == project.head


def test_stress_evidence_alone_is_accepted_where_it_alone_is_asked_for(
    project: ReleaseProject,
) -> None:
    """The protocol's six variables promote on stress evidence; the decision says that it was so."""
    project.stress()
    decision = decided(stress_asked())
    assert decision.accepted
    assert decision.not_asked == ["failure"]
    assert "failure evidence not asked for" in summary(decision)


def test_failure_evidence_alone_releases_nothing(project: ReleaseProject) -> None:
    """Stress evidence is what the protocol releases on."""
    project.failure()
    asked = asking(both_asked(), stress_path="", stress_required=False)
    decision = decided(asked)
    assert decision.exit_code is Exit.PASS
    assert not decision.accepted
    assert summary(decision).startswith(NOT_A_DECISION)


def test_a_gate_without_evidence_says_that_it_releases_nothing() -> None:
    """Quality steps alone may pass, and are no release decision."""
    decision = decided(plain_request(SUITE))
    assert decision.exit_code is Exit.PASS
    assert not decision.accepted
    assert not decision.is_release_decision
    assert render(decision, "text").rstrip().split("\n")[-1].startswith(NOT_A_DECISION)
    assert json.loads(render(decision, "json"))["notice"] == NOT_A_DECISION


def test_by_default_gates_refuse_what_is_only_declared(project: ReleaseProject) -> None:
    """A gate asks for recomputed evidence, of both kinds."""
    data = project.stress_data()
    for name in ("measurements", "schema_version"):
        del data[name]
    project.store(STRESS, data)
    decision = decided(stress_asked())
    assert "stress.assurance" in blocking(decision)
    assert decision.exit_code is Exit.EVIDENCE
    project.failure()
    project.stress()
    asked = stress_asked(failure_path=FAILURE, failure_required=True)
    assert "failure.assurance" in blocking(decided(asked))


@pytest.mark.parametrize("kind", ["stress", "failure"])
def test_a_required_path_that_is_not_given_blocks(project: ReleaseProject, kind: str) -> None:
    """Nothing to judge where something is required is inconclusive, and runs no step."""
    project.stress()
    project.failure()
    decision = decided(asking(both_asked(), **{f"{kind}_path": ""}))
    assert blocking(decision) == {f"gate.{kind}-path"}
    assert decision.exit_code is Exit.INCONCLUSIVE
    assert f"{kind} evidence missing" in summary(decision)
    assert {step.outcome for step in decision.steps} == {Outcome.NOT_CHECKED}


ABSENCE = {
    "not there": (Path.exists, Exit.INCONCLUSIVE),
    "empty": (lambda path: path.write_bytes(b""), Exit.EVIDENCE),
    "a folder": (lambda path: path.mkdir(), Exit.EVIDENCE),
    "a link": (lambda path: path.symlink_to("/dev/null"), Exit.EVIDENCE),
    "no JSON": (lambda path: path.write_text("all good"), Exit.EVIDENCE),
    "an empty object": (lambda path: path.write_text("{}"), Exit.EVIDENCE),
    "NaN": (lambda path: path.write_text('{"rounds": NaN}'), Exit.EVIDENCE),
}


@pytest.mark.parametrize("kind", ["stress", "failure"])
@pytest.mark.parametrize("case", ABSENCE)
def test_evidence_that_is_none_blocks(project: ReleaseProject, kind: str, case: str) -> None:
    """Whatever lies at a required path, or does not, it is judged, and blocks."""
    make, code = ABSENCE[case]
    good, path = (project.failure, STRESS) if kind == "stress" else (project.stress, FAILURE)
    good()
    make(project.root / path)
    decision = decided(both_asked(), RELEASE)
    assert decision.exit_code is code
    assert not decision.accepted
    assert len(decision.verdicts) == 2
    assert {verdict.kind for verdict in decision.verdicts if verdict.blocking} == {kind}
    assert {step.outcome for step in decision.steps} == {Outcome.NOT_CHECKED}


def test_every_reason_of_both_halves_is_listed(project: ReleaseProject) -> None:
    """One bad kind does not hide the other, nor one rule another."""
    stress, failure = project.stress_data(), project.failure_data(timedelta(hours=49))
    stress["results"]["total_requests"] += 1
    stress["profile"] = "health"
    failure["approved_by"] = failure["executed_by"]
    project.store(STRESS, stress)
    project.store(FAILURE, failure)
    project.write({"src/service.py": "edited = True\n"})
    expected = {
        *("stress.profile", "stress.total-sums", "failure.age", "failure.identities"),
        "gate.clean",
    }
    found = blocking(decided(both_asked(), RELEASE))
    assert {"stress.profile", "failure.age", "failure.identities", "gate.clean"} <= found, expected
    assert any(rule.startswith("stress.") and rule != "stress.profile" for rule in found)
    text = render(decided(both_asked(), RELEASE), "text")
    assert all(rule in text for rule in found)


@pytest.mark.parametrize(("kind", "hours"), [("stress", 24), ("failure", 48)])
def test_freshness_is_judged_without_being_asked(
    project: ReleaseProject, kind: str, hours: int
) -> None:
    """A day for stress and two for failures; a minute beyond is stale."""
    project.stress()
    project.failure()
    almost, beyond = timedelta(hours=hours, minutes=-1), timedelta(hours=hours, minutes=1)
    for age, fresh in ((almost, True), (beyond, False)):
        if kind == "stress":
            project.stress(captured=datetime.now(UTC) - age)
        else:
            project.store(FAILURE, project.failure_data(age))
        decision = decided(both_asked(), RELEASE)
        assert decision.accepted is fresh
        assert blocking(decision) == (set() if fresh else {f"{kind}.age"})


COMMITS = {
    "another": ("1" * 40, {"stress.commit"}),
    "none": (None, {"stress.commit"}),
}


@pytest.mark.parametrize("case", COMMITS)
def test_evidence_about_another_commit_blocks(project: ReleaseProject, case: str) -> None:
    """Evidence releases the build that it is about and no other."""
    commit, rules = COMMITS[case]
    project.stress(commit=commit)
    assert rules <= blocking(decided(stress_asked()))


def test_failure_evidence_about_another_commit_blocks(project: ReleaseProject) -> None:
    """The other kind is bound to the build as well."""
    project.stress()
    data = project.failure_data()
    data["subject"]["git_commit"] = "1" * 40
    project.store(FAILURE, data)
    assert blocking(decided(both_asked(), RELEASE)) == {"failure.commit"}


def test_evidence_committed_after_its_capture_still_counts(project: ReleaseProject) -> None:
    """A commit of nothing but evidence is the same build; one with a line of source is not."""
    project.stress()
    project.git("add", "--force", STRESS)
    project.git("commit", "--quiet", "--message", "evidence")
    assert decided(stress_asked()).accepted
    project.commit("source", {"src/service.py": "ANSWER = 43\n"})
    assert "stress.commit" in blocking(decided(stress_asked()))


def test_a_dirty_checkout_blocks_and_names_the_files(project: ReleaseProject) -> None:
    """What would be released is not the commit that the evidence is about."""
    project.stress()
    project.write({f"src/new_{number}.py": "x\n" for number in range(9)})
    decision = decided(stress_asked())
    assert blocking(decision) == {"gate.clean"}
    assert decision.exit_code is Exit.EVIDENCE
    (result,) = decision.blocking
    assert result.findings[0].where == "src/new_0.py"
    assert "4 more" in result.findings[-1].seen


def test_evidence_of_a_dirty_build_blocks(project: ReleaseProject) -> None:
    """The build that was measured was not the commit."""
    data = project.stress_data()
    data["subject"]["git_dirty"] = True
    project.store(STRESS, data)
    assert "stress.clean" in blocking(decided(stress_asked()))


def test_no_git_is_inconclusive(
    project: ReleaseProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a known commit nothing can be about it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stressproof.toml").write_text((project.root / "stressproof.toml").read_text())
    project.stress()
    monkeypatch.chdir(outside)
    decision = decided(stress_asked(stress_path=str(project.root / STRESS)))
    assert blocking(decision) == {"gate.checkout"}
    assert decision.exit_code is Exit.INCONCLUSIVE
    assert "not a git repository" in render(decision, "text")


def test_a_shallow_clone_is_told_what_to_fetch(
    project: ReleaseProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI's usual clone has one commit; evidence about the one before needs the history."""
    project.stress()
    project.git("add", "--force", STRESS)
    project.git("commit", "--quiet", "--message", "evidence")
    project.git("clone", "--quiet", "--depth", "1", f"file://{project.root}", str(tmp_path / "ci"))
    monkeypatch.chdir(tmp_path / "ci")
    assert "gate.history" in blocking(decided(stress_asked()))
    assert "fetch-depth: 0" in render(decided(stress_asked()), "text")
    project.git("-C", str(tmp_path / "ci"), "fetch", "--quiet", "--unshallow")
    assert decided(stress_asked()).accepted


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
def test_a_database_that_may_forget_blocks(project: ReleaseProject, setting: str) -> None:
    """Durability switched off makes any figure better, so no gate takes it."""
    data = project.stress_data()
    for probe in ("before", "after"):
        data["runtime"][probe][setting] = "off"
    project.store(STRESS, data)
    assert blocking(decided(stress_asked())) == {"stress.unsafe"}


def test_one_document_does_not_serve_as_both_halves(project: ReleaseProject) -> None:
    """The same bytes under two names are one piece of evidence."""
    project.stress()
    (project.root / FAILURE).write_bytes((project.root / STRESS).read_bytes())
    assert "gate.two-documents" in blocking(decided(both_asked(), RELEASE))


def test_bytes_are_read_once_and_their_digest_is_what_is_decided(
    project: ReleaseProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is swapped after reading is neither judged nor named."""
    path = project.stress()
    judged = hashlib.sha256(path.read_bytes()).hexdigest()
    judge = gates.judge

    def swap_then_judge(*arguments: Any) -> Any:
        path.write_text("{}")
        return judge(*arguments)

    monkeypatch.setattr(gates, "judge", swap_then_judge)
    decision = gates.gate(stress_asked(), evidence_only=True)
    assert decision.exit_code is Exit.PASS
    assert decision.verdicts[0].sha256 == judged


SWAPS = {
    "evidence": f"open({STRESS!r}, 'a').write(' ')",
    "evidence removed": f"import os; os.unlink({STRESS!r})",
    "source": "open('src/service.py', 'a').write('# more')",
    "head": "import subprocess as s; s.check_call('git commit -q --allow-empty -m x'.split())",
}


@pytest.mark.parametrize("case", SWAPS)
def test_what_changes_under_the_steps_blocks(project: ReleaseProject, case: str) -> None:
    """The decision is about the evidence and the build as they still are."""
    steps = [{"name": "swap", "run": ["python", "-c", SWAPS[case]]}]
    listed = ", ".join(
        f"{{ name = {json.dumps(step['name'])}, run = {json.dumps(step['run'])} }}"
        for step in steps
    )
    project.commit("steps", {"stressproof.toml": f"[gate]\nsteps = [{listed}]\n"})
    project.stress()
    decision = decided(stress_asked())
    assert blocking(decision) == {"gate.unchanged"}
    assert decision.exit_code is Exit.EVIDENCE
    assert not decision.accepted


def test_a_failing_step_is_an_objective_not_met(project: ReleaseProject) -> None:
    """The evidence holds and the code does not; all other steps are run and shown."""
    project.commit(
        "steps",
        {
            "stressproof.toml": "[gate]\nsteps = ["
            '{ name = "bad", run = ["python", "-c", "print(\'why it failed\'); exit(3)"] },'
            '{ name = "good", run = ["python", "-c", ""] }]\n'
        },
    )
    project.stress()
    decision = decided(stress_asked())
    assert blocking(decision) == {"step.bad"}
    assert decision.exit_code is Exit.OBJECTIVES
    assert not decision.accepted
    assert "1 of 2 steps hold" in summary(decision)
    assert "why it failed" in render(decision, "text")


def test_missing_tools_are_inconclusive_before_any_step_runs(project: ReleaseProject) -> None:
    """What cannot be run was not passed, and nothing is run in vain."""
    project.commit(
        "steps",
        {
            "stressproof.toml": "[gate]\nsteps = ["
            '{ name = "first", run = ["python", "-c", "open(\'ran\', \'w\')"] },'
            '{ name = "absent", run = ["python", "-m", "absent_tool"] }]\n'
        },
    )
    project.stress()
    decision = decided(stress_asked())
    assert blocking(decision) == {"step.absent"}
    assert decision.exit_code is Exit.INCONCLUSIVE
    assert not (project.root / "ran").exists()


def test_a_rehearsal_judges_all_and_runs_nothing(project: ReleaseProject) -> None:
    """Every line says that it is none, and a pass accepts nothing."""
    project.commit(
        "steps",
        {"stressproof.toml": '[gate]\nsteps = [{ name = "a", run = ["touch", "ran"] }]\n'},
    )
    project.stress()
    decision = decided(stress_asked(dry_run=True))
    assert decision.exit_code is Exit.PASS
    assert decision.would_pass
    assert not decision.accepted
    assert not (project.root / "ran").exists()
    lines = render(decision, "text").splitlines()
    assert all(line.startswith(NOT_RELEASE) for line in lines)
    assert any("touch ran" in line for line in lines)


def test_a_rehearsal_with_a_loosened_floor_is_inconclusive_at_best(
    project: ReleaseProject,
) -> None:
    """What would pass with less is told, and is no pass."""
    project.stress(duration_s=10)
    looser = msgspec.structs.replace(
        plain_request(SUITE).of(kinds.STRESS).requirements, min_duration_seconds=10
    )
    decision = decided(stress_asked(stress=looser, dry_run=True))
    assert decision.exit_code is Exit.INCONCLUSIVE
    assert decision.would_pass
    assert decision.loosened == ["stress: min_duration_seconds 10 is below 30"]
    assert not decision.accepted


def test_a_floor_loosened_for_a_half_that_is_not_there_counts(project: ReleaseProject) -> None:
    """A rehearsal with any floor loosened is no rehearsal of the release."""
    project.stress()
    looser = msgspec.structs.replace(
        plain_request(SUITE).of(kinds.FAILURE).requirements, max_artifact_age_hours=100.0
    )
    decision = decided(stress_asked(failure=looser, dry_run=True))
    assert decision.exit_code is Exit.INCONCLUSIVE
    assert decision.would_pass


def test_a_rehearsal_of_nothing_is_inconclusive() -> None:
    """With no evidence and no step run, nothing was judged."""
    decision = decided(msgspec.structs.replace(plain_request(SUITE), dry_run=True))
    assert decision.exit_code is Exit.INCONCLUSIVE
    assert not decision.would_pass


def test_a_rehearsal_of_bad_evidence_is_as_bad_as_the_gate(project: ReleaseProject) -> None:
    """Rehearsing changes what is released, not what is seen."""
    data = project.stress_data()
    data["results"]["p95_response_time"] = 0.001
    project.store(STRESS, data)
    rehearsed, real = decided(stress_asked(dry_run=True)), decided(stress_asked())
    assert rehearsed.exit_code == real.exit_code == Exit.EVIDENCE
    assert blocking(rehearsed) == blocking(real)


def test_the_evidence_steps_alone_release_nothing(project: ReleaseProject) -> None:
    """A demonstration may stop before the quality steps, and says so."""
    project.stress()
    decision = gates.gate(stress_asked(), evidence_only=True)
    assert decision.exit_code is Exit.PASS
    assert not decision.accepted
    assert summary(decision).startswith(f"{NOT_A_DECISION} (evidence only)")


def test_a_gate_refuses_to_run_inside_one(
    project: ReleaseProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate among its own steps would wait for itself."""
    project.stress()
    monkeypatch.setenv(NESTING_MARKER, "1")
    for run in (
        lambda: decided(stress_asked()),
        lambda: gates.gate(stress_asked(), evidence_only=True),
    ):
        with pytest.raises(UsageError, match="already running"):
            run()


def test_the_project_must_name_steps_before_anything_is_judged(project: ReleaseProject) -> None:
    """A gate without steps is a mistake of the project, told at once."""
    project.git("rm", "--quiet", "stressproof.toml")
    project.commit("without", {})
    with pytest.raises(UsageError, match=r"stressproof\.toml"):
        decided(stress_asked())


def test_the_outcome_is_told_before_the_steps_run(project: ReleaseProject) -> None:
    """Steps take minutes; whoever watches knows by then what the evidence is worth."""
    project.stress()
    told: list[str] = []
    gates.gate(
        stress_asked(),
        on_judged=lambda judged: told.append(f"judged {judged.blocks}"),
        on_line=told.append,
    )
    assert told[0] == "judged False"
    assert "| first ran" in told


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dry_run", [False, True])
def test_every_form_tells_the_same(project: ReleaseProject, form: str, dry_run: bool) -> None:  # noqa: FBT001  # what pytest passes
    """The summary, the digest and each rule that blocks are in every form."""
    data = project.stress_data()
    data["profile"] = "health"
    path = project.store(STRESS, data)
    project.write({"src/service.py": "edited = True\n"})
    decision = decided(stress_asked(dry_run=dry_run))
    shown = render(decision, form)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in shown
    assert (NOT_RELEASE in shown) is dry_run
    assert "stress.profile" in shown
    assert "gate.clean" in shown
    assert "exit 6" in shown
    if form == "json":
        assert json.loads(shown)["accepted"] is False


def test_a_form_that_is_none_is_refused(project: ReleaseProject) -> None:
    """There are four."""
    project.stress()
    with pytest.raises(KeyError):
        render(decided(stress_asked()), "xml")


def test_the_json_form_carries_what_a_promotion_needs(project: ReleaseProject) -> None:
    """Accepted, the commit, and the digest of each artifact, and all verdicts behind them."""
    path = project.stress()
    data = json.loads(render(decided(stress_asked()), "json"))
    assert data["accepted"] is True
    assert data["exit_code"] == 0
    assert data["commit"] == project.head
    assert data["evidence"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert data["evidence"][0]["path"] == STRESS
    assert data["verdicts"][0]["results"]
    assert [step["name"] for step in data["steps"]] == ["first", "second"]


def test_judging_takes_the_time_of_the_gate(project: ReleaseProject) -> None:
    """Verdicts carry one clock, the gate's own."""
    project.stress()
    before = time.time()
    judged = judge_evidence(stress_asked(), Path())
    at = datetime.fromisoformat(judged.verdicts[0].judged_at).timestamp()
    assert int(before) <= at <= time.time()
