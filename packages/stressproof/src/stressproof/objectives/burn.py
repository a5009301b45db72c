"""Burn rates over a run: is the error budget spent faster than the objective allows?

A load test lasts minutes and an objective a month, so the workbook's windows are scaled: the round
stands for the longest window. An error ratio divided by the budget is a burn rate at any scale.
"""

from collections import deque
from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct

from stressproof.evidence.measurements import Measurements, Row, RunMeasurements
from stressproof.measure import buckets
from stressproof.objectives.results import Span
from stressproof.objectives.selection import Endpoint, Selection
from stressproof.objectives.slo import (
    PAIRS,
    Pair,
    Slo,
    one_error_trips_below,
    scaled_s,
    zero_errors_prove_from,
)
from stressproof.outcome import Outcome, worst


class Events(Struct, frozen=True):
    """Events of a stretch.

    Attributes:
        n: All of them.
        bad_least: Those that surely spent budget.
        bad_most: Those that may have: a failure may or may not have been one of the slow ones.
    """

    n: int = 0
    bad_least: int = 0
    bad_most: int = 0

    def __add__(self, other: "Events") -> "Events":
        return Events(
            self.n + other.n,
            self.bad_least + other.bad_least,
            self.bad_most + other.bad_most,
        )

    def __sub__(self, other: "Events") -> "Events":
        return Events(
            self.n - other.n,
            self.bad_least - other.bad_least,
            self.bad_most - other.bad_most,
        )

    def burn(self, budget: Fraction) -> tuple[Fraction, Fraction]:
        """Return the least and the greatest burn rate that this can be; 0 without events."""
        if self.n == 0:
            return Fraction(0), Fraction(0)
        return self.bad_least / (self.n * budget), self.bad_most / (self.n * budget)


class PairResult(Struct, frozen=True):
    """One window pair over one round.

    Attributes:
        severity: ``page`` or ``ticket``.
        factor: The burn rate that neither window may exceed together with the other.
        long_s: The long window on the scale of the run.
        short_s: The short one.
        outcome: The verdict.
        burn_long: The long window's burn rate where it was worst.
        burn_short: The short window's at the same moment.
        where: The long window of that moment.
        n: Its events.
        least_n: Events below which one error alone would fire.
        reason: Why it is inconclusive, empty where it is not.
    """

    severity: str
    factor: float
    long_s: int
    short_s: int
    outcome: Outcome
    burn_long: float
    burn_short: float
    where: str
    n: int
    least_n: int
    reason: str

    @property
    def sentence(self) -> str:
        """The result in one line."""
        text = (
            f"{self.outcome.upper()}  {self.severity}: burn {self.burn_long:.3g} over "
            f"{self.long_s} s and {self.burn_short:.3g} over {self.short_s} s against "
            f"{self.factor:.3g}; n={self.n:,}; {self.where}"
        )
        return f"{text}; {self.reason}" if self.reason else text


