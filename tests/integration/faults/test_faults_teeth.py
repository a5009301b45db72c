"""Scenarios on a live service: they pass where it protects itself, and nowhere else.

Each check is worth what it catches. So every scenario also runs with a protection switched off or
a bug planted, and must fail there; and with a fault that takes no effect, and must say so.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from enforcement_suite.failure_requirements import FILE
from protocol_failures import BY_ID
from stepping_clock import SteppingClock
from stressproof.config.compile import load_config
from stressproof.config.file_failures import planned_failures
from stressproof.evidence.run_clock import RunClock
from stressproof.failures.artifact import Scenario, Trial
from stressproof.failures.checks import check_spec
from stressproof.failures.conclusions import contradictions, summarise
from stressproof.failures.history import read
from stressproof.failures.schedule import Deviation, deviations, key_deviations
from stressproof.failures.spec import FaultSpec, ScenarioSpec
from stressproof.faults.active import ActiveFaults
from stressproof.faults.driver import ScenarioDriver
from stressproof.faults.injector import Injector
from stressproof.faults.load import Load
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.run import ScenarioRun
from stressproof.faults.testbed import Testbed
from stressproof.verify.failure.trials import demanded_problems
from stressproof.verify.instants import parse_instant

SEED = 20
PLAN = planned_failures(load_config(FILE), {})


@contextlib.contextmanager
def entered(
    path: Path,
    *,
    environment: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Testbed]:
    """Yield the file's testbed, with a list of active faults of its own."""
    plan = PLAN.testbed
    service, database = plan.process["enforcement"], plan.postgres["db"]
    plan = replace(
        plan,
        process={"enforcement": replace(service, env={**service.env, **(environment or {})})},
        postgres={"db": replace(database, settings=settings or {})},
    )
    active = ActiveFaults(path / "active")
    with Testbed(
        active, plan=plan, folder=FILE.parent, environment=os.environ, say=print
    ) as running:
        yield running
    assert active.read() == []


def run(
    bed: Testbed, spec: ScenarioSpec, kind: type[ScenarioDriver] = ScenarioDriver, **more: Any
) -> Scenario:
    """Run a scenario, or a part of it."""
    driver = partial(kind, spec=spec, load=PLAN.loads[spec.id], seed=SEED)
    return ScenarioRun(bed, spec, seed=SEED, driver=driver, say=print, **more).run()


def short(name: str, *faults: str, without: tuple[str, ...] = ()) -> ScenarioSpec:
    """Return a scenario with some of its faults, a short steady time, and no idle watching."""
    spec = BY_ID[name].part(faults)
    return replace(
        spec,
        steady_us=1_500_000,
        ripe_us=0,
        faults=tuple(replace(fault, watched_longer_us=0) for fault in spec.faults),
        checks=tuple(check for check in spec.checks if check.id not in without),
        invariants=tuple(one for one in spec.invariants if one.id not in without),
    )


def failed(scenario: Scenario) -> set[str]:
    """Return the checks that failed with the faults injected."""
    return {check.id for check in scenario.trial.checks if check.outcome == "fail"}


def unasked(trial: Trial, spec: ScenarioSpec) -> Iterator[Deviation]:
    """Yield where a trial's operations are not what the seed and the scenario make."""
    operations = read(trial.operations)
    yield from deviations(spec, SEED, operations, trial.faults)
    yield from key_deviations(spec, operations)


def inconsistencies(scenario: Scenario, spec: ScenarioSpec) -> list[object]:
    """Return what was not checked, and conclusions that do not follow from what is carried."""
    return [
        *contradictions([scenario], summarise([scenario])),
        *demanded_problems(scenario.baseline, spec, with_faults=False),
        *demanded_problems(scenario.trial, spec, with_faults=True),
    ]


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """Yield a testbed whose service has every protection."""
    with entered(tmp_path_factory.mktemp("safe")) as running:
        yield running


def demand_times_of_one_clock(scenario: Scenario, clock: RunClock) -> None:
    """However the wall clock was set meanwhile, trials last and follow each other as they did."""
    assert clock.record().steps
    before = 0
    for trial in (scenario.baseline, scenario.trial):
        begin, end = parse_instant(trial.started_at), parse_instant(trial.ended_at)
        assert begin is not None
        assert end is not None
        assert before < begin
        assert end - begin >= trial.duration_us - 1
        before = end


@pytest.mark.timeout(180)
def test_lost_answer_to_a_commit_has_one_effect(safe: Testbed) -> None:
    """Five commits that the service did not hear of, and looks up: one decision each."""
    # With time left the service asks again by itself: callers notice nothing.
    spec = short("FI-001", "commit_answer_lost", without=("happens", "failsafes_recorded"))
    clock = RunClock(SteppingClock(*((place, -9.0) for place in range(5, 60, 5))))
    scenario = run(safe, spec, clock=clock)
    assert scenario.reasons == []
    assert scenario.status == "pass"
    demand_times_of_one_clock(scenario, clock)
    [fault] = scenario.trial.faults
    assert fault.witnesses[0].during - fault.witnesses[0].before == 15
    assert inconsistencies(scenario, spec) == []


class Toothless(ProxyFault):
    """A black hole that was asked for and never made."""

    def apply(self) -> int:
        """Switch nothing on."""
        self._toxics, toxics = (), self._toxics
        try:
            return super().apply()
        finally:
            self._toxics = toxics


