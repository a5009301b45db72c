"""Load that was not there, or not as it is told: what the executor, the clock and Little betray.

A forger derives every figure again, so only what the measurements themselves betray can catch it.
"""

from collections.abc import Callable
from typing import Any

from forgeries import honest
from forgeries.corpus import BASES, Corpus, drop
from forgeries.honest import ENDPOINTS, Plan, rederived
from forgeries.stress_full import measured as _measured

from stressproof.config.stress_requirements import WorkloadAsked
from stressproof.exits import Exit
from stressproof.measure import buckets
from stressproof.verify.stress.verifier import STRESS

corpus = Corpus()
BASES["busy"] = lambda: honest.full(Plan(rate_per_user=20, users=20))
Edit = Callable[[dict[str, Any]], Any]
PROFILE = {
    "profile_endpoints": honest.artifact().workload.endpoints,
    "profile_workload": WorkloadAsked(
        rounds=3, pause_seconds=0.0, timeout_us=15_000_000, seed=honest.artifact().workload.seed
    ),
}
"""The suite's profile by value, as a gate asks for it."""


def measured(name: str, of: str, rule: str, edit: Edit, **more: Any) -> None:
    """Add a lie about the measurements, with every figure derived from them again."""
    _measured(name, of, rule, edit, into=corpus, **more)


def captured(name: str, plan: Plan, rule: str, **more: Any) -> None:
    """Add evidence of another load than it says, whole and consistent in itself."""
    assert rule in {each.id for each in STRESS.rules}
    corpus.add(name, "full", rule, lambda _: honest.full(plan), **more)


