"""Thresholds over rows, while a run goes on and after it: one evaluator for both.

Rounds are repetitions of one experiment, so a threshold is judged on each by itself and the worst
of them counts; windows (``over 10s``) lie within a round and slide by one row. What is judged live
is what is settled: seconds whose answers are all in. A live verdict is therefore the after-the-fact
verdict on the rows so far, and at the end the two are one.
"""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.measurements import Latency, Measurements, Row
from stressproof.measure.histogram import Histogram
from stressproof.objectives.expression import US_PER, Number, Threshold
from stressproof.objectives.figures import Ask, figure
from stressproof.objectives.judging import (
    Interval,
    Judgement,
    absolute_limit,
    judge,
    relative_limit,
)
from stressproof.objectives.metrics import METRICS
from stressproof.objectives.recoveries import FaultRecovery, judge_recoveries
from stressproof.objectives.results import Record, Span, ThresholdResult
from stressproof.objectives.sampling import BaselineFigures, bounded
from stressproof.objectives.selection import ANSWER_TAGS, Endpoint, Selection
from stressproof.objectives.tally import SlidingTally, Tally
from stressproof.outcome import Outcome

_US_PER_S = US_PER["s"]


class EvaluationContext(Struct, frozen=True):
    """What thresholds are judged against, beside the rows.

    Attributes:
        endpoints: The workload, in the order that rows refer to.
        users: Virtual users at most.
        resolution_seconds: Seconds that a row covers.
        baseline: An earlier run, None where there is none.
        recoveries: How each injected fault passed; none without failure evidence.
        sample_floors: Whether a quantile needs as many samples as bound it at 95 %.
    """

    endpoints: Sequence[Endpoint]
    users: int = 0
    resolution_seconds: int = 1
    baseline: BaselineFigures | None = None
    recoveries: tuple[FaultRecovery, ...] = ()
    sample_floors: bool = True


class Watch:
    """One threshold over the rows of one run.

    Args:
        threshold: What must hold.
        setting: What it is judged against.
    """

    def __init__(self, threshold: Threshold, setting: EvaluationContext) -> None:
        expression = threshold.expression
        metric = threshold.selector.metric
        self.threshold = threshold
        self.setting = setting
        self.record = Record(threshold)
        self.uncorrected = metric == "http_req_service_time"
        self.window_s = (expression.over_us or 0) // _US_PER_S
        self.ask = Ask(
            metric,
            expression.measure,
            filtered=any(tag in ANSWER_TAGS for tag, _ in threshold.selector.tags),
            users=setting.users,
            least_n=expression.least_n,
            sample_floors=setting.sample_floors,
        )
        self.know(setting.endpoints)
        self._restart()

    def know(self, endpoints: Sequence[Endpoint]) -> None:
        """Select among these from now on; what was counted stays counted."""
        self.selection = Selection.of(self.threshold.selector, endpoints)
        self.silent = self._silence()
        self.limits, self.missing = self._limits() if not self.silent else ((), "")
        if self.silent:
            self.record.not_judgeable_reason = self.silent

    def _silence(self) -> str:
        """Return why no row can say anything, empty where rows can."""
        metric = METRICS[self.threshold.selector.metric]
        if not metric.recorded:
            return f"{metric.name} is not recorded by the measurements"
        if metric.kind == "recovery":
            return "a recovery is not in the rows"
        if self.window_s % self.setting.resolution_seconds:
            return (
                f"rows cover {self.setting.resolution_seconds} s each, and a window of "
                f"{self.window_s} s is no whole number of them"
            )
        return self.selection.empty_because

    def _limits(self) -> tuple[tuple[Interval | None, ...], str]:
        found: list[Interval | None] = []
        missing = ""
        measure = self.threshold.expression.measure
        for comparison in self.threshold.expression.comparisons:
            limit = comparison.limit
            if isinstance(limit, Number):
                found.append(Interval.at(absolute_limit(limit, self.ask.metric, measure.name)))
                continue
            interval, missing = self._baseline()
            found.append(
                None
                if interval is None
                else relative_limit(limit, interval, self.ask.metric, measure.name)
            )
        return tuple(found), missing

    def _baseline(self) -> tuple[Interval | None, str]:
        if self.setting.baseline is None:
            return None, "no baseline was given"
        measure = self.threshold.expression.measure
        return self.setting.baseline.interval(self.threshold.selector, measure)

    def _restart(self) -> None:
        self.round = Tally()
        steps = self.window_s // self.setting.resolution_seconds
        self.window = SlidingTally(steps) if steps else None

    def step(self, run_index: int, second: int, rows: Sequence[Row]) -> None:
        """Take the rows of one settled step, and judge the window that it completes."""
        if self.silent:
            if self.window is not None:  # nothing of it was asked yet: seconds pass all the same
                self.window.push(Tally())
            return
        tally = Tally() if self.window else self.round
        for row in rows:
            if self.selection.takes(row):
                tally.add_row(row, self.selection, uncorrected=self.uncorrected)
        if self.window is None:
            return
        full = self.window.push(tally)
        if full is not None:
            end = second + self.setting.resolution_seconds
            span = Span(run_index, end - self.window_s, self.window_s)
            self.record.add(self._judge(full, self.window_s * _US_PER_S), span)

    def so_far(self, settled_s: int) -> Outcome:
        """Return the verdict on the current round up to a settled second."""
        if self.silent:
            return Outcome.INCONCLUSIVE
        if self.window is not None:
            return Outcome.FAIL if self.record.failed else Outcome.INCONCLUSIVE
        expression = self.threshold.expression
        rising = any(one.operator in {">", ">=", "=="} for one in expression.comparisons)
        if rising and expression.measure.name == "count":
            # A count that only grows has not failed to reach its limit before the end.
            return Outcome.INCONCLUSIVE
        return self._judge(self.round, settled_s * _US_PER_S).outcome

    def end_round(self, run_index: int, elapsed_us: int) -> None:
        """Judge what is judged on a whole round, and be ready for the next."""
        if not self.silent and self.window is None:
            self.record.add(self._judge(self.round, elapsed_us), Span(run_index))
        elif not self.silent and self.record.judged == 0:
            self.record.not_judgeable_reason = (
                f"no round lasts as long as a window of {self.window_s} s"
            )
        self._restart()

    def _judge(self, tally: Tally, elapsed_us: int) -> Judgement:
        found = figure(self.ask, tally, elapsed_us)
        comparisons = self.threshold.expression.comparisons
        beyond, missing = None, self.missing
        if self.threshold.expression.needs_baseline:
            beyond = bounded(self.ask, tally, found)
            if beyond is None and not missing:
                missing = f"too few samples to bound it: {found.n}"
        return judge(found, comparisons, self.limits, beyond, missing)

    def result(self) -> ThresholdResult:
        """Return the verdict on everything so far."""
        if self.threshold.expression.measure.name == "recovery":
            return judge_recoveries(self.threshold, self.setting.recoveries).result()
        return self.record.result()


