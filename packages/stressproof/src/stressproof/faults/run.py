"""A scenario from its data: a baseline, the trial with its faults, and what follows from both."""

import itertools
import time
from collections.abc import Callable, Collection, Sequence

from stressproof.errors import UsageError
from stressproof.evidence.run_clock import RunClock
from stressproof.failures.artifact import Scenario, Trial
from stressproof.failures.conclusions import judge_scenario, passed_titles, seconds, tail
from stressproof.failures.spec import FaultSpec, ScenarioSpec
from stressproof.faults.driver import Driver
from stressproof.faults.testbed import Testbed
from stressproof.faults.trial import TrialRun
from stressproof.faults.trial_state import Watch
from stressproof.quantities import count_of

_BASELINE, _FAULTS = "b", "f"
_RUNS = itertools.count()


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


class ScenarioRun:
    """One scenario on a testbed: two trials, the second with its faults.

    Args:
        testbed: Entered.
        spec: The scenario, or a part of it.
        seed: Of its load and schedule.
        driver: Makes the driver of a trial.
        left_out: Faults that cannot be injected on this machine.
        clock: What tells the time, one of its own if None.
        say: Told what happens.
        watch: Given the state of each trial.
    """

    def __init__(
        self,
        testbed: Testbed,
        spec: ScenarioSpec,
        *,
        seed: int,
        driver: Driver,
        left_out: Collection[str] = (),
        clock: RunClock | None = None,
        say: Callable[[str], None] = lambda _: None,
        watch: Watch = lambda _: None,
    ) -> None:
        self._spec = spec
        kept = [fault.id for fault in spec.faults if fault.id not in left_out]
        self._done = spec.part(kept) if left_out else spec
        self._seed = seed
        self._clock = clock or RunClock()
        self._say = say
        self._watch = watch
        # Nothing that a service keeps may be taken for another trial's.
        run = f"{time.time_ns() // 1_000_000:x}{next(_RUNS):x}"
        self._drivers = {name: driver(testbed, f"{run}{name}") for name in (_BASELINE, _FAULTS)}

    def prepare_early(self) -> None:
        """Prepare what needs time, while scenarios before this one run."""
        for driver in self._drivers.values():
            driver.prepare_early()

    def baseline(self) -> Trial:
        """Run the trial without faults.

        Raises:
            InconclusiveError: Its steady state is unhealthy.
            RunError: It broke.
        """
        self._say(f"{self._spec.id}: {self._spec.title}: baseline")
        return self._trial(_BASELINE, [])

    def run(self, *, position: int = 0, command: str = "", page: str = "") -> Scenario:
        """Run both trials and conclude.

        Args:
            position: Among the artifact's scenarios; references point there.
            command: What was run, for evidence.
            page: Where the scenario is explained, as a path in the checkout; empty for nowhere.

        Raises:
            InconclusiveError: The steady state is unhealthy, so nothing was broken.
            RunError: It broke; nothing can be concluded.
        """
        spec = self._spec
        baseline = self.baseline()
        faults = self._done.faults
        self._say(f"{spec.id}: {spec.title}: {count_of(len(faults), 'fault')}")
        trial = self._trial(_FAULTS, faults)
        status, reasons = judge_scenario(baseline, trial)
        return Scenario(
            id=spec.id,
            status=status,
            duration_seconds=seconds(baseline, trial),
            checks=passed_titles(trial),
            evidence_refs=references(trial, position, page),
            command=command or f"stressproof inject --scenario {spec.id} --seed {self._seed}",
            result_tail=tail(trial),
            spec=spec,
            seed=self._seed,
            reasons=reasons,
            baseline=baseline,
            trial=trial,
        )

    def _trial(self, name: str, faults: Sequence[FaultSpec]) -> Trial:
        return TrialRun(
            self._done,
            self._drivers[name],
            faults,
            seed=self._seed,
            clock=self._clock,
            say=self._say,
            watch=self._watch,
        ).run()


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
