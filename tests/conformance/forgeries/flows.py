"""Flows that were not run as they are told: requests, times and interruptions of their rows."""

import random
from typing import Any

from forgeries import honest
from forgeries.corpus import BASES, Corpus
from forgeries.honest import Plan, rederived

corpus = Corpus()
_ITERATIONS = 30
_STEPS = ("POST /carts", "POST /orders")
_NOTHING = {"n": 0, "sum_us": 0, "min_us": None, "max_us": None, "buckets": []}


def with_flow() -> dict[str, Any]:
    """A full artifact with a scenario of thirty runs of a flow of two requests beside the other."""
    plan = Plan()
    data = honest.full(plan)
    workload, dice = data["workload"], random.Random(7)
    first = len(workload["endpoints"])
    workload["scenarios"].append(
        {
            **workload["scenarios"][0],
            "name": "buys",
            "executor": "shared-iterations",
            "users": 1,
            "max_users": 1,
            "iterations": _ITERATIONS,
            "ramp_seconds": 0.0,
        }
    )
    common = {"expected_statuses": [200], "scenario": "buys", "flow": "buy"}
    flow = {"name": "flow:buy", "method": "", "path": "flows.py:buy", "weight": 1, "kind": "flow"}
    workload["endpoints"].append({**common, **flow, "expected_statuses": []})
    for name in _STEPS:
        method, path = name.split(" ")
        step = {"name": name, "method": method, "path": path, "weight": 0, "kind": "step"}
        workload["endpoints"].append({**common, **step})
    data["endpoints"] += ["flow:buy", *_STEPS]
    data["concurrent_users"] += 1
    for run in data["measurements"]["runs"]:
        rows = []
        for second in range(plan.duration_s):
            rows += [row for row in run["rows"] if row["second"] == second]
            took = [dice.randrange(50_000, 90_000) for _ in _STEPS]
            thought = dice.randrange(100_000, 200_000)
            rows += [
                _row(first, second, sum(took) + thought + 900, think_us=thought, requests=2),
                *(_row(first + 1 + at, second, us) for at, us in enumerate(took)),
            ]
        run["rows"] = rows
        run["ramp"] += [
            {"endpoint": first + at, "started": 0, "dropped": 0, "outcomes": {}}
            | {"corrected": dict(_NOTHING)}
            for at in range(3)
        ]
    for run in data["runs"]:
        run["connections"]["opened"] = {"127.0.0.1": data["concurrent_users"]}
        run["endpoints"] += [
            {"endpoint": name, "results": run["endpoints"][0]["results"]}
            for name in ("flow:buy", *_STEPS)
        ]
    return rederived(data)


def _row(endpoint: int, second: int, us: int, **more: int) -> dict[str, Any]:
    latency = honest.msgspec.to_builtins(honest.Latency.of(honest.Histogram.of([us])))
    counts = {"intended": 1, "started": 1, "late": 0, "dropped": 0, "outcomes": {"ok": 1}}
    return {"endpoint": endpoint, "second": second, **counts, "corrected": latency, **more}


BASES["flow"] = with_flow
FIRST = len(honest.ENDPOINTS)


def _flow_rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in data["measurements"]["runs"][0]["rows"] if row["endpoint"] == FIRST]


def _edited(name: str, rule: str, edit: Any) -> None:
    def mutate(data: dict[str, Any]) -> dict[str, Any]:
        edit(data)
        return rederived(data)

    corpus.add(name, "flow", rule, mutate)


_edited(
    "a run that sent one request more",
    "stress.flow-requests",
    lambda data: _flow_rows(data)[3].update(requests=3),
)
_edited(
    "runs that sent nothing",
    "stress.flow-requests",
    lambda data: [row.update(requests=0) for row in _flow_rows(data)],
)
_edited(
    "runs that thought longer than they took",
    "stress.flow-time",
    lambda data: [row.update(think_us=row["corrected"]["sum_us"]) for row in _flow_rows(data)],
)
_edited(
    "two runs of one user interrupted",
    "stress.interrupted",
    lambda data: [row.update(outcomes={"interrupted": 1}) for row in _flow_rows(data)[:2]],
)
_edited(
    "more iterations than were asked for",
    "stress.arrivals",
    lambda data: data["workload"]["scenarios"][1].update(iterations=29),
)
_edited(
    "think time of a step",
    "stress.rows",
    lambda data: data["measurements"]["runs"][0]["rows"][FIRST + 1].update(think_us=5),
)
_edited(
    "an outcome that no flow has",
    "stress.rows",
    lambda data: _flow_rows(data)[0].update(outcomes={"status_500": 1}),
)
_edited(
    "a step with a weight",
    "stress.endpoint-definitions",
    lambda data: data["workload"]["endpoints"][FIRST + 1].update(weight=1),
)
_edited(
    "a flow that is called a path",
    "stress.endpoint-definitions",
    lambda data: data["workload"]["endpoints"][FIRST].update(name="/health"),
)
_edited(
    "a step of a scenario that is not there",
    "stress.endpoint-definitions",
    lambda data: data["workload"]["endpoints"][FIRST + 1].update(scenario="other"),
)
corpus.set_(
    "a request without a method",
    "full",
    "stress.endpoint-definitions",
    "workload.endpoints.0.method",
    "",
)
