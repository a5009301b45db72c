"""What the failure document is, when it was made and by whom."""

from stressproof.verify.bounds import LINE, SUBJECT, Bounds, judge_bounds, of_target, of_tool
from stressproof.verify.document import document_rules, exactly
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.failure.people import fold
from stressproof.verify.instants import parse_instant
from stressproof.verify.rule import Judgement, prose, rule

RECAPTURE = (
    "Inject again, every scenario: "
    "`stressproof inject --out FILE --executed-by NAME --approved-by OTHER_NAME`."
)
_CLAUSE = "evidence.md, Failure evidence"
_BOUNDS: Bounds = {
    **SUBJECT,
    **of_target("target_before"),
    **of_target("target_after"),
    **of_tool("stage"),
    "executed_by": LINE,
    "approved_by": LINE,
    "scenarios[].command": LINE,
    "scenarios[].spec.title": LINE,
    "scenarios[].spec.question": LINE,
}
_NOT_BY_HAND = "Times are written by the injection; inject again instead of editing them."


@rule(
    "failure.execution-class",
    clause=_CLAUSE,
    title="The failures were staged against a service, not simulated",
    remedy=RECAPTURE,
)
def execution_class(case: FailureCase, judgement: Judgement) -> None:
    """``execution_class`` is exactly the required one."""
    exactly("execution_class", case, judgement)


@rule(
    "failure.timestamps",
    clause="gate.md, Age",
    title="Every timestamp is RFC 3339 with an offset, in order",
    remedy=_NOT_BY_HAND,
)
def timestamps(case: FailureCase, judgement: Judgement) -> None:
    """Each timestamp can be read, and the start leaves room for the scenarios."""
    given = {"captured_at": case.declared.captured_at, "started_at": case.declared.started_at}
    read: dict[str, int] = {}
    for where, text in given.items():
        if text is None:
            continue
        instant = parse_instant(text)
        judgement.check(instant is not None, where, text, prose("2026-02-27T10:00:00+00:00"))
        if instant is not None:
            read[where] = instant
    if len(read) == len(given):
        judgement.check(
            read["started_at"] < read["captured_at"],
            "started_at",
            case.declared.started_at,
            prose("before captured_at"),
        )


@rule(
    "failure.identities",
    clause=_CLAUSE,
    title="One person executed it and another approved it",
    remedy="Let somebody else approve what was executed; two spellings are one person.",
)
def identities(case: FailureCase, judgement: Judgement) -> None:
    """``executed_by`` and ``approved_by`` are there and differ however they are written."""
    names = {
        "executed_by": case.declared.executed_by,
        "approved_by": case.declared.approved_by,
    }
    folded: dict[str, str] = {}
    for where, name in names.items():
        if name is None:
            continue
        folded[where] = fold(name)
        judgement.check(
            any(character.isalnum() for character in folded[where]),
            where,
            name,
            prose("a name that can be seen"),
        )
        judgement.check(name == name.strip(), where, name, prose("no blanks around it"))
    if len(folded) == len(names):
        judgement.check(
            folded["executed_by"] != folded["approved_by"],
            "approved_by",
            names["approved_by"],
            prose(f"somebody other than {folded['executed_by']}"),
        )


@rule(
    "failure.bounds",
    clause="evidence.md, What is possible",
    title="Everything that is stated is what an injection could have written",
    remedy=RECAPTURE,
)
def bounds(case: FailureCase, judgement: Judgement) -> None:
    """Commits and digests are some, versions and names are readable, counts are possible."""
    judge_bounds(case.data, _BOUNDS, judgement)


RULES = (
    *document_rules(
        "failure",
        verb="inject",
        run="injection",
        again=RECAPTURE,
        contract=_CLAUSE,
        runner_remedy=RECAPTURE,
    ),
    execution_class,
    timestamps,
    identities,
    bounds,
)
