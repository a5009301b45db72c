"""What no capture can have written, and what an absurd value must not excuse."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forgeries import honest
from forgeries.corpus import Corpus, Honest, base, put, remove
from forgeries.honest import Plan

from stressproof.exits import Exit

corpus = Corpus()
variants: list[Honest] = []

BOUNDS = "stress.bounds"

Edit = Callable[[dict[str, Any]], Any]

for _path, _values in {
    "duration_seconds": (0, 604_801, 2**53),
    "concurrent_users": (0, 20_001, 2**53),
    "ramp_up_seconds": (3_601, 100_000, 2**40),
    "request_timeout": (0, 0.0, 0.0009, 5e-324, 3_600.1, 1e12),
    "preflight.attempts_per_endpoint": (0, 101, 2**53),
    "preflight.request_timeout_seconds": (0, 5e-324, 0.09, 601, 1e12),
    "preflight.checks.0.latency_ms": (5e-324, 1e-9, 1e12),
    "preflight.checks.0.status_code": (0, 99, 1000, 2**40),
    "endpoints.0": ("", " ", "\u202e/orders", "/x\n", "/a\x00"),
    "runtime.health_endpoint": ("health", "/he alth", "http://elsewhere/health", "\x1b[0m"),
    "runtime.database_engine": ("", " ", "post\ngresql", "-"),
    "runs.0.results.p95_response_time": (5e-324, 1e-9, 1e9),
    "runs.0.results.min_response_time": (5e-324, 1e-7),
    "runs.0.results.throughput_rps": (1e8, 1e12, 5e-324),
    "results.avg_response_time": (5e-324, 1e9),
    "min_throughput_rps": (5e-324, 1e12),
    "thresholds.max_error_rate_percent": (100.1, 1e12),
}.items():
    for _value in _values:
        corpus.set_(f"{_path} of {_value!a}", "plain", BOUNDS, _path, _value)
corpus.add(
    "a commit that is none",
    "plain",
    BOUNDS,
    lambda data: data.update(subject={"git_commit": "HEAD", "git_dirty": False}),
)
for _path, _values in {
    "target.before.uptime_seconds": (5e-324, 1e12),
    "target.after.workers": (0, 2**40),
    "target.before.instance_id": ("", "\x00", "a\nb"),
    "subject.image_digest": ("absurd", "sha256:00", "md5:" + 32 * "0"),
    "generator.tool": ("k6", "", "stressproof "),
    "generator.version": ("", "absurd", "1"),
    "generator.python": ("2.7.18", "absurd"),
    "generator.host": ("", "\x1b[0m"),
    "generator.cpus": (0, 2**53),
    "workload.pause_seconds": (5e-324, 3_601.0),
    "workload.endpoints.0.method": ("get", "GET\x00"),
}.items():
    for _value in _values:
        corpus.set_(f"{_path} of {_value!a}", "full", BOUNDS, _path, _value)
corpus.add(
    "an artifact's digest that is none",
    "full",
    BOUNDS,
    lambda data: data["subject"].update(artifact_digests={"app.whl": "absurd"}),
)
corpus.set_(
    "an uptime that was said once",
    "full",
    "stress.same-instance",
    "target.after.uptime_seconds",
    None,
)
corpus.drop(
    "an average left out of the whole", "plain", "stress.same-figures", "results.avg_response_time"
)
for _text in (
    "2026-02-25T11:00:00+00:99",
    "2026-02-25T11:00:00+14:01",
    "2026-02-25T11:00:00+23:59",
    "2026-02-25T11:00:00-15:00",
    "2026-02-25T24:00:00+00:00",
    "2026-02-25T11:60:00+00:00",
    "2026-02-25T11:00:60+00:00",
    "2026-02-25T11:00:00+0000",
    "2026-02-25T11:00:00",
    "2026-02-25 11:00:00+00:00",
    "2026-02-30T11:00:00+00:00",
    "0000-02-25T11:00:00+00:00",
):
    corpus.set_(f"captured at {_text}", "plain", "stress.timestamps", "captured_at", _text)


# What one absurd or missing figure must not excuse.
def _each_run(edit: Callable[[dict[str, Any], int], Any]) -> Callable[[dict[str, Any]], Any]:
    def of_all(data: dict[str, Any]) -> None:
        for place, run in enumerate(data["runs"]):
            edit(run, place)

    return of_all


def _half_a_second(data: dict[str, Any]) -> None:
    """Rounds of half a second by their rate, each with an answer of thirty seconds."""
    for place, run in enumerate(data["runs"]):
        figures = run["results"]
        figures["throughput_rps"] = figures["total_requests"] / 0.5
        figures["max_response_time"] = 30.0
        data["evaluation"]["rounds"][place]["throughput_rps"] = figures["throughput_rps"]
    rates = [run["results"]["throughput_rps"] for run in data["runs"]]
    data["results"].update(throughput_rps=sum(rates) / len(rates), max_response_time=30.0)
    data["min_throughput_rps"] = data["evaluation"]["min_throughput_rps"] = min(rates)


corpus.add("half a second with a long answer", "plain", "stress.elapsed", _half_a_second)
corpus.add(
    "rounds as long as an hour's ramp allows",
    "plain",
    "stress.run-spacing",
    lambda data: (
        data.update(ramp_up_seconds=3600),
        _each_run(
            lambda run, _: run.update(
                elapsed_seconds=run["results"]["total_requests"] / run["results"]["throughput_rps"]
            )
        )(data),
        [
            (
                run["results"].update(throughput_rps=run["results"]["throughput_rps"] / 100),
                run.update(elapsed_seconds=run["elapsed_seconds"] * 100),
            )
            for run in data["runs"]
        ],
    )[0],
)
corpus.set_(
    "an answer longer than the timeout", "plain", "stress.within-timeout", "request_timeout", 0.05
)
for _name in ("p95", "min", "max", "avg", "median"):
    corpus.drop(
        f"{_name} left out of one round",
        "plain",
        "stress.same-figures" if _name != "p95" else "stress.shape",
        f"runs.1.results.{_name}_response_time",
    )
corpus.set_(
    "a maximum of null in one round",
    "plain",
    "stress.same-figures",
    "runs.1.results.max_response_time",
    None,
)
for _name in ("throughput_rps", "meets_p95", "error_rate_percent", "total_requests"):
    corpus.drop(
        f"{_name} left out of one judgement",
        "plain",
        "stress.same-figures",
        f"evaluation.rounds.1.{_name}",
    )
corpus.set_("judgements of nothing", "plain", "stress.shape", "evaluation.rounds", [{}, {}, {}])
corpus.set_(
    "judgements without a verdict",
    "plain",
    "stress.shape",
    "evaluation.rounds",
    [{"total_requests": 1}] * 3,
)


def _copied_without(name: str) -> Callable[[dict[str, Any]], None]:
    """The second round is the first's copy, less one figure."""

    def edit(data: dict[str, Any]) -> None:
        first, second = data["runs"][0]["results"], data["runs"][1]["results"]
        second.clear()
        second.update(first)
        remove(second, name)

    return edit


