"""The scenarios: all there, each checked, each with references that lead somewhere."""

import re
import shlex
from collections import Counter
from itertools import pairwise
from typing import Any

from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.differences import differences
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.failure.document import RECAPTURE
from stressproof.verify.failure.result_tail import tail_problem
from stressproof.verify.rule import Judgement, prose, rule, show

_CLAUSE = "evidence.md, Failure evidence"
_EDITED = "Scenarios are written by the injection; inject again instead of editing them."
_STATUSES = ("pass", "fail", "inconclusive")
_REASONS = 8
"""Told of a scenario that did not pass; a report has all of them."""
_SHORTEST_S, _LONGEST_S = 0.001, 24 * 3600.0


@rule(
    "failure.scenarios",
    clause=_CLAUSE,
    title="Every required scenario is there once, and no other",
    remedy=RECAPTURE,
)
def scenarios(case: FailureCase, judgement: Judgement) -> None:
    """Each scenario of the suite exactly once; where none is demanded, nothing is proven."""
    if case.declared.scenarios is None:
        judgement.skip("scenarios is not there")
        return
    count = Counter(scenario.id for scenario in case.scenarios if scenario.id is not None)
    if not case.demanded and not (case.is_full and count):
        judgement.inconclusive(
            "scenarios",
            sorted(count),
            prose("scenarios of a suite or file to compare with"),
            "Say what must be injected: install the suite whose scenarios these are, or name the "
            "file.",
        )
        return
    for name in case.demanded or count:
        judgement.check(count[name] == 1, "scenarios", prose(f"{count[name]} of {name}"), 1)
    unexpected = [name for name in count if name not in case.demanded and case.demanded]
    judgement.check(not unexpected, "scenarios", unexpected, prose(", ".join(case.demanded)))


