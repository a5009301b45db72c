"""The charts of a load: latency and rate over time, and the whole distribution."""

from collections.abc import Iterable, Iterator, Sequence
from math import log10

from msgspec import Struct

from stressproof.evidence.derive import Totals
from stressproof.evidence.measurements import Row
from stressproof.evidence.stress import StressArtifact
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM, Histogram
from stressproof.quantities import count_of, latency, rate
from stressproof.report.html.charts import (
    Chart,
    Drawing,
    Limit,
    Point,
    Series,
    draw,
    latency_text,
    over_time,
    seconds_text,
)
from stressproof.report.html.scales import Scale, fitting, linear

_POINTS = 240
"""A chart has no more columns than can be told apart; a longer run has wider ones."""
_GAP_S = 2
_NEAR = 5
"""A limit so many times above all that was seen would press the lines to the ground."""
_US = 1_000_000
_QUANTILES = ((P50_PPM, "p50"), (P95_PPM, "p95"), (P99_PPM, "p99"))


class Column(Struct, frozen=True):
    """A stretch of a round.

    Attributes:
        at_s: Its middle on the chart, in seconds from the first round's beginning.
        seconds: How long it is.
        totals: What was counted in it.
        intended: Requests that were due in it.
    """

    at_s: float
    seconds: int
    totals: Totals
    intended: int


