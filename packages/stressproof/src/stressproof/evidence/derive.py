"""Every figure of an artifact, from its measurements: one set of functions for both sides.

Capture calls these to write figures and the verifier calls them to check figures, so an honest
artifact agrees exactly. Times are counted in microseconds and shown in seconds with six decimals,
which is exact; rates have six decimals, throughput rounded down.
"""

from collections.abc import Iterable, Iterator, Sequence

from stressproof.evidence.generator import GeneratorHealth
from stressproof.evidence.limits import error_rate_percent, limits_met
from stressproof.evidence.measurements import Row, RunMeasurements
from stressproof.evidence.results import Evaluation, Results, RoundEvaluation, Thresholds
from stressproof.evidence.target import UNKNOWN_ENGINE, RuntimeProbe
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM, Histogram

_DECIMALS = 6
_SCALE = 1_000_000  # ten to the _DECIMALS
_US_PER_S = 1_000_000
_ERRORS_KEPT = 10
_NUMBERS_AT_ONCE = 16_384  # enough for merging in C to pay, few enough for memory at any rate
_ROW_NUMBERS = 8  # of a row itself, so that empty ones have an end, too


def seconds(value_us: int | None) -> float | None:
    """Return microseconds as seconds, exactly to the microsecond."""
    return None if value_us is None else round(value_us / _US_PER_S, _DECIMALS)


def _mean_seconds(sum_us: int, n: int) -> float | None:
    return round(sum_us / n / _US_PER_S, _DECIMALS) if n else None


def _portions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows in lists of bounded weight, whether a second holds ten answers or 20,000."""
    portion: list[Row] = []
    weight = 0
    for row in rows:
        portion.append(row)
        weight += _ROW_NUMBERS + len(row.corrected.buckets)
        weight += 0 if row.uncorrected is None else len(row.uncorrected.buckets)
        if weight >= _NUMBERS_AT_ONCE:
            yield portion
            portion, weight = [], 0
    if portion:
        yield portion


class Totals:
    """Rows added up: the state from which `Results` are derived.

    Attributes:
        corrected: All latencies from the intended start.
        uncorrected: All latencies from the send; empty in a closed loop.
        outcomes: Requests by how they ended.
        dropped: Arrivals that found no free user.
    """

    def __init__(self) -> None:
        self.corrected = Histogram()
        self.uncorrected = Histogram()
        self.outcomes: dict[str, int] = {}
        self.dropped = 0

    def add(self, rows: Iterable[Row]) -> "Totals":
        """Add rows, and return self."""
        for added in _portions(rows):
            self.add_portion(added)
        return self

    def add_portion(self, added: Sequence[Row]) -> None:
        """Add rows that are few enough to be held at once."""
        self.corrected.merge_all(row.corrected.parts() for row in added)
        self.uncorrected.merge_all(
            row.uncorrected.parts() for row in added if row.uncorrected is not None
        )
        for row in added:
            for outcome, count in row.outcomes.items():
                self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
            self.dropped += row.dropped

    def absorb(self, other: "Totals") -> "Totals":
        """Add what other rows were added up to, and return self."""
        self.corrected.absorb(other.corrected)
        self.uncorrected.absorb(other.uncorrected)
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        self.dropped += other.dropped
        return self

    @property
    def completed(self) -> int:
        """Requests that ended, well or badly."""
        return sum(self.outcomes.values())

    @property
    def succeeded(self) -> int:
        """Requests that ended well."""
        return self.outcomes.get("ok", 0)


def throughput_rps(completed: int, elapsed_us: int) -> float:
    """Return completed requests a second, rounded down; 0 where no time passed.

    Down, because a floor is held against it: rounding must never lift a rate over its limit.
    """
    if elapsed_us <= 0:
        return 0.0
    return completed * _US_PER_S * _SCALE // elapsed_us / _SCALE


def results(totals: Totals, rate_rps: float, errors_sample: Sequence[str] = ()) -> Results:
    """Return the figures of a round, an endpoint, or everything.

    Args:
        totals: The rows added up.
        rate_rps: Completed requests a second, from `throughput_rps` or `mean_rps`.
        errors_sample: What some failures looked like; the first ten different ones are kept.
    """
    corrected = totals.corrected
    errors = {kind: n for kind, n in sorted(totals.outcomes.items()) if kind != "ok" and n}
    # With no success at all the times of failures would read like a service that works.
    known = totals.succeeded > 0
    p50, p95, p99 = corrected.quantiles((P50_PPM, P95_PPM, P99_PPM)) if known else [None] * 3
    service = (
        totals.uncorrected.quantiles((P95_PPM, P99_PPM))
        if known and totals.uncorrected.n
        else [None] * 2
    )
    return Results(
        total_requests=totals.completed,
        successful_requests=totals.succeeded,
        failed_requests=totals.completed - totals.succeeded,
        throughput_rps=rate_rps,
        avg_response_time=_mean_seconds(corrected.sum_us, corrected.n) if known else None,
        median_response_time=seconds(p50),
        p95_response_time=seconds(p95),
        p99_response_time=seconds(p99),
        min_response_time=seconds(corrected.min_us) if known else None,
        max_response_time=seconds(corrected.max_us) if known else None,
        dropped_iterations=totals.dropped,
        service_p95=seconds(service[0]),
        service_p99=seconds(service[1]),
        errors=errors,
        errors_sample=list(dict.fromkeys(errors_sample))[:_ERRORS_KEPT],
    )


def by_endpoint(run: RunMeasurements, endpoints: int) -> list[Totals]:
    """Return a round's rows added up by endpoint (position in the workload), in one pass."""
    totals = [Totals() for _ in range(endpoints)]
    for some in _portions(run.rows):
        parts: dict[int, list[Row]] = {}
        for row in some:
            parts.setdefault(row.endpoint, []).append(row)
        for endpoint, rows in parts.items():
            if endpoint < endpoints:
                totals[endpoint].add_portion(rows)
    return totals