@rule(
    "failure.spec",
    clause=_CLAUSE,
    title="What was asked for is exactly what is required",
    remedy="Inject again with the suite or file that is required: each value was another one.",
    level=Level.RECOMPUTED,
)
def spec(case: FailureCase, judgement: Judgement) -> None:
    """Each scenario's spec can be one, and is by value the one that is demanded, if any is."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for place, scenario in enumerate(artifact.scenarios):
        where = f"scenarios[{place}].spec"
        judgement.passed()
        for problem in case.spec_faults[place]:
            judgement.fail(where, prose(problem), prose("a scenario that can be injected"))
        if scenario.id in case.demanded:
            wanted = case.demanded[scenario.id]
            for path, seen, expected in differences(scenario.spec, wanted, where):
                judgement.fail(path, seen, expected)


@rule(
    "failure.statuses",
    clause=_CLAUSE,
    title="Every scenario passed",
    remedy="Repair what the scenario shows, then inject again.",
    exit_code=Exit.OBJECTIVES,
)
def statuses(case: FailureCase, judgement: Judgement) -> None:
    """``status`` is pass; fail is a missed objective, and inconclusive is no pass."""
    for place, scenario in enumerate(case.scenarios):
        where = f"scenarios[{place}].status"
        if scenario.status == "inconclusive":
            judgement.inconclusive(where, scenario.status, "pass")
        elif scenario.status in _STATUSES:
            judgement.check(scenario.status == "pass", where, scenario.status, "pass")
    for place, told in enumerate(case.artifact.scenarios if case.artifact else ()):
        reasons = told.reasons[:_REASONS] if told.status != "pass" else ()
        for at, reason in enumerate(reasons):
            judgement.inconclusive(f"scenarios[{place}].reasons[{at}]", reason, prose("none"))


@rule(
    "failure.status-words",
    clause=_CLAUSE,
    title="Every scenario's status is a known word",
    remedy=_EDITED,
)
def status_words(case: FailureCase, judgement: Judgement) -> None:
    """``status`` is exactly pass, fail or inconclusive."""
    for place, scenario in enumerate(case.scenarios):
        if scenario.status is not None:
            judgement.check(
                scenario.status in _STATUSES,
                f"scenarios[{place}].status",
                scenario.status,
                prose(" or ".join(_STATUSES)),
            )


@rule(
    "failure.durations",
    clause=_CLAUSE,
    title="Every scenario took time",
    remedy=_EDITED,
)
def durations(case: FailureCase, judgement: Judgement) -> None:
    """``duration_seconds`` is a millisecond at least, and a day at most."""
    for place, scenario in enumerate(case.scenarios):
        took = scenario.duration_seconds
        if took is not None:
            judgement.check(
                _SHORTEST_S <= took <= _LONGEST_S,
                f"scenarios[{place}].duration_seconds",
                took,
                prose("a millisecond at least, at most a day"),
            )


@rule(
    "failure.checks",
    clause=_CLAUSE,
    title="Every scenario says what it checked",
    remedy=RECAPTURE,
)
def checks(case: FailureCase, judgement: Judgement) -> None:
    """``checks`` is not empty, and each is a text of its own."""
    for place, scenario in enumerate(case.scenarios):
        _texts(f"scenarios[{place}].checks", scenario.checks, judgement)


def _texts(where: str, listed: list[str] | None, judgement: Judgement) -> None:
    if listed is None:
        return
    judgement.check(bool(listed), where, listed, prose("at least one"))
    for place, text in enumerate(listed):
        seen = any(character.isalnum() for character in text)
        judgement.check(seen, f"{where}[{place}]", text, prose("a text"))
    twice = [text for text, count in Counter(each.strip() for each in listed).items() if count > 1]
    judgement.check(not twice, where, twice, prose("every one once"))


@rule(
    "failure.references",
    clause=_CLAUSE,
    title="Every scenario refers to its evidence, and every reference leads somewhere",
    remedy="Keep the artifact beside the files that it refers to, in the checkout it is about.",
)
def references(case: FailureCase, judgement: Judgement) -> None:
    """``evidence_refs`` is not empty; pointers, paths and digests resolve."""
    for place, scenario in enumerate(case.scenarios):
        where = f"scenarios[{place}].evidence_refs"
        _texts(where, scenario.evidence_refs, judgement)
        for number, reference in enumerate(scenario.evidence_refs or []):
            _reference(case, f"{where}[{number}]", reference, judgement)


def _reference(case: FailureCase, where: str, reference: str, judgement: Judgement) -> None:
    problem = (
        pointer_problem(reference, case.data)
        if reference.startswith("#")
        else case.files.get(reference)
    )
    if problem is None:
        judgement.inconclusive(where, reference, prose("a reference that was looked up"))
        return
    seen = prose(f"{show(reference)}: {problem}")
    judgement.check(not problem, where, seen, prose("a reference that leads somewhere"))


def pointer_problem(reference: str, data: Any) -> str:
    """Return why a JSON pointer (RFC 6901, as a fragment) leads nowhere; empty where it does."""
    if not reference.startswith("#/"):
        return "a pointer begins with #/"
    steps = [step.replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/")]
    if "evidence_refs" in steps:
        return "a reference is no evidence for itself"
    value = data
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and _is_index(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return f"nothing at {step}" if step.isprintable() else "nothing there"
    return "there is nothing in it" if value in (None, "", [], {}) else ""


def _is_index(step: str) -> bool:
    return re.fullmatch(r"0|[1-9][0-9]{0,8}", step, re.ASCII) is not None


@rule(
    "failure.distinct",
    clause=_CLAUSE,
    title="No scenario is a copy of another",
    remedy="Inject every failure; a copied scenario proves nothing.",
)
def distinct(case: FailureCase, judgement: Judgement) -> None:
    """Two scenarios never have the same checks and the same references."""
    seen: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    for place, scenario in enumerate(case.scenarios):
        if not scenario.checks or not scenario.evidence_refs:
            continue
        key = (tuple(sorted(scenario.checks)), tuple(sorted(scenario.evidence_refs)))
        before = seen.setdefault(key, place)
        judgement.check(
            before == place,
            f"scenarios[{place}]",
            prose(f"the checks and references of scenarios[{before}]"),
            prose("its own"),
        )


@rule(
    "failure.result-tails",
    clause=_CLAUSE,
    title="What the scenario's command printed agrees with its status",
    remedy="Read the output: a scenario that failed or was skipped has not passed.",
)
def result_tails(case: FailureCase, judgement: Judgement) -> None:
    """Where output is kept, that of a passed scenario shows a pass, and no failure."""
    if case.is_full:
        judgement.skip("failure.recomputed judges the operations themselves")
        return
    for place, scenario in enumerate(case.scenarios):
        if scenario.result_tail is None or scenario.status != "pass":
            continue
        problem = tail_problem(scenario.result_tail)
        judgement.check(
            not problem, f"scenarios[{place}].result_tail", prose(problem), prose("a pass")
        )


@rule(
    "failure.summary",
    clause=_CLAUSE,
    title="The summary follows from the scenarios",
    remedy="The summary is counted, not written; inject again instead of editing it.",
)
def summary(case: FailureCase, judgement: Judgement) -> None:
    """Totals are counts, and ``overall_passed`` is that all passed."""
    said = case.declared.summary
    if said is None or case.declared.scenarios is None:
        judgement.skip("summary or scenarios is not there")
        return
    total = len(case.scenarios)
    passed = sum(scenario.status == "pass" for scenario in case.scenarios)
    for name, expected in (
        ("total_scenarios", total),
        ("passed_scenarios", passed),
        ("failed_scenarios", total - passed),
        ("overall_passed", total > 0 and passed == total),
    ):
        seen = getattr(said, name)
        if seen is not None:
            judgement.check(seen == expected, f"summary.{name}", seen, expected)


@rule(
    "failure.overall",
    clause=_CLAUSE,
    title="The injection says that everything passed",
    remedy="Repair what the failed scenarios show, then inject again.",
    exit_code=Exit.OBJECTIVES,
)
def overall(case: FailureCase, judgement: Judgement) -> None:
    """``summary.overall_passed`` is true."""
    said = case.declared.summary
    if said is None or said.overall_passed is None:
        judgement.skip("summary.overall_passed is not there")
        return
    where, seen = "summary.overall_passed", said.overall_passed
    known = {scenario.status for scenario in case.scenarios}
    if not seen and known <= {"pass", "inconclusive"} and "inconclusive" in known:
        judgement.inconclusive(where, seen, True)  # noqa: FBT003  # nothing failed for certain
        return
    judgement.check(seen, where, seen, True)  # noqa: FBT003  # the value expected


@rule(
    "failure.seeds",
    clause=_CLAUSE,
    title="Every scenario runs under the seed of the injection",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def seeds(case: FailureCase, judgement: Judgement) -> None:
    """``seed`` is that of the whole artifact."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for place, scenario in enumerate(case.artifact.scenarios):
        where = f"scenarios[{place}]"
        judgement.check(
            scenario.seed == case.artifact.seed,
            f"{where}.seed",
            scenario.seed,
            case.artifact.seed,
        )


