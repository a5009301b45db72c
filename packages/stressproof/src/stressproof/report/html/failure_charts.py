"""The charts of one failure scenario: what callers waited, and what they were told."""

from collections.abc import Sequence

from stressproof.failures.artifact import Trial
from stressproof.failures.history import Operation, nearest_rank
from stressproof.measure.histogram import P50_PPM
from stressproof.quantities import latency, rate, span
from stressproof.report.html.charts import (
    Band,
    Chart,
    Drawing,
    Point,
    Series,
    draw,
    latency_text,
    over_time,
    seconds_text,
)
from stressproof.report.html.scales import fitting, linear

_COLUMNS = 160
_US = 1_000_000


def _columns(trial: Trial, operations: Sequence[Operation]) -> tuple[int, list[list[Operation]]]:
    """Return how long a column is in µs, and which operations began in each."""
    wide = max(trial.duration_us // _COLUMNS, 1)
    columns: list[list[Operation]] = [[] for _ in range(trial.duration_us // wide + 1)]
    for one in operations:
        columns[min(one.start_us // wide, len(columns) - 1)].append(one)
    return wide, columns


def _bands(trial: Trial) -> list[Band]:
    return [
        Band(fault.effective_us / _US, fault.healed_us / _US, fault.id) for fault in trial.faults
    ]


def latency_chart(trial: Trial, operations: Sequence[Operation], prefix: str) -> Drawing:
    """Return what callers waited, with the faults as bands."""
    wide, columns = _columns(trial, operations)
    median: list[Point] = []
    slowest: list[Point] = []
    for number, column in enumerate(columns):
        at_s = (number + 0.5) * wide / _US
        waits = sorted(one.duration_us for one in column)
        median.append((at_s, nearest_rank(waits, P50_PPM) / 1000 if waits else None))
        slowest.append((at_s, waits[-1] / 1000 if waits else None))
    seen = [value for _, value in (*median, *slowest) if value is not None]
    worst = max((one.duration_us for one in operations), default=0)
    told = ", ".join(
        f"{fault.id} from {span(fault.effective_us)} to {span(fault.healed_us)}"
        for fault in trial.faults
    )
    return draw(
        Chart(
            id=f"{prefix}-latency",
            title="What callers waited",
            description=f"Median and slowest answer over time; the slowest took {latency(worst)}. "
            f"Faults: {told or 'none'}.",
            x=over_time(trial.duration_us / _US),
            y=fitting(seen),
            x_text=seconds_text,
            y_text=latency_text,
            x_name="time in the trial",
            series=[Series("median", median, 0), Series("slowest", slowest, 3)],
            bands=_bands(trial),
        )
    )


_ENDINGS = (("acknowledged", "ok", 0), ("refused", "fail", 1), ("unknown", "unknown", 2))


def answers_chart(trial: Trial, operations: Sequence[Operation], prefix: str) -> Drawing:
    """Return what callers were told, with the faults as bands."""
    wide, columns = _columns(trial, operations)
    lines = []
    for name, ending, style in _ENDINGS:
        points: list[Point] = [
            (
                (number + 0.5) * wide / _US,
                sum(one.code.ending == ending for one in column) * _US / wide,
            )
            for number, column in enumerate(columns)
        ]
        lines.append(Series(name, points, style))
    top = max(value or 0.0 for series in lines for _, value in series.points)
    totals = ", ".join(
        f"{sum(one.code.ending == ending for one in operations):,} {name}"
        for name, ending, _ in _ENDINGS
    )
    return draw(
        Chart(
            id=f"{prefix}-answers",
            title="What callers were told",
            description=f"Answers a second by what they say of the effect: {totals}.",
            x=over_time(trial.duration_us / _US),
            y=linear(top or 1.0),
            x_text=seconds_text,
            y_text=rate,
            x_name="time in the trial",
            series=lines,
            bands=_bands(trial),
        )
    )
