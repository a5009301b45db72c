"""Lies of a plain artifact that its types allow: arithmetic, physics, time, provenance."""

# ruff: noqa: FBT003  # a lie is one line; booleans are what fields hold here

from datetime import datetime, timedelta
from typing import Any

from forgeries.corpus import Corpus, at, put
from forgeries.honest import COMMIT, NOW

from stressproof.exits import Exit

corpus = Corpus()
OBJECTIVES, INCONCLUSIVE = Exit.OBJECTIVES, Exit.INCONCLUSIVE


def _shift(text: str, seconds: float) -> str:
    return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat()


# What it is.
corpus.set_("a template filled in", "plain", "stress.template", "_template", "example")
corpus.set_("a template's marker emptied", "plain", "stress.template", "_template", None)
for version in (2, 4, -3, "3", 3.0, [3], None):
    corpus.set_(
        f"schema version {version!r}", "plain", "stress.schema-version", "schema_version", version
    )
corpus.set_("schema true", "plain", "stress.schema-version", "schema_version", True)
corpus.set_("schema 3 without its fields", "plain", "stress.typed", "schema_version", 3)
corpus.set_("measurements without a version", "plain", "stress.schema-version", "measurements", {})
for word in ("interrupted", "preflight_failed", "broken", "Complete", "", None, True):
    corpus.set_(f"status {word!r}", "plain", "stress.status", "status", word)
for word in (
    "health",
    "Enforcement",
    "enforcement ",
    " enforcement",
    "enforcement\u200b",
    "\u0435nforcement",
):
    corpus.set_(f"profile {word!a}", "plain", "stress.profile", "profile", word)
for word in (
    "scripts/load_test_api",
    "scripts/load_test_api.py ",
    "./scripts/load_test_api.py",
    "stressproof capture",
    "scripts/generate_enforcement_stress_evidence.py",
    "",
):
    corpus.set_(f"runner {word!r}", "plain", "stress.runner", "runner", word)
for url in (
    "http://testserver",
    "http://testserver:80/",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "127.0.0.1:8000",
    "http://",
    "http://user:secret@127.0.0.1:8000",
    "http://127.0.0.1:99999",
    "",
):
    corpus.set_(f"target {url!r}", "plain", "stress.target", "target_url", url)
corpus.set_(
    "another environment",
    "plain",
    "stress.target",
    "target_url",
    "https://dev.example.com",
    asked={"targets": ("https://staging.example.com",)},
)
corpus.set_(
    "the allowed host on another port",
    "plain",
    "stress.target",
    "target_url",
    "https://staging.example.com:8443",
    asked={"targets": ("https://staging.example.com",)},
)
corpus.drop(
    "no target where one is demanded",
    "plain",
    "stress.target",
    "target_url",
    code=INCONCLUSIVE,
    asked={"targets": ("https://staging.example.com",)},
)
corpus.set_(
    "loopback where it is refused",
    "plain",
    "stress.target",
    "target_url",
    "http://localhost:8000",
    asked={"allow_loopback": False},
)
corpus.set_(
    "an unknown field where none is allowed",
    "plain",
    "stress.unknown-fields-refused",
    "p95",
    0.1,
    asked={"refuse_unknown_fields": True},
)

# Which database, which build.
for engine in (
    "sqlite",
    "PostgreSQL",
    "postgres",
    "postgresql ",
    "",
    "unknown",
    "postgresql+asyncpg",
):
    corpus.set_(f"engine {engine!r}", "plain", "stress.engine", "runtime.database_engine", engine)
corpus.set_("engine null", "plain", "stress.shape", "runtime.database_engine", None)
corpus.set_(
    "engine by declaration",
    "plain",
    "stress.engine-source",
    "runtime.database_engine_source",
    "declared",
)
corpus.set_("health answered 503", "plain", "stress.probe", "runtime.health_status_code", 503)
corpus.set_("the probe failed", "plain", "stress.probe", "runtime.probe_error", "ConnectError")
corpus.set_(
    "another commit",
    "plain",
    "stress.commit",
    "subject",
    {"git_commit": COMMIT[::-1], "git_dirty": False},
    asked={"expected_commits": (COMMIT,)},
)
corpus.set_(
    "a short commit",
    "plain",
    "stress.commit",
    "subject",
    {"git_commit": COMMIT[:12], "git_dirty": False},
    asked={"expected_commits": (COMMIT,)},
)
corpus.set_(
    "a dirty tree",
    "plain",
    "stress.clean",
    "subject",
    {"git_commit": COMMIT, "git_dirty": True},
    asked={"expected_commits": (COMMIT,)},
)
corpus.set_(
    "an unknown commit",
    "plain",
    "stress.commit",
    "subject",
    {"git_commit": None, "git_dirty": None},
    code=INCONCLUSIVE,
    asked={"expected_commits": (COMMIT,)},
)
corpus.set_(
    "a plain artifact at a gate",
    "plain",
    "stress.assurance",
    "note",
    "trust me",
    asked={"minimum_level": "recomputed"},
)

