"""What a target says of itself: who it is, which database it uses, what it has counted.

Asked before and after the load, so that a restart, a failover or somebody else's traffic during
the run shows in the evidence. None of this is timed.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from stressproof.evidence.stress import RuntimeProbe, TargetProbe
from stressproof.load.client import Client, RequestError

HEALTH_PATH = "/health"
METRICS_PATH = "/metrics"
LIMITS_PATH = "/api/v1/enforcement/limits"
COUNTER = "http_server_requests_total"

_SAMPLE = re.compile(
    rf"^{COUNTER}\{{(?P<labels>[^}}]*)\}}\s+(?P<value>[0-9.eE+]+)(?:\s|$)", re.MULTILINE
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_KEPT = 4096
_OK = 200
_COUNT_MAX = 2**53


class Health(Struct, frozen=True):
    """One reading of the health endpoint."""

    target: TargetProbe
    runtime: RuntimeProbe
    unsafe: list[str]


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _text(value: Any) -> str | None:
    return value[:_KEPT] if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _COUNT_MAX else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def read_health(client: Client) -> Health:
    """Ask the health endpoint; what it does not say is null, and why is in ``probe_error``."""
    asked_at = _now()
    status_code: int | None = None
    body: Mapping[str, Any] = {}
    problem: str | None = None
    try:
        answer = client.get(HEALTH_PATH)
        status_code = answer.status
        body = _mapping(answer.json())
        if not body:
            problem = "the health endpoint's answer is not a JSON object"
    except RequestError as error:
        problem = str(error)[:_KEPT]
    except ValueError:
        problem = "the health endpoint's answer is not JSON"
    build, database = _mapping(body.get("build")), _mapping(body.get("database"))
    unsafe = body.get("unsafe")
    return Health(
        target=TargetProbe(
            instance_id=_text(body.get("instance_id")),
            version=_text(build.get("version")),
            git_commit=_text(build.get("git_commit")),
            git_dirty=_flag(build.get("git_dirty")),
            started_at=_text(body.get("started_at")),
            uptime_seconds=_number(body.get("uptime_seconds")),
            workers=_count(body.get("workers")),
        ),
        runtime=RuntimeProbe(
            probed_at=asked_at,
            status_code=status_code,
            status=_text(body.get("status")),
            database_engine=_text(database.get("engine")),
            database_engine_source=_text(database.get("source")),
            server_version=_text(database.get("server_version")),
            system_identifier=_text(database.get("system_identifier")),
            fsync=_text(database.get("fsync")),
            synchronous_commit=_text(database.get("synchronous_commit")),
            migration_head=_text(database.get("migration_head")),
            probe_error=problem,
        ),
        unsafe=[str(item)[:_KEPT] for item in unsafe] if isinstance(unsafe, list) else [],
    )


def parse_counters(exposition: str) -> dict[tuple[str, str], int]:
    """Return requests by (method, route) from Prometheus text, summed over the other labels."""
    totals: dict[tuple[str, str], int] = {}
    for sample in _SAMPLE.finditer(exposition):
        labels = dict(_LABEL.findall(sample["labels"]))
        key = (labels.get("http_request_method", ""), labels.get("http_route", ""))
        totals[key] = totals.get(key, 0) + round(float(sample["value"]))
    return totals


def read_counters(client: Client) -> dict[tuple[str, str], int] | None:
    """Return the target's own request counters, None where it has none to show."""
    try:
        answer = client.get(METRICS_PATH)
    except RequestError:
        return None
    if answer.status != _OK:
        return None
    return parse_counters(answer.text) or None


def read_limits(client: Client) -> dict[str, int] | None:
    """Return the rate limits that apply to this caller, None where the target does not say."""
    try:
        answer = client.get(LIMITS_PATH)
        body = _mapping(answer.json()) if answer.status == _OK else {}
    except (RequestError, ValueError):
        return None
    limits = {name: value for name, value in body.items() if _count(value) is not None}
    return limits or None