def columns(artifact: StressArtifact) -> tuple[list[list[Column]], float]:
    """Return the columns of each round, and how long the chart is in seconds."""
    resolution = artifact.measurements.resolution_seconds
    lengths = [_seconds(run.rows, resolution) for run in artifact.measurements.runs]
    wide = max(resolution, -(-sum(lengths) // _POINTS) // resolution * resolution)
    begin = 0.0
    found = []
    for run, length in zip(artifact.measurements.runs, lengths, strict=True):
        found.append(list(_columns(artifact.workload.of_requests(run.rows), wide, begin)))
        begin += length + _GAP_S
    return found, max(begin - _GAP_S, 1.0)


def _seconds(rows: Sequence[Row], resolution: int) -> int:
    return rows[-1].second + resolution if rows else resolution


def _columns(rows: Iterable[Row], wide: int, begin: float) -> Iterator[Column]:
    column: list[Row] = []
    number = 0
    for row in rows:
        if row.second // wide != number:
            if column:
                yield _column(column, number, wide, begin)
            column, number = [], row.second // wide
        column.append(row)
    if column:
        yield _column(column, number, wide, begin)


def _column(rows: Sequence[Row], number: int, wide: int, begin: float) -> Column:
    intended = sum(row.intended for row in rows)
    return Column(begin + (number + 0.5) * wide, wide, Totals().add(rows), intended)


def _breaks(rounds: Sequence[Sequence[Column]]) -> list[float]:
    return [one[0].at_s - one[0].seconds / 2 - _GAP_S / 2 for one in rounds[1:] if one]


def _broken(rounds: Sequence[Sequence[Column]], values: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the points of all rounds, with nothing drawn between two of them."""
    points: list[Point] = []
    for columns_of_round, of_round in zip(rounds, values, strict=True):
        if points and columns_of_round:
            points.append((columns_of_round[0].at_s, None))
        points += of_round
    return points


def latency_chart(artifact: StressArtifact, prefix: str) -> Drawing:
    """Return latency over time, from the intended start, with the limit of p95."""
    rounds, length_s = columns(artifact)
    lines = []
    for style, (ppm, name) in enumerate(_QUANTILES):
        values = [[(one.at_s, _ms(one.totals.corrected, ppm)) for one in each] for each in rounds]
        lines.append(Series(name, _broken(rounds, values), style))
    slowest = [[(one.at_s, _max_ms(one.totals.corrected)) for one in each] for each in rounds]
    lines.append(Series("slowest", _broken(rounds, slowest), 3))
    seen = [value for series in lines for _, value in series.points if value is not None]
    limit_s = artifact.thresholds.max_p95_seconds
    near = limit_s is not None and seen and limit_s * 1000 <= _NEAR * max(seen)
    limits = [Limit(limit_s * 1000, "limit of p95")] if near and limit_s is not None else []
    worst = max(seen, default=0.0)
    return draw(
        Chart(
            id=f"{prefix}-latency",
            title="Latency over time",
            description=f"Median, 95th and 99th percentile and the slowest answer in each stretch "
            f"of {count_of(len(rounds), 'round')}; the slowest of all took "
            f"{latency(round(worst * 1000))}.",
            x=over_time(length_s),
            y=fitting([*seen, *(limit.value for limit in limits)]),
            x_text=seconds_text,
            y_text=latency_text,
            x_name="measured time, rounds side by side",
            series=lines,
            limits=limits,
            breaks=_breaks(rounds),
        )
    )


def rate_chart(artifact: StressArtifact, prefix: str) -> Drawing:
    """Return how many requests a second were asked for, ended, failed and were dropped."""
    rounds, length_s = columns(artifact)
    lines = []
    if not artifact.workload.closed_loop:
        asked = [[(one.at_s, one.intended / one.seconds) for one in each] for each in rounds]
        lines.append(Series("asked for", _broken(rounds, asked), 4))
    ended = [[(one.at_s, one.totals.completed / one.seconds) for one in each] for each in rounds]
    lines.append(Series("completed", _broken(rounds, ended), 0))
    failed = [
        [(one.at_s, (one.totals.completed - one.totals.succeeded) / one.seconds) for one in each]
        for each in rounds
    ]
    lines.append(Series("failed", _broken(rounds, failed), 2))
    if artifact.results.dropped_iterations:
        dropped = [
            [(one.at_s, one.totals.dropped / one.seconds) for one in each] for each in rounds
        ]
        lines.append(Series("dropped", _broken(rounds, dropped), 3))
    top = max((value or 0.0 for series in lines for _, value in series.points), default=1.0)
    return draw(
        Chart(
            id=f"{prefix}-rate",
            title="Requests a second",
            description=f"What was asked for and what was reached; at most {rate(top)}.",
            x=over_time(length_s),
            y=linear(top or 1.0),
            x_text=seconds_text,
            y_text=rate,
            x_name="measured time, rounds side by side",
            series=lines,
            breaks=_breaks(rounds),
        )
    )


def _ms(histogram: Histogram, ppm: int) -> float | None:
    value = histogram.quantile(ppm)
    return None if value is None else value / 1000


def _max_ms(histogram: Histogram) -> float | None:
    return None if histogram.max_us is None else histogram.max_us / 1000


_CURVE_POINTS = 90


def percentile_chart(
    artifact: StressArtifact, prefix: str, baseline: StressArtifact | None = None
) -> Drawing:
    """Return the whole distribution, with a scale on which each nine takes the same room."""
    whole = _whole(artifact)
    curves = [("from the intended start", whole.corrected, 0)]
    if whole.uncorrected.n:
        curves.append(("from the send", whole.uncorrected, 1))
    if baseline is not None:
        curves.append(("baseline", _whole(baseline).corrected, 4))
    nines = max(1.0, log10(max(one.n for _, one, _ in curves)))
    lines = [Series(name, _curve(histogram, nines), style) for name, histogram, style in curves]
    seen = [value for series in lines for _, value in series.points if value is not None]
    ticks = [tick for tick in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0) if tick <= nines]
    p95, p99 = whole.corrected.quantiles((P95_PPM, P99_PPM))
    return draw(
        Chart(
            id=f"{prefix}-percentiles",
            title="Latency by percentile",
            description=f"95 % of requests took at most {latency(p95)}, 99 % at most "
            f"{latency(p99)}, the slowest {latency(whole.corrected.max_us)}.",
            x=Scale(0.0, nines, tuple(ticks)),
            y=fitting(seen),
            x_text=lambda tick: f"p{100 * (1 - 10**-tick):.6g}",
            y_text=latency_text,
            x_name="percentile",
            series=lines,
        )
    )


def _whole(artifact: StressArtifact) -> Totals:
    totals = Totals()
    for run in artifact.measurements.runs:
        totals.add(artifact.workload.of_requests(run.rows))
    return totals


def _curve(histogram: Histogram, nines: float) -> list[Point]:
    """Return a distribution up to its own last request: further out nothing is known."""
    last = min(nines, log10(histogram.n)) if histogram.n > 1 else 0.0
    places = [last * at / _CURVE_POINTS for at in range(_CURVE_POINTS + 1)]
    ppms = [round(1_000_000 * (1 - 10**-place)) for place in places]
    found = histogram.quantiles(ppms)
    return [
        (place, None if value is None else value / 1000)
        for place, value in zip(places, found, strict=True)
    ]
