"""Lies of somebody who has read the source: everything that follows is derived again.

So nothing contradicts anything else in these documents, and only what the scenarios demand tells.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from forgeries.corpus import Corpus, at, put

from failure_codes import record
from stressproof.exits import Exit
from stressproof.failures import conclusions
from stressproof.failures.artifact import FailureArtifact, Scenario
from stressproof.failures.history import ORIGINS

corpus = Corpus()
ALL, F = "injection", "one injection"
LOAD, KEYS, COMPARED = "failure.load", "failure.keys", "failure.compared"
CLASSES = "failure.classes"
PARAMETERS, WITNESSES = "failure.fault-parameters", "failure.witnesses"
FRESH, SEEDS, COMMAND = "failure.probes-fresh", "failure.seeds", "failure.command"

Data = dict[str, Any]
Row = list[int]

RETRY = ORIGINS.index("retry")


def rederive(data: Data) -> None:
    """Make everything follow again that the tool derives."""
    artifact = msgspec.convert(data, FailureArtifact)
    scenarios = [_rederived(scenario) for scenario in artifact.scenarios]
    summary = conclusions.summarise(scenarios)
    whole = msgspec.structs.replace(artifact, scenarios=scenarios, summary=summary)
    data.update(msgspec.to_builtins(whole))


def _rederived(scenario: Scenario) -> Scenario:
    baseline, trial = (
        conclusions.completed(one, scenario.spec) for one in (scenario.baseline, scenario.trial)
    )
    status, reasons = conclusions.judge_scenario(baseline, trial)
    return msgspec.structs.replace(
        scenario,
        baseline=baseline,
        trial=trial,
        status=status,
        reasons=reasons,
        checks=conclusions.passed_titles(trial),
        duration_seconds=conclusions.seconds(baseline, trial),
    )


def lie(
    name: str,
    rule: str,
    edit: Callable[[Data], None],
    *,
    of: str = F,
    code: Exit = Exit.EVIDENCE,
) -> None:
    """Add an edit after which everything follows again."""

    def forge(data: Data) -> None:
        edit(data)
        rederive(data)

    corpus.add(f"derived again: {name}", of, rule, forge, code=code)


def trial(data: Data, place: int = 0) -> Data:
    """Return the trial of a scenario."""
    found: Data = data["scenarios"][place]["trial"]
    return found


def rows_of(data: Data, kind: str, place: int = 0) -> list[Row]:
    """Return the operations of one kind."""
    operations = trial(data, place)["operations"]
    number = operations["kinds"].index(kind)
    return [row for row in operations["rows"] if row[2] == number]


def forget(data: Data, row: Row, place: int = 0) -> None:
    """Take an operation out, with the effect that it asked for."""
    trial(data, place)["operations"]["rows"].remove(row)
    unread(data, row[4], place)


def unread(data: Data, key: int, place: int = 0) -> None:
    """Take an effect out of the final read."""
    effects = trial(data, place)["effects"]
    effects["rows"] = [row for row in effects["rows"] if row[0] != key]


def code_of(data: Data, code: str) -> int:
    """Return the place of a code, which is added."""
    codes: list[Data] = trial(data)["operations"]["codes"]
    codes.append(msgspec.to_builtins(record(code)))
    return len(codes) - 1


def _without_a_key(data: Data) -> None:
    row = rows_of(data, "gate_hard")[20]
    unread(data, row[4])
    row[4] = 0


def _renamed(data: Data) -> None:
    row = rows_of(data, "gate_hard")[20]
    unread(data, row[4])
    row[2], row[4] = trial(data)["operations"]["kinds"].index("live"), 0


def _of_no_kind(data: Data) -> None:
    operations = trial(data)["operations"]
    operations["kinds"].append("gate_gentle")
    rows_of(data, "gate_hard")[20][2] = len(operations["kinds"]) - 1


def _one_more(data: Data) -> None:
    rows = trial(data)["operations"]["rows"]
    row = rows_of(data, "read")[3]
    rows.insert(rows.index(row) + 1, [row[0] + 1, *row[1:]])


def _ended_early(data: Data) -> None:
    until_us = trial(data)["faults"][-1]["watched_us"] - 700_000
    for row in [row for row in trial(data)["operations"]["rows"] if row[0] > until_us]:
        forget(data, row)


def _moved(data: Data) -> None:
    rows_of(data, "read")[3][0] += 1


def _always_a_read(data: Data) -> None:
    kinds = trial(data, 2)["operations"]["kinds"]
    for row in rows_of(data, "consume", 2)[1:]:
        unread(data, row[4], 2)
        row[2], row[4] = kinds.index("read"), 0


lie("a lost write without its key", KEYS, _without_a_key)
lie(
    "a lost write without its operations",
    LOAD,
    lambda data: forget(data, rows_of(data, "gate_hard")[20]),
)
lie("a slow gate called live", LOAD, _renamed)
lie("a gate of a kind of its own", LOAD, _of_no_kind)
lie("a quick read that nobody asked for", LOAD, _one_more)
lie("a read a microsecond later", LOAD, _moved)
lie("load that ended early", LOAD, _ended_early, of=ALL, code=Exit.INCONCLUSIVE)
lie("tokens that are never spent", LOAD, _always_a_read, of=ALL)
lie(
    "a race without its last one",
    LOAD,
    lambda data: forget(data, rows_of(data, "race_1", 1)[-1], 1),
    of=ALL,
)
lie(
    "a flood without one admission",
    LOAD,
    lambda data: forget(data, rows_of(data, "gate_flood", 4)[50], 4),
    of=ALL,
)
lie(
    "a cut consumption that never was",
    LOAD,
    lambda data: forget(data, rows_of(data, "consume_cut", 2)[0], 2),
    of=ALL,
)


def _second_of_one(data: Data) -> None:
    rows_of(data, "gate_hard")[20][5] = 2


def _again(data: Data) -> None:
    rows = trial(data)["operations"]["rows"]
    row = rows_of(data, "gate_hard")[20]
    rows.insert(rows.index(row) + 1, [*row[:5], 2, RETRY])


def _by_two_kinds(data: Data) -> None:
    hard, soft = rows_of(data, "gate_hard")[20], rows_of(data, "gate_soft")[20]
    unread(data, soft[4])
    soft[4], soft[5] = hard[4], 2


def _left_open(data: Data) -> None:
    row = rows_of(data, "gate_hard")[2]
    row[3] = code_of(data, "503/retry")


def _called_settling(data: Data) -> None:
    row = rows_of(data, "gate_hard")[20]
    row[6] = ORIGINS.index("settle")


def _asked_again_too_soon(data: Data) -> None:
    """It was still open what became of it, and yet it was asked for again."""
    rows = trial(data)["operations"]["rows"]
    row = rows_of(data, "gate_hard")[20]
    again = [*row[:5], 2, RETRY]
    row[3] = code_of(data, "503/retry")
    rows.insert(rows.index(row) + 1, again)


def _classed(data: Data) -> None:
    """A gate that was not answered is called acknowledged."""
    row = rows_of(data, "gate_hard")[20]
    row[3] = code_of(data, "503/retry")
    trial(data)["operations"]["codes"][-1]["class"] = "ok"


def _one_meaning_for_all(data: Data) -> None:
    """A fallback counts as service to those who read, and is called so to gates."""
    row = rows_of(data, "gate_hard")[20]
    row[3] = code_of(data, "200/failsafe:DENY:gate_timeout:hard_mode_fail_closed")
    trial(data)["operations"]["codes"][-1]["class"] = "ok"


def _unread_effect(data: Data) -> None:
    """An effect that nobody looked for, and a check that says so, taken out of the spec."""
    scenario = data["scenarios"][0]
    scenario["spec"]["off"] = {"every_key_read": "all of them are there"}
    unread(data, rows_of(data, "gate_hard")[20][4])
    for checks in (scenario["spec"]["checks"], scenario["trial"]["checks"]):
        checks[:] = [check for check in checks if check["id"] != "every_key_read"]


lie("a second attempt without a first", KEYS, _second_of_one)
lie("asked again though it was answered", KEYS, _again)
lie("one effect of two kinds", KEYS, _by_two_kinds)
lie("an effect that stays unknown", KEYS, _left_open, of=ALL, code=Exit.INCONCLUSIVE)
lie("a first attempt called a settling", KEYS, _called_settling)
lie("asked again before it ended", KEYS, _asked_again_too_soon)
lie("a lost gate called acknowledged", CLASSES, _classed)
lie("a fallback called service", CLASSES, _one_meaning_for_all)
corpus.add("an effect that nobody looked for", F, KEYS, _unread_effect)


def _check(data: Data, name: str) -> Data:
    found: Data = next(check for check in trial(data)["checks"] if check["id"] == name)
    return found


for name in ("chain_unbroken", "decisions_equal_ledger"):
    lie(
        f"{name} looked at one thing",
        COMPARED,
        lambda data, name=name: _check(data, name).update(compared=1),
        code=Exit.INCONCLUSIVE,
        of=ALL,
    )

# Faults.
FIRST = "scenarios.0.trial.faults.0"
for path, value in (
    ("target", "another service"),
    ("parameters", {}),
    ("parameters", {"latency_us": 1}),
):
    corpus.set_(f"a fault's {path} = {value!r}", F, PARAMETERS, f"{FIRST}.{path}", value)
for name, value in (
    ("latency_us", 1),
    ("latency_us", True),
    ("gently", True),
):
    corpus.add(
        f"a fault with {name} = {value!r}",
        F,
        PARAMETERS,
        lambda data, name=name, value=value: at(data, f"{FIRST}.parameters").update({name: value}),
    )


def _for_a_moment(data: Data) -> None:
    fault = trial(data)["faults"][0]
    fault["removed_us"] = fault["effective_us"] + 1


def _barely_cut(data: Data) -> None:
    """Five of fifteen commits were cut, and then nobody waited for the others."""
    fault = trial(data)["faults"][-1]
    fault["removed_us"] = fault["effective_us"] + 1
    fault["witnesses"][0]["during"] = 5


lie("a fault for a microsecond", PARAMETERS, _for_a_moment)
lie("cuts that ended before they were spent", PARAMETERS, _barely_cut)

TRUST = {"name": "trust me", "before": 0, "during": 1, "needs": 1, "detail": []}
corpus.set_("a witness to be trusted", F, WITNESSES, f"{FIRST}.witnesses", [TRUST])
corpus.add(
    "a witness more",
    F,
    WITNESSES,
    lambda data: at(data, f"{FIRST}.witnesses").append(TRUST),
)
corpus.drop("a witness less", F, WITNESSES, f"{FIRST}.witnesses.1")
corpus.set_(
    "a witness that needs less", F, WITNESSES, "scenarios.0.trial.faults.4.witnesses.0.needs", 1
)


# Who was asked when, what it is called, and what ran.
def _shifted(path: str, seconds: float) -> Callable[[Data], None]:
    return lambda data: put(
        data,
        path,
        (datetime.fromisoformat(at(data, path)) + timedelta(seconds=seconds)).isoformat(),
    )


for name, path, seconds in (
    ("a service asked a year ago", "runtime_before.probed_at", -365 * 86_400),
    ("a service first asked in the middle", "runtime_before.probed_at", 30),
    ("a service last asked in the middle", "runtime_after.probed_at", -30),
    ("a service asked after the end", "runtime_after.probed_at", 60),
):
    corpus.add(name, F, FRESH, _shifted(path, seconds))
corpus.set_("a service asked at no time", F, FRESH, "runtime_before.probed_at", "before")
corpus.set_("a scenario under another seed", F, SEEDS, "scenarios.0.seed", 8)
for command in (
    "",
    "--",
    "stressproof inject --quick",
    "stressproof inject --seed 8",
    "stressproof inject --seed=8",
    "stressproof inject --workers 1",
    "stressproof inject --executed-by mallory",
    "stressproof inject --approved-by alice@example.com",
):
    corpus.set_(f"command {command!r}", F, COMMAND, "scenarios.0.command", command)
corpus.set_("another command for one", ALL, COMMAND, "scenarios.3.command", "stressproof inject")
corpus.set_(
    "a tail that is not the log's", F, "failure.recomputed", "scenarios.0.result_tail", "5 passed"
)
