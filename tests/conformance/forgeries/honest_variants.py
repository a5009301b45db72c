"""Unusual but true: what must pass although it looks different from what we write."""
# booleans are what fields hold here

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

from forgeries import honest, honest_failure
from forgeries.corpus import Honest, base, put
from forgeries.honest import COMMIT, ENDPOINTS, NOW, PREFIX, Plan
from forgeries.result_tails import PASSED_TAILS

from enforcement_suite.suite import SUITE
from protocol_failures import SCENARIOS

PLANS: dict[str, Plan] = {
    "as usual": Plan(),
    "another seed": Plan(seed=99),
    "one slow round within limits": Plan(slow_round=1),
    "five rounds": Plan(rounds=5),
    "long rounds": Plan(duration_s=120, rate_per_user=1.0),
    "odd rounds of 37 s": Plan(duration_s=37),
    "forty users": Plan(users=40),
    "few requests": Plan(rate_per_user=1.1),
    "no ramp": Plan(ramp_s=0),
    "a long ramp": Plan(ramp_s=30),
    "a pause": Plan(pause_s=600),
    "a short timeout": Plan(timeout_s=2.5),
    "a few failures within the limit": Plan(failures=0.003, seed=12),
    "an open loop": Plan(closed_loop=False, seed=3),
    "rows of ten seconds": Plan(duration_s=960, resolution_s=10),
    "only the required endpoints": Plan(endpoints=(ENDPOINTS[1], ENDPOINTS[5], ENDPOINTS[6])),
    "more endpoints": Plan(endpoints=(*ENDPOINTS, f"{PREFIX}/decisions?limit=10")),
    "no counters": Plan(counters=False),
    "weights": Plan(weights=(3, 1, 1, 2, 1, 1, 1)),
    "captured just now": Plan(captured=NOW),
    "captured with a clock slightly ahead": Plan(captured=NOW + timedelta(seconds=59)),
    "captured long ago": Plan(captured=NOW - timedelta(days=300)),
    "no commit": Plan(commit=None),
}

FORMS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "plain": honest.plain,
    "minimal": honest.minimal,
    "full": honest.full,
}


@cache
def _text(form: str, plan: str) -> str:
    return json.dumps(FORMS[form](PLANS[plan]))


def built(form: str, plan: str = "as usual") -> dict[str, Any]:
    """A fresh copy of a variant."""
    made: dict[str, Any] = json.loads(_text(form, plan))
    return made


