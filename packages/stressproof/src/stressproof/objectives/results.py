"""What became of a threshold, in a form for people and for machines."""

from fractions import Fraction

from msgspec import Struct

from stressproof.objectives.expression import Comparison, Threshold
from stressproof.objectives.judging import Interval, Judgement, show_beside, show_interval
from stressproof.objectives.metrics import METRICS, Dimension
from stressproof.outcome import Outcome


class Span(Struct, frozen=True):
    """A stretch of a run that was judged by itself.

    Attributes:
        run_index: The round, from 1.
        first_second: Where it begins, in whole seconds of the round.
        seconds: How long it is; 0 for the whole round.
    """

    run_index: int
    first_second: int = 0
    seconds: int = 0

    def __str__(self) -> str:
        if not self.seconds:
            return f"round {self.run_index}"
        last = self.first_second + self.seconds
        return f"round {self.run_index}, second {self.first_second} to {last}"


class ThresholdResult(Struct, frozen=True):
    """A threshold and its verdict; the figures are those of the worst stretch.

    Attributes:
        threshold: Its canonical spelling.
        outcome: The worst of all stretches.
        observed: The worst figure, for people; empty where there is none.
        limit: What it was compared with, for people.
        observed_value: The same figure in µs, as a share, a count or a count a second.
        limit_value: The first limit in the same unit.
        n: Samples in that stretch.
        where: Which stretch.
        judged: Stretches judged: rounds, or windows.
        failed: Of those, how many failed.
        undecided: Of those, how many were inconclusive.
        reason: Why it is inconclusive, or why it failed without a figure; else empty.
    """

    threshold: str
    outcome: Outcome
    observed: str
    limit: str
    observed_value: float | None
    limit_value: float | None
    n: int
    where: str
    judged: int
    failed: int
    undecided: int
    reason: str

    @property
    def sentence(self) -> str:
        """The whole result in one line."""
        value = f"{self.observed} against {self.limit}" if self.observed else self.limit
        parts = [f"{self.outcome.upper()}  {self.threshold}: {value}"]
        if self.n:
            parts.append(f"n={self.n:,}")
        if self.where:
            parts.append(self.where)
        if self.judged > 1:
            parts.append(f"{self.judged - self.failed - self.undecided} of {self.judged} hold")
        if self.reason:
            parts.append(self.reason)
        return "; ".join(parts)


class Record:
    """Stretches of one threshold as they are judged: keeps the worst, counts all."""

    def __init__(self, threshold: Threshold) -> None:
        self.threshold = threshold
        self.worst: tuple[Judgement, object] | None = None
        self.judged = 0
        self.failed = 0
        self.undecided = 0
        self.not_judgeable_reason = "no data"

    def add(self, judgement: Judgement, span: object) -> None:
        """Take note of one stretch; its text says which one it was."""
        self.judged += 1
        self.failed += judgement.outcome is Outcome.FAIL
        self.undecided += judgement.outcome is Outcome.INCONCLUSIVE
        if self.worst is None or judgement.severity > self.worst[0].severity:
            self.worst = judgement, span

    def result(self) -> ThresholdResult:
        """Return what is known so far."""
        comparisons = self.threshold.expression.comparisons
        if self.worst is None:
            return ThresholdResult(
                threshold=str(self.threshold),
                outcome=Outcome.INCONCLUSIVE,
                observed="",
                limit=" and ".join(str(one) for one in comparisons),
                observed_value=None,
                limit_value=None,
                n=0,
                where="",
                judged=0,
                failed=0,
                undecided=0,
                reason=self.not_judgeable_reason,
            )
        judgement, span = self.worst
        figure = judgement.figure
        value = None
        if figure.low is not None and figure.high is not None:
            value = Interval(figure.low, figure.high)
        limit = judgement.limits[0]
        return ThresholdResult(
            threshold=str(self.threshold),
            outcome=judgement.outcome,
            observed="" if value is None else self._shown(value, judgement.limits),
            limit=" and ".join(
                self._limit(one, of) for one, of in zip(comparisons, judgement.limits, strict=True)
            ),
            observed_value=None if value is None else float(value.high),
            limit_value=None if limit is None else float(limit.low),
            n=figure.n,
            where=str(span),
            judged=self.judged,
            failed=self.failed,
            undecided=self.undecided,
            reason=judgement.reason,
        )

    @property
    def dimension(self) -> Dimension:
        """What kind of quantity the threshold is about."""
        metric = METRICS[self.threshold.selector.metric]
        return metric.dimension(self.threshold.expression.measure.name)

    def _shown(self, value: Interval, limits: tuple[Interval | None, ...]) -> str:
        if value.low != value.high:
            return show_interval(value, self.dimension)
        nearest = min(
            (limit.low for limit in limits if limit is not None),
            key=lambda limit: abs(limit - value.high),
            default=Fraction(value.high),
        )
        return show_beside(value.high, nearest, self.dimension)

    def _limit(self, comparison: Comparison, limit: Interval | None) -> str:
        if limit is None:
            return str(comparison)
        return f"{comparison.operator} {show_interval(limit, self.dimension)}"
