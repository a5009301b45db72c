"""Where a limit lies: exactly at it passes, a hair beyond it does not."""
# ruff: noqa: FBT003  # a lie is one line; booleans are what fields hold here

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from forgeries import honest
from forgeries.corpus import BASES, Corpus, Honest, at, base, drop, put
from forgeries.honest import COMMIT, ENDPOINTS, NOW, Plan, rederived

from stressproof.evidence.results import Thresholds
from stressproof.exits import Exit
from stressproof.measure import buckets
from stressproof.verify.instants import ROUNDING_US

corpus = Corpus()
failures = Corpus()
variants: list[Honest] = []
INCONCLUSIVE, OBJECTIVES = Exit.INCONCLUSIVE, Exit.OBJECTIVES

BASES["paused"] = lambda: honest.full(Plan(pause_s=600))
BASES["with health"] = lambda: honest.full(Plan(endpoints=(*ENDPOINTS, "/health")))
BASES["timeouts"] = lambda: honest.full(Plan(timeouts=1))
BASES["59 samples"] = lambda: honest.full(
    Plan(rate_per_user=59.5 / 300, limits=Thresholds(15.0, 1.0, 0.5))
)
BASES["no ramp"] = lambda: honest.full(Plan(ramp_s=0))
BASES["two rounds"] = lambda: honest.plain(Plan(rounds=2))


def variant(
    name: str,
    of: str,
    edit: Callable[[dict[str, Any]], Any] = lambda _data: None,
    kind: str = "stress",
    **asked: Any,
) -> None:
    """Add a variant that must pass."""

    def make() -> Any:
        data = base(of)
        changed = edit(data)
        return changed if isinstance(changed, dict) else data

    variants.append(Honest(f"boundary: {name}", make, kind, asked))


def nothing(*_done: object) -> None:
    """What an edit of several steps returns."""