for _name in ("max_response_time", "avg_response_time", "errors_sample"):
    corpus.add(
        f"a copied round without its {_name}",
        "plain",
        "stress.distinct-rounds",
        _copied_without(_name),
    )


def _samples(count: int) -> Callable[[dict[str, Any]], None]:
    """One request of the first round failed, with so many samples of how."""

    def edit(data: dict[str, Any]) -> None:
        texts = [f"status_503 {number}" for number in range(count)]
        for holder in (data["runs"][0]["results"], data["results"]):
            holder.update(errors_sample=texts)
            holder["successful_requests"] -= 1
            holder["failed_requests"] += 1
        judged = data["evaluation"]["rounds"][0]
        judged["successful_requests"] -= 1
        judged["failed_requests"] += 1
        judged["error_rate_percent"] = round(100 / judged["total_requests"], 4)

    return edit


corpus.add("ten samples of one failure", "plain", "stress.counts", _samples(10))
corpus.add("two samples of one failure", "plain", "stress.counts", _samples(2))


def _rounded_up(total: int, elapsed_s: float) -> Callable[[dict[str, Any]], None]:
    """Rounds whose rate is a little below the limit, and is stated as the limit."""

    def edit(data: dict[str, Any]) -> None:
        for place, run in enumerate(data["runs"]):
            run["elapsed_seconds"] = elapsed_s
            run["results"].update(
                total_requests=total,
                successful_requests=total,
                throughput_rps=0.5,
                p95_response_time=0.2 + place / 1000,
                p99_response_time=0.2 + place / 1000,
            )
            data["evaluation"]["rounds"][place]["total_requests"] = total
        data["results"].update(
            total_requests=3 * total,
            successful_requests=3 * total,
            throughput_rps=0.5,
            p95_response_time=0.202,
            p99_response_time=0.202,
        )
        data["min_throughput_rps"] = data["evaluation"]["min_throughput_rps"] = 0.5
        data["evaluation"]["worst_p95_seconds"] = 0.202

    return edit


