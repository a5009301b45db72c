"""The failure-injection matrix: what is run, what is demanded and what is documented are one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from enforcement_suite.failure_requirements import FILE
from enforcement_suite.templates import FAILURE_TEMPLATE
from protocol_failures import SCENARIOS
from stressproof.config.compile import load_config
from stressproof.config.file_failures import planned_failures
from stressproof.evidence.fields import TEMPLATE_MARKER
from stressproof.failures.checks import CHECKS
from stressproof.failures.fault_kinds import demanded_witnesses, limits_of
from stressproof.failures.spec import ScenarioSpec
from stressproof.failures.spec_problems import spec_problems
from stressproof.faults.places import Places

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ops/enforcement_failure_injection_matrix.md").read_text()

each_scenario = pytest.mark.parametrize("spec", SCENARIOS, ids=lambda spec: spec.id)


def test_scenarios_are_the_protocols_five() -> None:
    """FI-001 to FI-005, in order."""
    assert [spec.id for spec in SCENARIOS] == [f"FI-00{number}" for number in range(1, 6)]


@each_scenario
def test_every_check_exists_and_is_about_a_fault_that_is_there(spec: ScenarioSpec) -> None:
    """A check that nobody can make, or about nothing, would be inconclusive for ever."""
    faults = {fault.id for fault in spec.faults}
    assert len(faults) == len(spec.faults) > 0
    for check in spec.checks:
        assert check.id in CHECKS
        assert check.about in {"", *faults}
    assert {check.about for check in spec.checks} >= faults


@each_scenario
def test_recovery_is_demanded_after_every_fault(spec: ScenarioSpec) -> None:
    """Each fault's recovery is held against its objective, and watched beyond it."""
    for fault in spec.faults:
        about = {check.id for check in spec.checks if check.about == fault.id}
        assert {"recovered", "healthy_after_recovery"} <= about
        least = fault.objectives.rto_service_us + fault.objectives.window_us
        assert fault.watch_us >= least
        assert demanded_witnesses(fault)
        assert list(spec_problems(spec)) == []


@each_scenario
def test_effects_are_demanded_with_and_without_faults(spec: ScenarioSpec) -> None:
    """Acknowledged is durable and nothing is there twice, in the baseline as in the trial."""
    wanted = {"acknowledged_durable", "no_double_effect", "every_key_read"}
    assert wanted <= {check.id for check in spec.checks}
    assert wanted | {"undisturbed"} <= {
        check.id for check in spec.demanded_checks(with_faults=False)
    }
    assert {"chain_unbroken", "decisions_equal_ledger", "nothing_leaked"} <= {
        one.id for one in spec.invariants
    }


@each_scenario
def test_page_shows_the_scenario_as_it_is_run(spec: ScenarioSpec) -> None:
    """Title, every fault with what it does, every check and every query are on the page."""
    assert f"## {spec.id}: {spec.title}\n" in PAGE
    section = PAGE.split(f"## {spec.id}: ")[1].split("\n## ")[0]
    for fault in spec.faults:
        assert f"| `{fault.id}` | {fault.how} |" in section
    for name in {*(check.id for check in spec.checks), *(one.id for one in spec.invariants)}:
        assert f"`{name}`" in section


def test_the_service_is_of_the_code_that_asks_for_it(tmp_path: Path) -> None:
    """Another checkout's, where PYTHONPATH leads there: evidence is about a commit."""
    places = Places(planned_failures(load_config(FILE)).testbed, {"PYTHONPATH": "/elsewhere"})
    places.make_room(tmp_path)
    places.add_url("db", "postgresql://db")
    assert places.environment("enforcement")["PYTHONPATH"] == "/elsewhere"


def test_page_says_what_the_faults_are_not() -> None:
    """The honest limits are where users read them."""
    flat = " ".join(PAGE.split())
    assert all(limit in flat for limit in limits_of(SCENARIOS))


def test_failure_template_is_rejected_as_what_it_is() -> None:
    """Its marker is seen, and without the marker it is no evidence either."""
    data = json.loads((ROOT / FAILURE_TEMPLATE).read_bytes())
    assert TEMPLATE_MARKER in data
    assert {scenario["id"] for scenario in data["scenarios"]} == {spec.id for spec in SCENARIOS}
    verdict = subprocess.run(
        [
            sys.executable,
            str(ROOT / "scripts/verify_enforcement_failure_injection_evidence.py"),
            "--evidence-path",
            str(ROOT / FAILURE_TEMPLATE),
        ],
        check=False,
        capture_output=True,
        cwd=ROOT,
    )
    assert verdict.returncode == 6
    assert b"failure.template" in verdict.stdout + verdict.stderr