def setting(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit that puts a value at a path."""
    return lambda data: put(data, path, value)


def shift(path: str, seconds: float) -> Callable[[dict[str, Any]], None]:
    """An edit that moves a time."""

    def edit(data: dict[str, Any]) -> None:
        moved = datetime.fromisoformat(at(data, path)) + timedelta(seconds=seconds)
        put(data, path, moved.isoformat())

    return edit


def all_times(seconds: float) -> Callable[[dict[str, Any]], None]:
    """An edit that moves a plain capture as a whole."""

    def edit(data: dict[str, Any]) -> None:
        shift("captured_at", seconds)(data)
        for place in range(len(data["runs"])):
            shift(f"runs.{place}.captured_at", seconds)(data)

    return edit


# Time.
variant("60 s ahead", "plain", all_times(3660))
variant("an hour old exactly", "plain", max_artifact_age_hours=1.0)
variant("two rounds asked for", "two rounds", min_rounds=2)
variant("rounds with their pause", "paused")
variant("the longest pause", "plain", shift("runs.0.captured_at", -3600 - 14))
corpus.add(
    "a pause that is too long",
    "plain",
    "stress.run-spacing",
    shift("runs.0.captured_at", -3600 - 16),
)
corpus.add(
    "a pause left out",
    "paused",
    "stress.round-clock",
    lambda data: (
        [shift(f"runs.0.{name}", 300)(data) for name in ("started_at", "ended_at", "captured_at")]
        and None
    ),
)
corpus.add(
    "two rounds at once, of two",
    "two rounds",
    "stress.run-spacing",
    shift("runs.0.captured_at", 20),
    asked={"min_rounds": 2},
)
corpus.add(
    "rounds half a second too close",
    "plain",
    "stress.run-spacing",
    shift("runs.0.captured_at", 7),
)
corpus.set_(
    "captured_at that cannot be read, and an age asked",
    "plain",
    "stress.age",
    "captured_at",
    "then",
    asked={"max_artifact_age_hours": 24.0},
)


def _started(before_first: float) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        first = datetime.fromisoformat(data["runs"][0]["captured_at"])
        data["started_at"] = (first - timedelta(seconds=before_first)).isoformat()

    return edit


variant("a start just before the first round", "plain", _started(31))
variant("the earliest start", "plain", _started(30 + 320.5))
corpus.add("a start within the first round", "plain", "stress.capture-window", _started(20))
corpus.add(
    "a start half a second into the first round", "plain", "stress.capture-window", _started(29.4)
)
corpus.add("a start too early", "plain", "stress.capture-window", _started(30 + 321))
variant(
    "the longest tail",
    "plain",
    lambda data: put(
        data,
        "captured_at",
        (
            datetime.fromisoformat(data["runs"][2]["captured_at"]) + timedelta(seconds=300)
        ).isoformat(),
    ),
)
corpus.add(
    "a tail that is too long",
    "plain",
    "stress.capture-window",
    lambda data: put(
        data,
        "captured_at",
        (
            datetime.fromisoformat(data["runs"][2]["captured_at"]) + timedelta(seconds=301)
        ).isoformat(),
    ),
)
variant(
    "captured with the last round",
    "plain",
    lambda data: put(data, "captured_at", data["runs"][2]["captured_at"]),
)
corpus.set_(
    "the first probe during the first round",
    "full",
    "stress.healthy",
    "runtime.before.probed_at",
    (NOW - timedelta(hours=1, seconds=90)).isoformat(),
)
corpus.set_(
    "the last probe before the last round",
    "full",
    "stress.healthy",
    "runtime.after.probed_at",
    (NOW - timedelta(hours=1, seconds=33)).isoformat(),
)
corpus.set_(
    "the last probe during the last round",
    "full",
    "stress.healthy",
    "runtime.after.probed_at",
    (NOW - timedelta(hours=1, seconds=10)).isoformat(),
)
for _name, _path, _seconds in (
    ("ended 0.6 s late", "runs.1.ended_at", 0.6),
    ("ended two microseconds early", "runs.1.ended_at", -2e-6),
    ("captured a centisecond before its end", "runs.1.captured_at", -0.01),
    ("began 0.6 s into its ramp", "runs.1.started_at", -0.6),
):
    corpus.add(f"a round that {_name}", "full", "stress.round-clock", shift(_path, _seconds))

# Figures.


def _top(name: str, off: float) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        exact = max(run["results"][name] for run in data["runs"])
        data["results"][name] = exact + off
        if name == "p95_response_time":
            data["evaluation"]["worst_p95_seconds"] = exact

    return edit


for _name in ("p95_response_time", "p99_response_time", "max_response_time"):
    variant(
        f"{_name} rounded up by half",
        "plain",
        _top(_name, 4.9999e-5 if _name == "max_response_time" else 5e-5),
    )
    corpus.add(f"{_name} more than rounded", "plain", "stress.projections", _top(_name, 6e-5))


def _beside(name: str, which: Callable[..., float], off: float) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        data["results"][name] = which(run["results"][name] for run in data["runs"]) + off

    return edit


for _name in ("avg_response_time", "median_response_time"):
    variant(f"{_name} of the quickest round", "plain", _beside(_name, min, -5e-5))
    variant(f"{_name} of the slowest round", "plain", _beside(_name, max, 5e-5))
    corpus.add(
        f"{_name} quicker than any round", "plain", "stress.averages", _beside(_name, min, -6e-5)
    )
    corpus.add(
        f"{_name} slower than any round", "plain", "stress.averages", _beside(_name, max, 6e-5)
    )
corpus.add(
    "an average just below the minimum",
    "plain",
    "stress.latency-order",
    lambda data: put(
        data,
        "runs.0.results.avg_response_time",
        data["runs"][0]["results"]["min_response_time"] - 1e-6,
    ),
)
corpus.add(
    "an average just above the maximum",
    "plain",
    "stress.latency-order",
    lambda data: put(
        data,
        "runs.0.results.avg_response_time",
        data["runs"][0]["results"]["max_response_time"] + 1e-6,
    ),
)
corpus.add(
    "latencies of a round without requests",
    "plain",
    "stress.latency-known",
    lambda data: data["runs"][0]["results"].update(total_requests=0, successful_requests=0),
    code=Exit.EVIDENCE,
)
corpus.set_(
    "a miss said at top only, held against the rounds",
    "plain",
    "stress.evaluation",
    "evaluation.overall_meets_targets",
    False,
)
corpus.add(
    "a round off by one stated elsewhere",
    "plain",
    "stress.elapsed",
    lambda data: put(
        data,
        "runs.0.elapsed_seconds",
        data["runs"][0]["results"]["total_requests"] / data["runs"][0]["results"]["throughput_rps"]
        + 0.01,
    ),
)
variant(
    "elapsed times with four decimals",
    "plain",
    lambda data: [
        run.update(
            elapsed_seconds=round(
                run["results"]["total_requests"] / run["results"]["throughput_rps"], 4
            )
        )
        for run in data["runs"]
    ],
)


def _steady(total: int, rate: float, failed: int = 0) -> Callable[[dict[str, Any]], None]:
    """Every round of a minimal artifact with so many requests at such a rate."""

    def edit(data: dict[str, Any]) -> None:
        for place, run in enumerate(data["runs"]):
            run["results"].update(
                total_requests=total,
                successful_requests=total - failed,
                failed_requests=failed,
                throughput_rps=rate,
                p95_response_time=0.2 + place / 1000,
                p99_response_time=0.2 + place / 1000,
            )
            data["evaluation"]["rounds"][place]["total_requests"] = total
        count = len(data["runs"])
        data["results"].update(
            total_requests=count * total,
            successful_requests=count * (total - failed),
            failed_requests=count * failed,
            throughput_rps=rate,
            p95_response_time=0.2 + (count - 1) / 1000,
            p99_response_time=0.2 + (count - 1) / 1000,
        )
        data["min_throughput_rps"] = data["evaluation"]["min_throughput_rps"] = rate
        data["evaluation"]["worst_p95_seconds"] = data["results"]["p95_response_time"]

    return edit


variant("a rate exactly at the limit", "minimal", _steady(15, 0.5))
variant("errors exactly at the limit", "minimal", _steady(300, 10.0, failed=3))
variant("rounds of 29 s by their rate", "minimal", _steady(290, 10.0))
corpus.add("rounds of 28 s by their rate", "minimal", "stress.elapsed", _steady(280, 10.0))
corpus.add(
    "rounds of 50 s by their rate that start 36 s apart",
    "minimal",
    "stress.run-spacing",
    _steady(500, 10.0),
)


def _long_rounds(data: dict[str, Any]) -> None:
    """Rounds of 50 s, by their rate and by their times."""
    _steady(500, 10.0)(data)
    for place in range(len(data["runs"])):
        shift(f"runs.{place}.captured_at", -20 * (len(data["runs"]) - place))(data)


variant("rounds of 50 s by their rate", "minimal", _long_rounds)
corpus.add("rounds of 52 s by their rate", "minimal", "stress.elapsed", _steady(520, 10.0))
variant(
    "users busy nearly all of their time",
    "minimal",
    lambda data: nothing(
        _steady(3000, 100.0)(data),
        [
            run["results"].update(p95_response_time=0.19, p99_response_time=0.9 + place / 1000)
            for place, run in enumerate(data["runs"])
        ],
        data["results"].update(p95_response_time=0.19, p99_response_time=0.902),
        data["evaluation"].update(worst_p95_seconds=0.19),
    ),
)


def _tight(average: float) -> Callable[[dict[str, Any]], None]:
    """420 requests that all took exactly a quantile: half 0.01 s, then 0.1, 0.5 and 1 s."""

    def edit(data: dict[str, Any]) -> None:
        for place, run in enumerate(data["runs"]):
            run["results"].update(
                min_response_time=0.01,
                median_response_time=0.1,
                p95_response_time=0.5,
                p99_response_time=1.0,
                max_response_time=1.0 + place / 1000,
                avg_response_time=average,
            )
            data["evaluation"]["rounds"][place]["p95_response_time"] = 0.5
        data["results"].update(
            min_response_time=0.01,
            median_response_time=0.1,
            p95_response_time=0.5,
            p99_response_time=1.0,
            max_response_time=1.002,
            avg_response_time=average,
        )
        data["evaluation"]["worst_p95_seconds"] = 0.5

    return edit


# (209 at 0.01, 190 at 0.1, 17 at 0.5, 4 at 1.0) and (211 at 0.1, 188 at 0.5, 17 at 1.0, 4 at 1.0)
variant("the least average", "plain", _tight((209 * 0.01 + 190 * 0.1 + 17 * 0.5 + 4 * 1.0) / 420))
variant(
    "the greatest average",
    "plain",
    _tight((1 * 0.01 + 209 * 0.1 + 189 * 0.5 + 17 * 1.0 + 4 * 1.0) / 420),
)
corpus.add("less than the least average", "plain", "stress.average-possible", _tight(0.0765))
corpus.add("more than the greatest average", "plain", "stress.average-possible", _tight(0.3295))

# Full artifacts.
variant("timeouts at the time that users waited", "timeouts")
corpus.add(
    "timeouts that took a second more",
    "timeouts",
    "stress.timeout-applied",
    lambda data: put(data, "workload.timeout_us", 14_300_000),
)
variant("59 samples", "59 samples", max_p95_seconds=15.0, required_endpoints=())
variant("a success of each in each round", "full", min_endpoint_successes=59)
corpus.add(
    "a success less than asked for",
    "full",
    "stress.endpoint-successes",
    lambda data: put(data, "subject.git_dirty", True),
    asked={"min_endpoint_successes": 61},
)


corpus.add(
    "one health probe too many",
    "with health",
    "stress.counters",
    lambda data: put(data, "target.counters.7.after", data["target"]["counters"][7]["after"] + 1),
)
corpus.add(
    "one request of nobody's",
    "full",
    "stress.counters",
    lambda data: put(data, "target.counters.1.after", data["target"]["counters"][1]["after"] + 1),
)
corpus.add(
    "one answer that was not counted",
    "full",
    "stress.counters",
    lambda data: put(data, "target.counters.1.after", data["target"]["counters"][1]["after"] - 1),
)


def _of_health(data: dict[str, Any], run: int, **delays: int) -> dict[str, Any]:
    data["runs"][run]["generator"].update(delays)
    return rederived(data)


def _late_loop(run: int, delay_us: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    names = (f"loop_delay_{one}_us" for one in ("mean", "p99", "max"))
    delays = dict.fromkeys(names, delay_us)
    return lambda data: _of_health(data, run, **delays)


BASES["slow"] = lambda: honest.full(Plan(slow_round=1))
variant("a loop late by less than a quarter of slow answers", "slow", _late_loop(1, 230_000))
variant("a loop late by ten milliseconds", "full", _late_loop(1, 10_000))
variant(
    "a loop that was late for whole time slices now and then",
    "full",
    lambda data: _of_health(
        data, 1, loop_delay_mean_us=4_000, loop_delay_p99_us=90_000, loop_delay_max_us=400_000
    ),
)
for _name, _means in {"quick": 100, "slow": 95_000}.items():
    corpus.add(
        f"a loop {_name} on average for how late it was",
        "full",
        "stress.generator-recomputed",
        lambda data, mean=_means: _of_health(
            data, 1, loop_delay_mean_us=mean, loop_delay_p99_us=90_000, loop_delay_max_us=400_000
        ),
    )
corpus.add(
    "a loop late in a quick round",
    "slow",
    "stress.saturated",
    _late_loop(0, 230_000),
    code=INCONCLUSIVE,
)
for _name, _value in (
    ("late_starts", 3),
    ("dropped_iterations", 3),
    ("saturated", True),
    ("saturated_reasons", ["tired"]),
):
    corpus.add(
        f"{_name} hidden in the rounds and in the worst",
        "full",
        "stress.generator-recomputed",
        lambda data, name=_name, value=_value: nothing(
            put(data, f"runs.0.generator.{name}", value),
            put(data, f"generator.worst.{name}", value),
        ),
    )
corpus.set_(
    "full: meets_targets alone", "full", "stress.overall-recomputed", "meets_targets", False
)
for _when in ("before", "after"):
    corpus.set_(
        f"fsync off {_when}",
        "full",
        "stress.unsafe",
        f"runtime.{_when}.fsync",
        "off",
        asked={"refuse_unsafe": True},
    )
    corpus.set_(
        f"fsync unknown {_when}",
        "full",
        "stress.unsafe",
        f"runtime.{_when}.fsync",
        None,
        asked={"refuse_unsafe": True},
    )
corpus.set_(
    "a database that names itself later",
    "full",
    "stress.same-database",
    "runtime.before.system_identifier",
    None,
)
corpus.set_(
    "an unknown tree of a known commit",
    "full",
    "stress.clean",
    "subject.git_dirty",
    None,
    code=INCONCLUSIVE,
    asked={"expected_commits": (COMMIT,)},
)
variant(
    "an uptime as far off as two clocks may run apart",
    "full",
    lambda data: put(
        data, "target.after.uptime_seconds", data["target"]["after"]["uptime_seconds"] + 0.04
    ),
)
corpus.add(
    "an uptime a tenth of a second off",
    "full",
    "stress.same-instance",
    lambda data: put(
        data, "target.after.uptime_seconds", data["target"]["after"]["uptime_seconds"] + 0.1
    ),
)
corpus.add(
    "an uptime half a minute off at one time",
    "full",
    "stress.same-instance",
    lambda data: put(
        data, "target.before.uptime_seconds", data["target"]["before"]["uptime_seconds"] + 30.5
    ),
)
variant(
    "an uptime of whole seconds",
    "full",
    lambda data: [
        put(data, f"target.{when}.uptime_seconds", int(data["target"][when]["uptime_seconds"]))
        for when in ("before", "after")
    ],
)
variant(
    "an uptime a second off, of an answer that took as long",
    "full",
    lambda data: (
        put(data, "target.after.uptime_seconds", data["target"]["after"]["uptime_seconds"] + 0.8),
        put(data, "runtime.before.took_us", 900_000),
    ),
)
for when in ("before", "after"):
    corpus.set_(
        f"a probe that took nobody knows how long, {when}",
        "full",
        "stress.same-instance",
        f"runtime.{when}.took_us",
        None,
    )
    corpus.set_(
        f"a probe that was answered in the time of the load, {when}",
        "full",
        "stress.healthy",
        f"runtime.{when}.took_us",
        7_000_000,
    )
corpus.add(
    "an uptime that shrank",
    "full",
    "stress.same-instance",
    lambda data: put(
        data, "target.after.uptime_seconds", data["target"]["before"]["uptime_seconds"] - 1
    ),
)


def _one_drop(data: dict[str, Any]) -> dict[str, Any]:
    row = next(row for row in data["measurements"]["runs"][0]["rows"] if row["started"])
    row["dropped"] = row["started"]
    drop(row)
    data["target"]["counters"] = []
    return rederived(data)


variant("one arrival dropped", "open", _one_drop)


def _iterations(
    count: int, planned_s: int, keep_s: int
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """So many requests within a time at most; the rows end with the last of them."""

    def edit(data: dict[str, Any]) -> dict[str, Any]:
        data["workload"].update(duration_seconds=float(planned_s), ramp_seconds=0.0)
        data["workload"]["scenarios"][0].update(
            executor="shared-iterations",
            iterations=count,
            duration_seconds=float(planned_s),
            ramp_seconds=0.0,
        )
        data["ramp_up_seconds"] = 0
        data["duration_seconds"] = planned_s
        for run in data["measurements"]["runs"]:
            run["rows"] = [row for row in run["rows"] if row["second"] < keep_s]
        return rederived(data)

    return edit


variant("iterations that ended early", "no ramp", _iterations(420, 90, 30))
corpus.add(
    "iterations that ended before the floor",
    "no ramp",
    "stress.workload",
    lambda data: (
        [run.update(elapsed_us=20_000_000) for run in data["measurements"]["runs"]]
        and _iterations(420, 90, 19)(data)
    ),
)
corpus.add(
    "iterations with a row too few",
    "no ramp",
    "stress.continuity",
    lambda data: (
        [run["rows"].pop() for run in data["measurements"]["runs"]]
        and _iterations(420, 90, 30)(data)
    ),
)
corpus.add(
    "iterations with rows after their time",
    "no ramp",
    "stress.continuity",
    _iterations(420, 20, 30),
    code=Exit.EVIDENCE,
)

# Targets and preflight.
variant("the last port", "plain", setting("target_url", "http://127.0.0.1:65535"))
corpus.set_(
    "a port beyond the last", "plain", "stress.target", "target_url", "http://127.0.0.1:65536"
)
variant(
    "one of two targets", "plain", targets=("https://staging.example.com", "http://127.0.0.1:8000/")
)
corpus.set_(
    "no endpoints, none required",
    "plain",
    "stress.endpoints",
    "endpoints",
    [],
    asked={"required_endpoints": ()},
)
CHECKS = "stress.preflight-checks"
_CHECK = {
    "endpoint": ENDPOINTS[0],
    "attempt": 1,
    "status_code": None,
    "ok": False,
    "latency_ms": 1.0,
    "error": "reset",
}
corpus.add(
    "an extra check of nothing",
    "plain",
    CHECKS,
    lambda data: data["preflight"]["checks"].append({**_CHECK, "endpoint": None}),
)
corpus.add(
    "an extra check of something else",
    "plain",
    CHECKS,
    lambda data: data["preflight"]["checks"].append(
        {**_CHECK, "endpoint": "/other", "ok": True, "status_code": 200, "error": ""}
    ),
)
corpus.add(
    "the first attempt twice",
    "plain",
    CHECKS,
    lambda data: data["preflight"]["checks"].insert(0, dict(_CHECK)),
)
corpus.add(
    "attempts that go back",
    "plain",
    CHECKS,
    lambda data: (data["preflight"]["checks"].insert(0, {**_CHECK, "attempt": 2}), None)[1],
)
variant(
    "a failed check without a status",
    "plain",
    lambda data: nothing(
        data["preflight"]["checks"].insert(0, {**_CHECK, "status_code": 503}),
        put(data, "preflight.checks.1.attempt", 2),
    ),
)

# Failure evidence.
F, INJECTION, ONE = "failure", "injection", "one injection"
failures.set_(
    "begun at its end",
    F,
    "failure.timestamps",
    "started_at",
    (NOW - timedelta(hours=2)).isoformat(),
)
failures.set_(
    "an approver with blanks around", F, "failure.identities", "approved_by", " bob@example.com"
)
failures.set_(
    "captured_at that cannot be read, and an age asked",
    F,
    "failure.age",
    "captured_at",
    "then",
    asked={"max_artifact_age_hours": 24.0},
)
failures.set_(
    "an unknown tree of a known commit",
    F,
    "failure.clean",
    "subject.git_dirty",
    None,
    code=INCONCLUSIVE,
    asked={"expected_commits": (COMMIT,)},
)


def _extra(data: dict[str, Any]) -> None:
    data["scenarios"].append({**data["scenarios"][0], "id": "FI-006", "checks": ["more"]})
    data["summary"].update(total_scenarios=6, passed_scenarios=6)


failures.add("a sixth scenario", F, "failure.scenarios", _extra)
failures.add(
    "nothing, all passed",
    F,
    "failure.summary",
    lambda data: data.update(
        scenarios=[],
        summary={
            "total_scenarios": 0,
            "passed_scenarios": 0,
            "failed_scenarios": 0,
            "overall_passed": True,
        },
    ),
)


def _statuses(*statuses: str) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for scenario, status in zip(data["scenarios"], statuses, strict=True):
            scenario.update(status=status, result_tail="")
            scenario["evidence_refs"] = scenario["evidence_refs"][:1]
        passed = sum(status == "pass" for status in statuses)
        data["summary"].update(
            passed_scenarios=passed, failed_scenarios=5 - passed, overall_passed=passed == 5
        )

    return edit


failures.add(
    "one failed, one undecided",
    F,
    "failure.overall",
    _statuses("pass", "fail", "inconclusive", "pass", "pass"),
    code=OBJECTIVES,
)
failures.add(
    "one undecided",
    F,
    "failure.overall",
    _statuses("pass", "inconclusive", "pass", "pass", "pass"),
    code=INCONCLUSIVE,
)
failures.add(
    "none decided", F, "failure.overall", _statuses(*["inconclusive"] * 5), code=INCONCLUSIVE
)
failures.add("all failed", F, "failure.overall", _statuses(*["fail"] * 5), code=OBJECTIVES)
failures.set_(
    "all passed, denied at the end", F, "failure.overall", "summary.overall_passed", False
)
for _when in ("runtime_before", "runtime_after"):
    failures.set_(
        f"full: fsync off, {_when}",
        ONE,
        "failure.unsafe",
        f"{_when}.fsync",
        "off",
        asked={"refuse_unsafe": True},
    )


def _title(data: dict[str, Any]) -> None:
    """Another title, also where the passed ones are listed."""
    check = data["scenarios"][0]["trial"]["checks"][0]
    listed = data["scenarios"][0]["checks"]
    listed[listed.index(check["title"])] = check["title"] = "All is well"


failures.add("a check told otherwise, consistently", ONE, "failure.recomputed", _title)
failures.add(
    "more operations than are judged, checks the matrix's",
    ONE,
    "failure.load",
    lambda data: put(data, "scenarios.0.baseline.operations.rows", [[0, 1, 1, 0, 0, 1]] * 10_001),
)
failures.add(
    "a first fault too early",
    ONE,
    "failure.faults",
    lambda data: data["scenarios"][0]["trial"]["faults"][0].update(
        requested_us=2_000_000, effective_us=2_400_000
    ),
)
failures.add(
    "a fault that ended when it began",
    ONE,
    "failure.faults",
    lambda data: data["scenarios"][0]["trial"]["faults"][0].update(
        effective_us=data["scenarios"][0]["trial"]["faults"][0]["healed_us"],
        removed_us=data["scenarios"][0]["trial"]["faults"][0]["healed_us"],
    ),
)
for _name, _path, _seconds in (
    ("a trial shorter than its operations", "scenarios.0.trial.ended_at", -4.6),
    ("a trial that began in its baseline", "scenarios.0.trial.started_at", -1.6),
    ("an end before the last trial", "captured_at", -1.6),
):
    failures.add(_name, ONE, "failure.trial-clock", shift(_path, _seconds))
failures.set_(
    "a trial that ended at no time",
    ONE,
    "failure.trial-clock",
    "scenarios.0.trial.ended_at",
    "then",
)


def _touching(data: dict[str, Any]) -> None:
    """A trial that began when its baseline ended, and a document complete with the last trial."""
    first, last = data["scenarios"][0], data["scenarios"][-1]
    first["trial"]["started_at"] = first["baseline"]["ended_at"]
    data["captured_at"] = data["runtime_after"]["probed_at"] = last["trial"]["ended_at"]


def _rounded(data: dict[str, Any], more_us: int = 0) -> None:
    """A trial whose times were cut to microseconds, as far as that goes."""
    trial = data["scenarios"][0]["trial"]
    took = timedelta(microseconds=trial["duration_us"] - ROUNDING_US - more_us)
    trial["ended_at"] = (datetime.fromisoformat(trial["started_at"]) + took).isoformat()


trial_clocks = {"trials that touch": _touching, "a trial's times, rounded": _rounded}
"""Edits of made-up injections, whose trials need not pass, that their clock's rule must take."""

failures.add(
    "a trial shorter than its operations by a hair",
    ONE,
    "failure.trial-clock",
    lambda data: _rounded(data, 1),
)


def _aged(data: dict[str, Any]) -> None:
    """Every time of old evidence as it was, but that at which it was complete."""
    captured = data["captured_at"]
    days = timedelta(hours=49)
    for one in _timed(data):
        for name in [name for name in one if name.endswith("_at") and isinstance(one[name], str)]:
            one[name] = (datetime.fromisoformat(one[name]) - days).isoformat()
    data["captured_at"] = captured


def _timed(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _timed(each)


failures.add(
    "old trials, captured anew",
    ONE,
    "failure.age",
    _aged,
    asked={"max_artifact_age_hours": 48.0},
)
failures.set_("full: captured at no time", ONE, "failure.timestamps", "captured_at", "then")

# Where only one comparison of several objects.
BASES["299 samples"] = lambda: _edited("minimal", _steady(299, 9.9))


def _edited(of: str, edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    data = base(of)
    edit(data)
    return data


corpus.add(
    "a miss said twice, held against the rounds",
    "plain",
    "stress.evaluation",
    lambda data: nothing(
        put(data, "evaluation.overall_meets_targets", False), put(data, "meets_targets", False)
    ),
)
corpus.set_(
    "full: a round begun at no time", "full", "stress.timestamps", "runs.1.started_at", "then"
)
variant("iterations with all their rows", "no ramp", _iterations(420, 30, 30))


def _busy(average: float) -> Callable[[dict[str, Any]], None]:
    """3000 requests a round by ten users in 30 s."""

    def edit(data: dict[str, Any]) -> None:
        _steady(3000, 100.0)(data)
        for place, run in enumerate(data["runs"]):
            run["results"].update(
                min_response_time=0.01,
                median_response_time=0.1,
                p95_response_time=0.2,
                p99_response_time=0.3,
                max_response_time=0.4 + place / 1000,
                avg_response_time=average,
            )
            one = data["evaluation"]["rounds"][place]
            one.update(successful_requests=3000, throughput_rps=100.0, p95_response_time=0.2)
        data["results"].update(
            min_response_time=0.01,
            median_response_time=0.1,
            p95_response_time=0.2,
            p99_response_time=0.3,
            max_response_time=0.402,
            avg_response_time=average,
        )
        data["evaluation"]["worst_p95_seconds"] = 0.2

    return edit


variant("users who never pause", "plain", _busy(0.0999))
corpus.add("users who wait a tenth more than they can", "plain", "stress.littles-law", _busy(0.11))


def _idle_second(elapsed_us: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Nothing was sent in a round's first second."""

    def edit(data: dict[str, Any]) -> dict[str, Any]:
        run = data["measurements"]["runs"][0]
        run["elapsed_us"] = elapsed_us
        for row in run["rows"]:
            if row["second"] == 0:
                row.update(intended=0, started=0, outcomes={})
                row["corrected"] = {
                    "n": 0,
                    "sum_us": 0,
                    "min_us": None,
                    "max_us": None,
                    "buckets": [],
                }
        data["target"]["counters"] = []
        ended = datetime.fromisoformat(data["runs"][0]["ended_at"])
        began = ended - timedelta(microseconds=elapsed_us)
        data["runs"][0]["started_at"] = began.isoformat()
        return rederived(data)

    return edit


MEASURED = "stress.elapsed-measured"
corpus.add("an idle first second left out", "full", MEASURED, _idle_second(29_300_000))
corpus.add("an idle first second counted twice", "full", MEASURED, _idle_second(26_900_000))
for _factor in (0.93, 1.06):
    corpus.add(
        f"elapsed times {_factor}",
        "full",
        MEASURED,
        lambda data, factor=_factor: (
            [
                run.update(elapsed_us=int(run["elapsed_us"] * factor))
                for run in data["measurements"]["runs"]
            ]
            and rederived(data)
        ),
    )


def _two_samples(
    off: int, low: int = 12_000, high: int = 24_000
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A row of two answers, with a sum that is a little off."""

    def edit(data: dict[str, Any]) -> dict[str, Any]:
        row = next(row for row in data["measurements"]["runs"][0]["rows"] if row["started"] == 2)
        row["corrected"] = {
            "n": 2,
            "sum_us": low + high + off,
            "min_us": low,
            "max_us": high,
            "buckets": [buckets.index(low), 1, buckets.index(high), 1],
        }
        for pair in data["target"]["counters"]:
            pair["times"] = None  # of the answers that stood there
        return rederived(data)

    return edit


variant("two answers at the ends of their buckets", "full", _two_samples(0))
corpus.add("a sum one too small", "full", "stress.rows", _two_samples(-1))
corpus.add("a sum one too small within a bucket", "full", "stress.rows", _two_samples(-1, 12_003))
corpus.add("one bucket told as two", "full", "stress.rows", _two_samples(0, 12_000, 12_000))
corpus.add("a sum a thousandth too large", "full", "stress.rows", _two_samples(36))


def _slower_service(data: dict[str, Any]) -> dict[str, Any]:
    """A longest time from the send that is longer than that from the intended start."""
    row = next(row for row in data["measurements"]["runs"][0]["rows"] if row["started"] == 2)

    def two(low: int, high: int) -> dict[str, Any]:
        return {
            "n": 2,
            "sum_us": low + high,
            "min_us": low,
            "max_us": high,
            "buckets": [buckets.index(low), 1, buckets.index(high), 1],
        }

    row["corrected"], row["uncorrected"] = two(1000, 3000), two(500, 3200)
    return rederived(data)


corpus.add("a longest answer longer from its send", "open", "stress.rows", _slower_service)


def _all_the_same(data: dict[str, Any]) -> None:
    """Every answer of a round took the same time."""
    names = [name for name in data["results"] if name.endswith("response_time")]
    for place, run in enumerate(data["runs"]):
        run["results"].update(dict.fromkeys(names, 0.05 + place / 100))
        data["evaluation"]["rounds"][place]["p95_response_time"] = 0.05 + place / 100
    data["results"].update(dict.fromkeys(names, 0.07))
    data["results"].update(min_response_time=0.05, avg_response_time=0.06)
    data["results"].update(median_response_time=0.06)
    data["evaluation"]["worst_p95_seconds"] = 0.07


variant("answers that all took the same", "plain", _all_the_same)
