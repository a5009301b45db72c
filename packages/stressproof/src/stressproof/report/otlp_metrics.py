"""A load as OpenTelemetry metrics: what was counted until some second, cumulative, exact.

Points carry the time that they are about, whenever they are sent, so that a load which is sent
while it runs and one that is sent from its evidence are the same series.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from stressproof.evidence.derive import Totals
from stressproof.evidence.measurements import Row
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.workload import ScenarioRecord, WorkloadEndpoint
from stressproof.extras import extra
from stressproof.report.semantic_conventions import (
    BOUNDS_US,
    DESCRIPTIONS,
    DROPPED,
    ITERATION_DURATION,
    REQUEST_DURATION,
    REQUESTS,
    attributes_of,
    bucket_counts,
    duration_name,
)
from stressproof.verify.instants import parse_instant
from stressproof.verify.stress.executor import executor_of
from stressproof.workload.executors import rate_at, users_at
from stressproof.workload.target import origin_of

with extra("otlp", "sending metrics by OTLP"):
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        Gauge,
        Histogram,
        HistogramDataPoint,
        Metric,
        NumberDataPoint,
        Sum,
    )

RATE_ASKED = "stressproof.rate.asked"
USERS = "stressproof.users"
INTERVAL_S = 10
"""Between two points of a series that is sent from evidence."""

_US_PER_S = 1_000_000
_NS_PER_US = 1000
_DECIMALS = 3

Attributes = dict[str, str | int]


class Load(Struct, frozen=True):
    """What every point of a load says of it.

    Attributes:
        url: Of the service.
        profile: What was asked of it.
        scenarios: How much.
    """

    url: str
    profile: str
    scenarios: Sequence[ScenarioRecord]

    def attributes(self, run_index: int) -> Attributes:
        """Return whom a round asked, and which round it is."""
        origin = origin_of(self.url)
        return {
            "server.address": origin.host,
            "server.port": origin.port,
            "stressproof.profile": self.profile,
            "stressproof.round": run_index,
        }


class RoundCounts:
    """What was counted in a round until now.

    Args:
        load: Which load it is a round of.
        run_index: Which one.
        started_us: When its window began, since 1970.

    Attributes:
        until_s: The second of its window until which everything was counted.
    """

    def __init__(self, load: Load, run_index: int, started_us: int) -> None:
        self.until_s = 0
        self._load = load
        self._of_round = load.attributes(run_index)
        self._started_us = started_us
        self._counted: dict[tuple[str, ...], tuple[WorkloadEndpoint, Totals]] = {}

    def add(self, until_s: int, rows: Iterable[Row], endpoints: Sequence[WorkloadEndpoint]) -> None:
        """Add rows, which refer to these endpoints by position."""
        apart: dict[int, list[Row]] = {}
        for row in rows:
            apart.setdefault(row.endpoint, []).append(row)
        for position, of_endpoint in apart.items():
            endpoint = endpoints[position]
            key = (endpoint.scenario, endpoint.flow or "", endpoint.kind, endpoint.name)
            self._counted.setdefault(key, (endpoint, Totals()))[1].add(of_endpoint)
        self.until_s = until_s

    def metrics(self) -> list[Metric]:
        """Return all of it, as it stands."""
        times = _Times(self._started_us, self.until_s)
        series = [
            ({**self._of_round, **attributes_of(endpoint)}, endpoint, totals)
            for endpoint, totals in self._counted.values()
        ]
        durations = [
            _metric(name, "s", _histogram(points))
            for name in (REQUEST_DURATION, ITERATION_DURATION)
            if (
                points := [
                    times.histogram(attributes, totals)
                    for attributes, endpoint, totals in series
                    if duration_name(endpoint) == name and totals.corrected.n
                ]
            )
        ]
        ended = [
            times.number({**attributes, **_error(outcome)}, count)
            for attributes, _, totals in series
            for outcome, count in sorted(totals.outcomes.items())
        ]
        dropped = [times.number(attributes, totals.dropped) for attributes, _, totals in series]
        return [
            *durations,
            _metric(REQUESTS, "{request}", _sum(ended)),
            _metric(DROPPED, "{iteration}", _sum(dropped)),
            *self._levels(times),
        ]

    def _levels(self, times: "_Times") -> Iterator[Metric]:
        """Yield what was asked of the generator in the last second that was counted."""
        users, rates = [], []
        for record in self._load.scenarios:
            executor = executor_of(record)
            if executor is None:
                continue
            attributes: Attributes = {**self._of_round, "stressproof.scenario": record.name}
            at_us = self.until_s * _US_PER_S - record.start_us - 1
            users.append(times.number(attributes, users_at(executor, at_us)))
            asked = rate_at(executor, at_us)
            if asked is not None:
                rates.append(times.number(attributes, round(asked, _DECIMALS)))
        said = "Virtual users that there may be; at a rate, the most of all times."
        yield Metric(USERS, said, "{user}", Gauge(users))
        if rates:
            yield Metric(RATE_ASKED, "Arrivals asked for.", "{iteration}/s", Gauge(rates))


class _Times(Struct, frozen=True):
    """Makes points of a round, each from its window's beginning to the second it is about."""

    started_us: int
    until_s: int

    @property
    def _at(self) -> tuple[int, int]:
        ended_us = self.started_us + self.until_s * _US_PER_S
        return self.started_us * _NS_PER_US, ended_us * _NS_PER_US

    def number(self, attributes: Mapping[str, str | int], value: float) -> NumberDataPoint:
        return NumberDataPoint(dict(attributes), *self._at, value)

    def histogram(self, attributes: Mapping[str, str | int], totals: Totals) -> HistogramDataPoint:
        counted = totals.corrected
        return HistogramDataPoint(
            dict(attributes),
            *self._at,
            count=counted.n,
            sum=counted.sum_us / _US_PER_S,
            bucket_counts=bucket_counts(counted),
            explicit_bounds=[bound_us / _US_PER_S for bound_us in BOUNDS_US],
            min=(counted.min_us or 0) / _US_PER_S,
            max=(counted.max_us or 0) / _US_PER_S,
        )


def _error(outcome: str) -> dict[str, str]:
    """Return what the conventions say of a failure; a success has no such attribute."""
    return {} if outcome == "ok" else {"error.type": outcome}


def _metric(name: str, unit: str, data: Sum | Histogram) -> Metric:
    return Metric(name, DESCRIPTIONS[name], unit, data)


def _histogram(points: Sequence[HistogramDataPoint]) -> Histogram:
    return Histogram(points, AggregationTemporality.CUMULATIVE)


def _sum(points: Sequence[NumberDataPoint]) -> Sum:
    return Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)


def of_evidence(artifact: StressArtifact) -> Iterator[list[Metric]]:
    """Yield a load from its evidence: how it stood every ten seconds, and at each round's end."""
    workload = artifact.workload
    load = Load(artifact.target_url, artifact.profile, workload.scenarios)
    step_s = max(INTERVAL_S, artifact.measurements.resolution_seconds)
    for run, measured in zip(artifact.runs, artifact.measurements.runs, strict=True):
        counts = RoundCounts(load, run.run_index, parse_instant(run.started_at) or 0)
        waiting: list[Row] = []
        for row in measured.rows:
            if row.second >= counts.until_s + step_s:
                counts.add(counts.until_s + step_s, waiting, workload.endpoints)
                yield counts.metrics()
                waiting = []
            waiting.append(row)
        if waiting:
            until_s = waiting[-1].second + artifact.measurements.resolution_seconds
            counts.add(until_s, waiting, workload.endpoints)
            yield counts.metrics()