class SloResult(Struct, frozen=True):
    """An objective over a run.

    Attributes:
        name: Of the objective.
        objective: As a percentage, for people.
        outcome: The worst of the objective itself over the whole run and of all pairs and rounds.
        events: Requests that count.
        bad: Those that spent budget; the most it may be.
        budget_consumed: Bad events as a share of those that the objective allows in this run.
        exhausted_after_s: Seconds until the whole period's budget is gone at this rate, None
            where none is spent.
        pairs: Each window pair, worst round.
        reason: Why the objective itself is inconclusive, empty where it is not.
    """

    name: str
    objective: str
    outcome: Outcome
    events: int
    bad: int
    budget_consumed: float | None
    exhausted_after_s: float | None
    pairs: tuple[PairResult, ...]
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The result in one line, without its pairs."""
        text = f"{self.outcome.upper()}  {self.name}: objective {self.objective}"
        if self.events:
            text += f"; {self.bad:,} bad of {self.events:,}"
        if self.budget_consumed is not None:
            text += f"; {self.budget_consumed * 100:.3g} % of this run's budget"
        if self.exhausted_after_s is not None:
            text += f"; a period's budget would last {_days(self.exhausted_after_s)}"
        return f"{text}; {self.reason}" if self.reason else text


def evaluate_slo(slo: Slo, measurements: Measurements, endpoints: Sequence[Endpoint]) -> SloResult:
    """Return the verdict on one objective, each round by itself and the worst counting."""
    selection = Selection.of(slo.selector, endpoints)
    percent = _percent(slo.objective)
    if selection.empty_because:
        reason = selection.empty_because
        return SloResult(slo.name, percent, Outcome.INCONCLUSIVE, 0, 0, None, None, (), reason)
    total = Events()
    found: dict[Pair, PairResult] = {}
    for run in measurements.runs:
        steps = _steps(run, measurements.resolution_seconds, selection, slo)
        total = sum(steps, total)
        for pair in PAIRS:
            judged = _judge(pair, slo, steps, run.run_index, measurements.resolution_seconds)
            if pair not in found or _badness(judged) > _badness(found[pair]):
                found[pair] = judged
    if total.n == 0:
        return SloResult(slo.name, percent, Outcome.INCONCLUSIVE, 0, 0, None, None, (), "no data")
    consumed = total.burn(slo.budget)[1]
    itself, reason = _whole_run(total, slo.budget)
    return SloResult(
        name=slo.name,
        objective=percent,
        outcome=worst([itself, *(result.outcome for result in found.values())]),
        events=total.n,
        bad=total.bad_most,
        budget_consumed=float(consumed),
        exhausted_after_s=float(slo.period_s / consumed) if consumed else None,
        pairs=tuple(found[pair] for pair in PAIRS),
        reason=reason,
    )


def _whole_run(total: Events, budget: Fraction) -> tuple[Outcome, str]:
    """Return whether the run as a whole kept to its budget: alerts end, spent budget does not."""
    least, most = total.burn(budget)
    least_n = one_error_trips_below(Fraction(1), budget)
    proof_n = zero_errors_prove_from(Fraction(1), budget)
    if least > 1 and total.n >= least_n:
        return Outcome.FAIL, ""
    if least > 1:
        return Outcome.INCONCLUSIVE, f"over budget on {total.n:,} events of at least {least_n:,}"
    if most > 1:
        reason = "how many of the slow answers were failures decides it, and is not recorded"
        return Outcome.INCONCLUSIVE, reason
    if total.n < proof_n:
        reason = f"{total.n:,} events cannot show it: {proof_n:,} without any error would"
        return Outcome.INCONCLUSIVE, reason
    return Outcome.PASS, ""


def events_of(row: Row, selection: Selection, latency_us: int | None) -> Events:
    """Return the events of one row.

    For a latency objective a failure is bad however fast it came. One histogram holds the times of
    successes and failures, so how many of the slow were failures is known only within bounds.
    """
    matched = selection.matched(row)
    n = sum(high for _, high in matched.values())
    failed_least = sum(low for outcome, (low, _) in matched.items() if outcome != "ok")
    failed_most = sum(high for outcome, (_, high) in matched.items() if outcome != "ok")
    if latency_us is None:
        return Events(n, failed_least, failed_most)
    surely, possibly = slower_than(row, latency_us)
    others = row.corrected.n - n
    return Events(
        n,
        max(surely - others, failed_least, 0),
        min(possibly + failed_most, n),
    )


def slower_than(row: Row, limit_us: int) -> tuple[int, int]:
    """Return how many answers surely, and possibly, took longer than a limit."""
    surely = possibly = 0
    pairs = row.corrected.buckets
    for at in range(0, len(pairs), 2):
        bucket, count = pairs[at], pairs[at + 1]
        surely += count if buckets.lowest(bucket) > limit_us else 0
        highest = min(buckets.highest(bucket), row.corrected.max_us or 0)
        possibly += count if highest > limit_us else 0
    return surely, possibly


def _steps(run: RunMeasurements, resolution_s: int, selection: Selection, slo: Slo) -> list[Events]:
    last = max((row.second for row in run.rows), default=-resolution_s)
    steps = [Events()] * (last // resolution_s + 1)
    for row in run.rows:
        if selection.takes(row):
            at = row.second // resolution_s
            steps[at] = steps[at] + events_of(row, selection, slo.latency_us)
    return steps


class _Moment(Struct, frozen=True):
    """Both windows of a pair at the end of one row."""

    long: Events
    short: Events
    end: int

    def fires(self, factor: Fraction, budget: Fraction) -> tuple[bool, bool]:
        """Return whether both windows surely, and possibly, burn faster than the factor."""
        long, short = self.long.burn(budget), self.short.burn(budget)
        return min(long[0], short[0]) > factor, min(long[1], short[1]) > factor


def _judge(
    pair: Pair, slo: Slo, steps: list[Events], run_index: int, resolution_s: int
) -> PairResult:
    run_s = len(steps) * resolution_s
    long_s = scaled_s(pair.long_s, run_s, resolution_s)
    short_s = scaled_s(pair.short_s, run_s, resolution_s)
    factor = pair.factor(slo.period_s)
    least_n = one_error_trips_below(factor, slo.budget)
    moments = _moments(steps, long_s // resolution_s, short_s // resolution_s)
    judged = [moment for moment in moments if moment.long.n >= least_n]
    n = sum(step.n for step in steps)
    proof_n = zero_errors_prove_from(factor, slo.budget)
    if any(moment.fires(factor, slo.budget)[0] for moment in judged):
        outcome, reason = Outcome.FAIL, ""
    elif any(moment.fires(factor, slo.budget)[1] for moment in judged):
        outcome = Outcome.INCONCLUSIVE
        reason = "how many of the slow answers were failures decides it, and is not recorded"
    elif any(moment.fires(factor, slo.budget)[1] for moment in moments):
        outcome = Outcome.INCONCLUSIVE
        reason = f"it burns, on fewer than {least_n:,} events in a window"
    elif not judged:
        outcome = Outcome.INCONCLUSIVE
        reason = f"no window has the {least_n:,} events below which one error alone would fire"
    elif n < proof_n:
        outcome = Outcome.INCONCLUSIVE
        reason = f"{n:,} events cannot show it: {proof_n:,} without any error would"
    else:
        outcome, reason = Outcome.PASS, ""
    shown = max(
        judged or moments,
        key=lambda m: min(m.long.burn(slo.budget)[1], m.short.burn(slo.budget)[1]),
        default=_Moment(Events(), Events(), 0),
    )
    return PairResult(
        severity=pair.severity,
        factor=float(factor),
        long_s=long_s,
        short_s=short_s,
        outcome=outcome,
        burn_long=float(shown.long.burn(slo.budget)[1]),
        burn_short=float(shown.short.burn(slo.budget)[1]),
        where=str(Span(run_index, max(shown.end * resolution_s - long_s, 0), long_s)),
        n=shown.long.n,
        least_n=least_n,
        reason=reason,
    )


def _moments(steps: list[Events], long: int, short: int) -> list[_Moment]:
    """Return both windows at the end of every row at which the long one is full."""
    moments = []
    windows = {size: (deque[Events](), [Events()]) for size in {long, short}}
    for end, step in enumerate(steps, 1):
        for size, (window, total) in windows.items():
            window.append(step)
            total[0] += step
            if len(window) > size:
                total[0] -= window.popleft()
        if end >= long:
            moments.append(_Moment(windows[long][1][0], windows[short][1][0], end))
    return moments


def _badness(result: PairResult) -> tuple[int, float]:
    return result.outcome.rank, min(result.burn_long, result.burn_short)


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.10g} %"


def _days(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
