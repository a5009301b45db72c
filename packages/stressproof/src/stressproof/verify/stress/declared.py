"""The protocol's fields as a stress artifact declares them, typed."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from stressproof.evidence.measurements import Count
from stressproof.evidence.stress import Amount, Text
from stressproof.verify.lenient_decoder import ITEMS_MAX, LenientDecoder
from stressproof.verify.subject import DeclaredSubject

Sample = Annotated[list[Text], Meta(max_length=10)]


class Figures(Struct, frozen=True):
    """Figures of a round, or of all."""

    total_requests: Count | None = None
    successful_requests: Count | None = None
    failed_requests: Count | None = None
    throughput_rps: Amount | None = None
    avg_response_time: Amount | None = None
    median_response_time: Amount | None = None
    p95_response_time: Amount | None = None
    p99_response_time: Amount | None = None
    min_response_time: Amount | None = None
    max_response_time: Amount | None = None
    errors_sample: Sample | None = None


class DeclaredRun(Struct, frozen=True):
    """One round."""

    run_index: Count | None = None
    captured_at: Text | None = None
    started_at: Text | None = None
    ended_at: Text | None = None
    elapsed_seconds: Amount | None = None
    results: Figures | None = None


class DeclaredCheck(Struct, frozen=True):
    """One attempt of the preflight."""

    endpoint: Text | None = None
    attempt: Count | None = None
    status_code: Count | None = None
    ok: bool | None = None
    latency_ms: Amount | None = None
    error: Text | None = None


class DeclaredFailure(Struct, frozen=True):
    """One endpoint that the preflight could not use."""

    endpoint: Text | None = None
    error: Text | None = None


class DeclaredPreflight(Struct, frozen=True):
    """The preflight."""

    enabled: bool | None = None
    passed: bool | None = None
    attempts_per_endpoint: Count | None = None
    request_timeout_seconds: Amount | None = None
    checks: list[DeclaredCheck] | None = None
    failures: list[DeclaredFailure] | None = None


class DeclaredRuntime(Struct, frozen=True):
    """The backend."""

    health_endpoint: Text | None = None
    database_engine: Text | None = None
    database_engine_source: Text | None = None
    health_status_code: Count | None = None
    status: Text | None = None
    probe_error: Text | None = None


class DeclaredThresholds(Struct, frozen=True):
    """The limits of the capture."""

    max_p95_seconds: Amount | None = None
    max_error_rate_percent: Amount | None = None
    min_throughput_rps: Amount | None = None


class DeclaredRound(Struct, frozen=True):
    """One round against the limits."""

    run_index: Count | None = None
    total_requests: Count | None = None
    successful_requests: Count | None = None
    failed_requests: Count | None = None
    error_rate_percent: Amount | None = None
    throughput_rps: Amount | None = None
    p95_response_time: Amount | None = None
    meets_p95: bool | None = None
    meets_error_rate: bool | None = None
    meets_throughput: bool | None = None
    meets_targets: bool | None = None
    thresholds: DeclaredThresholds | None = None


class DeclaredEvaluation(Struct, frozen=True):
    """All rounds against the limits."""

    rounds: list[DeclaredRound] | None = None
    overall_meets_targets: bool | None = None
    worst_p95_seconds: Amount | None = None
    min_throughput_rps: Amount | None = None


class Declared(Struct, frozen=True):
    """The protocol's artifact."""

    profile: Text | None = None
    runner: Text | None = None
    status: Text | None = None
    started_at: Text | None = None
    captured_at: Text | None = None
    target_url: Text | None = None
    endpoints: Annotated[list[Text], Meta(max_length=ITEMS_MAX)] | None = None
    duration_seconds: Count | None = None
    concurrent_users: Count | None = None
    ramp_up_seconds: Count | None = None
    rounds: Count | None = None
    request_timeout: Amount | None = None
    preflight: DeclaredPreflight | None = None
    runtime: DeclaredRuntime | None = None
    subject: DeclaredSubject | None = None
    thresholds: DeclaredThresholds | None = None
    results: Figures | None = None
    runs: list[DeclaredRun] | None = None
    min_throughput_rps: Amount | None = None
    evaluation: DeclaredEvaluation | None = None
    meets_targets: bool | None = None


REQUIRED: dict[str, str] = {
    "profile": "protocol 1",
    "preflight": "protocol 2",
    "preflight.enabled": "protocol 2",
    "preflight.passed": "protocol 2",
    "preflight.failures": "protocol 2",
    "runner": "protocol 3",
    "captured_at": "protocol 4",
    "evaluation": "protocol 5",
    "evaluation.overall_meets_targets": "protocol 5",
    "runs": "protocol 6",
    "runs[].run_index": "protocol 6",
    "runs[].captured_at": "protocol 6",
    "runs[].results": "protocol 6",
    "duration_seconds": "protocol 8",
    "concurrent_users": "protocol 8",
    "endpoints": "protocol 9",
    "results": "protocol 10",
    "results.total_requests": "protocol 10",
    "results.successful_requests": "protocol 10",
    "results.failed_requests": "protocol 10",
    "runs[].results.total_requests": "protocol 10",
    "runs[].results.successful_requests": "protocol 10",
    "runs[].results.failed_requests": "protocol 10",
    "results.throughput_rps": "protocol 11",
    "results.p95_response_time": "protocol 11",
    "results.p99_response_time": "protocol 11",
    "min_throughput_rps": "protocol 11",
    "runs[].results.throughput_rps": "protocol 11",
    "runs[].results.p95_response_time": "protocol 11",
    "runs[].results.p99_response_time": "protocol 11",
    "thresholds": "protocol 12",
    "thresholds.max_p95_seconds": "protocol 12",
    "thresholds.max_error_rate_percent": "protocol 12",
    "thresholds.min_throughput_rps": "protocol 12",
    "evaluation.worst_p95_seconds": "protocol 12",
    "evaluation.min_throughput_rps": "protocol 12",
    "evaluation.rounds": "protocol 12",
    "rounds": "protocol 12",
}
"""Fields that the protocol's contract cannot be judged without, each with its clause.

``runtime`` is missing here on purpose: without an engine an artifact is a legacy one,
which has a rule of its own.
"""

_NULL_WITHOUT_SUCCESS = (
    "avg_response_time",
    "median_response_time",
    "p95_response_time",
    "p99_response_time",
    "min_response_time",
    "max_response_time",
)

NULLABLE = frozenset(
    {
        *(f"results.{name}" for name in _NULL_WITHOUT_SUCCESS),
        *(f"runs[].results.{name}" for name in _NULL_WITHOUT_SUCCESS),
        "evaluation.worst_p95_seconds",
        "evaluation.rounds[].p95_response_time",
        "evaluation.rounds[].error_rate_percent",
        "preflight.passed",
        "preflight.checks[].status_code",
        "runtime.status",
        "runtime.health_status_code",
        "runtime.probe_error",
        "subject.git_commit",
        "subject.git_dirty",
        *(
            f"{where}thresholds.{name}"
            for where in ("", "evaluation.rounds[].")
            for name in ("max_p95_seconds", "max_error_rate_percent", "min_throughput_rps")
        ),
    }
)
"""Fields where null says something: nothing succeeded, not asked, not known."""


def read_declared(data: dict[str, Any]) -> tuple[Declared, LenientDecoder]:
    """Return the protocol's fields of an artifact, and what was wrong or unknown about them."""
    lenient_decoder = LenientDecoder(REQUIRED, NULLABLE)
    declared = lenient_decoder.struct(Declared, data)
    return declared or Declared(), lenient_decoder
