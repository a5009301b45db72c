"""Lies of a full artifact: one figure that does not follow, or measurements that cannot be.

A forger has our functions too. Where a lie is about the measurements, every figure is derived from
them again (`rederived`), so that only what the measurements themselves betray can catch it.
"""
# ruff: noqa: FBT003  # a lie is one line; booleans are what fields hold here

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forgeries.corpus import Corpus, at, drop, put, remove
from forgeries.honest import COMMIT, rederived

from stressproof.exits import Exit
from stressproof.measure import buckets

corpus = Corpus()
INCONCLUSIVE = Exit.INCONCLUSIVE
TYPED, ROWS, CONTINUITY = "stress.typed", "stress.rows", "stress.continuity"
ROUNDS, OVERALL = "stress.rounds-recomputed", "stress.overall-recomputed"
COUNTERS = "stress.counters"
BOUND = {"expected_commits": (COMMIT,)}
GATE = {"require_counters": True, "require_identity": True, "refuse_unsafe": True}


def measured(
    name: str,
    of: str,
    rule: str,
    edit: Callable[[dict[str, Any]], Any],
    *,
    into: Corpus | None = None,
    **more: Any,
) -> None:
    """Add a lie about the measurements, with every figure derived from them again."""

    def mutate(data: dict[str, Any]) -> dict[str, Any]:
        edit(data)
        return rederived(data)

    (into or corpus).add(name, of, rule, mutate, **more)


def rows(data: dict[str, Any], run: int = 0) -> list[dict[str, Any]]:
    """The rows of a round."""
    found: list[dict[str, Any]] = data["measurements"]["runs"][run]["rows"]
    return found


def busy(data: dict[str, Any], run: int = 0, least: int = 1) -> dict[str, Any]:
    """The first row of a round that has at least so many requests."""
    return next(row for row in rows(data, run) if row["started"] >= least)


# The type.
for path in (
    "schema_version",
    "status",
    "started_at",
    "subject",
    "target",
    "workload",
    "generator",
    "measurements",
    "runs.0.endpoints",
    "runs.0.generator",
    "runs.0.elapsed_seconds",
    "measurements.resolution_seconds",
    "measurements.runs.0.ramp",
    "measurements.runs.0.rows.0.outcomes",
    "measurements.runs.0.rows.0.corrected.n",
    "runtime.before",
    "target.counters",
    "workload.endpoints.0.expected_statuses",
    "generator.worst",
):
    rule = "stress.schema-version" if path == "schema_version" else TYPED
    corpus.drop(f"full: {path} removed", "full", rule, path)
for path in (
    "note",
    "runs.0.note",
    "measurements.runs.0.rows.3.note",
    "workload.note",
    "results.p90",
):
    corpus.set_(f"full: unknown {path}", "full", TYPED, path, 1)
for path, value in (
    ("measurements.runs.0.elapsed_us", 30000000.0),
    ("measurements.runs.0.rows.0.started", True),
    ("measurements.runs.0.rows.0.corrected.buckets", [1.0, 2.0]),
    ("measurements.runs.0.rows.0.corrected.sum_us", -1),
    ("measurements.runs.0.rows.0.corrected.sum_us", 2**60),
    ("workload.timeout_us", "15000000"),
    ("runs.0.elapsed_seconds", 1e300),
    ("workload.duration_seconds", -30.0),
    ("runtime.unsafe", None),
    ("status", "done"),
):
    corpus.set_(f"full: {path} = {value!r}", "full", TYPED, path, value)

# A figure that does not follow.
for path, factor in (
    ("runs.0.results.p95_response_time", 0.9),
    ("runs.1.results.p99_response_time", 0.9),
    ("runs.1.results.avg_response_time", 0.99),
    ("runs.1.results.median_response_time", 0.99),
    ("runs.2.results.min_response_time", 0.99),
    ("runs.2.results.max_response_time", 1.01),
    ("runs.0.results.throughput_rps", 1.000001),
    ("runs.0.elapsed_seconds", 1.001),
    ("runs.0.endpoints.2.results.p95_response_time", 0.5),
    ("runs.0.endpoints.2.results.throughput_rps", 1.1),
):
    corpus.add(
        f"full: {path} times {factor}",
        "full",
        ROUNDS,
        lambda data, path=path, factor=factor: put(data, path, at(data, path) * factor),
    )