def combined(parts: Iterable[Totals]) -> Totals:
    """Return the totals of several parts together; merging them loses nothing."""
    whole = Totals()
    for part in parts:
        whole.absorb(part)
    return whole


def of_requests(parts: Sequence[Totals], endpoints: Sequence[WorkloadEndpoint]) -> Totals:
    """Return the totals of all requests, those of flows among them, and of none twice.

    A run of a flow is no request; only arrivals that found no user are counted of it.
    """
    whole = Totals()
    for part, endpoint in zip(parts, endpoints, strict=True):
        if endpoint.kind == "flow":
            whole.dropped += part.dropped
        else:
            whole.absorb(part)
    return whole


def round_results(totals: Totals, elapsed_us: int, errors_sample: Sequence[str] = ()) -> Results:
    """Return the figures of a round, or of one endpoint in it, from its totals."""
    return results(totals, throughput_rps(totals.completed, elapsed_us), errors_sample)


def run_results(
    run: RunMeasurements, endpoints: Sequence[WorkloadEndpoint], errors_sample: Sequence[str] = ()
) -> Results:
    """Return the figures of one round over all requests."""
    totals = of_requests(by_endpoint(run, len(endpoints)), endpoints)
    return round_results(totals, run.elapsed_us, errors_sample)


def mean_rps(rounds: Sequence[Results]) -> float:
    """Return the mean of the rounds' throughputs, as clause 11 of the protocol has it."""
    if not rounds:
        return 0.0
    return round(sum(r.throughput_rps for r in rounds) / len(rounds), _DECIMALS)


def min_rps(rounds: Sequence[Results]) -> float:
    """Return the lowest throughput of any round, as clause 11 of the protocol has it."""
    return min((r.throughput_rps for r in rounds), default=0.0)


