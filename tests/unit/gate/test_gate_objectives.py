"""The project's own objectives, demanded by its gate of the evidence."""

from pathlib import Path
from typing import Any

import pytest

from release_project import FAILURE, PASSING_STEPS, STRESS, ReleaseProject, asking
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.gate.gate import judge_evidence
from stressproof.outcome import Outcome
from stressproof.verify.rule import Result

pytestmark = pytest.mark.gate

RULE = "gate.objectives"


@pytest.fixture(autouse=True)
def in_project(project: ReleaseProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate runs in the project."""
    monkeypatch.chdir(project.root)


def evaluating(project: ReleaseProject, objectives: str) -> None:
    """Commit what the project asks."""
    project.commit("objectives", {"stressproof.toml": PASSING_STEPS + objectives})


def judged(**fields: Any) -> Result:
    """Return how the rule came out, on stress evidence that is there."""
    asked = asking(**{"stress_path": STRESS, "stress_required": True, **fields})
    return next(each for each in judge_evidence(asked, Path()).checks if each.rule == RULE)


CASES = {
    "met": ("http_req_duration: p(95) < 1.9s", Outcome.PASS, Exit.PASS),
    "missed": ("http_req_duration: p(95) < 1us", Outcome.FAIL, Exit.OBJECTIVES),
    "about an endpoint that was not loaded": (
        "http_req_duration{name:/nowhere}: p(95) < 1s",
        Outcome.INCONCLUSIVE,
        Exit.INCONCLUSIVE,
    ),
    "relative to a baseline that a gate has not": (
        "http_req_duration: p(95) < baseline + 10%",
        Outcome.INCONCLUSIVE,
        Exit.INCONCLUSIVE,
    ),
    "about a recovery without failure evidence": (
        "recovery: recovery(FI-001) < 10s",
        Outcome.INCONCLUSIVE,
        Exit.INCONCLUSIVE,
    ),
}


@pytest.mark.parametrize(("threshold", "outcome", "code"), CASES.values(), ids=CASES)
def test_a_threshold_of_the_file_is_demanded(
    project: ReleaseProject, threshold: str, outcome: Outcome, code: Exit
) -> None:
    """What it says of the measurements decides; what cannot be told blocks."""
    evaluating(project, _file(threshold))
    project.stress()
    result = judged()
    assert (result.outcome, result.exit_code) == (outcome, code), result.findings
    assert result.compared == 1


def _file(threshold: str) -> str:
    metric, _, expression = threshold.rpartition(": ")
    return f'\n[thresholds]\n"{metric}" = ["{expression}"]\n'


def test_a_project_that_asks_nothing_is_not_asked(project: ReleaseProject) -> None:
    """Neither without the file nor with steps alone."""
    project.stress()
    assert judged().outcome is Outcome.NOT_CHECKED


def test_a_level_objective_is_demanded_too(project: ReleaseProject) -> None:
    """Service level objectives stand beside thresholds."""
    evaluating(
        project,
        '\n[[slo]]\nname = "available"\nobjective = "95%"\n',
    )
    project.stress()
    result = judged()
    assert result.outcome is Outcome.PASS, result.findings


def test_declared_figures_are_no_measurements(project: ReleaseProject) -> None:
    """Evidence that carries no seconds cannot answer, and blocks."""
    evaluating(project, _file("http_req_duration: p(95) < 1.9s"))
    data = {
        name: value
        for name, value in project.stress_data().items()
        if name not in {"schema_version", "measurements"}
    }
    project.store(STRESS, data)
    assert judged().outcome is Outcome.INCONCLUSIVE


def test_what_cannot_be_meant_does_not_start(project: ReleaseProject) -> None:
    """A misspelt metric is told, not skipped."""
    evaluating(project, _file("http_req_durations: p(95) < 1.9s"))
    project.stress()
    with pytest.raises(UsageError, match=r"stressproof\.toml"):
        judged()


def test_without_stress_evidence_there_is_nothing_to_ask(project: ReleaseProject) -> None:
    """A half that nobody asked for is the other rules' affair."""
    evaluating(project, _file("http_req_duration: p(95) < 1.9s"))
    project.failure()
    result = judged(
        stress_path="", stress_required=False, failure_path=FAILURE, failure_required=True
    )
    assert result.outcome is Outcome.NOT_CHECKED