for path in ("runs.0.results.total_requests", "runs.0.endpoints.2.results.successful_requests"):
    corpus.add(
        f"full: {path} one more",
        "full",
        ROUNDS,
        lambda data, path=path: put(data, path, at(data, path) + 1),
    )
corpus.set_("full: a microsecond off", "full", ROUNDS, "runs.0.results.p95_response_time", 0.0)
corpus.set_("full: dropped hidden", "full", ROUNDS, "runs.0.results.dropped_iterations", 4)
corpus.set_("full: an error invented", "full", ROUNDS, "runs.0.results.errors", {"timeout": 1})
corpus.set_("full: an endpoint renamed", "full", ROUNDS, "runs.0.endpoints.1.endpoint", "/other")
corpus.drop("full: an endpoint's figures removed", "full", ROUNDS, "runs.0.endpoints.1")
corpus.drop("full: a measured round removed", "full", ROUNDS, "measurements.runs.2")
for path, factor in (
    ("results.avg_response_time", 0.999),
    ("results.median_response_time", 0.999),
    ("results.p95_response_time", 0.9999),
    ("results.throughput_rps", 1.000001),
    ("min_throughput_rps", 1.000001),
    ("evaluation.worst_p95_seconds", 0.9999),
    ("evaluation.rounds.0.throughput_rps", 1.000001),
):
    corpus.add(
        f"full: {path} times {factor}",
        "full",
        OVERALL,
        lambda data, path=path, factor=factor: put(data, path, at(data, path) * factor),
    )
corpus.set_("full: evaluated out of order", "full", OVERALL, "evaluation.rounds.0.run_index", 2)
corpus.set_(
    "full: failing, said to meet", "failing", OVERALL, "evaluation.rounds.0.error_rate_percent", 0.1
)
corpus.set_(
    "full: an open p95 swapped for service time", "open", OVERALL, "results.service_p95", 0.001
)
corpus.set_(
    "full: errors of nobody", "failing", "stress.error-samples", "results.errors_sample", ["x"]
)
corpus.set_(
    "full: an endpoint's errors without failures",
    "full",
    "stress.error-samples",
    "runs.0.endpoints.1.results.errors_sample",
    ["x"],
)

# Said twice, differently.
AGREES = "stress.workload-agrees"
for path, value in (
    ("duration_seconds", 31),
    ("concurrent_users", 11),
    ("ramp_up_seconds", 4),
    ("request_timeout", 14.0),
    ("target_url", "http://127.0.0.1:8001"),
    ("target.url", "http://127.0.0.1:8001"),
    ("workload.scenarios.0.users", 20),
    ("workload.scenarios.0.max_users", 20),
    ("workload.timeout_us", 1_000_000),
    ("runtime.before.database_engine", "sqlite"),
    ("runtime.database_engine_source", "target-endpoint"),
    ("endpoints.0", "/health"),
    ("workload.endpoints.0.path", "/health"),
):
    corpus.set_(f"full: {path} = {value!r} only there", "full", AGREES, path, value)