class Evaluator:
    """All thresholds over a run, fed second by second or all at once.

    Args:
        thresholds: What must hold.
        setting: What it is judged against.
    """

    def __init__(self, thresholds: Sequence[Threshold], setting: EvaluationContext) -> None:
        self.setting = setting
        self.watches = [Watch(threshold, setting) for threshold in thresholds]
        self.pending: dict[int, dict[int, list[Row]]] = {}
        self.settled_s = 0

    def know(self, endpoints: Sequence[Endpoint]) -> None:
        """Take the workload as it is known by now, to which all rows from here on refer."""
        for watch in self.watches:
            watch.know(endpoints)

    def feed(self, rows: Sequence[Row]) -> None:
        """Take rows of the current round, whole or in parts, in any order.

        Raises:
            ValueError: A row belongs to a second that was already settled.
        """
        for row in rows:
            if row.second < self.settled_s:
                raise ValueError(
                    f"a row of second {row.second} arrived after second {self.settled_s} settled"
                )
            self.pending.setdefault(row.second, {}).setdefault(row.endpoint, []).append(row)

    def settle(self, run_index: int, until_s: int) -> list[Threshold]:
        """Judge everything before a second, all of whose answers are in.

        Returns:
            The thresholds that end the run: those with ``abort_on_fail`` that have failed, after
            their delay.
        """
        step_s = self.setting.resolution_seconds
        while self.settled_s + step_s <= until_s:
            parts = self.pending.pop(self.settled_s, {})
            rows = [join(parts[endpoint]) for endpoint in sorted(parts)]
            for watch in self.watches:
                watch.step(run_index, self.settled_s, rows)
            self.settled_s += step_s
        return [
            watch.threshold
            for watch in self.watches
            if watch.threshold.abort_on_fail
            and self.settled_s * _US_PER_S >= watch.threshold.delay_abort_us
            and self.settled_s
            and watch.so_far(self.settled_s) is Outcome.FAIL
        ]

    def end_round(self, run_index: int, elapsed_us: int) -> None:
        """Judge the round that was fed, and be ready for the next.

        Args:
            run_index: Its number, from 1.
            elapsed_us: From its first measured start to its last completion.
        """
        last = max(self.pending, default=-self.setting.resolution_seconds)
        self.settle(run_index, max(last + self.setting.resolution_seconds, self.settled_s))
        for watch in self.watches:
            watch.end_round(run_index, elapsed_us)
        self.pending.clear()
        self.settled_s = 0

    def results(self) -> list[ThresholdResult]:
        """Return the verdict on each threshold, in their order."""
        return [watch.result() for watch in self.watches]


def evaluate(
    thresholds: Sequence[Threshold], measurements: Measurements, setting: EvaluationContext
) -> list[ThresholdResult]:
    """Return the verdict on each threshold after a run, from its measurements alone."""
    evaluator = Evaluator(thresholds, setting)
    for run in measurements.runs:
        evaluator.feed(run.rows)
        evaluator.end_round(run.run_index, run.elapsed_us)
    return evaluator.results()


def join(rows: Sequence[Row]) -> Row:
    """Return the parts of one endpoint's second as one row."""
    if len(rows) == 1:
        return rows[0]
    outcomes: dict[str, int] = {}
    corrected, uncorrected = Histogram(), Histogram()
    for row in rows:
        row.corrected.add_to(corrected)
        (row.uncorrected or row.corrected).add_to(uncorrected)
        for outcome, count in row.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    closed = all(row.uncorrected is None for row in rows)
    return Row(
        endpoint=rows[0].endpoint,
        second=rows[0].second,
        intended=sum(row.intended for row in rows),
        started=sum(row.started for row in rows),
        late=sum(row.late for row in rows),
        dropped=sum(row.dropped for row in rows),
        outcomes=outcomes,
        corrected=Latency.of(corrected),
        uncorrected=None if closed else Latency.of(uncorrected),
    )
