"""Good artifacts to start from: measurements made up by a seeded generator, figures by `derive`.

Nothing here is written by hand that the capture would derive, so a good artifact is good by the
same functions that the verifier uses, and a forged one differs from it in exactly one way.
"""

import random
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import heapreplace
from typing import Any

import msgspec

from stressproof.evidence import derive
from stressproof.evidence.clock import ClockRecord
from stressproof.evidence.generator import Connections, GeneratorHealth, GeneratorRecord
from stressproof.evidence.measurements import (
    Latency,
    Measurements,
    RampRow,
    Row,
    RunMeasurements,
    answered,
)
from stressproof.evidence.preflight import Preflight, PreflightCheck
from stressproof.evidence.results import EndpointResults, Results, Thresholds
from stressproof.evidence.stress import Run, StressArtifact
from stressproof.evidence.target import (
    CountedTimes,
    CounterPair,
    ParityReading,
    Runtime,
    RuntimeProbe,
    Subject,
    Target,
    TargetProbe,
)
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.evidence.workload import ScenarioRecord, WorkloadEndpoint, WorkloadRecord
from stressproof.measure.buckets import lowest
from stressproof.measure.histogram import Histogram
from stressproof.workload.order import WeightedOrder

PREFIX = "/api/v1/enforcement"
ENDPOINTS = (
    "/health/live",
    f"{PREFIX}/policies",
    f"{PREFIX}/budgets",
    f"{PREFIX}/credits",
    f"{PREFIX}/approvals/queue?limit=50",
    f"{PREFIX}/ledger?limit=50",
    f"{PREFIX}/exports/parity?limit=50",
)
CHECKS = {
    "/health/live": "json:status",
    f"{PREFIX}/exports/parity?limit=50": (
        "json:parity_ok=true,decisions,!decisions=0,!decisions=null"
    ),
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOW = datetime(2026, 2, 25, 12, 0, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
SECOND_US = 1_000_000
LIMITS = Thresholds(2.0, 1.0, 0.5)
BOUNDS_US = [500, 10_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000]


@dataclass(frozen=True)
class Plan:
    """What a made-up capture did.

    Attributes:
        seed: Of the generator of latencies.
        rounds: Number of rounds.
        duration_s: Of each.
        users: Concurrent ones.
        ramp_s: Of each round.
        pause_s: Between rounds.
        timeout_s: Of a request.
        rate_per_user: Requests a second of one user, who waits for each answer: its inverse is the
            mean answer.
        slow_round: A round (from 0) that is a third slower, None for none.
        failures: Share of requests that fail with 503.
        closed_loop: Users who wait; otherwise arrivals at a rate.
        resolution_s: Seconds that a row covers.
        endpoints: What was asked for.
        weights: How often each in turn, once each if empty.
        commit: The build.
        limits: The capture's thresholds.
        captured: When it ended.
        counters: Whether the target counts requests.
        busy: Share of their time that users are under way; the generator's own leave no more.
        timeouts: Requests of each round that nobody answered in time.
    """

    seed: int = 1
    rounds: int = 3
    duration_s: int = 30
    users: int = 10
    ramp_s: int = 5
    pause_s: int = 0
    timeout_s: float = 15.0
    rate_per_user: float = 1.4
    slow_round: int | None = None
    failures: float = 0.0
    closed_loop: bool = True
    resolution_s: int = 1
    endpoints: tuple[str, ...] = ENDPOINTS
    weights: tuple[int, ...] = ()
    commit: str | None = COMMIT
    limits: Thresholds = LIMITS
    captured: datetime = NOW - timedelta(hours=1)
    counters: bool = True
    busy: float = 0.9985
    timeouts: int = 0


def _latencies_us(plan: Plan, dice: random.Random, count: int, busy_s: float) -> list[int]:
    """Answers of users who are busy for so many seconds in sum; p99 about 2.5 times the median."""
    timeouts = [int(plan.timeout_s * SECOND_US) + 400_000] * min(plan.timeouts, count)
    drawn = [min(dice.lognormvariate(0, 0.4), 2.5) for _ in range(count - len(timeouts))]
    # Between two requests of a user lies a little of the generator's own time.
    scale = (busy_s * SECOND_US * plan.busy - sum(timeouts)) / sum(drawn) if drawn else 0
    return [*(int(one * scale) for one in drawn), *timeouts]


class _Cell:
    """One endpoint in one second, or in the ramp."""

    def __init__(self) -> None:
        self.corrected, self.uncorrected = Histogram(), Histogram()
        self.outcomes: dict[str, int] = {}

    def add(self, took_us: int, waited_us: int, outcome: str) -> None:
        self.corrected.record(took_us)
        self.uncorrected.record(took_us - waited_us)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def _run_measurements(plan: Plan, dice: random.Random, place: int) -> RunMeasurements:
    """One round: requests at an even pace, in the order that the seed decides."""
    rate = plan.users * plan.rate_per_user * (0.75 if plan.slow_round == place else 1)
    total = int(plan.duration_s * rate)
    order = iter(WeightedOrder(plan.weights or (1,) * len(plan.endpoints), plan.seed))
    ramp = [_Cell() for _ in plan.endpoints]
    for took_us in _latencies_us(
        replace(plan, timeouts=0), dice, int(plan.ramp_s * rate / 2), plan.ramp_s * plan.users / 2
    ):
        ramp[next(order)].add(took_us, 0, "ok")
    cells: defaultdict[tuple[int, int], _Cell] = defaultdict(_Cell)
    last_us = 0
    latencies = _latencies_us(plan, dice, total, plan.duration_s * plan.users)
    # Those that time out come first, in each round to another endpoint.
    first = total - plan.timeouts
    latencies[place:place], latencies[first:] = latencies[first:], []
    free = [0] * plan.users  # when each user has the last answer
    for number, took_us in enumerate(latencies):
        start_us = number * plan.duration_s * SECOND_US // total
        if plan.closed_loop:
            start_us = heapreplace(free, free[0] + int(took_us / plan.busy))
        second = start_us // SECOND_US // plan.resolution_s * plan.resolution_s
        outcome = "status_503" if dice.random() < plan.failures else "ok"
        outcome = "timeout" if place <= number < place + plan.timeouts else outcome
        cells[second, next(order)].add(took_us, dice.randrange(50), outcome)
        last_us = max(last_us, start_us + took_us)
    rows = []
    for second in range(0, plan.duration_s, plan.resolution_s):
        for endpoint in range(len(plan.endpoints)):
            cell = cells[second, endpoint]
            rows.append(
                Row(
                    endpoint=endpoint,
                    second=second,
                    intended=cell.corrected.n,
                    started=cell.corrected.n,
                    late=0,
                    dropped=0,
                    outcomes=dict(sorted(cell.outcomes.items())),
                    corrected=Latency.of(cell.corrected),
                    uncorrected=None if plan.closed_loop else Latency.of(cell.uncorrected),
                )
            )
    return RunMeasurements(
        run_index=place + 1,
        elapsed_us=max(last_us, plan.duration_s * SECOND_US),
        ramp=[
            RampRow(
                endpoint=endpoint,
                started=cell.corrected.n,
                dropped=0,
                outcomes=cell.outcomes,
                corrected=Latency.of(cell.corrected),
            )
            for endpoint, cell in enumerate(ramp)
        ],
        rows=rows,
    )


def _mean_us(run: RunMeasurements, workload: WorkloadRecord) -> int:
    """Mean latency of all requests of a round."""
    endpoints = workload.endpoints
    totals = derive.of_requests(derive.by_endpoint(run, len(endpoints)), endpoints)
    return totals.corrected.mean_us


def _health(dice: random.Random, run: RunMeasurements, workload: WorkloadRecord) -> GeneratorHealth:
    health = GeneratorHealth(
        cpu_busy_ppm=dice.randrange(20_000, 60_000),
        loop_delay_mean_us=dice.randrange(100, 300),
        loop_delay_p99_us=dice.randrange(300, 900),
        loop_delay_max_us=dice.randrange(1_000, 4_000),
        late_starts=sum(row.late for row in run.rows),
        dropped_iterations=sum(row.dropped for row in run.rows),
        gc_pause_max_us=0,
        rss_bytes=30_000_000 + dice.randrange(1_000_000),
        file_limit_hits=0,
        port_limit_hits=0,
        saturated=False,
        saturated_reasons=[],
    )
    reasons = derive.saturation_reasons(
        health, _mean_us(run, workload), sum(row.started for row in run.rows)
    )
    return msgspec.structs.replace(health, saturated=bool(reasons), saturated_reasons=reasons)


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _probe(at: datetime, committed: int = 0) -> RuntimeProbe:
    """What a database says after so many reads, which add nothing to the journal."""
    return RuntimeProbe(
        probed_at=_stamp(at),
        status_code=200,
        status="healthy",
        database_engine="postgresql",
        database_engine_source="db-query",
        server_version="18.4",
        system_identifier="7421234567890123456",
        fsync="on",
        synchronous_commit="on",
        migration_head="0001",
        probe_error=None,
        transactions_committed=40_000 + committed,
        wal_bytes=25_000_000 + 56 * committed,
        journal_sequence=5_000,
        journal_hash="5e" * 32,
        took_us=900,
        parity=ParityReading(
            compared=1_000,
            agreed=True,
            first_sequence=3_996,
            last_sequence=4_998,
            records_sha256="ad" * 32,
            journal_sha256="ad" * 32,
        ),
    )


def _counters(plan: Plan, runs: list[RunMeasurements]) -> list[CounterPair]:
    rows: list[Row | RampRow] = [row for run in runs for row in (*run.rows, *run.ramp)]
    pairs = []
    for endpoint, path in enumerate(plan.endpoints):
        route = path.split("?")[0]
        own = [row for row in rows if plan.endpoints[row.endpoint].split("?")[0] == route]
        counted = sum(answered(row.outcomes) for row in own)
        before = 100 + endpoint if plan.counters else None
        pairs.append(
            CounterPair(
                endpoint=path,
                before=before,
                after=None if before is None else before + counted,
                statuses=_statuses(own) if plan.counters else None,
                times=_times(own) if plan.counters else None,
            )
        )
    return pairs


def _statuses(rows: list[Row | RampRow]) -> dict[str, int]:
    """What a service counts that answers 200 or 503."""
    counted = {
        "200": sum(row.outcomes.get("ok", 0) for row in rows),
        "503": sum(row.outcomes.get("status_503", 0) for row in rows),
    }
    return {status: count for status, count in counted.items() if count}


def _times(rows: list[Row | RampRow]) -> CountedTimes:
    """A service's own histogram: a little less than what clients waited, who gave up last."""
    counts = [0] * (len(BOUNDS_US) + 1)
    for row in rows:
        latency = getattr(row, "uncorrected", None) or row.corrected
        left = answered(row.outcomes)
        pairs = latency.buckets
        for bucket, count in zip(pairs[::2], pairs[1::2], strict=True):
            told = min(count, left)
            left -= told
            counts[bisect_left(BOUNDS_US, lowest(bucket))] += told
    return CountedTimes(bounds_us=BOUNDS_US, counts=counts)


def _totals(measured: list[RunMeasurements], workload: WorkloadRecord) -> derive.Totals:
    """All requests of all rounds."""
    endpoints = workload.endpoints
    return derive.combined(
        derive.of_requests(derive.by_endpoint(run, len(endpoints)), endpoints) for run in measured
    )


def artifact(plan: Plan = Plan()) -> StressArtifact:
    """A whole full artifact of a made-up capture."""
    dice = random.Random(plan.seed)
    measured = [_run_measurements(plan, dice, place) for place in range(plan.rounds)]
    sample = ["status_503 on /health/live"] if plan.failures or plan.timeouts else []
    workload = _workload(plan)
    figures = [
        derive.run_results(run, workload.endpoints, sample if _failed(run) else [])
        for run in measured
    ]
    runs = _runs(plan, dice, measured, figures)
    started = datetime.fromisoformat(runs[0].started_at) - timedelta(seconds=plan.ramp_s + 2)
    overall = derive.overall_results(
        _totals(measured, workload),
        figures,
        sample if any(_failed(run) for run in measured) else [],
    )
    evaluation = derive.evaluate(figures, plan.limits)
    return StressArtifact(
        schema_version=SCHEMA_VERSION,
        profile="enforcement",
        runner="scripts/load_test_api.py",
        status="complete",
        started_at=_stamp(started),
        captured_at=_stamp(plan.captured),
        clock=ClockRecord(drift_us=dice.randrange(-900, 900), steps=[]),
        target_url="http://127.0.0.1:8000",
        endpoints=list(plan.endpoints),
        duration_seconds=plan.duration_s,
        concurrent_users=plan.users,
        ramp_up_seconds=plan.ramp_s,
        rounds=plan.rounds,
        request_timeout=plan.timeout_s,
        preflight=_preflight(plan),
        runtime=Runtime(
            health_endpoint="/health",
            database_engine="postgresql",
            database_engine_source="db-query",
            before=_probe(started + timedelta(seconds=1)),
            after=_probe(
                plan.captured - timedelta(milliseconds=50),
                sum(_totals(measured, workload).outcomes.values()),
            ),
            limits={
                f"{bucket}{scope}_per_minute": 1_000_000
                for bucket in ("", "read_")
                for scope in ("tenant", "global")
            },
            unsafe=[],
        ),
        subject=Subject(git_commit=plan.commit, git_dirty=False),
        target=_target(plan, started, measured),
        workload=_workload(plan),
        generator=GeneratorRecord(
            tool="stressproof",
            version="0.1.0",
            python="3.11.7",
            host="runner",
            cpus=2,
            workers=1,
            worst=derive.worst_health([run.generator for run in runs]),
        ),
        thresholds=plan.limits,
        results=overall,
        runs=runs,
        min_throughput_rps=derive.min_rps(figures),
        evaluation=evaluation,
        meets_targets=evaluation.overall_meets_targets,
        measurements=Measurements(resolution_seconds=plan.resolution_s, runs=measured),
    )


def _failed(run: RunMeasurements) -> bool:
    return any(outcome != "ok" for row in run.rows for outcome in row.outcomes)


def _runs(
    plan: Plan, dice: random.Random, measured: list[RunMeasurements], figures: list[Results]
) -> list[Run]:
    """The rounds, dated backwards from the end of the capture."""
    end = plan.captured - timedelta(milliseconds=200)
    runs: list[Run] = []
    for place in reversed(range(plan.rounds)):
        run = measured[place]
        elapsed = timedelta(microseconds=run.elapsed_us)
        started = end - elapsed
        runs.append(
            Run(
                run_index=place + 1,
                started_at=_stamp(started),
                ended_at=_stamp(end),
                captured_at=_stamp(end + timedelta(milliseconds=5)),
                elapsed_seconds=derive.seconds(run.elapsed_us) or 0.0,
                results=figures[place],
                endpoints=[
                    EndpointResults(path, derive.round_results(totals, run.elapsed_us))
                    for path, totals in zip(
                        plan.endpoints, derive.by_endpoint(run, len(plan.endpoints)), strict=True
                    )
                ],
                connections=Connections("http/1.1", {"127.0.0.1": plan.users}, tls_resumed=0),
                generator=_health(dice, run, _workload(plan)),
            )
        )
        end = started - timedelta(seconds=plan.ramp_s + plan.pause_s, milliseconds=40)
    return runs[::-1]


def _preflight(plan: Plan) -> Preflight:
    return Preflight(
        enabled=True,
        passed=True,
        attempts_per_endpoint=2,
        request_timeout_seconds=5.0,
        checks=[
            PreflightCheck(
                endpoint=path, attempt=1, status_code=200, ok=True, latency_ms=3.25, error=""
            )
            for path in plan.endpoints
        ],
        failures=[],
    )


def _target(plan: Plan, started: datetime, measured: list[RunMeasurements]) -> Target:
    def probe(at: datetime) -> TargetProbe:
        born = started - timedelta(hours=2, milliseconds=417)
        return TargetProbe(
            instance_id="instance-1",
            version="0.1.0",
            git_commit=plan.commit,
            git_dirty=False,
            started_at=_stamp(born),
            uptime_seconds=round((at - born).total_seconds(), 3),
            workers=2,
        )

    return Target(
        url="http://127.0.0.1:8000",
        before=probe(started + timedelta(seconds=1)),
        after=probe(plan.captured - timedelta(milliseconds=50)),
        counters=_counters(plan, measured),
        name="staging",
    )


def _workload(plan: Plan) -> WorkloadRecord:
    return WorkloadRecord(
        scenarios=[
            ScenarioRecord(
                name="default",
                executor="constant-vus" if plan.closed_loop else "constant-arrival-rate",
                closed_loop=plan.closed_loop,
                users=plan.users,
                max_users=plan.users,
                rate=None if plan.closed_loop else round(plan.users * plan.rate_per_user * 10),
                time_unit_us=None if plan.closed_loop else 10 * SECOND_US,
                rate_per_second=None if plan.closed_loop else plan.users * plan.rate_per_user,
                stages=[],
                iterations=None,
                duration_seconds=float(plan.duration_s),
                ramp_seconds=float(plan.ramp_s),
            )
        ],
        duration_seconds=float(plan.duration_s),
        ramp_seconds=float(plan.ramp_s),
        pause_seconds=float(plan.pause_s),
        timeout_us=int(plan.timeout_s * SECOND_US),
        workers=1,
        seed=plan.seed,
        endpoints=[
            WorkloadEndpoint(
                name=path,
                method="GET",
                path=path,
                weight=weight,
                expected_statuses=[200],
                checks=[CHECKS.get(path, "json")],
            )
            for path, weight in zip(
                plan.endpoints, plan.weights or (1,) * len(plan.endpoints), strict=True
            )
        ],
    )


def full(plan: Plan = Plan()) -> dict[str, Any]:
    """A full artifact as plain values."""
    built: dict[str, Any] = msgspec.to_builtins(artifact(plan))
    return built


_PLAIN_TOP = (
    "profile",
    "runner",
    "captured_at",
    "target_url",
    "endpoints",
    "duration_seconds",
    "concurrent_users",
    "ramp_up_seconds",
    "rounds",
    "request_timeout",
    "preflight",
    "thresholds",
    "evaluation",
    "meets_targets",
)
_PLAIN_RESULTS = (
    "total_requests",
    "successful_requests",
    "failed_requests",
    "throughput_rps",
    "avg_response_time",
    "median_response_time",
    "p95_response_time",
    "p99_response_time",
    "min_response_time",
    "max_response_time",
)


def plain(plan: Plan = Plan()) -> dict[str, Any]:
    """A plain protocol artifact with all its optional fields, as its first tools wrote them."""
    source = full(plan)
    made: dict[str, Any] = {name: source[name] for name in _PLAIN_TOP}
    made["runtime"] = {
        "health_endpoint": "/health",
        "database_engine": "postgresql",
        "health_status_code": 200,
        "status": "healthy",
    }
    made["runs"] = [
        {
            "run_index": run["run_index"],
            "captured_at": run["captured_at"],
            "results": _plain_results(run["results"], 9),
        }
        for run in source["runs"]
    ]
    made["results"] = _plain_results(source["results"], 4)
    rates = [run["results"]["throughput_rps"] for run in made["runs"]]
    made["results"]["throughput_rps"] = round(sum(rates) / len(rates), 4)
    made["min_throughput_rps"] = round(source["min_throughput_rps"], 4)
    for one in made["evaluation"]["rounds"]:
        del one["run_index"]
        for name in ("error_rate_percent", "throughput_rps", "p95_response_time"):
            one[name] = None if one[name] is None else round(one[name], 4)
    return made


def _plain_results(results: dict[str, Any], decimals: int) -> dict[str, Any]:
    kept = {
        name: round(results[name], decimals) if isinstance(results[name], float) else results[name]
        for name in _PLAIN_RESULTS
    }
    return {**kept, "errors_sample": list(results.get("errors_sample", []))}


def minimal(plan: Plan = Plan()) -> dict[str, Any]:
    """A plain artifact with nothing but what the twelve clauses name."""
    made = plain(plan)
    for name in ("target_url", "ramp_up_seconds", "request_timeout", "meets_targets"):
        del made[name]
    made["preflight"] = {"enabled": True, "passed": True, "failures": []}
    made["runtime"] = {"database_engine": "postgresql"}
    for results in (made["results"], *(run["results"] for run in made["runs"])):
        for name in (
            "avg_response_time",
            "median_response_time",
            "min_response_time",
            "max_response_time",
            "errors_sample",
        ):
            del results[name]
    for one in made["evaluation"]["rounds"]:
        for name in list(one):
            if name not in {"meets_targets", "total_requests"}:
                del one[name]
    return made


def later(plan: Plan, seconds: float) -> Plan:
    """The same capture, ended at another time."""
    return replace(plan, captured=plan.captured + timedelta(seconds=seconds))


def rederived(data: dict[str, Any]) -> dict[str, Any]:
    """A full artifact whose figures all follow from its measurements, whatever those are now.

    A forger has the same functions as we have, so lies about measurements come with figures that
    agree with them.
    """
    source = msgspec.convert(data, StressArtifact)
    measured = source.measurements.runs
    samples = [run.results.errors_sample for run in source.runs]
    figures = [
        derive.run_results(run, source.workload.endpoints, sample if _failed(run) else [])
        for run, sample in zip(measured, samples, strict=True)
    ]
    runs = []
    for run, said, results in zip(measured, source.runs, figures, strict=True):
        health = msgspec.structs.replace(
            said.generator,
            late_starts=sum(row.late for row in run.rows),
            dropped_iterations=sum(row.dropped for row in run.rows),
        )
        reasons = derive.saturation_reasons(
            health, _mean_us(run, source.workload), sum(row.started for row in run.rows)
        )
        runs.append(
            msgspec.structs.replace(
                said,
                elapsed_seconds=derive.seconds(run.elapsed_us) or 0.0,
                results=results,
                endpoints=[
                    EndpointResults(endpoint.name, derive.round_results(totals, run.elapsed_us))
                    for endpoint, totals in zip(
                        source.workload.endpoints,
                        derive.by_endpoint(run, len(source.workload.endpoints)),
                        strict=True,
                    )
                ],
                generator=msgspec.structs.replace(
                    health, saturated=bool(reasons), saturated_reasons=reasons
                ),
            )
        )
    sample = source.results.errors_sample if any(map(_failed, measured)) else []
    evaluation = derive.evaluate(figures, source.thresholds)
    worst = derive.worst_health([run.generator for run in runs])
    changed = msgspec.structs.replace(
        source,
        runs=runs,
        results=derive.overall_results(_totals(measured, source.workload), figures, sample),
        min_throughput_rps=derive.min_rps(figures),
        evaluation=evaluation,
        meets_targets=evaluation.overall_meets_targets,
        generator=msgspec.structs.replace(source.generator, worst=worst),
    )
    built: dict[str, Any] = msgspec.to_builtins(changed)
    return built