class ForgingDriver(ScenarioDriver):
    """The driver with an injector that does not inject."""

    def injector(self, fault: FaultSpec, _: Load) -> Injector:
        """Return the injector that does nothing."""
        return Toothless(fault, self.testbed.switchable(fault))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_fault_without_effect_proves_nothing(safe: Testbed) -> None:
    """Everything held, since nothing was broken: inconclusive, and the reason names the witness."""
    spec = short("FI-001", "black_hole")
    scenario = run(safe, spec, ForgingDriver)
    assert scenario.status == "inconclusive", scenario.reasons
    assert any("no proof that it took effect" in reason for reason in scenario.reasons)
    assert failed(scenario) == set()


@pytest.mark.timeout(180)
def test_without_idempotency_the_same_scenario_fails(tmp_path: Path) -> None:
    """Asked again under the same key the decision is made again, and the checks see both."""
    spec = short("FI-001", "commit_answer_lost")
    with entered(tmp_path, environment={"ENFORCEMENT_UNSAFE_IDEMPOTENCY_OFF": "1"}) as unsafe:
        scenario = run(unsafe, spec)
    assert scenario.status == "fail", scenario.reasons
    assert "no_double_effect" in failed(scenario)
    assert inconsistencies(scenario, spec) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_asynchronous_commit_loses_what_was_acknowledged(tmp_path: Path) -> None:
    """With synchronous_commit off a killed server forgets decisions that callers hold."""
    spec = short("FI-001", "postgres_killed")
    # Acknowledged just before the crash, and not written yet.
    settings = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_buffers": "64MB"}
    with entered(tmp_path, settings=settings) as unsafe:
        scenario = run(unsafe, spec)
    assert scenario.status == "fail", scenario.reasons
    assert "acknowledged_durable" in failed(scenario)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_without_the_lock_a_budget_pays_twice(tmp_path: Path) -> None:
    """Fifty gates that do not wait for each other each find the whole budget."""
    spec = short("FI-002", "budget_race")
    with entered(tmp_path, environment={"ENFORCEMENT_UNSAFE_LOCK_OFF": "1"}) as unsafe:
        scenario = run(unsafe, spec)
    assert scenario.status == "fail", scenario.reasons
    assert failed(scenario) & {"one_wins", "budgets_not_exceeded"}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_without_the_limiter_a_flood_is_served(tmp_path: Path) -> None:
    """Far more than the limit is accepted within a minute."""
    spec = short("FI-005", "flood")
    with entered(tmp_path, environment={"ENFORCEMENT_UNSAFE_LIMITS_OFF": "1"}) as unsafe:
        scenario = run(unsafe, spec)
    assert scenario.status == "fail", scenario.reasons
    assert "at_most" in failed(scenario)


def planted(sql: str) -> Callable[[Testbed], None]:
    """Return what plants a bug in the database of a testbed."""

    def plant(entered: Testbed) -> None:
        with entered.database().connect() as connection:
            connection.execute(sql.encode())

    return plant


FORGETS_SPENDING = planted("""
CREATE FUNCTION enforcement.forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.token_consumed_at := NULL; NEW.token_consumed_by := NULL; RETURN NEW; END $$;
GRANT EXECUTE ON FUNCTION enforcement.forget() TO enforcement_app;
CREATE TRIGGER forget BEFORE UPDATE ON enforcement.approvals
    FOR EACH ROW EXECUTE FUNCTION enforcement.forget();
""")

LOSES_CREDIT = planted("""
CREATE FUNCTION enforcement.lose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.remaining_usd > OLD.remaining_usd THEN NEW.remaining_usd := OLD.remaining_usd; END IF;
RETURN NEW; END $$;
GRANT EXECUTE ON FUNCTION enforcement.lose() TO enforcement_app;
CREATE TRIGGER lose BEFORE UPDATE ON enforcement.credit_grants
    FOR EACH ROW EXECUTE FUNCTION enforcement.lose();
""")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "fault", "plant", "caught"),
    [
        ("FI-003", "replay_race", FORGETS_SPENDING, {"one_wins", "no_double_effect"}),
        ("FI-004", "same_key_race", LOSES_CREDIT, {"credits_conserved"}),
    ],
)
def test_planted_bug_is_caught(
    tmp_path: Path,
    name: str,
    fault: str,
    plant: Callable[[Testbed], None],
    caught: set[str],
) -> None:
    """A token that can be spent again, and a credit that is not given back, fail the scenario."""
    with entered(tmp_path) as unsafe:
        plant(unsafe)
        scenario = run(unsafe, short(name, fault))
    assert scenario.status == "fail", scenario.reasons
    assert caught <= failed(scenario) | {
        check.id for check in scenario.baseline.checks if check.outcome == "fail"
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["FI-001", "FI-002", "FI-003", "FI-004", "FI-005"])
def test_whole_scenario_passes(safe: Testbed, name: str) -> None:
    """With all faults of the matrix the live service passes, and every conclusion follows."""
    scenario = run(safe, BY_ID[name])
    assert scenario.reasons == []
    assert inconsistencies(scenario, BY_ID[name]) == []


def test_checks_of_a_part_are_those_it_can_satisfy() -> None:
    """A part of a scenario demands nothing about faults that it leaves out."""
    spec = BY_ID["FI-001"].part(["black_hole"])
    assert [fault.id for fault in spec.faults] == ["black_hole"]
    assert {check.about for check in spec.checks} == {"", "black_hole"}
    assert check_spec("recovered", "slow_database") not in spec.checks
