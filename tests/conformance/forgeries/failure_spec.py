"""Lies of somebody who asks for less and does what was asked: all follows, from another spec.

The spec in the evidence, what was injected and what was checked agree in each; only what is
required tells, or that no such thing can be asked for.
"""

from collections.abc import Callable
from typing import Any

from forgeries.corpus import Corpus
from forgeries.failure_operations import rederive

corpus = Corpus()
F = "one injection"
SPEC = "failure.spec"

Data = dict[str, Any]


def lie(name: str, edit: Callable[[Data, Data], object], *, said: str = "asked for less") -> None:
    """Add an edit of the first scenario and its spec, after which everything follows again."""

    def forge(data: Data) -> None:
        scenario = data["scenarios"][0]
        edit(scenario["spec"], scenario)
        rederive(data)

    corpus.add(f"{said}: {name}", F, SPEC, forge)


def _put(path: str, value: Any) -> Callable[[Data, Data], object]:
    """Return an edit of one value of the spec."""
    *before, last = path.split(".")

    def edit(spec: Data, _: Data) -> None:
        holder: Any = spec
        for step in before:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        key: Any = int(last) if isinstance(holder, list) else last
        assert holder[key] != value
        holder[key] = value

    return edit


for path, value in (
    ("title", "All is well"),
    ("question", "Is all well?"),
    ("timeout_us", 60_000_000),
    ("parallel", True),
    ("prepare", "rows.py:made"),
    ("ripe_us", 1),
    ("files", {"prepare.py": "0" * 64}),
    ("requests.0.definition_sha256", "0" * 64),
    ("effects.sql", "SELECT 1, 1"),
    ("effects.from", "another"),
    ("invariants.0.sql", "SELECT 1000, 0"),
    ("invariants.0.title", "All is well"),
    ("invariants.0.at_least", 1),
    ("invariants.0.codes", ["none"]),
    ("invariants.0.settle_us", 60_000_000),
    ("faults.0.how", "nothing much"),
):
    lie(f"{path} = {value!r}"[:60], _put(path, value))


def _gentle(spec: Data, scenario: Data) -> None:
    for fault in (spec["faults"][0], scenario["trial"]["faults"][0]):
        fault["parameters"]["latency_us"] = 1_000


def _another_kind(spec: Data, scenario: Data) -> None:
    """A kind that needs no more than a connection refused, in place of a slow database."""
    for fault in (spec["faults"][0], scenario["trial"]["faults"][0]):
        fault["kind"], fault["parameters"] = "down", {}
    scenario["trial"]["faults"][0]["witnesses"] = [
        {"name": "connections refused", "before": 0, "during": 1, "needs": 1, "detail": []}
    ]


def _time_to_recover(spec: Data, scenario: Data) -> None:
    for fault in (spec["faults"][0], scenario["trial"]["faults"][0]):
        fault["objectives"]["slow_us"] = 60_000_000


def _without_a_fault(spec: Data, scenario: Data) -> None:
    name = spec["faults"].pop(3)["id"]
    scenario["trial"]["faults"].pop(3)
    for checks in (spec["checks"], scenario["trial"]["checks"]):
        checks[:] = [check for check in checks if check["about"] != name]


def _without_checks_of_durability(spec: Data, scenario: Data) -> None:
    spec["off"] = {"acknowledged_durable": "who would want that"}
    for checks in (spec["checks"], scenario["trial"]["checks"], scenario["baseline"]["checks"]):
        checks[:] = [check for check in checks if check["id"] != "acknowledged_durable"]


def _disturbed(spec: Data, scenario: Data) -> None:
    spec["off"] = {"undisturbed": "it is, now and then"}
    checks = scenario["baseline"]["checks"]
    checks[:] = [check for check in checks if check["id"] != "undisturbed"]


def _without_an_invariant(spec: Data, scenario: Data) -> None:
    name = spec["invariants"].pop(0)["id"]
    for trial in (scenario["trial"], scenario["baseline"]):
        trial["checks"] = [check for check in trial["checks"] if check["id"] != name]


def _wider(spec: Data, scenario: Data) -> None:
    for checks in (spec["checks"], scenario["trial"]["checks"]):
        for check in checks:
            if check["id"] == "answered_in":
                check["parameters"]["within_us"] = 60_000_000


def _fallbacks_are_service(spec: Data, scenario: Data) -> None:
    del scenario
    for request in spec["requests"]:
        for rule in request["answers"]:
            rule["class"] = ""


for name, edit in {
    "a millisecond of latency": _gentle,
    "another kind of fault": _another_kind,
    "a minute is quick enough": _time_to_recover,
    "a fault less": _without_a_fault,
    "acknowledged may be lost": _without_checks_of_durability,
    "a baseline may be disturbed": _disturbed,
    "an invariant less": _without_an_invariant,
    "a minute to answer": _wider,
    "fallbacks are service": _fallbacks_are_service,
}.items():
    lie(name, edit)


# What nobody can ask for.
def _no_such_kind(spec: Data, scenario: Data) -> None:
    for fault in (spec["faults"][0], scenario["trial"]["faults"][0]):
        fault["kind"] = "meteor"


def _own_witness(spec: Data, scenario: Data) -> None:
    trust = {"name": "trust me", "needs": 1, "run": []}
    spec["faults"][0]["witnesses"] = [trust]
    scenario["trial"]["faults"][0]["witnesses"] = [
        {"name": "trust me", "before": 0, "during": 1, "needs": 1, "detail": []}
    ]


def _unasked_for(spec: Data, scenario: Data) -> None:
    for checks in (spec["checks"], scenario["trial"]["checks"], scenario["baseline"]["checks"]):
        checks[:] = [check for check in checks if check["id"] != "no_double_effect"]


def _in_the_trial_alone(spec: Data, scenario: Data) -> None:
    for check in spec["checks"]:
        if check["id"] == "no_double_effect":
            check["baseline"] = False
    checks = scenario["baseline"]["checks"]
    checks[:] = [check for check in checks if check["id"] != "no_double_effect"]


for name, edit in {
    "effects twice without a fault": _in_the_trial_alone,
    "a kind that there is not": _no_such_kind,
    "a witness of its own": _own_witness,
    "a check off without a reason": _unasked_for,
    "a scenario under another's name": _put("id", "FI-009"),
}.items():
    lie(name, edit, said="asked for what cannot be")
