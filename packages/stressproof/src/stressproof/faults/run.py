"""A scenario from its data: a baseline, the trial with its faults, and what follows from both."""

import time
from collections.abc import Callable, Sequence
from pkgutil import resolve_name

from stressproof.errors import UsageError
from stressproof.evidence.failure import Scenario, Trial
from stressproof.failures.conclusions import judge_scenario, passed_titles, seconds, tail
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.testbed import Testbed
from stressproof.faults.trial import ScenarioDriver, TrialRun

MATRIX_PATH = "docs/ops/enforcement_failure_injection_matrix.md"


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
    stage: Testbed,
    spec: ScenarioSpec,
    *,
    seed: int,
    position: int = 0,
    command: str = "",
    script: Callable[[], ScenarioDriver] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Scenario:
    """Run one scenario on a stage that is set.

    Args:
        stage: Entered.
        spec: The scenario, or a part of it.
        seed: Of its load and schedule.
        position: Among the artifact's scenarios; references point there.
        command: What was run, for evidence.
        script: Makes the scenario's script, its own if None.
        say: Told what happens.

    Raises:
        RunError: It broke; nothing can be concluded.
    """
    make = resolve_name(spec.driver) if script is None else script
    stamp = f"{time.time_ns() // 1_000_000:x}"
    say(f"{spec.id}: {spec.title}: baseline")
    baseline_actions = TrialRun(stage, _on(spec, make), [], run=f"{stamp}b", seed=seed, say=say)
    baseline = baseline_actions.run()
    say(f"{spec.id}: {spec.title}: {len(spec.faults)} faults")
    faulty = TrialRun(stage, _on(spec, make), spec.faults, run=f"{stamp}f", seed=seed, say=say)
    trial = faulty.run()
    status, reasons = judge_scenario(baseline, trial)
    return Scenario(
        id=spec.id,
        status=status,
        duration_seconds=seconds(baseline, trial),
        checks=passed_titles(trial),
        evidence_refs=references(trial, position),
        command=command or f"stressproof inject --scenario {spec.id} --seed {seed}",
        result_tail=tail(trial),
        title=spec.title,
        seed=seed,
        reasons=reasons,
        baseline=baseline,
        trial=trial,
    )


def _on(spec: ScenarioSpec, make: Callable[[], ScenarioDriver]) -> ScenarioDriver:
    script = make()
    script.spec = spec
    return script


def references(trial: Trial, position: int) -> list[str]:
    """Return where the proof is: witnesses, operations, effects, checks, baseline, the matrix."""
    root = f"#/scenarios/{position}"
    return [
        *(f"{root}/trial/faults/{number}/witnesses" for number in range(len(trial.faults))),
        f"{root}/trial/operations/rows",
        f"{root}/trial/effects/rows",
        f"{root}/trial/checks",
        f"{root}/baseline/checks",
        MATRIX_PATH,
    ]
