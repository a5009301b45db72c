"""Threshold expressions as values, and their one canonical spelling.

``parse(format(x)) == x`` for every value that `stressproof.objectives.parser` can produce.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
Unit = Literal["", "us", "ms", "s", "m", "h", "%", "pp", "/s"]
MeasureName = Literal["avg", "min", "max", "med", "p", "count", "rate", "value", "recovery"]

EVERY_FAULT = "fault"
"""The argument of ``recovery(…)`` that stands for each fault of a run."""

US_PER: dict[str, int] = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
}
"""Microseconds in each unit of time."""


class Measure(Struct, frozen=True):
    """The left-hand side: what is computed from the samples.

    Attributes:
        name: k6's aggregation method, or ``recovery``.
        percent: The N of ``p(N)``, None for all others.
        fault: The argument of ``recovery(…)``, empty for all others.
    """

    name: MeasureName
    percent: Decimal | None = None
    fault: str = ""

    def __str__(self) -> str:
        if self.percent is not None:
            return f"p({plain(self.percent)})"
        return f"recovery({self.fault})" if self.name == "recovery" else self.name


class Number(Struct, frozen=True):
    """A limit that stands for itself; without a unit it is in the metric's own (k6's) unit."""

    value: Decimal
    unit: Unit = ""

    def __str__(self) -> str:
        return f"{plain(self.value)}{self.unit}"


class Baseline(Struct, frozen=True):
    """A limit relative to the same figure of a baseline.

    Attributes:
        margin: Added to the baseline's figure; negative where it is subtracted.
        unit: ``%`` is a share of the baseline's figure, everything else an absolute amount.
    """

    margin: Decimal = Decimal(0)
    unit: Unit = "%"

    def __str__(self) -> str:
        return self.spelled("-" if self.margin.is_signed() else "+")

    def spelled(self, sign: str) -> str:
        """Return the text with a given sign, which a margin of zero does not have."""
        return f"baseline {sign} {plain(abs(self.margin))}{self.unit}"


class Comparison(Struct, frozen=True):
    """An operator and what it compares with."""

    operator: Operator
    limit: Number | Baseline

    def __str__(self) -> str:
        return f"{self.operator} {self.limit}"


class Expression(Struct, frozen=True):
    """One threshold expression, without the metric that it is about.

    Attributes:
        measure: What is computed.
        comparisons: What must hold of it; all of them must.
        over_us: The length of the sliding windows to judge, None for whole rounds.
        least_n: Fewest samples that may be judged, None for the measure's own floor.
    """

    measure: Measure
    comparisons: tuple[Comparison, ...]
    over_us: int | None = None
    least_n: int | None = None

    def __str__(self) -> str:
        parts = [str(self.measure), *(str(comparison) for comparison in self.comparisons)]
        if len(self.comparisons) > 1:
            # Only ``vs`` adds a second comparison, so it is spelled with that word.
            parts[2] = f"vs {_signed(self.comparisons[1])}"
        if self.over_us is not None:
            parts.append(f"over {duration_text(self.over_us)}")
        if self.least_n is not None:
            parts.append(f"n >= {self.least_n}")
        return " ".join(parts)

    @property
    def needs_baseline(self) -> bool:
        """Whether a limit is relative to a baseline."""
        return any(isinstance(one.limit, Baseline) for one in self.comparisons)


class Selector(Struct, frozen=True):
    """A metric and the tags that narrow it: ``http_req_duration{name:/path,status:200}``."""

    metric: str
    tags: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if not self.tags:
            return self.metric
        inner = ",".join(f"{name}:{_tag_value(value)}" for name, value in self.tags)
        return f"{self.metric}{{{inner}}}"


class Threshold(Struct, frozen=True):
    """One threshold in full.

    Attributes:
        selector: What it is about.
        expression: What must hold of it.
        abort_on_fail: Whether a run ends as soon as it is crossed.
        delay_abort_us: How long into a round that decision waits, in microseconds.
    """

    selector: Selector
    expression: Expression
    abort_on_fail: bool = False
    delay_abort_us: int = 0

    def __str__(self) -> str:
        if self.expression.measure.name == "recovery":
            return str(self.expression)
        return f"{self.selector}: {self.expression}"


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def duration_text(duration_us: int) -> str:
    """Return a duration in the largest unit that needs no fraction: ``90s``, ``2m``, ``500ms``."""
    for unit in ("h", "m", "s", "ms"):
        if duration_us and duration_us % US_PER[unit] == 0:
            return f"{duration_us // US_PER[unit]}{unit}"
    return f"{duration_us}us"


def _signed(comparison: Comparison) -> str:
    limit = comparison.limit
    if isinstance(limit, Baseline):
        return limit.spelled("-" if comparison.operator == ">=" else "+")
    return str(limit)


def _tag_value(value: str) -> str:
    bare = "," not in value and value.strip() == value and value.strip("\"'") == value
    if bare and value:
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'