corpus.add(
    "0.49995 a second called 0.5",
    "minimal",
    "stress.round-targets",
    _rounded_up(15, 30.003),
    code=Exit.OBJECTIVES,
)


def _dated(
    edit: Callable[[dict[str, Any]], Any] = lambda run: run,
) -> Callable[[dict[str, Any]], Any]:
    """Every round of a plain artifact with its own times; the second's edited."""

    def date(run: dict[str, Any], place: int) -> None:
        took_s = run["results"]["total_requests"] / run["results"]["throughput_rps"]
        ended = datetime.fromisoformat(run["captured_at"]) - timedelta(milliseconds=5)
        run["elapsed_seconds"] = round(took_s, 6)
        run["started_at"] = (ended - timedelta(seconds=took_s)).isoformat()
        run["ended_at"] = ended.isoformat()
        if place == 1:
            edit(run)

    return _each_run(date)


def _later(name: str, seconds: float) -> Callable[[dict[str, Any]], None]:
    def edit(run: dict[str, Any]) -> None:
        run[name] = (datetime.fromisoformat(run[name]) + timedelta(seconds=seconds)).isoformat()

    return edit


for _name, _edit in {
    "a round shorter than it says": _later("started_at", 1),
    "a round that ended before it began": _later("ended_at", -60),
    "a round that ended after it was captured": _later("ended_at", 2),
    "a round that began after it was captured": _later("started_at", 40),
}.items():
    corpus.add(_name, "plain", "stress.run-times", _dated(_edit))
corpus.add(
    "a round's end left out",
    "plain",
    "stress.same-figures",
    _dated(lambda run: run.pop("ended_at")),
)


_FULL_PARTS = frozenset(
    {"schema_version", "target", "workload", "generator", "clock", "measurements"}
)


# What a full artifact is, it stays without its version and its measurements.
def _stripped(*also: str) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for name in ("schema_version", "measurements", *also):
            remove(data, name)

    return edit


for _left in (
    ("target", "workload", "generator"),
    ("target", "workload", "generator", "runtime.before", "runtime.after"),
    ("target", "workload", "generator", "clock", "runtime.before"),
):
    corpus.add(
        f"a version removed with measurements, {', '.join(_left)}",
        "full",
        "stress.schema-version",
        _stripped(*_left),
    )

# What a forger may take out, and what adding up must stand.
corpus.set_(
    "a longest answer of nothing",
    "full",
    "stress.rows",
    "measurements.runs.0.rows.0.corrected.max_us",
    0,
)
corpus.set_("a round without rows", "full", "stress.continuity", "measurements.runs.0.rows", [])
corpus.set_("no rounds measured", "full", "stress.rounds-recomputed", "measurements.runs", [])
for _part in ("target", "workload", "generator", "clock", "measurements"):
    corpus.add(
        f"a version removed beside its {_part}",
        "full",
        "stress.schema-version",
        lambda data, part=_part: (
            [remove(data, name) for name in list(data) if name in _FULL_PARTS - {part}] and None
        ),
    )

