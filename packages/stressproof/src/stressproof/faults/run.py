"""A scenario from its data: a baseline, the trial with its faults, and what follows from both."""

import time
from collections.abc import Callable, Sequence

from stressproof.errors import UsageError
from stressproof.evidence.run_clock import RunClock
from stressproof.failures.artifact import Scenario, Trial
from stressproof.failures.conclusions import judge_scenario, passed_titles, seconds, tail
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.driver import Driver, load_driver
from stressproof.faults.testbed import Testbed
from stressproof.faults.trial import TrialRun


def chosen(scenarios: Sequence[ScenarioSpec], names: Sequence[str]) -> list[ScenarioSpec]:
    """Return the scenarios that are named, in their own order; all of them where none is.

    Raises:
        UsageError: There is no such scenario.
    """
    known = [spec.id for spec in scenarios]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UsageError(
            f"there is no scenario {', '.join(unknown)}", hint=f"There are {', '.join(known)}."
        )
    return [spec for spec in scenarios if not names or spec.id in names]


def run_scenario(
    testbed: Testbed,
    spec: ScenarioSpec,
    *,
    seed: int,
    position: int = 0,
    command: str = "",
    page: str = "",
    driver: Driver | None = None,
    clock: RunClock | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Scenario:
    """Run one scenario on a testbed.

    Args:
        testbed: Entered.
        spec: The scenario, or a part of it.
        seed: Of its load and schedule.
        position: Among the artifact's scenarios; references point there.
        command: What was run, for evidence.
        page: Where the scenario is explained, as a path in the checkout; empty for nowhere.
        driver: The scenario's own if None.
        clock: What tells the time, one of its own if None.
        say: Told what happens.

    Raises:
        UsageError: Its driver cannot be loaded.
        RunError: It broke; nothing can be concluded.
    """
    made = load_driver(spec) if driver is None else driver
    clock = clock or RunClock()
    stamp = f"{time.time_ns() // 1_000_000:x}"
    say(f"{spec.id}: {spec.title}: baseline")
    baseline = TrialRun(spec, made(testbed, f"{stamp}b"), [], seed=seed, clock=clock, say=say).run()
    say(f"{spec.id}: {spec.title}: {len(spec.faults)} faults")
    trial = TrialRun(
        spec, made(testbed, f"{stamp}f"), spec.faults, seed=seed, clock=clock, say=say
    ).run()
    status, reasons = judge_scenario(baseline, trial)
    return Scenario(
        id=spec.id,
        status=status,
        duration_seconds=seconds(baseline, trial),
        checks=passed_titles(trial),
        evidence_refs=references(trial, position, page),
        command=command or f"stressproof inject --scenario {spec.id} --seed {seed}",
        result_tail=tail(trial),
        spec=spec,
        seed=seed,
        reasons=reasons,
        baseline=baseline,
        trial=trial,
    )


def references(trial: Trial, position: int, page: str) -> list[str]:
    """Return where the proof is: witnesses, operations, effects, checks, baseline, the page."""
    root = f"#/scenarios/{position}"
    return [
        *(f"{root}/trial/faults/{number}/witnesses" for number in range(len(trial.faults))),
        f"{root}/trial/operations/rows",
        f"{root}/trial/effects/rows",
        f"{root}/trial/checks",
        f"{root}/baseline/checks",
        *([page] if page else []),
    ]
