"""The gate of a project whose file has failures demands both halves, by value."""

import pytest

from release_project import FAILURE, REPOSITORY, STRESS, ReleaseProject
from stressproof.gate import gate as gates
from stressproof.gate.gate import RELEASE
from stressproof.gate.policy import read_policy
from stressproof.gate.request import release_request
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.suite import suite_of

pytestmark = pytest.mark.gate

SHOP = REPOSITORY / "tests" / "unit" / "config" / "shop"
STEPS = '\n[gate]\n{more}steps = [{{ name = "first", run = ["true"] }}]\n'


@pytest.fixture(autouse=True)
def in_project(project: ReleaseProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate runs in the project, as if no gate ran these tests."""
    monkeypatch.chdir(project.root)
    monkeypatch.delenv(NESTING_MARKER, raising=False)


def committed(project: ReleaseProject, more: str = "") -> None:
    """Commit the shop's file with steps, and what it names."""
    files = {path.name: path.read_text() for path in SHOP.iterdir() if path.is_file()}
    text = files["stressproof.toml"] + STEPS.format(more=more)
    project.commit("failures", {**files, "stressproof.toml": text})


def blocking(project: ReleaseProject, failure: str = "") -> set[str]:
    """Return the rules that block the release of the commit, by the policy that it carries."""
    suite = suite_of(read_policy(project.root).project, at_gate=True)
    request = release_request(suite, STRESS, failure)
    decision = gates.gate(request, name=RELEASE)
    return {one.rule for one in decision.blocking}


def injected(project: ReleaseProject) -> None:
    """Write failure evidence of what the committed file asks."""
    suite = suite_of(read_policy(project.root).project, at_gate=True)
    project.injected(suite.failure_requirements())


def test_both_halves_are_demanded(project: ReleaseProject) -> None:
    """Who has failures in the file and names no evidence of them is not done."""
    committed(project)
    assert {"gate.failure-path"} <= blocking(project)


def test_a_file_may_leave_its_failures_out_of_the_gate(project: ReleaseProject) -> None:
    """It says so where its reviewers see it."""
    committed(project, "failures = false\n")
    assert "gate.failure-path" not in blocking(project)


def test_evidence_is_held_to_the_committed_file_by_value(project: ReleaseProject) -> None:
    """What was injected under another file is not what this commit asks for."""
    committed(project)
    injected(project)
    found = {rule for rule in blocking(project, FAILURE) if rule.startswith("failure.")}
    assert found == {"failure.statuses", "failure.overall"}
    file = project.root / "stressproof.toml"
    asked = file.read_text()
    project.commit("easier", {file.name: asked.replace('latency = "1.5s"', 'latency = "1ms"')})
    injected(project)
    project.commit("as it was", {file.name: asked})
    assert "failure.spec" in blocking(project, FAILURE)