def _shuffled(value: Any, dice: random.Random) -> Any:
    """The same value with its keys in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        dice.shuffle(items)
        return {key: _shuffled(item, dice) for key, item in items}
    return [_shuffled(item, dice) for item in value] if isinstance(value, list) else value


def _integers(value: Any) -> Any:
    """The same value with ``30`` for ``30.0``: JSON does not tell them apart."""
    if isinstance(value, dict):
        return {key: _integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


ENCODINGS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "keys in another order": lambda data: json.dumps(_shuffled(data, random.Random(4))).encode(),
    "indented by tabs": lambda data: json.dumps(data, indent="\t").encode() + b"\n\n",
    "without blanks": lambda data: json.dumps(data, separators=(",", ":")).encode(),
    "with odd blanks": lambda data: (
        b" \r\n\t" + json.dumps(data, separators=(" ,\r\n", " :\t")).encode()
    ),
    "with everything escaped": lambda data: (
        json.dumps(data).replace('"profile"', '"\\u0070rofile"').replace("/", "\\/").encode()
    ),
    "integers for floats": lambda data: json.dumps(_integers(data)).encode(),
}


def as_it_is(data: dict[str, Any]) -> None:
    """Change nothing."""
    del data


VARIANTS: list[Honest] = [
    Honest(f"{form}, {plan}", lambda form=form, plan=plan: built(form, plan))
    for plan in PLANS
    for form in FORMS
]
VARIANTS.extend(
    Honest(
        f"{form}, {plan}, {how}",
        lambda form=form, plan=plan, encode=encode: encode(built(form, plan)),
    )
    for how, encode in ENCODINGS.items()
    for plan in ("as usual", "one slow round within limits", "an open loop", "no ramp")
    for form in FORMS
)


def variant(
    name: str, form: str, edit: Callable[[dict[str, Any]], Any], asked: dict[str, Any] | None = None
) -> None:
    """Add a variant made by an edit."""

    def make() -> dict[str, Any]:
        data = built(form)
        edit(data)
        return data

    VARIANTS.append(Honest(f"{form}, {name}", make, "stress", asked or {}))


def _times_in(zone: timezone, *, zulu: bool = False) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for holder in (data, *data["runs"]):
            text = datetime.fromisoformat(holder["captured_at"]).astimezone(zone).isoformat()
            holder["captured_at"] = text.replace("+00:00", "Z") if zulu else text

    return edit


for _form in FORMS:
    variant("times in another zone", _form, _times_in(timezone(timedelta(hours=5, minutes=45))))
    variant("times west of Greenwich", _form, _times_in(timezone(timedelta(hours=-9))))
    variant("times ending in Z", _form, _times_in(timezone(timedelta(0)), zulu=True))
    variant(
        "as old as allowed",
        _form,
        as_it_is,
        {"max_artifact_age_hours": 1.0},
    )
    variant("more rounds than asked", _form, as_it_is, {"min_rounds": 2})
    variant("a required endpoint more", _form, as_it_is, {"required_endpoints": ENDPOINTS})

for _name, _edit in {
    "an unknown field": lambda data: data.update(note="made on a Tuesday"),
    "an unknown object": lambda data: data.update(ci={"job": 7, "tags": ["a"]}),
    "an unknown field of a round": lambda data: data["runs"][0].update(server="blue"),
    "a large integer in an unknown field": lambda data: data.update(ns=1772017200123456789),
    "Unicode in an unknown field": lambda data: data.update(note="Übung \U0001f600 \u202e"),
    "status complete": lambda data: data.update(status="complete"),
    "a start": lambda data: data.update(started_at="2026-02-25T10:57:55+00:00"),
    "a target over HTTPS": lambda data: data.update(target_url="https://staging.example.com"),
    "a target with a port and a path": lambda data: data.update(
        target_url="https://staging.example.com:8443/base/"
    ),
    "a target by IPv6": lambda data: data.update(target_url="http://[::1]:8000"),
    "an engine by query": lambda data: data["runtime"].update(database_engine_source="db-query"),
    "an engine by endpoint": lambda data: data["runtime"].update(
        database_engine_source="target-endpoint"
    ),
    "health unknown": lambda data: data["runtime"].update(status="unknown"),
    "no health code": lambda data: data["runtime"].update(health_status_code=None),
    "no probe error": lambda data: data["runtime"].update(probe_error=""),
    "a second attempt in preflight": lambda data: (
        data["preflight"]["checks"].insert(
            0,
            {
                "endpoint": ENDPOINTS[0],
                "attempt": 1,
                "status_code": None,
                "ok": False,
                "latency_ms": 5000.0,
                "error": "timeout",
            },
        )
        or data["preflight"]["checks"][1].update(attempt=2)
    ),
    "preflight checks without latency": lambda data: [
        (check.pop("latency_ms"), check.pop("error")) for check in data["preflight"]["checks"]
    ],
    "no checks": lambda data: data["preflight"].pop("checks"),
    "answers of 201 and 204": lambda data: [
        data["preflight"]["checks"][place].update(status_code=code)
        for place, code in enumerate((201, 204))
    ],
    "no top-level verdict": lambda data: data.pop("meets_targets"),
    "no ramp stated": lambda data: data.pop("ramp_up_seconds"),
    "no timeout stated": lambda data: data.pop("request_timeout"),
    "no averages": lambda data: [
        results.pop("avg_response_time")
        for results in (data["results"], *(run["results"] for run in data["runs"]))
    ],
    "no extremes": lambda data: [
        (results.pop("min_response_time"), results.pop("max_response_time"))
        for results in (data["results"], *(run["results"] for run in data["runs"]))
    ],
    "evaluations without limits": lambda data: [
        one.pop("thresholds") for one in data["evaluation"]["rounds"]
    ],
    "evaluations numbered": lambda data: [
        one.update(run_index=place) for place, one in enumerate(data["evaluation"]["rounds"], 1)
    ],
    "limits as integers": lambda data: data["thresholds"].update(
        max_p95_seconds=2, max_error_rate_percent=1
    ),
    "a worst p95 with all its digits": lambda data: data["evaluation"].update(
        worst_p95_seconds=max(run["results"]["p95_response_time"] for run in data["runs"])
    ),
    "medians averaged over rounds": lambda data: data["results"].update(
        median_response_time=sum(run["results"]["median_response_time"] for run in data["runs"]) / 3
    ),
    "an instant minimum at top": lambda data: data["results"].update(
        min_response_time=round(data["results"]["min_response_time"], 4)
    ),
    "elapsed times": lambda data: [
        run.update(
            elapsed_seconds=run["results"]["total_requests"] / run["results"]["throughput_rps"]
        )
        for run in data["runs"]
    ],
    "preflight numbers": lambda data: data["preflight"].update(
        attempts_per_endpoint=3, request_timeout_seconds=2
    ),
}.items():
    variant(_name, "plain", _edit)


def _p95(value: float) -> Callable[[dict[str, Any]], None]:
    """One round's p95 exactly so, with everything that follows from it."""

    def edit(data: dict[str, Any]) -> None:
        data["runs"][1]["results"].update(
            p95_response_time=value, p99_response_time=value, max_response_time=value
        )
        data["results"].update(
            p95_response_time=value, p99_response_time=value, max_response_time=value
        )
        data["evaluation"]["worst_p95_seconds"] = value
        data["evaluation"]["rounds"][1]["p95_response_time"] = value

    return edit


