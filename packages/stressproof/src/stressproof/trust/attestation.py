"""A verdict with people behind it: who ran this, who approved it, and which of how many runs it is.

The rules of the level *attested*. Each reason has a rule of its own: what is missing is
inconclusive, what is forged, unauthorised, stale or about something else is refused.
"""

from collections.abc import Iterator

import msgspec

from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.trust import run_rules, signature_rules
from stressproof.trust.bundle import (
    Signed,
)
from stressproof.trust.case import AttestationCase
from stressproof.trust.run_rules import attempts_known
from stressproof.trust.statement import (
    Waiver,
)
from stressproof.verify.instants import parse_instant
from stressproof.verify.rule import Result, Rule
from stressproof.verify.verdict import Verdict, overall, reached_level

RULES: tuple[Rule[AttestationCase], ...] = (
    *signature_rules.RULES,
    *run_rules.RULES,
)
"""In the order in which a person would look."""


def attest(verdict: Verdict, case: AttestationCase) -> Verdict:
    """Return a verdict on evidence that must also be signed, its level *attested* where it is.

    Args:
        verdict: What the evidence's own rules say.
        case: What is known of who signed it.
    """
    waived = [waive(each, case) for each in verdict.results]
    results = [*waived, *(each.apply(case) for each in RULES)]
    outcome, code = overall(results, loosened=verdict.loosened)
    level = verdict.level
    if level is Level.RECOMPUTED and all(
        each.outcome in {Outcome.PASS, Outcome.NOT_CHECKED}
        for each in results
        if each.level is Level.ATTESTED
    ):
        level = reached_level(results, Level.ATTESTED)
    if level is not Level.ATTESTED and code is Exit.PASS:
        outcome, code = Outcome.INCONCLUSIVE, Exit.INCONCLUSIVE
    return msgspec.structs.replace(
        verdict,
        results=results,
        outcome=outcome,
        exit_code=code,
        level=level,
        required_level=Level.ATTESTED,
        would_pass=verdict.would_pass and overall(results)[1] is Exit.PASS,
        attestation=people(case),
    )


def waive(result: Result, *cases: AttestationCase) -> Result:
    """Return a result as WAIVED where an approver may say so and does, else as it is.

    Only what says that objectives were missed, or that there was too little to tell, can be
    waived; what speaks against the evidence itself cannot.
    """
    if result.exit_code not in {Exit.OBJECTIVES, Exit.INCONCLUSIVE}:
        return result
    for case in cases:
        if result.rule not in case.policy.file.require.waivable:
            continue
        for approved, waiver in _waivers(case):
            until = parse_instant(waiver.expires_at)
            if waiver.rule == result.rule and until is not None and case.now_us < until:
                return msgspec.structs.replace(
                    result,
                    outcome=Outcome.WAIVED,
                    exit_code=Exit.PASS,
                    why_not=f"waived by {approved.principal} until {waiver.expires_at}: "
                    f"{waiver.reason}",
                )
    return result


def _waivers(case: AttestationCase) -> Iterator[tuple[Signed, Waiver]]:
    """Yield what approvers waive, each with who does."""
    return ((each, waiver) for each in case.approvals for waiver in each.predicate.waivers)


def people(case: AttestationCase) -> list[str]:
    """Return who said what, one line each, for people."""
    lines = []
    statement = case.statement
    if statement is not None:
        lines.append(f"executed by {statement.principal} ({statement.key})")
    lines += [
        f"approved by {each.principal} ({each.key}) until {each.predicate.expires_at}"
        for each in case.approvals
    ]
    if case.attempt is not None:
        lines.append(attempts_known(case.rivals))
    return lines
