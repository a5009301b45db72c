"""An injection while it runs: which scenario, which fault, since when, and what callers see."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Self

from stressproof.failures.fault_kinds import told
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.load import Load
from stressproof.faults.trial_state import TrialState
from stressproof.measure.histogram import P50_PPM, P95_PPM, Histogram
from stressproof.outcome import Outcome
from stressproof.quantities import count, count_of, latency, listed, rate
from stressproof.report.lines import Line
from stressproof.report.progress import Progress

_LOOK_S = 0.5
_RECENT_S = 5
_KINDS = 4
_NS_PER_S = 1_000_000_000
_NS_PER_US = 1000


def trial_state(state: TrialState, place: str, now_ns: int) -> Iterator[Line]:
    """Yield how a trial stands, a thought a line.

    Args:
        state: The trial's.
        place: Which scenario of how many it is.
        now_ns: On the monotonic clock.
    """
    faults = f"{count_of(len(state.faults), 'fault')}"
    trial = faults if state.faults else "baseline, nothing is broken"
    left = f", about {_seconds(state.ends_ns - now_ns)} left" if state.faults else ""
    yield Line(f"{state.spec.id} ({place})  {trial}{left}")
    yield _phase(state, now_ns)
    yield from _callers(state.load, now_ns)


def _phase(state: TrialState, now_ns: int) -> Line:
    since, left = _seconds(now_ns - state.since_ns), _seconds(state.until_ns - now_ns)
    if state.phase == "steady" or state.fault is None:
        doing = "steady load" if state.phase == "steady" else "asking again what is unknown"
        return Line(f"{doing} since {since}")
    if state.phase == "fault":
        what = f"broken since {since}, up to {left} more"
        return Line(f"{state.fault.id} {what}: {told(state.fault)}", Outcome.FAIL)
    return Line(f"{state.fault.id} healed {since} ago, watched for {left} more")


def _callers(load: Load, now_ns: int) -> Iterator[Line]:
    """Yield what callers were told lately, and what those see who still wait."""
    answers: Counter[str] = Counter()
    waits = Histogram()
    for done in reversed(load.history):  # which grows meanwhile
        if done.ended_ns < now_ns - _RECENT_S * _NS_PER_S:
            break
        answers[done.code.name.partition(":")[0]] += 1  # its further parts are for evidence
        waits.record(max(done.ended_ns - done.intended_ns, 0) // _NS_PER_US)
    codes = listed([f"{code} x {count(each)}" for code, each in answers.most_common()], _KINDS)
    p50, p95 = waits.quantiles((P50_PPM, P95_PPM))
    yield Line(f"callers get {rate(waits.n / _RECENT_S)}: {codes or 'no answer'}")
    outstanding = load.outstanding_ns
    longest_us = max((now_ns - min(outstanding, default=now_ns)) // _NS_PER_US, 0)
    waiting = f"{count(len(outstanding))} wait, the longest for {latency(longest_us)}"
    answered = f"p50 {latency(p50)}  p95 {latency(p95)} in the last {_RECENT_S} s; "
    yield Line((answered if waits.n else "") + (waiting if outstanding else "nobody waits"))


def _seconds(ns: int) -> str:
    return f"{max(ns, 0) / _NS_PER_S:.0f} s"


class InjectionProgress:
    """Shows an injection's progress, from a thread of its own.

    Args:
        progress: Where to.
        scenarios: All that are run.
    """

    def __init__(self, progress: Progress, scenarios: Sequence[ScenarioSpec]) -> None:
        self._progress = progress
        self._places = {
            spec.id: f"{number} of {len(scenarios)}" for number, spec in enumerate(scenarios, 1)
        }
        self._states: dict[int, TrialState] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def say(self, text: str) -> None:
        """Show what happened, on a line of its own."""
        self._progress.phase(text)

    def watch(self, state: TrialState | None) -> None:
        """Follow the trial of the calling thread, until None comes from it."""
        if state is None:
            self._states.pop(threading.get_ident(), None)
        else:
            self._states[threading.get_ident()] = state

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            now_ns = time.monotonic_ns()
            lines = [
                line
                for state in list(self._states.values())
                for line in trial_state(state, self._places[state.spec.id], now_ns)
            ]
            if lines:
                self._progress.state(lines)
