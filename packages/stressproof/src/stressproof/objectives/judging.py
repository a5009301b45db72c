"""A figure beside its limit: the three-valued verdict on one stretch of a run."""

import math
from fractions import Fraction

from msgspec import Struct

from stressproof.objectives.expression import US_PER, Baseline, Comparison, Number, Operator
from stressproof.objectives.figures import Figure
from stressproof.objectives.metrics import METRICS, Dimension
from stressproof.outcome import Outcome, worst

_PERCENT = 100
_SHOWN_DIGITS = 4
_MOST_DIGITS = 16


class Interval(Struct, frozen=True):
    """Everything that a figure may be; a point where it is known."""

    low: Fraction
    high: Fraction

    @classmethod
    def at(cls, value: Fraction) -> "Interval":
        """Return the interval that holds one value."""
        return cls(value, value)


class Judgement(Struct, frozen=True):
    """One stretch judged.

    Attributes:
        outcome: The verdict.
        figure: What was measured.
        limits: What each comparison was made with, None where the baseline has no figure.
        reason: Why it is inconclusive, empty where it is not.
        excess: How far beyond the limit the figure lies, as a share of it; negative where it holds.
    """

    outcome: Outcome
    figure: Figure
    limits: tuple[Interval | None, ...]
    reason: str
    excess: Fraction

    @property
    def severity(self) -> tuple[int, Fraction]:
        """Sorts the worst last."""
        return self.outcome.rank, self.excess


def absolute_limit(number: Number, metric: str, measure: str) -> Fraction:
    """Return a limit in µs, as a share, as a count or as a count a second.

    A number without a unit is in k6's: milliseconds for times, a share from 0 to 1 for rates.
    """
    value = Fraction(number.value)
    dimension = METRICS[metric].dimension(measure)
    if dimension == "time":
        return value * US_PER[number.unit or "ms"]
    return value / _PERCENT if number.unit in {"%", "pp"} else value


def relative_limit(limit: Baseline, of: Interval, metric: str, measure: str) -> Interval:
    """Return the limit that a baseline's figure and a margin make."""
    if limit.unit == "%":
        factor = 1 + Fraction(limit.margin) / _PERCENT
        return Interval(of.low * factor, of.high * factor)
    margin = absolute_limit(Number(limit.margin, limit.unit), metric, measure)
    return Interval(of.low + margin, of.high + margin)


def compare(value: Interval, operator: Operator, limit: Interval) -> Outcome:
    """Return whether a comparison holds for all, for none, or for some of what may be."""
    always, never = {
        "<": (value.high < limit.low, value.low >= limit.high),
        "<=": (value.high <= limit.low, value.low > limit.high),
        ">": (value.low > limit.high, value.high <= limit.low),
        ">=": (value.low >= limit.high, value.high < limit.low),
        "==": (_same_point(value, limit), value.high < limit.low or value.low > limit.high),
        "!=": (value.high < limit.low or value.low > limit.high, _same_point(value, limit)),
    }[operator]
    if always:
        return Outcome.PASS
    return Outcome.FAIL if never else Outcome.INCONCLUSIVE


def _same_point(one: Interval, other: Interval) -> bool:
    return one.low == one.high == other.low == other.high


def judge(
    figure: Figure,
    comparisons: tuple[Comparison, ...],
    limits: tuple[Interval | None, ...],
    bounded: Interval | None,
    missing: str = "",
) -> Judgement:
    """Return the verdict on one figure.

    Args:
        figure: What was measured.
        comparisons: What must hold of it.
        limits: What each is compared with, None where a baseline has no figure.
        bounded: What the figure may be beyond the sample, for comparisons with a baseline.
        missing: Why a limit or `bounded` is None.
    """
    if figure.low is None or figure.high is None or not figure.judgeable:
        return Judgement(Outcome.INCONCLUSIVE, figure, limits, figure.reason, Fraction(0))
    value = Interval(figure.low, figure.high)
    outcomes = []
    excesses = [Fraction(-1)]
    reason = ""
    for comparison, limit in zip(comparisons, limits, strict=True):
        relative = isinstance(comparison.limit, Baseline)
        side = bounded if relative else value
        if limit is None or side is None:
            outcomes.append(Outcome.INCONCLUSIVE)
            reason = missing
            continue
        outcome = compare(side, comparison.operator, limit)
        outcomes.append(outcome)
        excesses.append(_excess(side, comparison.operator, limit))
        if outcome is Outcome.INCONCLUSIVE:
            reason = (
                "the limit lies within what the samples and the baseline leave open"
                if relative
                else "the limit lies within what the rows leave open"
            )
    overall = worst(outcomes)
    return Judgement(
        overall,
        figure,
        limits,
        reason if overall is Outcome.INCONCLUSIVE else "",
        max(excesses),
    )


def _excess(value: Interval, operator: Operator, limit: Interval) -> Fraction:
    if operator in {"<", "<="}:
        beyond, base = value.high - limit.low, limit.low
    elif operator in {">", ">="}:
        beyond, base = limit.high - value.low, limit.high
    else:
        beyond, base = abs(value.high - limit.low), limit.low
        beyond = beyond if operator == "==" else -beyond
    return beyond / (abs(base) or 1)


def show(value: Fraction, dimension: Dimension, significant: int = _SHOWN_DIGITS) -> str:
    """Return a quantity for people: ``148.2 ms``, ``0.61 %``, ``1,234``, ``9.87/s``."""
    if dimension == "time":
        for unit, size in (("s", US_PER["s"]), ("ms", US_PER["ms"])):
            if abs(value) >= size:
                return f"{digits(value / size, significant)} {unit}"
        return f"{digits(value, significant)} µs"
    if dimension == "share":
        return f"{digits(value * _PERCENT, significant)} %"
    return digits(value, significant) + ("/s" if dimension == "per_second" else "")


def digits(value: Fraction, significant: int = _SHOWN_DIGITS) -> str:
    """Return a number with some significant digits, or all digits of a whole one."""
    if value.denominator == 1:
        return f"{value.numerator:,}"
    number = float(value)
    places = max(significant - 1 - math.floor(math.log10(abs(number))), 0)
    text = f"{number:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_interval(interval: Interval, dimension: Dimension) -> str:
    """Return an interval for people; a point is shown as one value."""
    if interval.low == interval.high:
        return show(interval.low, dimension)
    return f"{show(interval.low, dimension)} to {show(interval.high, dimension)}"


def show_beside(value: Fraction, other: Fraction, dimension: Dimension) -> str:
    """Return a quantity with as many digits as it takes to tell it from another.

    A figure that is shown as its limit and judged as beyond it would be a riddle (grafana/k6#5316).
    """
    if value == other:
        return show(value, dimension)
    for places in range(_SHOWN_DIGITS, _MOST_DIGITS):
        text = show(value, dimension, places)
        if text != show(other, dimension, places):
            return text
    return f"{show(value, dimension)} ({'just above' if value > other else 'just below'})"
