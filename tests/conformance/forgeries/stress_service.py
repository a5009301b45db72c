"""Lies about the service under load: its limits, its age, its health page and what it was asked."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from forgeries.corpus import Corpus, Honest, base
from forgeries.honest import Plan, artifact
from forgeries.honest_variants import GATE, as_it_is

from stressproof.exits import Exit

corpus = Corpus()
variants: list[Honest] = []
INCONCLUSIVE = Exit.INCONCLUSIVE
ASKED = {**GATE, "require_limits": True}
INSTANCE, HEALTHY, LIMITS = "stress.same-instance", "stress.healthy", "stress.rate-limits"
USERS, CHECKS, SAMPLES = "stress.users", "stress.preflight-checks", "stress.error-samples"
READS = ("read_tenant_per_minute", "read_global_per_minute")


def variant(name: str, edit: Callable[[dict[str, Any]], Any], asked: dict[str, Any]) -> None:
    """Add a full artifact that is unusual and true."""

    def make() -> dict[str, Any]:
        data = base("full")
        edit(data)
        return data

    variants.append(Honest(name, make, asked=asked))


# The limits that it applied.
for _name in READS:
    corpus.set_(f"a {_name} below the load", "full", LIMITS, f"runtime.limits.{_name}", 10)
for _seen, _limits in {
    "null": None,
    "empty": {},
    "of something else": {"tenant_per_minute": 9_000_000},
}.items():
    corpus.set_(
        f"limits {_seen}, where a gate asks for them",
        "full",
        LIMITS,
        "runtime.limits",
        _limits,
        asked=ASKED,
        code=INCONCLUSIVE,
    )
variant("limits, where a gate asks for them", as_it_is, ASKED)
variant(
    "limits that only just admit the load",
    lambda data: data["runtime"]["limits"].update(dict.fromkeys(READS, 180)),
    ASKED,
)
variant(
    "more than a limit that the service does not apply",
    lambda data: (
        data["runtime"]["limits"].update(dict.fromkeys(READS, 10)),
        data["runtime"].update(unsafe=["limits"]),
    ),
    {},
)
variant(
    "a limit of what the load does not ask",
    lambda data: data["runtime"]["limits"].update(tenant_per_minute=1),
    ASKED,
)


# How long it has been up.
def _told(**members: Any) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for when in ("before", "after"):
            data["target"][when].update(members)

    return edit


def _shifted(by_s: float, name: str = "uptime_seconds") -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for when in ("before", "after"):
            probe = data["target"][when]
            if name == "uptime_seconds":
                probe[name] += by_s
            else:
                moved = datetime.fromisoformat(probe[name]) + timedelta(seconds=by_s)
                probe[name] = moved.isoformat()

    return edit


def _unborn(data: dict[str, Any]) -> None:
    """A service that starts tomorrow, whose page tells no uptime."""
    _shifted(90_000, "started_at")(data)
    _told(uptime_seconds=None)(data)


for _what, _edit in {
    "no uptime": _told(uptime_seconds=None),
    "no start": _told(started_at=None),
    "no workers": _told(workers=None),
    "no version": _told(version=None),
    "a start that is no time": _told(started_at="yesterday"),
    "an uptime shifted by a day": _shifted(86_400),
    "an uptime shifted back by an hour": _shifted(-3600),
    "a start in the future": _shifted(90_000, "started_at"),
    "a start in the future and no uptime": _unborn,
}.items():
    corpus.add(
        f"{_what}, before and after", "full", INSTANCE, _edit, asked=ASKED, code=INCONCLUSIVE
    )
corpus.add(
    "no system identifier, before and after",
    "full",
    INSTANCE,
    lambda data: (
        [data["runtime"][when].update(system_identifier=None) for when in ("before", "after")]
        and None
    ),
    asked=ASKED,
    code=INCONCLUSIVE,
)
variant("a clock thirty seconds ahead", _shifted(30, "started_at"), ASKED)
variant("an uptime that nobody asks for", _told(uptime_seconds=None), {})
variant(
    "an uptime that the health page does not tell",
    _told(uptime_seconds=None),
    {**ASKED, "health_members": ("instance_id", "version")},
)

# The page that was asked.
corpus.set_(
    "another health page",
    "full",
    HEALTHY,
    "runtime.health_endpoint",
    "/health/live",
    asked=ASKED,
    code=INCONCLUSIVE,
)
variant(
    "another health page, where the suite has it",
    lambda data: data["runtime"].update(health_endpoint="/status"),
    {**ASKED, "health_endpoint": "/status"},
)

# The preflight.
for _took in (0, 1e-9, 0.01):
    corpus.set_(
        f"a preflight answer within {_took} ms",
        "full",
        CHECKS,
        "preflight.checks.2.latency_ms",
        _took,
    )
variant(
    "a refused attempt that took no time",
    lambda data: (
        data["preflight"]["checks"].insert(
            0,
            {**data["preflight"]["checks"][0], "ok": False, "status_code": None}
            | {"latency_ms": 0.0, "error": "connection refused"},
        ),
        data["preflight"]["checks"][1].update(attempt=2),
    ),
    ASKED,
)


def _not_found(data: dict[str, Any]) -> None:
    """The third endpoint is expected to be missing, and is."""
    data["preflight"]["checks"][2]["status_code"] = 404
    data["workload"]["endpoints"][2]["expected_statuses"] = [404]
    counted = data["target"]["counters"][2]["statuses"]
    counted["404"] = counted.pop("200")


def _wanted(**fields: Any) -> dict[str, Any]:
    """What a profile demands whose third endpoint is of its own."""
    endpoints = artifact(Plan()).workload.endpoints
    third = msgspec.structs.replace(endpoints[2], **fields)
    return {"profile_endpoints": (*endpoints[:2], third, *endpoints[3:])}


variant("a missing page that is expected", _not_found, _wanted(expected_statuses=[404]))
corpus.set_(
    "a preflight answer that nobody expects", "full", CHECKS, "preflight.checks.2.status_code", 404
)
corpus.set_(
    "a preflight answer of a status beside the expected one",
    "full",
    CHECKS,
    "preflight.checks.2.status_code",
    202,
)

# What no flag and no suite asks of users, and no file does either.
for _name, _value in {
    "cookies": True,
    "fresh": True,
    "redirects": 1,
    "setup": "flows.py:login",
    "graceful_stop_us": 1,
}.items():
    corpus.set_(
        f"users with {_name} of no file", "full", USERS, f"workload.scenarios.0.{_name}", _value
    )
for _name, _value in {
    "redirects": 11,
    "setup": "login",
    "graceful_stop_us": 2**40,
}.items():
    corpus.set_(
        f"users of flows with {_name} {_value}",
        "flow",
        USERS,
        f"workload.scenarios.1.{_name}",
        _value,
    )


@corpus.forge("users who begin afresh after their setup", "flow", USERS)
def _fresh(data: dict[str, Any]) -> None:
    data["workload"]["scenarios"][1].update(setup="flows.py:login", fresh=True)


def _of_a_file(data: dict[str, Any]) -> None:
    data["workload"]["scenarios"][0].update(cookies=True, redirects=3, setup="flows.py:login")
    for one in data["workload"]["endpoints"]:
        one["definition_sha256"] = "0" * 64


variant("users with cookies, redirects and a setup of a file", _of_a_file, {})