def runs(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The rounds' measurements."""
    found: list[dict[str, Any]] = data["measurements"]["runs"]
    return found


# As many requests under way as there are users.
captured(
    "two arrivals a second called ten users",
    Plan(closed_loop=False, rate_per_user=0.2, busy=0.02, endpoints=ENDPOINTS[1:2]),
    "stress.load-reached",
)
captured("one user's load called ten", Plan(busy=0.1), "stress.load-reached")
captured(
    "one user's load called ten, in an open loop",
    Plan(closed_loop=False, busy=0.1),
    "stress.load-reached",
)
captured("eight and nine tenths users", Plan(busy=0.895), "stress.load-reached")
captured("users who rest", Plan(busy=0.905, users=40, rate_per_user=4), "stress.users-busy")


def _shorter(factor: float) -> Edit:
    """Every latency shortened, which is a histogram of its own."""

    def edit(data: dict[str, Any]) -> None:
        for run in runs(data):
            for row in run["rows"]:
                latency = row["corrected"]
                values = (
                    [max(int(latency["sum_us"] / latency["n"] * factor), 1)] * latency["n"]
                    if latency["n"]
                    else []
                )
                made = honest.Histogram.of(values)
                row["corrected"] = honest.msgspec.to_builtins(honest.Latency.of(made))

    return edit


measured("every latency a billionth", "full", "stress.users-busy", _shorter(1e-9))
measured("every latency half", "full", "stress.load-reached", _shorter(0.5))


def _dropped(keep: Callable[[dict[str, Any]], bool]) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for run in runs(data):
            for row in run["rows"]:
                if not keep(row):
                    row["intended"] = 0
                    drop(row)
        data["target"]["counters"] = []

    return edit


measured(
    "twenty of thirty seconds dropped",
    "full",
    "stress.users-busy",
    _dropped(lambda row: row["second"] < 10),
)
measured(
    "three seconds dropped",
    "full",
    "stress.users-busy",
    _dropped(lambda row: row["second"] < 27),
)
measured(
    "the slow seconds dropped",
    "full",
    "stress.endpoint-counts",
    _dropped(lambda row: (row["corrected"]["max_us"] or 0) < 1_000_000),
)

# The order of the seed.
corpus.set_("load: another seed", "busy", "stress.endpoint-counts", "workload.seed", 2)
corpus.set_("load: other workers", "full", "stress.executor", "workload.workers", 3)
corpus.set_(
    "load: another weight", "full", "stress.endpoint-counts", "workload.endpoints.0.weight", 2
)


def _exchanged(data: dict[str, Any]) -> None:
    """An endpoint's rows told as another's: as many in sum, each row consistent."""
    for run in runs(data):
        one, other = run["rows"][0], run["rows"][1]
        one["endpoint"], other["endpoint"] = 0, 1
        for name in ("intended", "started", "outcomes", "corrected"):
            one[name], other[name] = other[name], one[name]
        run["ramp"][0].update(
            started=0,
            outcomes={},
            corrected=honest.msgspec.to_builtins(honest.Latency.of(honest.Histogram())),
        )
    data["target"]["counters"] = []


measured("an endpoint's ramp left out", "full", "stress.endpoint-counts", _exchanged)

# The executor.


def _place(name: str) -> str:
    """Where the workload has a fact: of itself, or of its scenario."""
    return f"workload.{name}" if name == "workers" else f"workload.scenarios.0.{name}"


for _path, _value in (
    ("executor", "constant-users"),
    ("executor", "constant-arrival-rate"),
    ("executor", "ramping-vus"),
    ("executor", "per-vu-iterations"),
    ("closed_loop", False),
    ("rate_per_second", 5.0),
    ("iterations", 420),
    ("users", 0),
    ("stages", [{"target": 10, "duration_seconds": 30.0}]),
    ("duration_seconds", 0.0),
    ("workers", 0),
    ("workers", 65),
):
    corpus.set_(f"load: {_path} {_value!r}", "full", "stress.executor", _place(_path), _value)
corpus.set_("load: a generator of other workers", "full", "stress.executor", "generator.workers", 2)

# Arrivals.


def _moved_arrival(data: dict[str, Any]) -> None:
    """Arrivals of one second told as those of the next."""
    rows = runs(data)[0]["rows"]
    one, other = rows[3 * 7], rows[4 * 7]
    for name in ("corrected", "uncorrected"):
        both = honest.Histogram()
        for latency in (one[name], other[name]):
            both.merge(latency["buckets"], latency["sum_us"], latency["min_us"], latency["max_us"])
        other[name] = honest.msgspec.to_builtins(honest.Latency.of(both))
    other.update(
        intended=one["intended"] + other["intended"],
        started=one["started"] + other["started"],
        outcomes={"ok": one["started"] + other["started"]},
    )
    one["intended"] = 0
    drop(one)


measured("arrivals a second later", "open", "stress.arrivals", _moved_arrival)
corpus.set_("load: half the rate", "open", "stress.arrivals", "workload.scenarios.0.rate", 70)

# The ramp.


def _into_ramp(data: dict[str, Any]) -> None:
    """Six seconds of a round told as part of its ramp, so that every count is as it was."""
    run = runs(data)[1]
    for row in run["rows"]:
        if row["second"] >= 24:
            ramp = run["ramp"][row["endpoint"]]
            both = honest.Histogram()
            for latency in (ramp["corrected"], row["corrected"]):
                both.merge(
                    latency["buckets"], latency["sum_us"], latency["min_us"], latency["max_us"]
                )
            ramp["started"] += row["started"]
            for kind, count in row["outcomes"].items():
                ramp["outcomes"][kind] = ramp["outcomes"].get(kind, 0) + count
            ramp["corrected"] = honest.msgspec.to_builtins(honest.Latency.of(both))
            row["intended"] = 0
            drop(row)


measured("six seconds moved into the ramp", "full", "stress.ramp", _into_ramp)
measured(
    "a ramp of 2^40 requests",
    "full",
    "stress.endpoint-counts",
    lambda data: runs(data)[0]["ramp"][0].update(
        started=2**40,
        outcomes={"ok": 2**40},
        corrected={"n": 2**40, "sum_us": 0, "min_us": 0, "max_us": 0, "buckets": [0, 2**40]},
    ),
)
measured(
    "a ramp where there is none",
    "full",
    "stress.ramp",
    lambda data: (
        data["workload"].update(ramp_seconds=0.0),
        data["workload"]["scenarios"][0].update(ramp_seconds=0.0),
        data.update(ramp_up_seconds=0),
    ),
)


def _failing_ramp(data: dict[str, Any]) -> None:
    """The failures of a round are in its ramp."""
    for run in runs(data):
        for ramp in run["ramp"]:
            ramp["outcomes"] = {"status_503": ramp["started"]}


measured(
    "failures in the ramp alone", "full", "stress.ramp-targets", _failing_ramp, code=Exit.OBJECTIVES
)

# Rows.


def _row(**changes: Any) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        next(row for row in runs(data)[0]["rows"] if row["started"] > 1).update(changes)

    return edit


measured("load: an outcome of our own", "full", "stress.rows", _row(outcomes={"ok": 1, "fine": 1}))
measured(
    "load: an interrupted request",
    "full",
    "stress.rows",
    _row(outcomes={"ok": 1, "interrupted": 1}),
)
measured(
    "load: a timeout that waited for nothing",
    "full",
    "stress.rows",
    _row(outcomes={"ok": 1, "timeout": 1}),
)
measured("load: late without a wait", "open", "stress.rows", _row(late=2))
corpus.set_(
    "load: rows of ten seconds for a short capture",
    "full",
    "stress.continuity",
    "measurements.resolution_seconds",
    10,
)


def _copied_second(data: dict[str, Any]) -> None:
    first, second, _ = runs(data)
    for row, other in zip(first["rows"], second["rows"], strict=True):
        if row["second"] < 25:
            for name in ("intended", "started", "outcomes", "corrected"):
                row[name] = other[name]
    data["target"]["counters"] = []


measured("most of a round copied", "full", "stress.repeated-rows", _copied_second)


def _one_copied(data: dict[str, Any]) -> None:
    row, other = runs(data)[0]["rows"][30], runs(data)[2]["rows"][51]
    for name in ("intended", "started", "outcomes", "corrected"):
        row[name] = other[name]
    data["target"]["counters"] = []


measured("one busy second copied", "busy", "stress.repeated-rows", _one_copied)

# The generator.
for _field, _amount in {
    "cpu_busy_ppm": 2_000_000,
    "loop_delay_p99_us": 300_000_000,
    "gc_pause_max_us": 400_000_000,
    "rss_bytes": 1,
}.items():
    corpus.set_(
        f"load: a generator with {_field} {_amount}",
        "full",
        "stress.generator-recomputed",
        f"runs.1.generator.{_field}",
        _amount,
    )

# The profile by value.
for _path, _value in (
    ("workload.endpoints.1.weight", 9),
    ("workload.endpoints.5.checks", ["status"]),
    ("workload.endpoints.2.checks", []),
    ("workload.endpoints.4.method", "POST"),
    ("workload.endpoints.1.expected_statuses", [200, 204]),
):
    corpus.set_(
        f"profile: {_path} = {_value!r}",
        "full",
        "stress.profile-by-value",
        _path,
        _value,
        asked=PROFILE,
    )
for _name, _plan in {
    "four rounds": Plan(rounds=4),
    "a pause": Plan(pause_s=60),
    "a longer timeout": Plan(timeout_s=20.0),
    "another seed": Plan(seed=2),
}.items():
    captured(f"profile: {_name}", _plan, "stress.profile-by-value", asked=PROFILE)
corpus.add(
    "profile: an endpoint of it not asked",
    "full",
    "stress.profile-by-value",
    lambda _: honest.full(Plan(endpoints=ENDPOINTS[:6])),
    asked=PROFILE,
)


# Every required endpoint by itself.


def _slow_endpoint(data: dict[str, Any]) -> dict[str, Any]:
    """The required endpoints are slow, and twenty-seven others quick."""
    for run in runs(data):
        for row in run["rows"]:
            if row["endpoint"] == 1:
                latency = row["corrected"]
                made = honest.Histogram.of([2_500_000] * latency["n"])
                row["corrected"] = honest.msgspec.to_builtins(honest.Latency.of(made))
    return rederived(data)


BASES["many"] = lambda: honest.full(
    Plan(
        users=20,
        rate_per_user=8,
        endpoints=(*ENDPOINTS, *(f"/health/live?{n}" for n in range(27))),
    )
)
corpus.add(
    "a required endpoint slow behind many", "many", "stress.endpoint-targets", _slow_endpoint
)


BY_NAME = {
    method: {"required_endpoints": (f"{method} {ENDPOINTS[1]}",)} for method in ("GET", "POST")
}
for _method, _asked in BY_NAME.items():
    corpus.add(
        f"a required endpoint slow behind many, required as {_method}",
        "many",
        "stress.endpoint-targets",
        lambda data, method=_method: (
            data["workload"]["endpoints"][1].update(method=method) or _slow_endpoint(data)
        ),
        asked=_asked,
    )
    corpus.add(
        f"a required endpoint unchecked, required as {_method}",
        "full",
        "stress.endpoint-definitions",
        lambda data, method=_method: data["workload"]["endpoints"][1].update(
            method=method, checks=[]
        ),
        asked=_asked,
    )
corpus.set_(
    "an endpoint that was read, listed as written",
    "full",
    "stress.endpoint-successes",
    "endpoints.1",
    f"POST {ENDPOINTS[1]}",
    asked=BY_NAME["POST"],
)


def _failing_endpoint(data: dict[str, Any]) -> dict[str, Any]:
    for run in runs(data):
        failed = 0
        for row in run["rows"]:
            if row["endpoint"] == 5 and row["started"] and failed < 2:
                failed += 1
                row["outcomes"] = {"status_503": row["started"]}
    return rederived(data)


corpus.add(
    "a required endpoint failing behind many",
    "many",
    "stress.endpoint-targets",
    _failing_endpoint,
    code=Exit.OBJECTIVES,
)

# Unknown blocks.
GATE = {"refuse_unsafe": True, "require_identity": True, "expected_commits": (honest.COMMIT,)}
for _when in ("before", "after"):
    for _setting in ("fsync", "synchronous_commit"):
        for _word in ("OFF", "no", "", "On", "remote_write", "0"):
            corpus.add(
                f"unknown: {_setting} {_word!r} {_when}",
                "full",
                "stress.unsafe",
                lambda data, where=_when, name=_setting, word=_word: data["runtime"][where].update(
                    {name: word}
                ),
                asked=GATE,
            )
for _field in ("git_commit", "git_dirty"):
    corpus.add(
        f"unknown: {_field} of the service",
        "full",
        "stress.target-build",
        lambda data, name=_field: (
            [data["target"][when].update({name: None}) for when in ("before", "after")] and None
        ),
        asked=GATE,
        code=Exit.INCONCLUSIVE,
    )
for _word in (None, "", "unknown", "None", " n/a "):
    corpus.add(
        f"unknown: the server's version is {_word!r}",
        "full",
        "stress.same-database",
        lambda data, word=_word: (
            [data["runtime"][when].update(server_version=word) for when in ("before", "after")]
            and None
        ),
        asked=GATE,
        code=Exit.INCONCLUSIVE,
    )
corpus.add(
    "unknown: health",
    "full",
    "stress.healthy",
    lambda data: (
        [
            data["runtime"][when].update(status=None, status_code=404, probe_error="no JSON")
            for when in ("before", "after")
        ]
        and None
    ),
    asked=GATE,
    code=Exit.INCONCLUSIVE,
)
for _word in ("unhealthy", "degraded"):
    corpus.set_(f"health {_word} beside 200", "plain", "stress.probe", "runtime.status", _word)


# What an adversary who had read the rules above tried next.
LIGHT = tuple(f"/health/live?{number}" for number in range(60))
corpus.add(
    "sixty light endpoints beside the profile's",
    "full",
    "stress.load-reached",
    lambda _: honest.full(Plan(endpoints=(*ENDPOINTS, *LIGHT), rate_per_user=20)),
    asked=PROFILE,
)
corpus.add(
    "one light endpoint that weighs more than the profile's",
    "full",
    "stress.load-reached",
    lambda _: honest.full(
        Plan(endpoints=(*ENDPOINTS, LIGHT[0]), weights=(*(1,) * 7, 60), rate_per_user=20)
    ),
    asked=PROFILE,
)


def _one_slow(data: dict[str, Any]) -> None:
    """Forty users whose answers took half as long, and one that took very long."""
    data.update(honest.full(Plan(users=40)))
    _shorter(0.5)(data)
    for run in runs(data):
        row = next(row for row in run["rows"] if row["started"])
        held = row["corrected"]
        held["buckets"][-1] -= 1
        if not held["buckets"][-1]:
            del held["buckets"][-2:]
        longest = 14_900_000
        held["buckets"] += [buckets.index(longest), 1]
        held["sum_us"] += longest - held["max_us"]
        held["max_us"] = longest
        if held["n"] == 1:
            held["min_us"] = held["sum_us"] = longest


measured(
    "latencies halved, and one slow answer to excuse it", "full", "stress.users-busy", _one_slow
)


def _shared(data: dict[str, Any]) -> None:
    """Forty users who share iterations, each answer a third of what it took."""
    data.update(honest.full(Plan(users=40, ramp_s=0)))
    _shorter(1 / 3)(data)
    most = max(sum(row["started"] for row in run["rows"]) for run in runs(data))
    scenario = data["workload"]["scenarios"][0]
    scenario |= {"executor": "shared-iterations", "iterations": most + 1}


measured("shared iterations answered in a third of the time", "full", "stress.users-busy", _shared)

for _name, _path, _value in (
    ("somebody else's tool", "generator.tool", "mytool"),
    ("a tool of no version", "generator.version", ""),
    ("an interpreter of no version", "generator.python", "unknown"),
    ("a machine without processors", "generator.cpus", 0),
):
    corpus.set_(_name, "full", "stress.generator", _path, _value)
for _name, _connections in (
    ("a protocol that is none", {"protocol": "pigeon", "opened": {"127.0.0.1": 9}}),
    ("answers over no connection", {"protocol": "http/1.1", "opened": {}}),
    ("more connections than requests", {"protocol": "h2", "opened": {"127.0.0.1": 10**9}}),
    (
        "sessions resumed of no connection",
        {"protocol": "h2", "opened": {"127.0.0.1": 1}, "tls_resumed": 2},
    ),
):
    corpus.set_(
        _name,
        "full",
        "stress.connections",
        "runs.0.connections",
        {"tls_resumed": 0, **_connections},
    )


def _generator(**health: int) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for run in data["runs"]:
            run["generator"] |= health

    return edit


measured(
    "requests that cost nothing", "full", "stress.generator-recomputed", _generator(cpu_busy_ppm=0)
)
measured(
    "more memory than there is",
    "full",
    "stress.generator-recomputed",
    _generator(rss_bytes=2**50),
)


@corpus.forge("a service of no workers", "full", "stress.same-instance")
def _(data: dict[str, Any]) -> None:
    for probe in ("before", "after"):
        data["target"][probe]["workers"] = 0
