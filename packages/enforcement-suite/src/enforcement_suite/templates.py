"""Templates: the protocol's fields for orientation, marked so that no verifier takes them."""

from typing import Any

import msgspec

from enforcement_suite.suite import SUITE
from stressproof.evidence.encoding import encode
from stressproof.evidence.fields import TEMPLATE_MARKER

FAILURE_TEMPLATE = "docs/ops/evidence/enforcement_failure_injection_TEMPLATE.json"

STRESS_TEMPLATE = "docs/ops/evidence/enforcement_stress_artifact_TEMPLATE.json"

_STAMP = "YYYY-MM-DDThh:mm:ss.ffffff+00:00"


def _results() -> dict[str, Any]:
    return {
        "total_requests": 0,
        "successful_requests": 0,
        "failed_requests": 0,
        "throughput_rps": 0.0,
        "avg_response_time": None,
        "median_response_time": None,
        "p95_response_time": None,
        "p99_response_time": None,
        "min_response_time": None,
        "max_response_time": None,
        "errors_sample": [],
    }


def stress_template() -> bytes:
    """Return the stress template: every field of the protocol, no figure that could pass."""
    asked = SUITE.stress_requirements()
    rounds = asked.min_rounds
    thresholds = msgspec.to_builtins(asked.thresholds)
    return encode(
        {
            TEMPLATE_MARKER: (
                "This shows the protocol's fields and is no evidence: every verifier rejects a "
                "document with this field. Evidence is captured by "
                f"{asked.runner}, which adds the measurements behind each figure "
                "(docs/schemas/stress-artifact.json)."
            ),
            "profile": asked.profile,
            "runner": asked.runner,
            "target_url": "http://127.0.0.1:8000",
            "captured_at": _STAMP,
            "endpoints": [one.name for one in SUITE.profile(asked.profile).endpoints],
            "duration_seconds": asked.min_duration_seconds,
            "concurrent_users": asked.min_concurrent_users,
            "ramp_up_seconds": 5,
            "request_timeout": 15.0,
            "rounds": rounds,
            "preflight": {
                "enabled": True,
                "passed": None,
                "attempts_per_endpoint": 2,
                "request_timeout_seconds": 5.0,
                "checks": [],
                "failures": [],
            },
            "runtime": {"health_endpoint": "/health", "database_engine": "unknown"},
            "results": _results(),
            "runs": [
                {"run_index": index, "captured_at": _STAMP, "results": _results()}
                for index in range(1, rounds + 1)
            ],
            "min_throughput_rps": 0.0,
            "thresholds": thresholds,
            "evaluation": {
                "rounds": [
                    {
                        "total_requests": 0,
                        "successful_requests": 0,
                        "failed_requests": 0,
                        "error_rate_percent": None,
                        "throughput_rps": 0.0,
                        "p95_response_time": None,
                        "meets_p95": False,
                        "meets_error_rate": False,
                        "meets_throughput": False,
                        "meets_targets": False,
                        "thresholds": thresholds,
                    }
                    for _ in range(rounds)
                ],
                "overall_meets_targets": False,
                "worst_p95_seconds": None,
                "min_throughput_rps": 0.0,
            },
            "meets_targets": False,
        }
    )


def failure_template() -> bytes:
    """Return the failure template: every field of the protocol, no scenario that could pass."""
    asked = SUITE.failure_requirements()
    scenarios = [spec.id for spec in asked.scenarios]
    return encode(
        {
            TEMPLATE_MARKER: (
                "This shows the protocol's fields and is no evidence: every verifier rejects a "
                "document with this field. Evidence is captured by "
                "scripts/inject_enforcement_failures.py, which adds the operations, effects and "
                "witnesses behind each scenario (docs/schemas/failure-artifact.json)."
            ),
            "profile": asked.profile,
            "runner": asked.runner,
            "execution_class": asked.execution_class,
            "captured_at": _STAMP,
            "executed_by": "NAME",
            "approved_by": "OTHER_NAME",
            "scenarios": [
                {
                    "id": name,
                    "status": "inconclusive",
                    "duration_seconds": 0.001,
                    "checks": [],
                    "evidence_refs": [],
                    "command": "",
                    "result_tail": "",
                }
                for name in scenarios
            ],
            "summary": {
                "total_scenarios": len(scenarios),
                "passed_scenarios": 0,
                "failed_scenarios": len(scenarios),
                "overall_passed": False,
            },
        }
    )
