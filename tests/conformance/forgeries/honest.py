"""Good artifacts to start from: measurements made up by a seeded generator, figures by `derive`.

Nothing here is written by hand that the capture would derive, so a good artifact is good by the
same functions that the verifier uses, and a forged one differs from it in exactly one way.
"""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from stressproof.evidence import derive
from stressproof.evidence.measurements import (
    Latency,
    Measurements,
    RampCount,
    Row,
    RunMeasurements,
    is_answered,
)
from stressproof.evidence.stress import (
    CounterPair,
    EndpointResults,
    GeneratorHealth,
    GeneratorRecord,
    Preflight,
    PreflightCheck,
    Results,
    Run,
    Runtime,
    RuntimeProbe,
    StressArtifact,
    Subject,
    Target,
    TargetProbe,
    Thresholds,
    WorkloadEndpoint,
    WorkloadRecord,
)
from stressproof.measure.histogram import Histogram

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
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOW = datetime(2026, 2, 25, 12, 0, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
SECOND_US = 1_000_000
LIMITS = Thresholds(2.0, 1.0, 0.5)


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
        rate_per_user: Requests a second of one user.
        typical_us: The median answer.
        slow_round: A round (from 0) that is ten times slower, None for none.
        failures: Share of requests that fail with 503.
        closed_loop: Users who wait; otherwise arrivals at a rate.
        resolution_s: Seconds that a row covers.
        endpoints: What was asked for.
        commit: The build.
        limits: The capture's thresholds.
        captured: When it ended.
        counters: Whether the target counts requests.
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
    typical_us: int = 30_000
    slow_round: int | None = None
    failures: float = 0.0
    closed_loop: bool = True
    resolution_s: int = 1
    endpoints: tuple[str, ...] = ENDPOINTS
    commit: str | None = COMMIT
    limits: Thresholds = LIMITS
    captured: datetime = NOW - timedelta(hours=1)
    counters: bool = True
    timeouts: int = 0


def _latency_us(dice: random.Random, typical_us: int, *, slow: bool) -> int:
    base = int(typical_us * dice.lognormvariate(0, 0.6))  # p99 about four times the median
    return min(base * (10 if slow else 1), 1_900_000)


def _run_measurements(plan: Plan, dice: random.Random, place: int) -> RunMeasurements:
    """One round: every user asks the endpoints in turn, at an even pace."""
    slow = plan.slow_round == place
    cells: dict[tuple[int, int], tuple[Histogram, Histogram, dict[str, int]]] = {}
    last_us = 0
    total = int(plan.duration_s * plan.users * plan.rate_per_user)
    for number in range(total):
        start_us = number * plan.duration_s * SECOND_US // total
        endpoint = number % len(plan.endpoints)
        took_us = _latency_us(dice, plan.typical_us, slow=slow)
        timed_out = number < plan.timeouts
        if timed_out:
            took_us = int(plan.timeout_s * SECOND_US) + 400_000
        second = start_us // SECOND_US // plan.resolution_s * plan.resolution_s
        corrected, uncorrected, outcomes = cells.setdefault(
            (second, endpoint), (Histogram(), Histogram(), {})
        )
        corrected.record(took_us)
        uncorrected.record(max(took_us - dice.randrange(50), 1))
        outcome = "status_503" if dice.random() < plan.failures else "ok"
        outcome = "timeout" if timed_out else outcome
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        last_us = max(last_us, start_us + took_us)
    rows = []
    for second in range(0, plan.duration_s, plan.resolution_s):
        for endpoint in range(len(plan.endpoints)):
            corrected, uncorrected, outcomes = cells.get(
                (second, endpoint), (Histogram(), Histogram(), {})
            )
            rows.append(
                Row(
                    endpoint=endpoint,
                    second=second,
                    intended=corrected.n,
                    started=corrected.n,
                    late=0,
                    dropped=0,
                    outcomes=dict(sorted(outcomes.items())),
                    corrected=Latency.of(corrected),
                    uncorrected=None if plan.closed_loop else Latency.of(uncorrected),
                )
            )
    ramp = [
        RampCount(endpoint=endpoint, started=20 + endpoint, answered=20 + endpoint)
        for endpoint in range(len(plan.endpoints))
    ]
    return RunMeasurements(
        run_index=place + 1,
        elapsed_us=max(last_us, plan.duration_s * SECOND_US),
        ramp=ramp,
        rows=rows,
    )


def _health(
    plan: Plan, dice: random.Random, run: RunMeasurements, figures: Results
) -> GeneratorHealth:
    health = GeneratorHealth(
        cpu_busy_ppm=dice.randrange(20_000, 60_000),
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
    del plan
    p95 = figures.p95_response_time
    reasons = derive.saturation_reasons(
        health,
        None if p95 is None else round(p95 * SECOND_US),
        sum(row.started for row in run.rows),
    )
    return msgspec.structs.replace(health, saturated=bool(reasons), saturated_reasons=reasons)


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _probe(at: datetime) -> RuntimeProbe:
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
    )


def _counters(plan: Plan, runs: list[RunMeasurements]) -> list[CounterPair]:
    pairs = []
    for endpoint, path in enumerate(plan.endpoints):
        answered = sum(
            sum(n for outcome, n in row.outcomes.items() if is_answered(outcome))
            for run in runs
            for row in run.rows
            if row.endpoint == endpoint
        ) + sum(run.ramp[endpoint].answered for run in runs)
        before = 100 + endpoint if plan.counters else None
        pairs.append(
            CounterPair(
                endpoint=path,
                before=before,
                after=None if before is None else before + answered,
            )
        )
    return pairs


def artifact(plan: Plan = Plan()) -> StressArtifact:
    """A whole schema-2 artifact of a made-up capture."""
    dice = random.Random(plan.seed)
    measured = [_run_measurements(plan, dice, place) for place in range(plan.rounds)]
    sample = ["status_503 on /health/live"] if plan.failures or plan.timeouts else []
    figures = [derive.run_results(run, sample if _failed(run) else []) for run in measured]
    runs = _runs(plan, dice, measured, figures)
    started = datetime.fromisoformat(runs[0].started_at) - timedelta(seconds=plan.ramp_s + 2)
    overall = derive.overall_results(
        measured, figures, sample if any(_failed(run) for run in measured) else []
    )
    evaluation = derive.evaluate(figures, plan.limits)
    return StressArtifact(
        schema_version=2,
        profile="enforcement",
        runner="scripts/load_test_api.py",
        status="complete",
        started_at=_stamp(started),
        captured_at=_stamp(plan.captured),
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
            after=_probe(plan.captured - timedelta(milliseconds=50)),
            limits={"tenant_per_minute": 1_000_000, "global_per_minute": 2_000_000},
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
                generator=_health(plan, dice, run, figures[place]),
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
        born = started - timedelta(hours=2)
        return TargetProbe(
            instance_id="instance-1",
            version="0.1.0",
            git_commit=plan.commit,
            git_dirty=False,
            started_at=_stamp(born),
            uptime_seconds=(at - born).total_seconds(),
            workers=2,
        )

    return Target(
        url="http://127.0.0.1:8000",
        before=probe(started + timedelta(seconds=1)),
        after=probe(plan.captured - timedelta(milliseconds=50)),
        counters=_counters(plan, measured),
    )


def _workload(plan: Plan) -> WorkloadRecord:
    return WorkloadRecord(
        executor="constant-vus" if plan.closed_loop else "constant-arrival-rate",
        closed_loop=plan.closed_loop,
        users=plan.users,
        max_users=plan.users,
        rate_per_second=None if plan.closed_loop else plan.users * plan.rate_per_user,
        stages=[],
        iterations=None,
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
                weight=1,
                expected_statuses=[200],
                check="json",
            )
            for path in plan.endpoints
        ],
    )


def full(plan: Plan = Plan()) -> dict[str, Any]:
    """A schema-2 artifact as plain values."""
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
        derive.run_results(run, sample if _failed(run) else [])
        for run, sample in zip(measured, samples, strict=True)
    ]
    runs = []
    for run, said, results in zip(measured, source.runs, figures, strict=True):
        p95 = results.p95_response_time
        health = msgspec.structs.replace(
            said.generator,
            late_starts=sum(row.late for row in run.rows),
            dropped_iterations=sum(row.dropped for row in run.rows),
        )
        reasons = derive.saturation_reasons(
            health,
            None if p95 is None else round(p95 * SECOND_US),
            sum(row.started for row in run.rows),
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
        results=derive.overall_results(measured, figures, sample),
        min_throughput_rps=derive.min_rps(figures),
        evaluation=evaluation,
        meets_targets=evaluation.overall_meets_targets,
        generator=msgspec.structs.replace(source.generator, worst=worst),
    )
    built: dict[str, Any] = msgspec.to_builtins(changed)
    return built
