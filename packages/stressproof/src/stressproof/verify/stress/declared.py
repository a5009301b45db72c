"""The protocol's fields as a stress artifact declares them: the schema's, all optional.

The forms follow from `stressproof.evidence.stress`; only what differs stands here.
"""

from typing import Any, TypeAlias

from stressproof.evidence.fields import Text
from stressproof.evidence.measurements import Count
from stressproof.evidence.stress import StressArtifact
from stressproof.verify.lenient_decoder import Form, Plain

_REQUIRED = {
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
    "evaluation.rounds[].meets_targets": "protocol 12",
    "rounds": "protocol 12",
}
"""Fields that the protocol's contract cannot be judged without, each with its clause.

``runtime`` is missing here on purpose: without an engine an artifact is a legacy one,
which has a rule of its own.
"""


_FULL_ONLY = frozenset(
    {
        "schema_version",
        "clock",
        "target",
        "workload",
        "generator",
        "measurements",
        "runtime.before",
        "runtime.after",
        "runtime.limits",
        "runtime.unsafe",
        "subject.image_digest",
        "subject.artifact_digests",
        "runs[].endpoints",
        "runs[].generator",
        *(
            f"{where}results.{name}"
            for where in ("", "runs[].")
            for name in ("dropped_iterations", "service_p95", "service_p99", "errors")
        ),
    }
)

_OWN: dict[str, Any] = {
    "status": Text,
    "runtime.health_status_code": Count,
    "runtime.status": Text,
    "runtime.probe_error": Text,
    "preflight.checks[].status_code": Count | None,
}
"""What the protocol's first tools wrote beside it, and what a rule judges instead of the type."""

PLAIN = Plain(
    schema=StressArtifact,
    full_only=_FULL_ONLY,
    marks=frozenset(
        {
            "target",
            "workload",
            "generator",
            "measurements",
            "clock",
            "runtime.before",
            "runtime.after",
            "runs[].endpoints",
            "runs[].generator",
        }
    ),
    own=_OWN,
    nullable=frozenset({"runtime.health_status_code", "runtime.status", "runtime.probe_error"}),
    required=_REQUIRED,
)
FORM = Form(PLAIN, StressArtifact)

Figures: TypeAlias = Any
"""`stressproof.evidence.results.Results`, every field of it optional."""

DeclaredRun: TypeAlias = Any
DeclaredCheck: TypeAlias = Any
DeclaredRound: TypeAlias = Any