# Preflight.
corpus.set_("preflight skipped", "plain", "stress.preflight", "preflight.enabled", False)
corpus.set_("preflight null", "plain", "stress.preflight", "preflight.passed", None)
corpus.set_("preflight failed", "plain", "stress.preflight", "preflight.passed", False)
corpus.set_(
    "a preflight failure beside a pass",
    "plain",
    "stress.preflight",
    "preflight.failures",
    [{"endpoint": "/health/live", "error": "refused"}],
)
CHECKS = "stress.preflight-checks"
for code in (302, 404, 500, 199, 300):
    corpus.set_(f"a check ok with {code}", "plain", CHECKS, "preflight.checks.1.status_code", code)
corpus.set_("a check ok without a status", "plain", CHECKS, "preflight.checks.1.status_code", None)
corpus.set_("a check that failed", "plain", CHECKS, "preflight.checks.1.ok", False)
corpus.set_("a check ok with an error", "plain", CHECKS, "preflight.checks.1.error", "timeout")
corpus.drop("an endpoint that was not checked", "plain", CHECKS, "preflight.checks.3")
corpus.set_("no checks at all", "plain", CHECKS, "preflight.checks", [])
corpus.set_("a check of something else", "plain", CHECKS, "preflight.checks.1.endpoint", "/other")
corpus.set_("attempt zero", "plain", CHECKS, "preflight.checks.1.attempt", 0)
corpus.set_("a third of two attempts", "plain", CHECKS, "preflight.checks.1.attempt", 3)
corpus.drop("a check of nothing", "plain", CHECKS, "preflight.checks.1.endpoint")


@corpus.forge("a check again after its success", "plain", CHECKS)
def _again(data: dict[str, Any]) -> None:
    checks = data["preflight"]["checks"]
    checks.append({**checks[0], "attempt": 2})


# When.
for text in (
    "2026-02-25T11:00:00",
    "2026-02-25 11:00:00+00:00",
    "2026-02-25T11:00:00+0000",
    "20260225T110000Z",
    "2026-02-25",
    "2026-02-25T25:00:00Z",
    "2026-02-30T11:00:00Z",
    "2026-02-25T11:00:60Z",
    "2026-W09-3T11:00:00Z",
    " 2026-02-25T11:00:00Z",
    "2026-02-25T11:00:00Z\n",
    "\uff12026-02-25T11:00:00Z",
    "1772017200",
    "now",
    "",
):
    corpus.set_(f"captured_at {text!a}", "plain", "stress.timestamps", "captured_at", text)
corpus.set_(
    "a round without offset",
    "plain",
    "stress.timestamps",
    "runs.0.captured_at",
    "2026-02-25T10:00:00",
)
corpus.set_("a start that is no time", "plain", "stress.timestamps", "started_at", "earlier")


def _all_times(data: dict[str, Any], seconds: float) -> None:
    data["captured_at"] = _shift(data["captured_at"], seconds)
    for run in data["runs"]:
        run["captured_at"] = _shift(run["captured_at"], seconds)


corpus.add("captured tomorrow", "plain", "stress.future", lambda data: _all_times(data, 86400))
corpus.add(
    "captured 61 s from now", "plain", "stress.future", lambda data: _all_times(data, 3600 + 61)
)
corpus.add(
    "captured a day and a second ago",
    "plain",
    "stress.age",
    lambda data: _all_times(data, 3600 - 86401),
    asked={"max_artifact_age_hours": 24.0},
)
corpus.add(
    "stamped anew",
    "plain",
    "stress.capture-window",
    lambda data: put(data, "captured_at", NOW.isoformat()),
)
corpus.add(
    "a round after the capture",
    "plain",
    "stress.capture-window",
    lambda data: put(data, "runs.2.captured_at", _shift(data["captured_at"], 1)),
)
corpus.add(
    "a start in the middle",
    "plain",
    "stress.capture-window",
    lambda data: put(data, "started_at", _shift(data["captured_at"], -60)),
)
corpus.add(
    "a start a day before",
    "plain",
    "stress.capture-window",
    lambda data: put(data, "started_at", _shift(data["captured_at"], -86400)),
)
for place, index in ((0, 0), (1, 1), (2, 4)):
    corpus.set_(
        f"run {place + 1} numbered {index}",
        "plain",
        "stress.run-index",
        f"runs.{place}.run_index",
        index,
    )