# Rows that cannot be.
for name, edit in {
    "intended more than started": lambda row: row.update(intended=row["intended"] + 1),
    "intended less than started": lambda row: row.update(intended=row["intended"] - 1),
    "a drop that nobody intended": lambda row: row.update(dropped=1),
    "later than started": lambda row: row.update(late=row["started"] + 1),
    "an end without a start": lambda row: row["outcomes"].update(ok=row["outcomes"]["ok"] + 1),
    "a start without an end": lambda row: row["outcomes"].update(ok=row["outcomes"]["ok"] - 1),
    "an outcome in capitals": lambda row: row.update(outcomes={"OK": row["started"]}),
    "an outcome of none": lambda row: row["outcomes"].update(timeout=0),
    "fewer latencies than requests": lambda row: row["corrected"].update(
        n=row["corrected"]["n"] - 1
    ),
    "a bucket without its count": lambda row: row["corrected"]["buckets"].pop(),
    "buckets that descend": lambda row: row["corrected"].update(
        buckets=[row["corrected"]["buckets"][0] + 9, 1, *row["corrected"]["buckets"][:2]]
    ),
    "a bucket twice": lambda row: row["corrected"].update(
        buckets=[*row["corrected"]["buckets"][:2], *row["corrected"]["buckets"]]
    ),
    "a bucket of none": lambda row: row["corrected"].update(
        buckets=[1, 0, *row["corrected"]["buckets"]]
    ),
    "a bucket beyond the layout": lambda row: row["corrected"]["buckets"].extend(
        [buckets.MAX_INDEX + 1, 1]
    ),
    "a bucket of astronomic shift": lambda row: row["corrected"]["buckets"].extend([2**53, 1]),
    "a minimum outside its bucket": lambda row: row["corrected"].update(min_us=1),
    "a maximum outside its bucket": lambda row: row["corrected"].update(
        max_us=row["corrected"]["max_us"] * 2
    ),
    "no minimum": lambda row: row["corrected"].update(min_us=None),
    "no maximum": lambda row: row["corrected"].update(max_us=None),
    "a sum too small": lambda row: row["corrected"].update(sum_us=row["corrected"]["sum_us"] // 2),
    "a sum too large": lambda row: row["corrected"].update(sum_us=row["corrected"]["sum_us"] * 2),
    "a sum of nothing": lambda row: row["corrected"].update(sum_us=0),
    "service time in a closed loop": lambda row: row.update(uncorrected=dict(row["corrected"])),
}.items():
    corpus.add(
        f"a row with {name}",
        "full",
        ROWS,
        lambda data, edit=edit: edit(busy(data, least=2)) and None,
    )


@corpus.forge("an empty row with a sum", "sparse", ROWS)
def _empty_sum(data: dict[str, Any]) -> None:
    next(row for row in rows(data) if not row["started"])["corrected"]["sum_us"] = 5


@corpus.forge("an empty row with extremes", "sparse", ROWS)
def _empty_extremes(data: dict[str, Any]) -> None:
    empty = next(row for row in rows(data) if not row["started"])
    empty["corrected"].update(min_us=1, max_us=1)


@corpus.forge("one sample with two values", "sparse", ROWS)
def _one_sample(data: dict[str, Any]) -> None:
    row = next(row for row in rows(data) if row["started"] == 1)
    row["corrected"]["sum_us"] += 1


for name, edit in {
    "no service time": lambda row: row.update(uncorrected=None),
    "service time longer than response time": lambda row: row["uncorrected"].update(
        sum_us=row["corrected"]["sum_us"] + 1
    ),
    "fewer service times": lambda row: row["uncorrected"].update(n=row["uncorrected"]["n"] + 1),
}.items():
    corpus.add(
        f"an open loop with {name}",
        "open",
        ROWS,
        lambda data, edit=edit: edit(busy(data, least=2)) and None,
    )

# Seconds that are missing.
for name, edit in {
    "a second removed": lambda data: data["measurements"]["runs"][0].update(
        rows=[row for row in rows(data) if row["second"] != 7]
    ),
    "the last second removed": lambda data: data["measurements"]["runs"][0].update(
        rows=[row for row in rows(data) if row["second"] != 29]
    ),
    "an endpoint's row removed": lambda data: rows(data).pop(11),
    "a second twice": lambda data: rows(data).extend(rows(data)[:7]),
    "rows in another order": lambda data: rows(data).reverse(),
    "a second renumbered": lambda data: rows(data)[20].update(second=9),
    "an endpoint renumbered": lambda data: rows(data)[20].update(endpoint=3),
    "an endpoint that does not exist": lambda data: rows(data)[20].update(endpoint=70),
    "a ramp of one endpoint missing": lambda data: data["measurements"]["runs"][0]["ramp"].pop(),
    "more answers than requests in the ramp": lambda data: data["measurements"]["runs"][0]["ramp"][
        0
    ].update(outcomes={"ok": 999}),
    "more latencies than requests in the ramp": lambda data: data["measurements"]["runs"][0][
        "ramp"
    ][0].update(started=1, outcomes={"ok": 1}),
    "a resolution of seven seconds": lambda data: data["measurements"].update(resolution_seconds=7),
    "no resolution": lambda data: data["measurements"].update(resolution_seconds=0),
    "another resolution than its rows": lambda data: data["measurements"].update(
        resolution_seconds=10
    ),
    "a measured round renumbered": lambda data: data["measurements"]["runs"][1].update(run_index=3),
}.items():
    measured(f"measurements with {name}", "full", CONTINUITY, edit)

# Requests that the service counted.


def _forget(row: dict[str, Any]) -> None:
    row.update(intended=0, started=0, late=0, dropped=0, outcomes={})
    row["corrected"] = {"n": 0, "sum_us": 0, "min_us": None, "max_us": None, "buckets": []}


def _forget_second(data: dict[str, Any]) -> None:
    for row in rows(data):
        if row["second"] == 7:
            _forget(row)


def _forget_failures(data: dict[str, Any]) -> None:
    for run in range(3):
        for row in rows(data, run):
            if set(row["outcomes"]) - {"ok"}:
                _forget(row)


def _move_samples(data: dict[str, Any]) -> None:
    """Some slow answers of one endpoint stand under another."""
    listed = rows(data)
    for place in range(0, len(listed), 70):
        into, out_of = listed[place], listed[place + 6 + 7]
        for name in ("intended", "started", "outcomes", "corrected"):
            into[name] = out_of[name]
        _forget(out_of)


measured("a second's requests forgotten", "full", COUNTERS, _forget_second)
measured("failures forgotten", "failing", COUNTERS, _forget_failures)
measured("samples moved between endpoints", "sparse", COUNTERS, _move_samples)
corpus.add(
    "a counter below the answers",
    "full",
    COUNTERS,
    lambda data: put(data, "target.counters.1.after", 150),
)
corpus.add(
    "somebody else's traffic",
    "full",
    COUNTERS,
    lambda data: put(data, "target.counters.1.after", 9999),
)
corpus.set_("a counter that went backwards", "full", COUNTERS, "target.counters.1.after", 3)
corpus.set_(
    "a counter of something else", "full", COUNTERS, "target.counters.1.endpoint", "/metrics"
)
corpus.set_(
    "a counter not read",
    "full",
    COUNTERS,
    "target.counters.1.after",
    None,
    code=INCONCLUSIVE,
    asked=GATE,
)
corpus.set_("no counters", "full", COUNTERS, "target.counters", [], code=INCONCLUSIVE, asked=GATE)
corpus.drop(
    "one counter removed", "full", COUNTERS, "target.counters.6", code=INCONCLUSIVE, asked=GATE
)

# Endpoints.
SUCCESSES, DEFINITIONS = "stress.endpoint-successes", "stress.endpoint-definitions"


def _dead(endpoint: int, run: int) -> Callable[[dict[str, Any]], None]:
    """All requests to one endpoint in one round fail; the limits allow for it."""

    def edit(data: dict[str, Any]) -> None:
        for row in rows(data, run):
            if row["endpoint"] == endpoint and row["started"]:
                row["outcomes"] = {"status_500": row["started"]}

    return edit


for number, run in ((1, 0), (5, 1), (6, 2)):
    measured(f"endpoint {number} dead in round {run + 1}", "full", SUCCESSES, _dead(number, run))
for path, value in (
    ("workload.endpoints.6.expected_statuses", [500]),
    ("workload.endpoints.6.expected_statuses", [200, 302]),
    ("workload.endpoints.6.expected_statuses", []),
    ("workload.endpoints.6.checks", []),
    ("workload.endpoints.6.method", "HEAD"),
    ("workload.endpoints.1.name", "/api/v1/enforcement/ledger?limit=50"),
    ("workload.endpoints.1.name", "POST /api/v1/enforcement/policies"),
    ("workload.endpoints.1.name", "GET /api/v1/enforcement/ledger?limit=50"),
    ("workload.endpoints.1.weight", 0),
):
    corpus.set_(f"full: {path} = {value!r}", "full", DEFINITIONS, path, value)

# The generator.
GENERATOR, SATURATED = "stress.generator-recomputed", "stress.saturated"


def _health(run: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["runs"][run]["generator"].update(changes)


for name, changes in {
    "CPU at 80 %": {"cpu_busy_ppm": 800_000},
    "its loop late": {
        "loop_delay_mean_us": 400_000,
        "loop_delay_p99_us": 600_000,
        "loop_delay_max_us": 700_000,
    },
    "no file descriptors left": {"file_limit_hits": 1},
    "no ports left": {"port_limit_hits": 1},
}.items():
    measured(
        f"a generator with {name}", "full", SATURATED, _health(1, **changes), code=INCONCLUSIVE
    )
    corpus.add(f"hidden: a generator with {name}", "full", GENERATOR, _health(1, **changes))
for path, value in (
    ("runs.0.generator.late_starts", 3),
    ("runs.0.generator.dropped_iterations", 3),
    ("runs.0.generator.saturated", True),
    ("runs.0.generator.saturated_reasons", ["tired"]),
    ("generator.worst.cpu_busy_ppm", 1),
    ("generator.worst.loop_delay_max_us", 1),
    ("generator.worst.rss_bytes", 1),
):
    corpus.set_(f"full: {path} = {value!r}", "full", GENERATOR, path, value)


def _drops(data: dict[str, Any]) -> None:
    row = busy(data)
    row["dropped"] = 50
    row["intended"] += 50


def _dropped(data: dict[str, Any]) -> None:
    """One round sent 29 seconds' worth of its first second's arrivals less."""
    for row in [row for row in rows(data) if row["started"] == 2][:10]:
        row["dropped"] = row["started"]
        drop(row)
    data["target"]["counters"] = []


measured("arrivals added and dropped", "open", "stress.arrivals", _drops)
measured("arrivals dropped", "open", SATURATED, _dropped, code=INCONCLUSIVE)

# Samples.


def _few(data: dict[str, Any]) -> None:
    """Keep two requests a second of one round."""
    kept = 0
    for row in rows(data, 1):
        if row["started"] and kept < 58 and row["started"] == 1:
            kept += 1
        else:
            _forget(row)


@corpus.forge("58 samples", "full", "stress.samples")
def _58(data: dict[str, Any]) -> dict[str, Any]:
    _few(data)
    return rederived(data)


# Clocks.
CLOCK = "stress.round-clock"


def _shift(text: str, seconds: float) -> str:
    return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat()


for name, path, seconds in (
    ("a round that ended earlier", "runs.1.ended_at", -5),
    ("a round that began earlier", "runs.1.started_at", -3),
    ("a round that began later", "runs.1.started_at", 3),
    ("a round captured before its end", "runs.1.captured_at", -4),
):
    corpus.add(
        name,
        "full",
        CLOCK,
        lambda data, path=path, seconds=seconds: put(data, path, _shift(at(data, path), seconds)),
    )


@corpus.forge("rounds without their ramps between them", "full", CLOCK)
def _no_ramp(data: dict[str, Any]) -> None:
    for name in ("started_at", "ended_at", "captured_at"):
        data["runs"][0][name] = _shift(data["runs"][0][name], 4.9)


@corpus.forge("a first round without its ramp", "full", CLOCK)
def _first_ramp(data: dict[str, Any]) -> None:
    data["started_at"] = _shift(data["runs"][0]["started_at"], -1)


def _elapsed(factor: float) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for run in data["measurements"]["runs"]:
            run["elapsed_us"] = int(run["elapsed_us"] * factor)

    return edit


MEASURED = "stress.elapsed-measured"
measured("a third of the time", "full", MEASURED, _elapsed(1 / 3))
measured("twice the time", "full", MEASURED, _elapsed(2))
measured("no time at all", "full", MEASURED, _elapsed(0))


def _multiply(latency: dict[str, Any], factor: int) -> None:
    latency["n"] *= factor
    latency["sum_us"] *= factor
    latency["buckets"] = [
        number * factor if place % 2 else number for place, number in enumerate(latency["buckets"])
    ]


def _times(factor: int, *, count: bool) -> Callable[[dict[str, Any]], None]:
    """Every request stands for many; the service's counters say so too if asked."""

    def edit(data: dict[str, Any]) -> None:
        for run in range(3):
            for row in rows(data, run):
                for name in ("intended", "started"):
                    row[name] *= factor
                row["outcomes"] = {kind: n * factor for kind, n in row["outcomes"].items()}
                _multiply(row["corrected"], factor)
            for ramp in data["measurements"]["runs"][run]["ramp"]:
                ramp["started"] *= factor
                ramp["outcomes"] = {kind: n * factor for kind, n in ramp["outcomes"].items()}
                _multiply(ramp["corrected"], factor)
        if count:
            for pair in data["target"]["counters"]:
                pair["after"] = pair["before"] + (pair["after"] - pair["before"]) * factor

    return edit


measured("a hundred times the requests", "full", COUNTERS, _times(100, count=False))
measured("a hundred times, counters too", "full", "stress.concurrency", _times(100, count=True))


def _slow_answer(data: dict[str, Any]) -> None:
    """One answer took longer than the timeout that is stated."""
    row = busy(data)
    took_us = 40_000_000
    row["corrected"] = {
        "n": row["started"],
        "sum_us": took_us * row["started"],
        "min_us": took_us,
        "max_us": took_us,
        "buckets": [buckets.index(took_us), row["started"]],
    }


measured("a timeout that was not applied", "full", "stress.timeout-applied", _slow_answer)

# The service.
INSTANCE, DATABASE, HEALTHY = "stress.same-instance", "stress.same-database", "stress.healthy"
for path, value in (
    ("target.after.instance_id", "instance-2"),
    ("target.after.instance_id", None),
    ("target.after.version", "0.2.0"),
    ("target.after.git_commit", COMMIT[::-1]),
    ("target.after.git_dirty", True),
    ("target.after.started_at", "2026-02-25T10:59:00+00:00"),
    ("target.after.uptime_seconds", 1.0),
    ("target.after.uptime_seconds", 7209.0),
):
    corpus.set_(f"full: {path} = {value!r}", "full", INSTANCE, path, value)
corpus.set_(
    "the service gone afterwards", "full", INSTANCE, "target.after", None, code=INCONCLUSIVE
)


@corpus.forge("a service without a name", "full", INSTANCE, code=INCONCLUSIVE, asked=GATE)
def _nameless(data: dict[str, Any]) -> None:
    for when in ("before", "after"):
        data["target"][when]["instance_id"] = None


for path, value in (
    ("runtime.after.database_engine", "sqlite"),
    ("runtime.after.server_version", "17.0"),
    ("runtime.after.system_identifier", "1"),
    ("runtime.after.system_identifier", None),
    ("runtime.after.fsync", "off"),
    ("runtime.after.synchronous_commit", "off"),
    ("runtime.after.migration_head", "0002"),
    ("runtime.after.database_engine_source", "target-endpoint"),
):
    corpus.set_(f"full: {path} = {value!r}", "full", DATABASE, path, value)
corpus.set_(
    "the database gone afterwards", "full", DATABASE, "runtime.after", None, code=INCONCLUSIVE
)
for path, value in (
    ("runtime.before.status_code", 503),
    ("runtime.after.status_code", None),
    ("runtime.before.status", "unhealthy"),
    ("runtime.after.status", None),
    ("runtime.before.probe_error", "timeout"),
    ("runtime.before.probed_at", "2026-02-24T11:00:00+00:00"),
    ("runtime.after.probed_at", "2026-02-25T12:00:00+00:00"),
    ("runtime.after.probed_at", "later"),
    ("runtime.before.probed_at", "2026-02-25T10:59:50+00:00"),
    ("runtime.after.probed_at", "2026-02-25T10:58:10+00:00"),
):
    corpus.set_(f"full: {path} = {value!r}", "full", HEALTHY, path, value)

corpus.set_("any certificate", "full", "stress.insecure", "target.insecure", True, asked=GATE)
NAMED = {"target_names": {"staging": "http://127.0.0.1:8000", "production": ""}}
TARGET_NAME = "stress.target-name"
for value in (None, "", "default", "Staging"):
    corpus.set_(
        f"a target called {value!r}", "full", TARGET_NAME, "target.name", value, asked=NAMED
    )


@corpus.forge("another service by a target's name", "full", TARGET_NAME, asked=NAMED)
def _another_service(data: dict[str, Any]) -> None:
    data["target_url"] = data["target"]["url"] = "http://127.0.0.1:8001"


corpus.set_(
    "a target where the file names none",
    "full",
    TARGET_NAME,
    "target.name",
    "default",
    asked={"target_names": {}},
)
UNSAFE = "stress.unsafe"
corpus.set_("a protection off", "full", UNSAFE, "runtime.unsafe", ["limits_off"], asked=GATE)


def _off(setting: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for when in ("before", "after"):
            data["runtime"][when][setting] = value

    return edit


for setting in ("fsync", "synchronous_commit"):
    corpus.add(f"{setting} off", "full", UNSAFE, _off(setting, "off"), asked=GATE)
    corpus.add(
        f"{setting} not known", "full", UNSAFE, _off(setting, None), asked=GATE, code=INCONCLUSIVE
    )

BUILD = "stress.target-build"


def _build(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for when in ("before", "after"):
            data["target"][when].update(changes)

    return edit


corpus.add(
    "a service of another commit", "full", BUILD, _build(git_commit=COMMIT[::-1]), asked=BOUND
)
corpus.add("a service with local changes", "full", BUILD, _build(git_dirty=True), asked=BOUND)
corpus.set_(
    "evidence of another commit",
    "full",
    "stress.commit",
    "subject.git_commit",
    COMMIT[::-1],
    asked=BOUND,
)
corpus.set_(
    "evidence of a dirty tree", "full", "stress.clean", "subject.git_dirty", True, asked=BOUND
)


@corpus.forge(
    "measurements removed for a gate",
    "full",
    "stress.assurance",
    asked={"minimum_level": "recomputed"},
)
def _downgraded(data: dict[str, Any]) -> None:
    remove(data, "measurements")
    remove(data, "schema_version")


@corpus.forge("a round measured twice", "full", "stress.distinct-rounds")
def _twice(data: dict[str, Any]) -> dict[str, Any]:
    first = data["measurements"]["runs"][0]
    data["measurements"]["runs"][1] = {**first, "run_index": 2}
    return rederived(data)


for _outside in ("ramp", "tail", "setup"):

    @corpus.forge(f"a bucket of astronomic shift in the {_outside}", "full", CONTINUITY)
    def _astronomic(data: dict[str, Any], outside: str = _outside) -> None:
        run = data["measurements"]["runs"][0]
        run[outside] = run["ramp"]
        run[outside][0]["corrected"]["buckets"][0] = 2**40
