"""The protocol's five failure scenarios as a file: its specs' checks, kinds and times."""

from pathlib import Path

import pytest

from enforcement_suite.scenarios import SCENARIOS
from stressproof.config.compile import load_config
from stressproof.config.file_failures import plan_failures
from stressproof.failures.spec import ScenarioSpec

pytestmark = pytest.mark.gate

FILE = Path(__file__).parent / "enforcement" / "stressproof.toml"


@pytest.fixture(scope="module")
def compiled() -> dict[str, ScenarioSpec]:
    """The file's scenarios, by id."""
    plan = plan_failures(load_config(FILE))
    assert plan is not None
    return {one.id: one for one in plan.scenarios}


@pytest.mark.parametrize("today", SCENARIOS, ids=lambda one: one.id)
def test_the_checks_are_those_of_the_protocol(
    today: ScenarioSpec, compiled: dict[str, ScenarioSpec]
) -> None:
    """None is missing, none is more, and every parameter is the same."""
    assert sorted(map(repr, compiled[today.id].checks)) == sorted(map(repr, today.checks))


@pytest.mark.parametrize("today", SCENARIOS, ids=lambda one: one.id)
def test_load_and_faults_are_those_of_the_protocol(
    today: ScenarioSpec, compiled: dict[str, ScenarioSpec]
) -> None:
    """What is asked at which rate, and what is broken for how long and watched until when."""
    scenario = compiled[today.id]
    for name in ("title", "question", "steady_us", "rate_per_s", "parallel"):
        assert getattr(scenario, name) == getattr(today, name)
    assert [(one.kind, one.weight, one.keyed) for one in scenario.scheduled] == [
        (one.kind, one.weight, one.keyed) for one in today.scheduled
    ]
    assert [
        (one.id, one.lasts_us, one.objectives.rto_service_us, one.watch_us)
        for one in scenario.faults
    ] == [
        (one.id, one.lasts_us, one.objectives.rto_service_us, one.watch_us) for one in today.faults
    ]


def test_what_faults_send_is_counted_as_the_protocol_does(
    compiled: dict[str, ScenarioSpec],
) -> None:
    """Races ask for one effect a batch, or for as many as there are racers; cuts for each."""
    sent = {
        request.kind: request.sent[True]
        for scenario in compiled.values()
        for request in scenario.requests
        if request.sent[True]
    }
    assert sent == {
        **{f"race_{number}": 50 for number in range(1, 6)},
        **{f"replay_{number}": 1 for number in range(1, 6)},
        **{f"race_same_{number}": 1 for number in range(1, 4)},
        "race_different": 1,
        "consume_cut": 6,
        "settle_cut": 3,
        "sweep_settle": 12,
        "sweep_deny": 8,
        "sweep": 4,
    }