@corpus.forge("rounds out of order", "plain", "stress.run-index")
def _reversed(data: dict[str, Any]) -> None:
    data["runs"].reverse()


@corpus.forge("rounds out of order but renumbered", "plain", "stress.run-spacing")
def _renumbered(data: dict[str, Any]) -> None:
    data["runs"].reverse()
    for place, run in enumerate(data["runs"], 1):
        run["run_index"] = place
    data["evaluation"]["rounds"].reverse()


corpus.add(
    "two rounds in the same seconds",
    "plain",
    "stress.run-spacing",
    lambda data: put(data, "runs.1.captured_at", _shift(data["runs"][0]["captured_at"], 12)),
)
corpus.add(
    "two rounds at the same time",
    "plain",
    "stress.run-spacing",
    lambda data: put(data, "runs.1.captured_at", data["runs"][0]["captured_at"]),
)
corpus.add(
    "a round of another day",
    "plain",
    "stress.run-spacing",
    lambda data: put(data, "runs.0.captured_at", _shift(data["runs"][0]["captured_at"], -86400)),
)

# How much.
corpus.set_("two rounds stated", "plain", "stress.rounds", "rounds", 2)
corpus.set_("four rounds stated", "plain", "stress.rounds", "rounds", 4)
corpus.drop("a round missing", "plain", "stress.rounds", "runs.1")
corpus.drop("an evaluation missing", "plain", "stress.rounds", "evaluation.rounds.1")
corpus.set_("no rounds", "plain", "stress.rounds", "runs", [])
corpus.set_("no evaluations", "plain", "stress.rounds", "evaluation.rounds", [])
corpus.set_("nine users", "plain", "stress.workload", "concurrent_users", 9)
corpus.set_("29 seconds", "plain", "stress.workload", "duration_seconds", 29)
corpus.set_("no endpoints", "plain", "stress.endpoints", "endpoints", [])


@corpus.forge("two rounds, consistently", "plain", "stress.rounds")
def _two(data: dict[str, Any]) -> None:
    data["rounds"] = 2
    del data["runs"][2], data["evaluation"]["rounds"][2]


@corpus.forge("an extra round that is evaluated but not stated", "plain", "stress.rounds")
def _extra(data: dict[str, Any]) -> None:
    data["runs"].append({**data["runs"][2], "run_index": 4})


for number, name in ((1, "policies"), (5, "ledger"), (6, "parity")):
    corpus.drop(f"{name} not asked", "plain", "stress.endpoints", f"endpoints.{number}")
corpus.set_(
    "parity with another limit",
    "plain",
    "stress.endpoints",
    "endpoints.6",
    "/api/v1/enforcement/exports/parity?limit=1",
)
corpus.set_(
    "policies with a slash",
    "plain",
    "stress.endpoints",
    "endpoints.1",
    "/api/v1/enforcement/policies/",
)
corpus.set_(
    "an endpoint twice", "plain", "stress.endpoints", "endpoints.0", "/api/v1/enforcement/budgets"
)
for name, listed in {
    "an endpoint twice, once with its method": "GET /api/v1/enforcement/policies",
    "a required endpoint posted to": None,
}.items():
    corpus.set_(
        name,
        "plain",
        "stress.endpoints",
        "endpoints.2" if listed else "endpoints.1",
        listed or "POST /api/v1/enforcement/policies",
    )

# Counts and figures.
COUNTS = "stress.counts"
corpus.set_("a total that is no sum", "plain", "stress.totals", "results.total_requests", 1261)
corpus.set_("failures hidden at top", "plain", COUNTS, "runs.0.results.failed_requests", 3)
corpus.set_("a success too many", "plain", COUNTS, "runs.0.results.successful_requests", 421)
corpus.set_("errors without failures", "plain", COUNTS, "runs.0.results.errors_sample", ["boom"])
corpus.set_("errors at top without failures", "plain", COUNTS, "results.errors_sample", ["boom"])


