"""One trial: load at an open rate, faults in the middle of it, and the final read.

The order is what makes the result mean something: steady load → fault → healing, proven by a
direct connection → recovery watched → everything unknown asked again → quiet → the database read
directly. A final read inside the fault would find what is not there yet.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from stressproof.errors import InconclusiveError
from stressproof.evidence.failure import InjectedFault, Recovery
from stressproof.evidence.run_clock import RunClock
from stressproof.failures.artifact import EffectCounts, Trial
from stressproof.failures.conclusions import answered, completed, pending
from stressproof.failures.fault_kinds import told
from stressproof.failures.history import EFFECT_COLUMNS
from stressproof.failures.spec import UNDISTURBED, FaultSpec, Invariant, ScenarioSpec
from stressproof.faults.driver import ScenarioDriver
from stressproof.faults.injector import Injector
from stressproof.faults.load import Load
from stressproof.faults.testbed import Testbed
from stressproof.faults.trial_state import TrialState, Watch

_OBSERVE_S = 0.04
_SETTLE_S = 30.0
_AGAIN_S = 0.1
_CODES = 5
_LOG_LINES = 200


class Timed(Struct, frozen=True):
    """A fault with its times on the monotonic clock."""

    spec: FaultSpec
    injector: Injector
    requested_ns: int
    healed_ns: int
    watched_ns: int


class TrialRun:
    """Runs one trial on a testbed.

    Args:
        spec: The scenario, or a part of it.
        driver: Of the scenario, on the testbed; made for this trial.
        faults: Those to inject, none for a baseline.
        seed: Of the load.
        clock: What tells the time.
        say: Told what happens.
        watch: Given the trial's state once its load runs, and None when that has ended.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        driver: ScenarioDriver,
        faults: Sequence[FaultSpec],
        *,
        seed: int,
        clock: RunClock,
        say: Callable[[str], None],
        watch: Watch,
    ) -> None:
        self._spec = spec
        self._driver = driver
        self._testbed: Testbed = driver.testbed
        self._faults = faults
        self._seed = seed
        self._clock = clock
        self._say_on = say
        self._watch = watch
        self._log: list[str] = []
        self._started_ns = 0

    def run(self) -> Trial:
        """Run it from preparation to final read.

        Raises:
            InconclusiveError: The steady state is unhealthy.
            RunError: A fault could not be applied or removed, or load or service broke.
        """
        spec = self._spec
        self._driver.prepare()
        makers = self._driver.requests()
        load = Load(
            self._testbed.host,
            self._testbed.port,
            [(one.weight, makers[one.kind]) for one in spec.scheduled],
            classify=spec.classify,
            rate_per_s=spec.rate_per_s,
            seed=self._seed,
            timeout_s=spec.timeout_us / 1e6,
        )
        try:
            load.start()
            self._started_ns = load.started_ns
            state = TrialState(spec, self._faults, load)
            self._watch(state)
            self._wait(load, spec.steady_us / 1e6)
            self._let_finish(load, time.monotonic_ns())
            self._demand_steady(load)
            timed = [self._inject(fault, state) for fault in self._faults]
            if not self._faults:
                self._driver.baseline_actions(load)
            state.enter("settling")
            still_open = load.settle(_SETTLE_S)
            self._say(f"settled: {len(still_open)} effects stay unknown")
        finally:
            load.stop()
            self._watch(None)
        return self._conclude(load, timed)

    def _demand_steady(self, load: Load) -> None:
        """Go no further where service is bad before anything is broken.

        Raises:
            InconclusiveError: It is; what a fault does to it would prove nothing.
        """
        asked = list(load.history)
        bad = [done for done in asked if not done.code.healthy]
        self._say(f"steady: {len(asked)} requests, {len(bad)} of them unhealthy")
        if bad and UNDISTURBED.id not in self._spec.off:
            codes = Counter(f"{done.request.kind} ended with {done.code.name}" for done in bad)
            told = ", ".join(f"{code} ({count})" for code, count in codes.most_common(_CODES))
            raise InconclusiveError(
                f"{self._spec.id}: the steady state is unhealthy, so nothing is broken: {told}",
                hint="\n".join(["Put that right first.", *self._testbed.last_words()]),
            )

    def _say(self, text: str) -> None:
        at = (time.monotonic_ns() - self._started_ns) / 1e9 if self._started_ns else 0.0
        line = f"{at:7.3f} s  {text}"
        self._log.append(line)
        self._say_on(line)

    def _wait(self, load: Load, seconds: float) -> None:
        """Let time pass; stop where going on would prove nothing."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._check_stop_conditions(load)
            time.sleep(min(left, 0.2))

    def _check_stop_conditions(self, load: Load) -> None:
        load.check()
        self._testbed.demand_service()

    def _inject(self, fault: FaultSpec, state: TrialState) -> Timed:
        """Inject one fault, remove it, and watch recovery."""
        load = state.load
        injector = self._driver.injector(fault, load)
        requested = time.monotonic_ns()
        try:
            injector.inject(self._testbed.active)
            self._say(f"{fault.id}: {told(fault)}")
            state.enter("fault", fault, fault.lasts_us)
            until = injector.effective_ns + fault.lasts_us * 1000
            while time.monotonic_ns() < until and not injector.is_finished():
                injector.observe()
                self._check_stop_conditions(load)
                time.sleep(_OBSERVE_S)
            injector.observe()
        finally:
            injector.remove()
        healed = self._testbed.wait_healed()
        self._say(f"{fault.id}: removed and healed")
        state.enter("recovery", fault, fault.watch_us)
        self._wait(load, fault.watch_us / 1e6)
        watched = time.monotonic_ns()
        self._let_finish(load, watched)
        began = [one for one in load.history if injector.effective_ns <= one.intended_ns < healed]
        unhealthy = sum(not one.code.healthy for one in began)
        self._say(f"{fault.id}: {len(began)} requests under it, {unhealthy} of them unhealthy")
        return Timed(fault, injector, requested, healed, watched)

    def _let_finish(self, load: Load, before_ns: int) -> None:
        """Wait for what is under way: the next fault must not be blamed on this one."""
        deadline = time.monotonic() + 2 * self._spec.timeout_us / 1e6
        while not load.is_done_with(before_ns) and time.monotonic() < deadline:
            time.sleep(_OBSERVE_S / 4)

    def _us(self, ns: int) -> int:
        return max(0, ns - self._started_ns) // 1000

    def _conclude(self, load: Load, timed: Sequence[Timed]) -> Trial:
        """Read the database, and derive everything that follows."""
        spec = self._spec
        asked = sorted({done.request.key for done in load.history if done.request.key})
        demanded = spec.demanded_invariants(with_faults=bool(timed))
        self._wait_settled(demanded)
        effects = self._effects(asked)
        invariants = [answered(one, *self._driver.read_invariant(one)) for one in demanded]
        trial = Trial(
            started_at=self._clock.at(self._started_ns),
            ended_at=self._clock.now(),
            duration_us=0,
            operations=load.operations(),
            effects=effects,
            faults=[self._fault(one) for one in timed],
            phases=[],
            checks=[*map(pending, spec.demanded_checks(with_faults=bool(timed))), *invariants],
            log=self._log[-_LOG_LINES:],
        )
        return completed(trial, spec)

    def _fault(self, timed: Timed) -> InjectedFault:
        injector = timed.injector
        witnesses = injector.witnesses()
        for witness in witnesses:
            self._say(
                f"{timed.spec.id}: {witness.name}: {witness.before} -> {witness.during} "
                f"(needs {witness.needs} more)"
            )
        return InjectedFault(
            id=timed.spec.id,
            kind=timed.spec.kind,
            target=timed.spec.target,
            parameters=dict(timed.spec.parameters),
            requested_us=self._us(timed.requested_ns),
            effective_us=self._us(injector.effective_ns),
            removed_us=self._us(injector.removed_ns),
            healed_us=self._us(timed.healed_ns),
            watched_us=self._us(timed.watched_ns),
            witnesses=witnesses,
            objectives=timed.spec.objectives,
            recovery=Recovery(None, None, None, None, 0),
        )

    def _wait_settled(self, invariants: Sequence[Invariant]) -> None:
        """Wait until what takes its time is right: journals replayed, nobody amid something.

        What does not come is left for the final read to find.
        """
        for one in invariants:
            deadline = time.monotonic() + one.settle_us / 1e6
            while time.monotonic() < deadline and self._driver.read_invariant(one)[1]:
                time.sleep(_AGAIN_S)

    def _effects(self, asked: list[int]) -> EffectCounts:
        effects = self._spec.effects
        found = {} if effects is None else self._driver.read_effects(effects)
        rows = [[key, found.get(key, 0)] for key in asked]
        return EffectCounts(columns=EFFECT_COLUMNS, rows=rows)