# A machine by its other names.
LOOPBACK = (
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0x7f.1", "0x7F.0.0.1", "0177.0.0.1"),
    *("2130706433", "017700000001", "0x7f000001", "127.0.0.1.", "0", "0.0.0", "0x0", "00"),
    "0.0.0.0",  # noqa: S104  # nothing is bound here
    *("localhost", "LOCALHOST", "LocalHost.", "localhost.localdomain", "sub.localhost"),
    *("a.b.localhost.", "localhost6", "ip6-localhost", "ip6-loopback", "loopback"),
    *("host.docker.internal", "lvh.me", "x.lvh.me", "app.localtest.me"),
    *("127.0.0.1.nip.io", "app-127-0-0-1.sslip.io", "x.7f000001.nip.io"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]"),
    *("[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::ffff:0.0.0.0]"),
    *("[::ffff:0:127.0.0.1]", "[0000:0000:0000:0000:0000:ffff:7f00:0001]"),
)
ELSEWHERE = (
    *("10.0.0.1", "192.168.1.20", "128.0.0.1", "126.1", "0x80.1", "8.8.8.8", "2147483649"),
    *("staging.example.com", "localhost.example.com", "notlocalhost", "mylocalhost.", "lvh.me.uk"),
    *("127.example.com", "10.0.0.1.nip.io", "api-127.example.com"),
    *("[2001:db8::1]", "[::ffff:10.0.0.1]", "[64:ff9b::8.8.8.8]", "[fe80::1]"),
)
NOT_HERE = {"allow_loopback": False}
for _host in LOOPBACK:
    corpus.set_(
        f"loopback as {_host}",
        "plain",
        "stress.target",
        "target_url",
        f"https://{_host}:8443",
        asked=NOT_HERE,
    )
corpus.drop(
    "a target left out where loopback is refused",
    "plain",
    "stress.target",
    "target_url",
    code=Exit.INCONCLUSIVE,
    asked=NOT_HERE,
)


def _elsewhere(host: str, address: str, machine: str = "runner") -> Callable[[], dict[str, Any]]:
    """A full capture of another machine's service."""

    def make() -> dict[str, Any]:
        data = base("full")
        data["target_url"] = data["target"]["url"] = f"https://{host}"
        data["generator"]["host"] = machine
        for run in data["runs"]:
            run["connections"] = {
                "protocol": "http/1.1",
                "opened": {address: 10},
                "tls_resumed": 0,
            }
        return data

    return make


corpus.add(
    "a name that led to this machine",
    "full",
    "stress.target",
    lambda _: _elsewhere("staging.example.com", "127.0.0.1")(),
    asked=NOT_HERE,
)
corpus.add(
    "the generator's own machine by its name",
    "full",
    "stress.target",
    lambda _: _elsewhere("Runner-7", "10.0.0.7", "runner-7")(),
    asked=NOT_HERE,
)
variants.append(
    Honest(
        "a service elsewhere, by what was connected to",
        _elsewhere("staging.example.com", "10.0.0.9"),
        asked=NOT_HERE,
    )
)


def _honest(
    name: str, edit: Callable[[dict[str, Any]], Any], of: str = "plain", **asked: Any
) -> None:
    def make() -> dict[str, Any]:
        data = base(of)
        edit(data)
        return data

    variants.append(Honest(f"bounds: {name}", make, asked=asked))


for _host in ELSEWHERE:
    _honest(
        f"a service at {_host}",
        lambda data, host=_host: put(data, "target_url", f"http://{host}:8000"),
        **NOT_HERE,
    )
for _text in ("Z", "+14:00", "-12:00", "+05:45", "-00:00"):
    _honest(
        f"a time at {_text}",
        lambda data, text=_text: put(
            data,
            "captured_at",
            (
                datetime.fromisoformat(data["captured_at"]) + timedelta(minutes=_minutes(text))
            ).strftime(f"%Y-%m-%dT%H:%M:%S.%f{text}"),
        ),
    )
for _path, _value in (
    ("ramp_up_seconds", 3600),
    ("ramp_up_seconds", 0),
    ("preflight.attempts_per_endpoint", 100),
    ("preflight.request_timeout_seconds", 600),
    ("preflight.request_timeout_seconds", 0.1),
    ("preflight.checks.0.latency_ms", 0),
    ("request_timeout", 3600),
    ("runtime.health_endpoint", ""),
    ("runtime.health_endpoint", "/health?deep=1"),
):
    _honest(f"{_path} of {_value!r}", lambda data, path=_path, value=_value: put(data, path, value))
_honest("rounds with times of their own", _dated())
_honest("rounds whose clock was being corrected", _dated(_later("ended_at", 0.4)))
_honest("one sample of one failure", _samples(1))
_honest("a rate of exactly half a request", _rounded_up(15, 30.0), "minimal")
variants.append(
    Honest("bounds: a ramp longer than its rounds", lambda: honest.full(Plan(ramp_s=45)))
)


def _minutes(offset: str) -> int:
    if offset == "Z":
        return 0
    hours, minutes = offset[1:].split(":")
    return int(f"{offset[0]}{int(hours) * 60 + int(minutes)}")
