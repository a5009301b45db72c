"""What a target says of itself: who it is, which database it uses, which limits it applies.

Asked before and after the load, so that a restart, a failover or somebody else's traffic during
the run shows in the evidence. None of this is timed.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from stressproof.evidence.target import ParityReading, RuntimeProbe, TargetProbe
from stressproof.load.client import Client, RequestError
from stressproof.suite import HealthProbe, ParityProbe, Suite
from stressproof.verify.bounds import of_target
from stressproof.verify.stress.bounds import BOUNDS
from stressproof.workload.target import Target

_KEPT = 4096
_OK = 200
_COUNT_MAX = 2**53
_NS_PER_US = 1_000
_PROBE_TIMEOUT_S = 10.0


class Health(Struct, frozen=True):
    """One reading of the health endpoint."""

    target: TargetProbe
    runtime: RuntimeProbe
    unsafe: list[str]


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


_READ_AS: dict[str, Callable[[Any], Any]] = {
    "git_dirty": _flag,
    "uptime_seconds": _number,
    "workers": _count,
    "transactions_committed": _count,
    "wal_bytes": _count,
    "journal_sequence": _count,
    "compared": _count,
    "agreed": _flag,
    "first_sequence": _count,
    "last_sequence": _count,
}
"""How members are read that are no texts."""


_POSSIBLE = {
    "database_engine": BOUNDS["runtime.database_engine"],
    **{path.removeprefix("target."): bound for path, bound in of_target("target").items()},
}
"""What the verifier takes for possible: a service that says anything else has not said it."""

_MEMBERS = TargetProbe.__struct_fields__ + RuntimeProbe.__struct_fields__


def _member(body: Mapping[str, Any], path: str) -> Any:
    """Return what stands at ``a.b`` of a JSON object, None where nothing does."""
    value: Any = body
    for key in path.split("."):
        value = _mapping(value).get(key)
    return value


def _said(
    names: tuple[str, ...], members: Mapping[str, str], body: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what an answer tells of each name, null where it does not."""
    said: dict[str, Any] = dict.fromkeys(names)
    for name, path in members.items():
        read: Callable[[Any], Any] = _READ_AS.get(name, _text)
        value = read(_member(body, path))
        possible = _POSSIBLE.get(name)
        said[name] = value if possible is None or possible.holds(value) else None
    return said


def read_health(client: Client, probe: HealthProbe | None, asked_at: str) -> Health:
    """Ask the health endpoint; what it does not say is null, and why is in ``probe_error``.

    Args:
        client: Whom to ask with.
        probe: Where the endpoint is and how its answer is read; None for a service without one.
        asked_at: The time, in RFC 3339.
    """
    status_code: int | None = None
    body: Mapping[str, Any] = {}
    problem: str | None = None
    took_us: int | None = None
    if probe is None:
        probe, problem = HealthProbe("", {}), "no health endpoint is configured"
    else:
        try:
            asked_ns = time.monotonic_ns()
            answer = client.get(probe.path)
            took_us = -((asked_ns - time.monotonic_ns()) // _NS_PER_US)
            status_code = answer.status
            body = _mapping(answer.json())
            if not body:
                problem = "the health endpoint's answer is not a JSON object"
        except RequestError as error:
            problem = str(error)[:_KEPT]
        except ValueError:
            problem = "the health endpoint's answer is not JSON"
    said = _said(_MEMBERS, probe.members, body)
    said |= {"probed_at": asked_at, "status_code": status_code, "probe_error": problem}
    said |= {"took_us": took_us, "parity": None}
    unsafe = _member(body, probe.unsafe)
    return _health(said, [str(item)[:_KEPT] for item in unsafe] if isinstance(unsafe, list) else [])


def _health(said: Mapping[str, Any], unsafe: list[str]) -> Health:
    return Health(
        target=TargetProbe(**{name: said[name] for name in TargetProbe.__struct_fields__}),
        runtime=RuntimeProbe(**{name: said[name] for name in RuntimeProbe.__struct_fields__}),
        unsafe=unsafe,
    )


NOBODY = _health(
    dict.fromkeys(_MEMBERS) | {"probed_at": "", "probe_error": "the service did not start"}, []
)
"""What is known of a service that never answered."""


def probe(url: str, suite: Suite, headers: dict[str, str], asked_at: str) -> Health:
    """Return what a service says of itself to whoever asks with these headers, at a time."""
    target = Target(url, headers=headers)
    return read_health(Client(target, timeout_s=_PROBE_TIMEOUT_S), suite.probes.health, asked_at)


def read_parity(client: Client, probe: ParityProbe | None) -> ParityReading | None:
    """Return what the target finds when it compares its books, None where it does not say."""
    if probe is None:
        return None
    try:
        answer = client.get(probe.path)
        body = _mapping(answer.json()) if answer.status == _OK else {}
    except (RequestError, ValueError):
        return None
    return ParityReading(**_said(ParityReading.__struct_fields__, probe.members, body))


def read_limits(client: Client, path: str) -> dict[str, int] | None:
    """Return the rate limits that apply to this caller, None where the target does not say."""
    if not path:
        return None
    try:
        answer = client.get(path)
        body = _mapping(answer.json()) if answer.status == _OK else {}
    except (RequestError, ValueError):
        return None
    limits = {name: value for name, value in body.items() if _count(value) is not None}
    return limits or None
