"""What no capture can have written: figures beyond what the tool itself would do."""

from stressproof.verify.bounds import (
    SUBJECT,
    Bounds,
    EndpointName,
    Form,
    Range,
    judge_bounds,
    of_target,
    of_tool,
)
from stressproof.verify.lenient_decoder import ITEMS_MAX
from stressproof.verify.rule import Judgement, rule
from stressproof.verify.stress.case import StressCase
from stressproof.workload.limits import (
    MAX_DURATION_US,
    MAX_PAUSE_US,
    MAX_PREFLIGHT_ATTEMPTS,
    MAX_PREFLIGHT_TIMEOUT_US,
    MAX_RAMP_US,
    MAX_TIMEOUT_US,
    MAX_USERS,
    MAX_WORKER_RATE,
    MAX_WORKERS,
    MIN_PREFLIGHT_TIMEOUT_US,
    MIN_TIMEOUT_US,
)

_S = 1_000_000
_MS = 1000
_LONGEST_S = (MAX_DURATION_US + MAX_RAMP_US + MAX_TIMEOUT_US) / _S
_RATE = Range(1 / _LONGEST_S, MAX_WORKERS * MAX_WORKER_RATE, or_zero=True)
_LATENCY = Range(1 / _S, _LONGEST_S)
# Rounded to four decimals a fast answer is 0.0000 in the figures over all rounds.
_ROUNDED = Range(1 / _S, _LONGEST_S, or_zero=True)
_STATUS = Range(100, 999)
_LATENCIES = tuple(
    f"{name}_response_time" for name in ("min", "median", "avg", "p95", "p99", "max")
)

BOUNDS: Bounds = {
    **SUBJECT,
    **of_target("target.before"),
    **of_target("target.after"),
    **of_tool("generator"),
    "workload.endpoints[].method": Form(r"[A-Z]{0,20}", "a method, none of a flow"),
    "workload.pause_seconds": Range(1 / _S, MAX_PAUSE_US / _S, or_zero=True),
    "evaluation.rounds[].error_rate_percent": Range(1e-6, 100, or_zero=True),
    "endpoints[]": EndpointName(),
    "duration_seconds": Range(1, MAX_DURATION_US / _S),
    "concurrent_users": Range(1, MAX_USERS),
    "ramp_up_seconds": Range(0, MAX_RAMP_US / _S),
    "rounds": Range(1, ITEMS_MAX),
    "request_timeout": Range(MIN_TIMEOUT_US / _S, MAX_TIMEOUT_US / _S),
    "preflight.attempts_per_endpoint": Range(1, MAX_PREFLIGHT_ATTEMPTS),
    "preflight.request_timeout_seconds": Range(
        MIN_PREFLIGHT_TIMEOUT_US / _S, MAX_PREFLIGHT_TIMEOUT_US / _S
    ),
    "preflight.checks[].endpoint": EndpointName(),
    "preflight.checks[].status_code": _STATUS,
    "preflight.checks[].latency_ms": Range(
        1 / _MS, MAX_PREFLIGHT_TIMEOUT_US / _MS + _MS, or_zero=True
    ),
    "runtime.health_endpoint": Form(r"(?:/[!-~]*)?", "a path, or nothing where none was asked"),
    "runtime.database_engine": Form(r"[A-Za-z0-9][!-~]*(?: [!-~]+)*", "the name of an engine"),
    "runtime.health_status_code": _STATUS,
    "thresholds.max_p95_seconds": Range(1 / _S, _LONGEST_S, or_zero=True),
    "thresholds.max_error_rate_percent": Range(0, 100),
    "thresholds.min_throughput_rps": _RATE,
    "min_throughput_rps": _RATE,
    "results.throughput_rps": _RATE,
    "runs[].results.throughput_rps": _RATE,
    "runs[].elapsed_seconds": Range(1 / _S, _LONGEST_S, or_zero=True),
    **{f"results.{name}": _ROUNDED for name in _LATENCIES},
    **{f"runs[].results.{name}": _LATENCY for name in _LATENCIES},
}
"""By path template; docs/rules.md and the flags of a capture have the same numbers."""


@rule(
    "stress.bounds",
    clause="evidence.md, What is possible",
    title="Every figure is one that a capture could have written",
    remedy="No capture of this tool goes beyond its own limits; capture again instead of editing.",
)
def bounds(case: StressCase, judgement: Judgement) -> None:
    """Durations, users, timeouts, statuses, rates, latencies and names lie within limits."""
    judge_bounds(case.data, BOUNDS, judgement)


RULES = (bounds,)
