"""Every leaf of evidence in turn holds something absurd: what is accepted is listed, with why.

A leaf that a later version adds is walked as well, and shows here until something judges it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from forgeries import honest
from forgeries.corpus import base
from forgeries.honest import Plan
from forgeries.honest_variants import BOUND, GATE
from forgeries.judging import judge

from protocol_failures import SCENARIOS

_REPLY = "the service's own word, which it owes to nobody"
_FREE = "words for people; nothing is concluded from them"
_ABSENT = "may be absent in a plain artifact: its rule is then not checked"
_GREW = "what the database counts may grow by any amount, as others use it too"
_SLACK = "what is stated lies within what may be true"

PLAIN = {
    "ramp_up_seconds": _SLACK,
    "preflight.attempts_per_endpoint": _SLACK,
    "preflight.checks[].latency_ms": "an attempt that failed at once took none",
    "runtime.health_endpoint": "none was asked",
    "runtime.health_status_code": _ABSENT,
    "runtime.status": _ABSENT,
}
FULL = {
    "clock.drift_us": "a clock that nobody sets drifts a little",
    "preflight.attempts_per_endpoint": _SLACK,
    "runtime.limits.tenant_per_minute": _REPLY,
    "runtime.limits.global_per_minute": _REPLY,
    "runtime.limits.read_tenant_per_minute": _SLACK,
    "runtime.limits.read_global_per_minute": _SLACK,
    "runtime.before.transactions_committed": _GREW,
    "runtime.after.transactions_committed": _GREW,
    "runtime.before.wal_bytes": _GREW,
    "runtime.after.wal_bytes": _GREW,
    "runtime.before.took_us": _SLACK,
    "runtime.after.took_us": _SLACK,
    "runtime.before.parity.compared": _SLACK,
    "runtime.after.parity.compared": _SLACK,
    "target.before.workers": _REPLY,
    "target.after.workers": _REPLY,
    "target.counters[].times.bounds_us[]": _REPLY,
    "workload.seed": "another seed may ask every endpoint as often",
    "generator.cpus": _FREE,
    "generator.host": _FREE,
}
INJECTION = {
    "clock.drift_us": FULL["clock.drift_us"],
    "approved_by": "any name but one: who people are, a signature settles",
    "runtime_before.transactions_committed": "a crash loses the count",
    "runtime_after.transactions_committed": "a crash loses the count",
    "runtime_before.wal_bytes": _GREW,
    "runtime_after.wal_bytes": _GREW,
    "runtime_before.journal_sequence": _GREW,
    "runtime_after.journal_sequence": _GREW,
    "runtime_before.journal_hash": _GREW,
    "runtime_after.journal_hash": _GREW,
    "runtime_before.took_us": _FREE,
    "runtime_after.took_us": _FREE,
    "target_before.instance_id": _REPLY,
    "target_before.started_at": _REPLY,
    "target_before.uptime_seconds": _REPLY,
    "target_before.workers": _REPLY,
    "target_after.instance_id": _REPLY,
    "target_after.started_at": _REPLY,
    "target_after.uptime_seconds": _REPLY,
    "target_after.workers": _REPLY,
    "stage.host": _FREE,
    "stage.cpus": _FREE,
    "stage.proxy": _FREE,
    "stage.permitted_faults": "more may be permitted than is broken",
    "stage.permitted_upstreams": "likewise",
    "scenarios[].command": "any command that asked for what the artifact says",
    "scenarios[].baseline.log[]": _FREE,
    "scenarios[].trial.faults[].witnesses[].before": "a witness that grew enough, whatever from",
    "scenarios[].trial.faults[].witnesses[].during": "a witness that grew by more than it needs",
    "scenarios[].trial.faults[].witnesses[].detail": _FREE,
}

ABSURD: dict[type, list[Any]] = {
    bool: [None],
    int: [0, -1, 1, 2**40, 2**53, None],
    float: [0, -1, 5e-324, 1e-9, 1e9, 1e12, None],
    str: ["", " ", "absurd", "\x00", "2026-02-25T11:00:00+00:99", None],
    type(None): [0, 1, "absurd", 2**40, True],
    list: [[{}], ["absurd"], [0]],
    dict: [{"absurd": 1}, {"absurd": "absurd"}],
}


def leaves(value: Any, path: tuple[Any, ...] = (), template: str = "") -> Iterator[Any]:
    """Yield (path, template, value) of every leaf; an empty list or object is one."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*path, name), f"{template}.{name}".lstrip("."))
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place), f"{template}[]")
    else:
        yield path, template, value


def put(data: Any, path: tuple[Any, ...], value: Any) -> None:
    """Put a value at a path."""
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value


def accepted(data: dict[str, Any], kind: str, asked: dict[str, Any]) -> set[str]:
    """Return the leaves that may hold something absurd without one more rule that blocks."""
    before = {one.rule for one in judge(msgspec.json.encode(data), kind, asked).blocking}
    walked: set[str] = set()
    found: set[str] = set()
    for path, template, value in list(leaves(data)):
        if template in walked:
            continue
        walked.add(template)
        for absurd in [not value] if isinstance(value, bool) else ABSURD[type(value)]:
            if absurd == value:
                continue
            put(data, path, absurd)
            verdict = judge(msgspec.json.encode(data), kind, asked)
            put(data, path, value)
            if {one.rule for one in verdict.blocking} <= before:
                found.add(template)
                break
    assert len(walked) > 15
    return found


@pytest.mark.gate
def test_what_a_plain_artifact_may_say_is_listed() -> None:
    """The protocol's fields alone, at declared."""
    assert accepted(base("plain"), "stress", {}) == set(PLAIN)


@pytest.mark.gate
def test_what_a_full_artifact_may_say_is_listed() -> None:
    """Everything that the tool writes, as a gate asks for it."""
    plan = Plan(
        rounds=2, duration_s=8, users=3, ramp_s=2, rate_per_user=4.0, endpoints=honest.ENDPOINTS[4:]
    )
    made = honest.artifact(plan)
    asked = {
        **GATE,
        "min_rounds": 2,
        "min_duration_seconds": 8,
        "min_concurrent_users": 3,
        "required_endpoints": tuple(one.path for one in made.workload.endpoints),
        "profile_endpoints": tuple(made.workload.endpoints),
    }
    data = msgspec.to_builtins(made)
    assert judge(msgspec.json.encode(data), "stress", asked).blocking == []
    assert accepted(data, "stress", asked) == set(FULL)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_failure_evidence_may_say_is_listed() -> None:
    """Of one scenario, as a gate asks for it."""
    asked = {
        **BOUND,
        "scenarios": SCENARIOS[:1],
        "minimum_level": "recomputed",
        "refuse_unsafe": True,
        "max_artifact_age_hours": 24.0,
    }
    assert accepted(base("one injection"), "failure", asked) == set(INJECTION)