def _worst(values: Iterable[float | None]) -> float | None:
    """Return the largest, None as soon as one is unknown: unknown is worse than any number."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return max(value for value in known if value is not None)


def overall_results(
    totals: Totals, rounds: Sequence[Results], errors_sample: Sequence[str] = ()
) -> Results:
    """Return the top-level figures, from the totals of all rounds' requests.

    Counts are sums; p95 and p99 are the worst round's and throughput is the rounds' mean
    (clauses 10 and 11 of the protocol); average, median, minimum and maximum are those of all
    requests together.
    """
    everything = results(totals, mean_rps(rounds), errors_sample)
    return Results(
        total_requests=everything.total_requests,
        successful_requests=everything.successful_requests,
        failed_requests=everything.failed_requests,
        throughput_rps=everything.throughput_rps,
        avg_response_time=everything.avg_response_time,
        median_response_time=everything.median_response_time,
        p95_response_time=_worst(r.p95_response_time for r in rounds),
        p99_response_time=_worst(r.p99_response_time for r in rounds),
        min_response_time=everything.min_response_time,
        max_response_time=everything.max_response_time,
        dropped_iterations=everything.dropped_iterations,
        service_p95=_worst(r.service_p95 for r in rounds) if everything.service_p95 else None,
        service_p99=_worst(r.service_p99 for r in rounds) if everything.service_p99 else None,
        errors=everything.errors,
        errors_sample=everything.errors_sample,
    )


def evaluate_round(run_index: int, figures: Results, limits: Thresholds) -> RoundEvaluation:
    """Return one round against the limits; a round without requests meets none."""
    total, failed = figures.total_requests, figures.failed_requests
    met = limits_met(figures, limits)
    return RoundEvaluation(
        run_index=run_index,
        total_requests=total,
        successful_requests=figures.successful_requests,
        failed_requests=failed,
        error_rate_percent=round(error_rate_percent(failed, total), _DECIMALS) if total else None,
        throughput_rps=figures.throughput_rps,
        p95_response_time=figures.p95_response_time,
        meets_p95=met.p95 is True,
        meets_error_rate=met.error_rate is True,
        meets_throughput=met.throughput is True,
        meets_targets=met.targets is True,
        thresholds=limits,
    )


def evaluate(rounds: Sequence[Results], limits: Thresholds) -> Evaluation:
    """Return all rounds against the limits; without a round nothing is met."""
    judged = [evaluate_round(index, figures, limits) for index, figures in enumerate(rounds, 1)]
    return Evaluation(
        rounds=judged,
        overall_meets_targets=bool(judged) and all(one.meets_targets for one in judged),
        worst_p95_seconds=_worst(r.p95_response_time for r in rounds),
        min_throughput_rps=min_rps(rounds),
    )


def engine_of(probe: RuntimeProbe) -> str:
    """Return the database engine as an artifact names it at top: that of the first probe."""
    return probe.database_engine or UNKNOWN_ENGINE


def engine_source_of(probe: RuntimeProbe) -> str:
    """Return how the engine's name is known: the database was asked, or only the target."""
    known = probe.database_engine_source == "db-query"
    return "db-query" if known else "target-endpoint"


CPU_LIMIT_PPM = 800_000
LOOP_DELAY_FLOOR_US = 10_000


def saturation_reasons(health: GeneratorHealth, mean_us: int, started: int) -> list[str]:
    """Return why the generator may have been the limit; empty where it was not.

    Its lateness is held against the time of answers by what both take in sum: that share of the
    load was not the service's. A machine that is busy with other things wakes anybody late now and
    then, by whole time slices; that lengthens what is measured, and hides nothing.

    Args:
        health: What the instrument measured of itself.
        mean_us: The mean of the corrected latencies that it reports, 0 where there are none.
        started: Requests it sent, as the base for dropped ones.
    """
    reasons = []
    if health.cpu_busy_ppm >= CPU_LIMIT_PPM:
        reasons.append(
            f"CPU at {health.cpu_busy_ppm / 10_000:.0f} % of a core "
            f"(limit {CPU_LIMIT_PPM / 10_000:.0f} %)"
        )
    delay_limit_us = max(LOOP_DELAY_FLOOR_US, mean_us // 4)
    if health.loop_delay_mean_us > delay_limit_us:
        reasons.append(
            f"event loop {health.loop_delay_mean_us / 1000:.1f} ms late on average "
            f"(limit {delay_limit_us / 1000:.1f} ms)"
        )
    # One per cent: the share of arrivals that may be missing before a rate is not the rate asked.
    if health.dropped_iterations * 100 > started + health.dropped_iterations:
        reasons.append(f"{health.dropped_iterations} arrivals dropped for want of users (over 1 %)")
    if health.file_limit_hits:
        reasons.append(f"{health.file_limit_hits} connections failed for want of file descriptors")
    if health.port_limit_hits:
        reasons.append(f"{health.port_limit_hits} connections failed for want of local ports")
    return reasons


def worst_health(rounds: Sequence[GeneratorHealth]) -> GeneratorHealth:
    """Return the worst of all rounds: maxima of levels, sums of counts, all reasons."""
    return GeneratorHealth(
        cpu_busy_ppm=max((r.cpu_busy_ppm for r in rounds), default=0),
        loop_delay_mean_us=max((r.loop_delay_mean_us for r in rounds), default=0),
        loop_delay_p99_us=max((r.loop_delay_p99_us for r in rounds), default=0),
        loop_delay_max_us=max((r.loop_delay_max_us for r in rounds), default=0),
        late_starts=sum(r.late_starts for r in rounds),
        dropped_iterations=sum(r.dropped_iterations for r in rounds),
        gc_pause_max_us=max((r.gc_pause_max_us for r in rounds), default=0),
        rss_bytes=max((r.rss_bytes for r in rounds), default=0),
        file_limit_hits=sum(r.file_limit_hits for r in rounds),
        port_limit_hits=sum(r.port_limit_hits for r in rounds),
        saturated=any(r.saturated for r in rounds),
        saturated_reasons=list(dict.fromkeys(why for r in rounds for why in r.saturated_reasons)),
    )