@corpus.forge("a round's total doubled", "plain", "stress.totals")
def _doubled(data: dict[str, Any]) -> None:
    data["runs"][0]["results"]["total_requests"] *= 2
    data["runs"][0]["results"]["successful_requests"] *= 2


@corpus.forge("a round of nothing", "plain", "stress.some-requests", code=Exit.EVIDENCE)
def _nothing(data: dict[str, Any]) -> None:
    for name in ("total_requests", "successful_requests"):
        data["runs"][0]["results"][name] = 0


PROJECTIONS = "stress.projections"
for path, factor in (
    ("results.p95_response_time", 0.9),
    ("results.p99_response_time", 0.9),
    ("results.throughput_rps", 1.1),
    ("min_throughput_rps", 1.1),
    ("results.min_response_time", 2.0),
    ("results.max_response_time", 0.99),
):
    corpus.add(
        f"{path} times {factor}",
        "plain",
        PROJECTIONS,
        lambda data, path=path, factor=factor: put(data, path, at(data, path) * factor),
    )


@corpus.forge("p95 as the mean of the rounds", "plain", PROJECTIONS)
def _mean(data: dict[str, Any]) -> None:
    values = [run["results"]["p95_response_time"] for run in data["runs"]]
    put(data, "results.p95_response_time", sum(values) / len(values))


for name in ("avg_response_time", "median_response_time"):
    corpus.set_(f"top {name} too small", "plain", "stress.averages", f"results.{name}", 0.005)

ORDER = "stress.latency-order"
for path, value in (
    ("runs.0.results.median_response_time", 0.001),
    ("runs.0.results.p95_response_time", 0.01),
    ("runs.0.results.p99_response_time", 0.02),
    ("runs.0.results.max_response_time", 0.03),
    ("runs.0.results.min_response_time", 0.0),
    ("runs.0.results.min_response_time", 0.9),
    ("runs.0.results.avg_response_time", 0.0001),
    ("runs.0.results.avg_response_time", 5.0),
):
    corpus.set_(f"{path} = {value}", "plain", ORDER, path, value)


@corpus.forge("all latencies zero", "plain", ORDER)
def _zero(data: dict[str, Any]) -> None:
    for results in [data["results"], *(run["results"] for run in data["runs"])]:
        for name in results:
            if name.endswith("response_time"):
                results[name] = 0.0


KNOWN = "stress.latency-known"
for name in ("p95_response_time", "p99_response_time"):
    corpus.set_(f"a round's {name} null", "plain", KNOWN, f"runs.0.results.{name}", None)
    corpus.set_(f"top {name} null", "plain", KNOWN, f"results.{name}", None)


@corpus.forge("a copied round", "plain", "stress.distinct-rounds")
def _copied(data: dict[str, Any]) -> None:
    data["runs"][1]["results"] = dict(data["runs"][0]["results"])
    _again_at_top(data)


@corpus.forge("all rounds the same", "minimal", "stress.distinct-rounds")
def _same(data: dict[str, Any]) -> None:
    for run in data["runs"][1:]:
        run["results"] = dict(data["runs"][0]["results"])
    _again_at_top(data)


def _again_at_top(data: dict[str, Any]) -> None:
    """Make the top level follow from the rounds, so that only the lie itself is one."""
    rounds = [run["results"] for run in data["runs"]]
    top = data["results"]
    for name in ("total_requests", "successful_requests", "failed_requests"):
        top[name] = sum(each[name] for each in rounds)
    for name in ("p95_response_time", "p99_response_time", "max_response_time"):
        if name in top:
            top[name] = max(each[name] for each in rounds)
    if "min_response_time" in top:
        top["min_response_time"] = min(each["min_response_time"] for each in rounds)
    for name in ("avg_response_time", "median_response_time"):
        if name in top:
            top[name] = sum(each[name] for each in rounds) / len(rounds)
    rates = [each["throughput_rps"] for each in rounds]
    top["throughput_rps"] = sum(rates) / len(rates)
    data["min_throughput_rps"] = min(rates)
    _again_in_evaluation(data["evaluation"], rounds, top["p95_response_time"], min(rates))


def _again_in_evaluation(
    evaluation: dict[str, Any], rounds: list[dict[str, Any]], p95: float, lowest: float
) -> None:
    evaluation["worst_p95_seconds"] = p95
    evaluation["min_throughput_rps"] = lowest
    for one, figures in zip(evaluation["rounds"], rounds, strict=True):
        one.update({name: figures[name] for name in one if name in figures})
        if "error_rate_percent" in one:
            one["error_rate_percent"] = figures["failed_requests"] * 100 / figures["total_requests"]