variant("a p95 exactly at the limit", "plain", _p95(2.0))
variant("a p95 of an integer", "plain", _p95(2))
variant("a p95 just below the limit", "plain", _p95(1.99999))


def _four_failed(data: dict[str, Any]) -> None:
    """4 of 420 requests, 0.95 %, in every round."""
    for run, one in zip(data["runs"], data["evaluation"]["rounds"], strict=True):
        run["results"].update(failed_requests=4, successful_requests=416, errors_sample=["503"])
        one.update(failed_requests=4, successful_requests=416, error_rate_percent=0.9524)
    data["results"].update(failed_requests=12, successful_requests=1248, errors_sample=["503"])


variant("errors just within the limit", "plain", _four_failed)


def _tightened(data: dict[str, Any]) -> None:
    limits = {"max_p95_seconds": 1.7, "max_error_rate_percent": 0.0, "min_throughput_rps": 10.0}
    data["thresholds"] = limits
    for one in data["evaluation"]["rounds"]:
        one["thresholds"] = limits


TIGHT = {"max_p95_seconds": 1.7, "max_error_rate_percent": 0.0, "min_throughput_rps": 10.0}
for _form in ("plain", "full"):
    variant("tighter limits on both sides", _form, _tightened, TIGHT)
VARIANTS.extend(
    Honest(
        f"{form}, five rounds asked",
        lambda form=form: built(form, "five rounds"),
        asked={"min_rounds": 5},
    )
    for form in FORMS
)

BOUND = {"expected_commits": ("f" * 40, COMMIT)}
GATE = {
    **BOUND,
    "minimum_level": "recomputed",
    "require_counters": True,
    "min_parity_compared": 1,
    "require_identity": True,
    "refuse_unsafe": True,
    "max_artifact_age_hours": 24.0,
    "target_names": {"staging": "http://127.0.0.1:8000", "production": ""},
}


def _unknown_end(data: dict[str, Any]) -> None:
    """A ramp request that was sent and never answered: the service may have counted it or not."""
    row = data["measurements"]["runs"][0]["ramp"][1]
    row["outcomes"] = {"ok": row["started"] - 1, "reset": 1}


def named_with_method(data: dict[str, Any]) -> None:
    """As a capture writes it whose endpoints are named ``GET /x``."""
    data["endpoints"] = [f"GET {path}" for path in data["endpoints"]]
    for check in data["preflight"]["checks"]:
        check["endpoint"] = f"GET {check['endpoint']}"
    for each in data.get("workload", {}).get("endpoints", []):
        each["name"] = f"GET {each['path']}"
    for one in (one for run in data["runs"] for one in run.get("endpoints", [])):
        one["endpoint"] = f"GET {one['endpoint']}"
    for pair in data.get("target", {}).get("counters", []):
        pair["endpoint"] = f"GET {pair['endpoint']}"


variant("endpoints named with their method", "plain", named_with_method)
variant("endpoints named with their method, at a gate", "full", named_with_method, GATE)
variant("everything that a gate asks", "full", as_it_is, GATE)
variant(
    "a target whose URL the environment says",
    "full",
    lambda data: data["target"].update(name="production"),
    GATE,
)
variant(
    "a target without a name, for a suite",
    "full",
    lambda data: data["target"].update(name=None),
    {**GATE, "target_names": None},
)


def longer(data: dict[str, Any]) -> None:
    """The journal grew during the load, and the log with it."""
    data["runtime"]["after"] |= {"journal_sequence": 5_001, "journal_hash": "0" * 64}


