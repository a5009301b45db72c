"""Rules about runs: what was planned before, and which of how many this is."""

from collections.abc import Mapping, Sequence
from typing import Any

from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.trust.bundle import (
    Signed,
)
from stressproof.trust.case import NO_STATEMENT, AttestationCase
from stressproof.trust.ledger import Attempt, Ledger
from stressproof.verify.instants import parse_instant
from stressproof.verify.rule import Judgement, Rule, prose, rule

_RUNS = "signing.md, The run ledger"


@rule(
    "trust.plan",
    clause="signing.md, The plan",
    title="What was run is what was signed before it ran",
    remedy="Capture again with --sign, which signs the plan first.",
    level=Level.ATTESTED,
)
def plan(case: AttestationCase, judgement: Judgement) -> None:
    """The plan's profile, limits and scenarios are the artifact's, and it is older."""
    statement = case.statement
    if statement is None:
        judgement.skip(NO_STATEMENT)
        return
    if statement.predicate.plan_digest is None:
        if case.policy.file.require.plan:
            judgement.inconclusive("planDigest", None, prose("a plan, signed before the run"))
        else:
            judgement.skip("no plan was signed, and the policy asks for none")
        return
    planned = case.plan
    if planned is None:
        judgement.inconclusive(
            "planDigest",
            statement.predicate.plan_digest,
            prose("that plan in the bundle"),
            "Restore the bundle as the capture wrote it.",
        )
        return
    _compare_plan(case, statement, planned, judgement)


def _compare_plan(
    case: AttestationCase, statement: Signed, planned: Signed, judgement: Judgement
) -> None:
    says, data = planned.predicate, case.evidence.data
    judgement.check(
        planned.principal == statement.principal, "plan", planned.principal, statement.principal
    )
    judgement.check(
        planned.commits == statement.commits,
        "plan",
        sorted(planned.commits),
        sorted(statement.commits),
    )
    judgement.check(
        says.policy_digest == case.policy.digest,
        "policyDigest",
        says.policy_digest,
        case.policy.digest,
    )
    for field, wanted in (
        ("kind", case.evidence.kind.name),
        ("profile", data.get("profile")),
        ("thresholds", _thresholds(data)),
        ("scenarios", _scenarios(data)),
    ):
        seen = getattr(says, field)
        judgement.check(seen == wanted, field, prose(f"{seen}"), prose(f"{wanted}"))
    began = parse_instant(str(data.get("started_at")))
    at, until = parse_instant(says.planned_at), parse_instant(says.expires_at)
    judgement.check(
        None not in {began, at, until} and (at or 0) <= (began or 0) < (until or 0),
        "plannedAt",
        prose(f"planned at {says.planned_at} until {says.expires_at}"),
        prose(f"a run that began meanwhile, not at {data.get('started_at')}"),
    )
    attempt = case.attempt
    if attempt is not None:
        begun = (attempt.start.run, attempt.start.plan)
        judgement.check(begun == (says.nonce, planned.digest), "nonce", says.nonce, begun[0])


def _thresholds(data: Mapping[str, Any]) -> dict[str, Any]:
    found = data.get("thresholds")
    return found if isinstance(found, dict) else {}


def _scenarios(data: Mapping[str, Any]) -> tuple[Any, ...]:
    found = data.get("scenarios")
    if not isinstance(found, list):
        return ()
    return tuple(each.get("id") if isinstance(each, dict) else None for each in found)


@rule(
    "trust.ledger",
    clause=_RUNS,
    title="The run ledger has the beginning of this run, and everything that was seen of it",
    remedy="Restore the ledger that the runs were written to.",
    level=Level.ATTESTED,
)
def ledger(case: AttestationCase, judgement: Judgement) -> None:
    """The chain holds, the run is in it, and it is no shorter than when people signed."""
    statement = case.statement
    if statement is None:
        judgement.skip(NO_STATEMENT)
        return
    if not isinstance(case.ledger, Ledger):
        absent = case.ledger.exit_code is Exit.INCONCLUSIVE
        note = judgement.inconclusive if absent else judgement.fail
        note(case.ledger.path, prose(case.ledger.seen), prose("a ledger with this run"))
        return
    attempt = case.attempt
    if attempt is None:
        judgement.inconclusive(
            "ledger", prose("no run with these bytes"), prose("the beginning of this run")
        )
        return
    judgement.check(
        (attempt.start.kind, attempt.start.profile, attempt.start.commit)
        == (
            case.evidence.kind.name,
            case.evidence.data.get("profile"),
            case.evidence.claimed_commit,
        ),
        "ledger",
        prose(f"a run of {attempt.start.kind}, {attempt.start.profile}, {attempt.start.commit}"),
        prose("kind, profile and commit of the artifact"),
    )
    for each in (statement, *case.approvals):
        point = each.predicate.ledger
        if point is not None:
            judgement.check(
                case.ledger.holds(point),
                f"ledger that {each.principal} saw",
                prose(f"{len(case.ledger.entries)} lines, without line {point.sequence}"),
                prose(f"line {point.sequence} with sha256 {point.digest}"),
            )


@rule(
    "trust.newest-run",
    clause=_RUNS,
    title="No newer run of this build came out worse",
    remedy="Repair what the newer run shows, capture again, and hand in the newest.",
    exit_code=Exit.OBJECTIVES,
    level=Level.ATTESTED,
)
def newest_run(case: AttestationCase, judgement: Judgement) -> None:
    """A newer run that failed beats an older one that passed; one without an end is unknown."""
    attempt = case.attempt
    if attempt is None:
        judgement.skip("the ledger does not have this run")
        return
    judgement.passed()
    for newer in case.rivals:
        if newer.start.sequence <= attempt.start.sequence:
            continue
        where = f"run {newer.start.run[:8]} of {newer.start.at}"
        if newer.end is None or newer.end.outcome in {"inconclusive", "broken"}:
            how = "without an end" if newer.end is None else f"{newer.end.outcome}"
            judgement.inconclusive(where, prose(how), prose("a newest run that says something"))
        elif newer.end.outcome == "fail":
            judgement.fail(where, prose("failed"), prose("none newer that failed"))
    most = case.policy.file.require.attempts_max
    if most is not None:
        judgement.check(
            len(case.rivals) <= most,
            "runs",
            prose(attempts_known(case.rivals)),
            prose(f"at most {most} (attempts_max)"),
            "Find out why it took so many; a new commit begins to count anew.",
        )


def attempts_known(rivals: Sequence[Attempt]) -> str:
    """Return how many runs there were, and how they came out."""
    if len(rivals) == 1:
        return "one run of this build is known"
    counted: dict[str, int] = {}
    for each in rivals:
        how = str(each.end.outcome) if each.end else "without an end"
        counted[how] = counted.get(how, 0) + 1
    return f"{len(rivals)} runs of this build are known: " + ", ".join(
        f"{number} {how}" for how, number in counted.items()
    )


RULES: tuple[Rule[AttestationCase], ...] = (plan, ledger, newest_run)
"""In the order in which a person would look."""