def consistently(name: str, of: str, rule: str, edit: Any, **more: Any) -> None:
    """Add a forgery of the rounds, with everything that follows from them made to follow."""

    def mutate(data: dict[str, Any]) -> None:
        edit(data)
        _again_at_top(data)

    corpus.add(name, of, rule, mutate, **more)


def _each_round(**changes: Any) -> Any:
    def edit(data: dict[str, Any]) -> None:
        for place, run in enumerate(data["runs"]):
            for field, change in changes.items():
                if field in run["results"]:
                    run["results"][field] = change(run["results"][field], place)

    return edit


# Physics: consistent, but impossible.
ELAPSED = "stress.elapsed"
consistently(
    "a tenth of the time", "plain", ELAPSED, _each_round(throughput_rps=lambda v, _: v * 10)
)
consistently("half of the time", "minimal", ELAPSED, _each_round(throughput_rps=lambda v, _: v * 2))
consistently(
    "three times the time", "plain", ELAPSED, _each_round(throughput_rps=lambda v, _: v / 3)
)
consistently(
    "ten times the requests",
    "plain",
    ELAPSED,
    _each_round(total_requests=lambda v, _: v * 10, successful_requests=lambda v, _: v * 10),
)
consistently("no throughput", "plain", ELAPSED, _each_round(throughput_rps=lambda _v, _p: 0.0))
corpus.set_("an hour stated", "plain", ELAPSED, "duration_seconds", 3600)
corpus.set_("a round shorter than stated", "plain", ELAPSED, "runs.0.elapsed_seconds", 12.0)
corpus.set_("a round longer than stated", "plain", ELAPSED, "runs.0.elapsed_seconds", 90.0)
LITTLE = "stress.littles-law"
consistently(
    "a million requests by ten users",
    "plain",
    LITTLE,
    _each_round(
        total_requests=lambda v, p: v * 1000 + p,
        successful_requests=lambda v, p: v * 1000 + p,
        throughput_rps=lambda v, _: v * 1000,
    ),
)
consistently(
    "a million requests without an average",
    "minimal",
    LITTLE,
    _each_round(
        total_requests=lambda v, p: v * 10000 + p,
        successful_requests=lambda v, p: v * 10000 + p,
        throughput_rps=lambda v, _: v * 10000,
    ),
)
POSSIBLE = "stress.average-possible"
consistently(
    "an average far below the median",
    "plain",
    POSSIBLE,
    _each_round(
        avg_response_time=lambda _v, p: 0.0125 + p / 1e5, min_response_time=lambda _v, _p: 0.001
    ),
)
consistently(
    "an average beyond its quantiles",
    "plain",
    POSSIBLE,
    _each_round(
        avg_response_time=lambda _v, p: 0.2 + p / 1000,
        max_response_time=lambda _v, p: 0.9 + p / 100,
    ),
)

# Limits.
for name, value in (
    ("max_p95_seconds", 3.0),
    ("max_p95_seconds", 1.9),
    ("max_p95_seconds", 2.00004),
    ("max_error_rate_percent", 5.0),
    ("max_error_rate_percent", 0.99999),
    ("min_throughput_rps", 0.1),
    ("min_throughput_rps", 0.50001),
):
    corpus.set_(
        f"threshold {name} {value}", "plain", "stress.thresholds", f"thresholds.{name}", value
    )
corpus.set_("no p95 threshold", "plain", "stress.thresholds", "thresholds.max_p95_seconds", None)


@corpus.forge("looser limits in the evaluation", "plain", "stress.evaluation")
def _looser(data: dict[str, Any]) -> None:
    for one in data["evaluation"]["rounds"]:
        one["thresholds"] = {**one["thresholds"], "max_p95_seconds": 9.0}


TARGETS = "stress.round-targets"
FORGED = "stress.evaluation"


def _slow(place: int, p95: float) -> Any:
    def edit(data: dict[str, Any]) -> None:
        results = data["runs"][place]["results"]
        results.update(
            p95_response_time=p95,
            p99_response_time=p95 + 0.5,
            max_response_time=p95 + 1,
            avg_response_time=(p95 + 1) / 5,
        )

    return edit


def _failures(place: int, failed: int) -> Any:
    def edit(data: dict[str, Any]) -> None:
        results = data["runs"][place]["results"]
        results["failed_requests"] = failed
        results["successful_requests"] = results["total_requests"] - failed

    return edit