def committed_until(data: dict[str, Any], second: int) -> int:
    """Successes of required endpoints: of ramps, of rounds, and of the last up to a second."""
    *whole, last = data["measurements"]["runs"]
    rows = [row for run in whole for row in (*run["ramp"], *run["rows"])]
    rows += [*last["ramp"], *(row for row in last["rows"] if row["second"] < second)]
    required = {
        place
        for place, path in enumerate(data["endpoints"])
        if path in SUITE.stress[0].required_endpoints
    }
    return sum(row["outcomes"].get("ok", 0) for row in rows if row["endpoint"] in required)


def _unreported(data: dict[str, Any]) -> None:
    """Sessions that fell idle at once have not reported their last second yet."""
    first = data["runtime"]["before"]["transactions_committed"]
    data["runtime"]["after"]["transactions_committed"] = first + committed_until(data, 21)


variant(
    "commits of the last seconds not reported yet",
    "full",
    _unreported,
    {"min_transactions_per_success": 1.0},
)


def _untold(data: dict[str, Any]) -> None:
    """A service that says nothing of what its database counts owes nobody that."""
    for probe in (data["runtime"]["before"], data["runtime"]["after"]):
        for name in ("transactions_committed", "wal_bytes", "journal_sequence", "journal_hash"):
            probe[name] = None
        probe["parity"] = None


def _decided(data: dict[str, Any]) -> None:
    """Decisions were made during the load: more of the journal, and newer ones compared."""
    longer(data)
    data["runtime"]["after"]["parity"] |= {"first_sequence": 3_997, "last_sequence": 5_001} | {
        f"{of}_sha256": "b5" * 32 for of in ("records", "journal")
    }


variant("decisions made and compared, at a gate", "full", _decided, GATE)
variant("as many compared as asked", "full", as_it_is, {**GATE, "min_parity_compared": 1_000})
variant(
    "a comparison that tells how many and no range",
    "full",
    lambda data: [
        data["runtime"][when]["parity"].update(
            first_sequence=None, last_sequence=None, records_sha256=None, journal_sha256=None
        )
        for when in ("before", "after")
    ],
    GATE,
)
variant("a journal that grew, at a gate", "full", longer, {**GATE, "database_in_detail": True})
variant("nothing of what the database counts", "full", _untold, {"database_in_detail": True})


def _written(data: dict[str, Any]) -> None:
    """The second endpoint is asked by POST, and called by its path alone."""
    data["workload"]["endpoints"][1]["method"] = "POST"


for _form in ("plain", "full"):
    _names = tuple(f"GET {path}" for path in ENDPOINTS)
    variant("required by method and path", _form, as_it_is, {"required_endpoints": _names})
variant(
    "a required write",
    "full",
    _written,
    {"required_endpoints": (f"POST {ENDPOINTS[1]}", ENDPOINTS[0])},
)
variant("bound to an ancestor", "full", as_it_is, BOUND)
for _name, _edit in {
    "a service that states no commit": lambda data: [
        data["target"][when].update(git_commit=None, git_dirty=None) for when in ("before", "after")
    ],
    "a service that states no identity": lambda data: [
        data["target"][when].update(instance_id=None, uptime_seconds=None, started_at=None)
        for when in ("before", "after")
    ],
    "no limits known": lambda data: data["runtime"].update(limits=None),
    "an image digest": lambda data: data["subject"].update(image_digest="sha256:" + "0" * 64),
    "no counters at all": lambda data: data["target"].update(counters=[]),
    "a created status expected too": lambda data: data["workload"]["endpoints"][0].update(
        expected_statuses=[200, 201]
    ),
    "endpoints named with their method": lambda data: [
        (
            each.update(name=f"GET {each['path']}"),
            [
                put(run, f"endpoints.{place}.endpoint", f"GET {each['path']}")
                for run in data["runs"]
            ],
        )
        for place, each in enumerate(data["workload"]["endpoints"])
    ],
    "endpoints named with their method throughout": named_with_method,
    "unsafe, where that is only recorded": lambda data: data["runtime"].update(unsafe=["x"]),
    "any certificate, where that is only recorded": lambda data: data["target"].update(
        insecure=True
    ),
    "a restart of nothing": lambda data: data["target"]["after"].update(workers=3),
    "a counter that includes a request of unknown end": _unknown_end,
}.items():
    variant(_name, "full", _edit)


for _seed in range(40):
    _seeded = replace(Plan(), seed=1000 + _seed, users=10 + _seed)
    VARIANTS.append(
        Honest(
            f"made-up capture {_seed}",
            lambda plan=_seeded, form=("full", "plain", "minimal")[_seed % 3]: FORMS[form](plan),
        )
    )

# Failure evidence.