@rule(
    "failure.command",
    clause=_CLAUSE,
    title="One command ran every scenario, and it asked for what the artifact says",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def command(case: FailureCase, judgement: Judgement) -> None:
    """Seed and names in it are the artifact's, and it asked for no part of the scenarios."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    wanted = {
        "--seed": str(artifact.seed),
        "--workers": str(artifact.stage.workers),
        "--executed-by": artifact.executed_by,
        "--approved-by": artifact.approved_by,
    }
    for place, scenario in enumerate(artifact.scenarios):
        where = f"scenarios[{place}].command"
        first = artifact.scenarios[0].command
        judgement.check(scenario.command == first, where, scenario.command, first)
        words = _words(scenario.command)
        judgement.check(
            any(character.isalnum() for word in words for character in word),
            where,
            scenario.command,
            prose("the command that ran"),
        )
        judgement.check("--quick" not in words, where, scenario.command, prose("no --quick"))
        for option, value in wanted.items():
            for seen in _values(words, option):
                judgement.check(seen == value, where, f"{option} {seen}", f"{option} {value}")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def _values(words: list[str], option: str) -> list[str]:
    """Return what a command gives for an option, in both ways of writing it."""
    apart = [value for name, value in pairwise(words) if name == option]
    return apart + [
        word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}=")
    ]


RULES = (
    scenarios,
    spec,
    status_words,
    statuses,
    durations,
    checks,
    references,
    distinct,
    result_tails,
    summary,
    overall,
    seeds,
    command,
)