consistently("one slow round among fast ones", "plain", FORGED, _slow(1, 2.5))
consistently("a round just over the limit", "plain", TARGETS, _slow(1, 2.00001))
consistently("a round a rounding over the limit", "plain", FORGED, _slow(1, 2.00004))
consistently("one round with failures, diluted", "plain", FORGED, _failures(1, 9))
consistently("one failure too many", "plain", TARGETS, _failures(0, 5))
consistently("every request failed", "plain", TARGETS, _failures(0, 420))


@corpus.forge("an honest miss", "plain", TARGETS, code=OBJECTIVES)
def _honest_miss(data: dict[str, Any]) -> None:
    _slow(1, 2.5)(data)
    _again_at_top(data)
    _admit(data, 1, "meets_p95")


@corpus.forge("an honest miss of errors", "plain", TARGETS, code=OBJECTIVES)
def _honest_errors(data: dict[str, Any]) -> None:
    _failures(1, 9)(data)
    _again_at_top(data)
    _admit(data, 1, "meets_error_rate")


@corpus.forge("a miss that says so only at top", "plain", "stress.overall")
def _says_miss(data: dict[str, Any]) -> None:
    data["evaluation"]["overall_meets_targets"] = False


@corpus.forge("targets not met at top level only", "plain", "stress.overall")
def _meets(data: dict[str, Any]) -> None:
    data["meets_targets"] = False


def _admit(data: dict[str, Any], place: int, what: str) -> None:
    one = data["evaluation"]["rounds"][place]
    one[what] = one["meets_targets"] = False
    data["evaluation"]["overall_meets_targets"] = data["meets_targets"] = False


for path, value in (
    ("evaluation.worst_p95_seconds", 0.01),
    ("evaluation.worst_p95_seconds", None),
    ("evaluation.min_throughput_rps", 99.0),
    ("evaluation.rounds.1.total_requests", 999),
    ("evaluation.rounds.1.successful_requests", 1),
    ("evaluation.rounds.1.failed_requests", 7),
    ("evaluation.rounds.1.error_rate_percent", 0.5),
    ("evaluation.rounds.1.throughput_rps", 99.0),
    ("evaluation.rounds.1.p95_response_time", 0.01),
    ("evaluation.rounds.1.meets_p95", False),
    ("evaluation.rounds.1.meets_error_rate", False),
    ("evaluation.rounds.1.meets_throughput", False),
    ("evaluation.rounds.1.meets_targets", False),
    ("evaluation.rounds.1.run_index", 3),
    ("meets_targets", False),
):
    corpus.set_(f"{path} = {value}", "plain", FORGED, path, value)
corpus.set_("a rate below the floor", "plain", TARGETS, "min_throughput_rps", 0.4)

# What is only told.
WARNED = Exit.PASS
corpus.set_("a field that nobody knows", "plain", "stress.unknown-fields", "note", "x", code=WARNED)
corpus.set_(
    "a field that nobody knows, in a run",
    "plain",
    "stress.unknown-fields",
    "runs.0.note",
    "x",
    code=WARNED,
)


def _few(total: int) -> Any:
    """Rounds of few requests, as slow as that."""
    return _each_round(
        total_requests=lambda _v, p: total + p,
        successful_requests=lambda _v, p: total + p,
        throughput_rps=lambda _v, p: (total + p) / 30.2,
    )


consistently("56 samples for a p95", "minimal", "stress.few-samples", _few(56), code=WARNED)
consistently("296 samples for a p99", "minimal", "stress.few-samples", _few(296), code=WARNED)


@corpus.forge("an honest miss of throughput", "minimal", TARGETS, code=OBJECTIVES)
def _honest_rate(data: dict[str, Any]) -> None:
    _few(12)(data)
    _again_at_top(data)
    for one in data["evaluation"]["rounds"]:
        one["meets_targets"] = False
    data["evaluation"]["overall_meets_targets"] = False


@corpus.forge("one slow round of three by throughput", "minimal", TARGETS)
def _one_rate(data: dict[str, Any]) -> None:
    data["runs"][1]["results"].update(total_requests=12, successful_requests=12, throughput_rps=0.4)
    _again_at_top(data)


@corpus.forge("two rounds, none stated", "plain", "stress.rounds")
def _two_unstated(data: dict[str, Any]) -> None:
    del data["rounds"], data["runs"][2], data["evaluation"]["rounds"][2]
