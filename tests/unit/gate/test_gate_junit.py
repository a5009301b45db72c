"""A decision as JUnit XML: no green suite where the gate stays shut."""

from xml.etree import ElementTree as ET

import msgspec
import pytest

from release_project import STRESS, ReleaseProject, asking
from stressproof.gate import gate as gates
from stressproof.gate.decision import Decision
from stressproof.gate.gate import ENTERPRISE
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.report.gates import render

pytestmark = pytest.mark.gate


@pytest.fixture
def decision(project: ReleaseProject, monkeypatch: pytest.MonkeyPatch) -> Decision:
    """Of a gate that accepts."""
    monkeypatch.chdir(project.root)
    monkeypatch.delenv(NESTING_MARKER, raising=False)
    project.stress()
    return gates.gate(asking(stress_path=STRESS, stress_required=True), name=ENTERPRISE)


def cases(decision: Decision) -> dict[str, ET.Element]:
    """Return every case by its name, each suite counted as it says."""
    root = ET.fromstring(render(decision, "junit"))  # noqa: S314  # our own
    found = {}
    for suite in root.iter("testsuite"):
        inside = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(inside)
        failed = sum(case.find("failure") is not None for case in inside)
        assert int(suite.attrib["failures"]) == failed
        found |= {case.attrib["name"]: case for case in inside}
    return found


def test_rules_steps_and_the_decision_are_cases(decision: Decision) -> None:
    """What the gate looked at is what CI lists."""
    assert decision.accepted
    found = cases(decision)
    names = set(found)
    assert {f"{one.result.rule}: {one.result.title}" for one in decision.steps} <= names
    assert {f"{one.rule}: {one.title}" for one in decision.verdicts[0].results} <= names
    assert found["the build may be released"].find("failure") is None


def test_a_gate_that_does_not_release_is_red(decision: Decision) -> None:
    """Also where every rule and step holds: a rehearsal releases nothing."""
    rehearsed = msgspec.structs.replace(decision, dry_run=True)
    failure = cases(rehearsed)["the build may be released"].find("failure")
    assert failure is not None
    assert "NOT RELEASE EVIDENCE" in render(rehearsed, "junit")
