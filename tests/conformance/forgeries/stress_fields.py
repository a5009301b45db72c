"""Lies in one field of a plain artifact: absent, of a wrong type, or beyond what can be."""

from typing import Any

from forgeries.corpus import Corpus, at, base

from stressproof.evidence.encoding import encode

corpus = Corpus()
SHAPE = "stress.shape"

REQUIRED_PATHS = (
    "profile",
    "runner",
    "captured_at",
    "preflight",
    "preflight.enabled",
    "preflight.passed",
    "preflight.failures",
    "evaluation",
    "evaluation.overall_meets_targets",
    "evaluation.worst_p95_seconds",
    "evaluation.min_throughput_rps",
    "evaluation.rounds",
    "runs",
    "runs.1.run_index",
    "runs.1.captured_at",
    "runs.1.results",
    "runs.1.results.total_requests",
    "runs.1.results.successful_requests",
    "runs.1.results.failed_requests",
    "runs.1.results.throughput_rps",
    "runs.1.results.p95_response_time",
    "runs.1.results.p99_response_time",
    "results",
    "results.total_requests",
    "results.successful_requests",
    "results.failed_requests",
    "results.throughput_rps",
    "results.p95_response_time",
    "results.p99_response_time",
    "duration_seconds",
    "concurrent_users",
    "rounds",
    "endpoints",
    "min_throughput_rps",
    "thresholds",
    "thresholds.max_p95_seconds",
    "thresholds.max_error_rate_percent",
    "thresholds.min_throughput_rps",
)

for path in REQUIRED_PATHS:
    corpus.drop(f"{path} removed", "minimal", SHAPE, path)

corpus.drop("runtime removed", "minimal", "stress.legacy", "runtime")
corpus.drop("engine removed", "minimal", "stress.legacy", "runtime.database_engine")


def _wrong(value: Any) -> list[tuple[str, Any]]:
    """Values that look like another but have a wrong type."""
    if isinstance(value, bool):
        return [("as text", str(value).lower()), ("as a number", int(value))]
    if isinstance(value, int):
        return [("as text", str(value)), ("with a fraction", float(value)), ("negative", -1)]
    if isinstance(value, float):
        return [("as text", str(value)), ("as a boolean", True), ("negative", -value or -1.0)]
    if isinstance(value, str):
        return [("as a list", [value]), ("null", None)]
    if isinstance(value, list):
        return [("as an object", {}), ("as text", "[]")]
    return [("as a list", [value]), ("as text", "{}")]


for path in REQUIRED_PATHS:
    for how, value in _wrong(at(base("minimal"), path)):
        corpus.set_(f"{path} {how}", "minimal", SHAPE, path, value)

_OPTIONAL = {
    "target_url": 5,
    "ramp_up_seconds": "5",
    "request_timeout": "15",
    "meets_targets": "true",
    "runtime.health_status_code": "200",
    "runtime.status": True,
    "runs.0.results.avg_response_time": "0.05",
    "runs.0.results.median_response_time": [],
    "runs.0.results.min_response_time": True,
    "runs.0.results.max_response_time": -0.5,
    "results.errors_sample": "none",
    "preflight.checks": {},
    "preflight.checks.0.ok": 1,
    "preflight.checks.0.attempt": 1.0,
    "preflight.attempts_per_endpoint": True,
    "evaluation.rounds.0.meets_p95": 1,
    "evaluation.rounds.0.error_rate_percent": "0",
    "evaluation.rounds.0.thresholds": [],
}
for path, value in _OPTIONAL.items():
    corpus.set_(f"optional {path} as {value!r}", "plain", SHAPE, path, value)

corpus.set_("eleven error samples", "plain", SHAPE, "results.errors_sample", ["e"] * 11)
corpus.set_("a run that is a number", "plain", SHAPE, "runs.2", 3)
corpus.set_("a count beyond 2^53", "plain", SHAPE, "results.total_requests", 2**53 + 1)
corpus.set_("a latency of a thousand years", "plain", SHAPE, "results.p95_response_time", 1e13)
corpus.set_("endpoint names that are numbers", "plain", SHAPE, "endpoints.0", 1)

UNREADABLE = "evidence.reading"


for name, old, new in (
    ("profile twice", '"profile":', '"profile": "health", "profile":'),
    ("total twice within a run", '"total_requests":', '"total_requests": 9, "total_requests":'),
    ("a threshold twice", '"max_p95_seconds":', '"max_p95_seconds": 9, "max_p95_seconds":'),
    ("a key twice by escapes", '"runner":', '"run\\u006eer": "x", "runner":'),
    ("NaN as p95", '"p95_response_time": ', '"p95_response_time": NaN, "x": '),
    ("Infinity as maximum", '"max_response_time": ', '"max_response_time": Infinity, "x": '),
    ("minus infinity as minimum", '"min_response_time": ', '"min_response_time": -Infinity, "x": '),
    ("a latency beyond a double", '"p99_response_time": ', '"p99_response_time": 1e999, "x": '),
    ("a latency below a double", '"p99_response_time": ', '"p99_response_time": 1e-999, "x": '),
    ("a total of 400 digits", '"total_requests": ', f'"total_requests": {"9" * 400}, "x": '),
    ("a lone surrogate", '"profile": ', '"note": "\\ud800", "profile": '),
    ("Arabic digits", '"rounds": 3', '"rounds": \u0663'),
    ("a comment", "{", "{ // honest\n"),
    ("a trailing comma", "}\n", ",}\n"),
    ("a second document", "}\n", "}\n{}\n"),
    ("a number with a plus", '"rounds": 3', '"rounds": +3'),
    ("a number with a leading zero", '"rounds": 3', '"rounds": 03'),
    ("a hexadecimal number", '"rounds": 3', '"rounds": 0x3'),
    ("single quotes", '"enforcement"', "'enforcement'"),
    ("a control character", '"enforcement"', '"enforcement\x07"'),
    ("a byte order mark", "{", "\ufeff{"),
):
    last = old == "}\n"

    def _mutate(data: dict[str, Any], old: str = old, new: str = new, last: bool = last) -> bytes:  # noqa: FBT001
        text = encode(data).decode()
        assert old in text
        if last:
            head, _, _ = text.rpartition(old)
            return (head + new).encode()
        return text.replace(old, new, 1).encode()

    corpus.add(name, "plain", UNREADABLE, _mutate)

corpus.add("an array around it", "plain", UNREADABLE, lambda data: [data])
corpus.add("nothing at all", "plain", UNREADABLE, lambda _: b"")
corpus.add("an empty object", "plain", SHAPE, lambda _: {})
corpus.add("UTF-16", "plain", UNREADABLE, lambda data: str(data).encode("utf-16"))
corpus.add("Latin-1", "plain", UNREADABLE, lambda _: b'{"profile": "enforc\xe9ment"}')
corpus.add("cut in half", "plain", UNREADABLE, lambda data: repr(data).encode()[:700])
corpus.add(
    "nested a thousand deep",
    "plain",
    UNREADABLE,
    lambda _: b'{"profile":' + b"[" * 1000 + b"]" * 1000 + b"}",
)