def failure_variant(
    name: str, edit: Callable[[dict[str, Any]], Any], asked: dict[str, Any] | None = None
) -> None:
    """Add a variant of failure evidence made by an edit."""

    def make() -> dict[str, Any]:
        data = base("failure")
        edit(data)
        return data

    VARIANTS.append(Honest(f"failure, {name}", make, "failure", asked or {}))


for _how, _encode in ENCODINGS.items():
    VARIANTS.append(
        Honest(f"failure, {_how}", lambda encode=_encode: encode(honest_failure.plain()), "failure")
    )
for _name, _edit in {
    "as usual": as_it_is,
    "scenarios in another order": lambda data: (
        data["scenarios"].reverse()
        or [each.update(evidence_refs=["#/scenarios/0/checks"]) for each in data["scenarios"]]
    ),
    "without commands": lambda data: [each.pop("command") for each in data["scenarios"]],
    "without output": lambda data: [
        (each.pop("result_tail"), each.update(evidence_refs=each["evidence_refs"][:1]))
        for each in data["scenarios"]
    ],
    "without a subject": lambda data: data.pop("subject"),
    "a subject that is not known": lambda data: data.update(
        subject={"git_commit": None, "git_dirty": None}
    ),
    "an unknown field": lambda data: data.update(note="x"),
    "an unknown field of a scenario": lambda data: data["scenarios"][0].update(witness={"pid": 1}),
    "whole seconds": lambda data: data["scenarios"][0].update(duration_seconds=12),
    "a very short scenario": lambda data: data["scenarios"][0].update(duration_seconds=0.001),
    "a scenario of a day": lambda data: data["scenarios"][0].update(duration_seconds=86400),
    "one check each": lambda data: [
        each.update(checks=each["checks"][:1]) for each in data["scenarios"]
    ],
    "many checks": lambda data: data["scenarios"][0].update(checks=[f"c{n}" for n in range(200)]),
    **{
        f"an output that ends with {tail!r}": lambda data, tail=tail: data["scenarios"][0].update(
            result_tail=tail
        )
        for tail in PASSED_TAILS
    },
    "an empty output": lambda data: data["scenarios"][0].update(
        result_tail="", evidence_refs=["#/scenarios/0/checks"]
    ),
    "a pointer to the summary": lambda data: data["scenarios"][0].update(
        evidence_refs=["#/summary/passed_scenarios", "#/scenarios/0"]
    ),
    "a pointer with escapes": lambda data: (
        data.update({"a/b~c": "x"}) or data["scenarios"][0].update(evidence_refs=["#/a~1b~0c"])
    ),
    "a pointer to false": lambda data: data["scenarios"][0].update(
        evidence_refs=["#/subject/git_dirty"]
    ),
    "a pointer to zero": lambda data: data["scenarios"][0].update(
        evidence_refs=["#/summary/failed_scenarios"]
    ),
    "times ending in Z": lambda data: data.update(captured_at="2026-02-25T10:00:00Z"),
    "times in another zone": lambda data: data.update(captured_at="2026-02-25T19:00:00.5+09:00"),
    "a start": lambda data: data.update(started_at="2026-02-25T09:00:00Z"),
    "status complete": lambda data: data.update(status="complete"),
    "names with accents": lambda data: data.update(executed_by="José Å.", approved_by="Jose A."),
    "names of one family": lambda data: data.update(
        executed_by="Ivan Petrov", approved_by="Ivana Petrova"
    ),
    "names in Cyrillic": lambda data: data.update(executed_by="Анна", approved_by="Борис"),
    "names in Chinese": lambda data: data.update(executed_by="王芳", approved_by="李娜"),
    "names in Hindi": lambda data: data.update(executed_by="अनीता", approved_by="विकास"),
    "one name the start of the other": lambda data: data.update(
        executed_by="ann", approved_by="anna"
    ),
    "accounts": lambda data: data.update(executed_by="ci-runner-7", approved_by="ops@example.com"),
}.items():
    failure_variant(_name, _edit)
failure_variant("bound to its commit", as_it_is, {"expected_commits": (COMMIT,)})

FOUR = SCENARIOS[:4]


def _four(data: dict[str, Any]) -> None:
    data["scenarios"].pop()
    data["summary"].update(total_scenarios=4, passed_scenarios=4)


failure_variant("asked to know every field", as_it_is, {"refuse_unknown_fields": True})
failure_variant("asked for fewer scenarios", _four, {"scenarios": FOUR})
failure_variant("as old as allowed", as_it_is, {"max_artifact_age_hours": 2.0})
