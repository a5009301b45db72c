"""A decision confirmed where it is acted on: everything that can be judged again is judged again.

A decision file is a pointer and no proof: anybody could have written it. So its evidence is read
and verified again, against the suite's floors and what the decision says it was asked beyond them,
its steps are compared with those of the policy, and its commit with what is checked out. That the
steps ran is the one thing that only the file says.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from stressproof.evidence.reading import read_document
from stressproof.exits import Exit
from stressproof.gate.checkout import same_builds
from stressproof.gate.decision import DECISION_SCHEMA
from stressproof.gate.decision_reading import DecisionRead, asked_again, typed
from stressproof.gate.gate import Judged, judge_evidence
from stressproof.gate.request import GateRequest
from stressproof.outcome import Outcome
from stressproof.suite import Suite
from stressproof.trust.bundle import bundle_path, read_or_reason
from stressproof.trust.promotion import PromotionCase, judge_promotion
from stressproof.trust.promotion import subject as promotion_subject
from stressproof.verify.instants import HOUR_US, parse_instant
from stressproof.verify.rule import Judgement, Result, prose, rule
from stressproof.verify.stress.verifier import STRESS

DECISION_MAX_AGE_HOURS = 24.0
_SKEW_US = 60 * 1_000_000
_AGAIN = "Run the gate again, and promote what it accepts."
_TOLD_BY_COMMIT = frozenset({"gate.checkout", "gate.clean"})


class Confirmation(Struct, frozen=True, kw_only=True):
    """A decision and what is here now.

    Attributes:
        decision: As it was read.
        sha256: Of its bytes.
        promotion: The gate's summary beside it, None where no trust policy asks for one.
        request: What it says it was asked, on top of the suite's floors.
        judged: Its evidence, read and judged again.
        max_age_hours: Oldest decision.
        now_us: The time, in microseconds since 1970.
    """

    decision: DecisionRead
    sha256: str
    promotion: PromotionCase | None
    request: GateRequest
    judged: Judged
    max_age_hours: float
    now_us: int


@rule(
    "confirm.accepted",
    clause="protocol, Release rule",
    title="A gate's decision accepts the release, in all of its parts",
    remedy="Do not promote; see the decision's summary for what blocks.",
)
def accepted(case: Confirmation, judgement: Judgement) -> None:
    """The document is a gate's, it accepts, and so does every part of it."""
    decision = case.decision
    judgement.check(decision.schema == DECISION_SCHEMA, "schema", decision.schema, DECISION_SCHEMA)
    for field, wanted in (
        ("accepted", True),
        ("exit_code", 0),
        ("outcome", Outcome.PASS.value),
        ("would_pass", True),
        ("evidence_only", False),
        ("dry_run", False),
        ("loosened", []),
    ):
        seen = getattr(decision, field)
        judgement.check(seen == wanted, field, seen, wanted)
    kinds = [each.kind for each in decision.evidence]
    judgement.check(STRESS.name in kinds, "evidence", kinds, prose("stress evidence among it"))
    judgement.check(len(set(kinds)) == len(kinds), "evidence", kinds, prose("each kind once"))
    judgement.check(
        len(decision.verdicts) == len(kinds), "verdicts", len(decision.verdicts), len(kinds)
    )
    for name in ("verdicts", "checks"):  # confirm.steps asks more of steps
        for number, part in enumerate(getattr(decision, name)):
            # A rule that had nothing to compare did not pass, and did not block either.
            well = part.exit_code == 0 and part.outcome != Outcome.FAIL
            judgement.check(well, f"{name}[{number}]", part.outcome, prose("nothing that blocks"))


@rule(
    "confirm.steps",
    clause="gate.md, Quality steps",
    title="The steps that ran are those of the policy",
    remedy=_AGAIN,
)
def steps(case: Confirmation, judgement: Judgement) -> None:
    """Every step of the policy, in order, with its own command, passed."""
    wanted = [(step.name, step.run) for step in case.judged.policy.project.steps]
    seen = [(step.name, step.command) for step in case.decision.steps]
    judgement.check(
        bool(wanted) and seen == wanted,
        "steps",
        prose(", ".join(name for name, _ in seen) or "none"),
        prose(f"{', '.join(name for name, _ in wanted) or 'some'}, as the policy has them"),
    )
    for number, step in enumerate(case.decision.steps):
        judgement.check(
            (step.outcome, step.exit_code) == (Outcome.PASS, 0),
            f"steps[{number}]",
            step.outcome,
            Outcome.PASS.value,
        )


@rule(
    "confirm.age",
    clause="gate.md, Age",
    title="The decision is recent",
    remedy=_AGAIN,
)
def age(case: Confirmation, judgement: Judgement) -> None:
    """The decision was made within the allowed hours, and not in the future."""
    text = case.decision.decided_at
    decided_us = None if text is None else parse_instant(text)
    if decided_us is None:
        judgement.inconclusive("decided_at", text, prose("an RFC 3339 time"), _AGAIN)
        return
    age_us = case.now_us - decided_us
    judgement.check(
        -_SKEW_US <= age_us <= case.max_age_hours * HOUR_US,
        "decided_at",
        prose(f"{age_us / HOUR_US:.1f} h old"),
        prose(f"at most {case.max_age_hours:g} h"),
    )


@rule(
    "confirm.commit",
    clause="gate.md, Which build",
    title="The build here is the one that the decision is about",
    remedy="Promote the commit that was decided on, from a clean checkout of it.",
)
def commit(case: Confirmation, judgement: Judgement) -> None:
    """HEAD is the decision's commit, or only evidence came after it, and the tree is clean."""
    checkout, wanted = case.judged.checkout, case.decision.commit
    if checkout.head is None:
        judgement.inconclusive("HEAD", prose(checkout.why_unknown or "unknown"), wanted)
        return
    judgement.check(wanted in same_builds(checkout, [wanted]), "HEAD", checkout.head, wanted)
    judgement.check(
        checkout.is_clean, "HEAD", prose("with local changes"), prose("a clean checkout")
    )


@rule(
    "confirm.evidence",
    clause="evidence.md, Strict reading",
    title="The evidence here is, byte for byte, what was judged",
    remedy="Restore the artifact that was judged, or run the gate on the one that is here.",
)
def evidence(case: Confirmation, judgement: Judgement) -> None:
    """Every artifact that the decision names has the digest that it names."""
    found = {each.kind.name: each.sha256 for each in case.judged.evidence}
    for named in case.decision.evidence:
        digest = found.get(named.kind)
        judgement.check(
            named.sha256 is not None and digest == named.sha256,
            named.path,
            digest or prose("not readable"),
            named.sha256,
        )


@rule(
    "confirm.asked",
    clause="evidence.md, Floors",
    title="The decision asked no less than the floors",
    remedy=_AGAIN,
)
def asked(case: Confirmation, judgement: Judgement) -> None:
    """What the decision says it was asked tightens the suite's floors or leaves them."""
    judgement.passed()
    for each in case.request.evidence:
        for line in each.loosened if each.is_asked else []:
            judgement.fail(f"asked.{each.kind.name}", prose(line), prose("no less than the floor"))


@rule(
    "confirm.judged-again",
    clause="gate.md, Confirming",
    title="The evidence holds when it is judged again",
    remedy="Run the gate again: what it judged does not hold now.",
)
def judged_again(case: Confirmation, judgement: Judgement) -> None:
    """Every rule of the verifiers and of the gate holds, now and here."""
    judged = case.judged
    judgement.passed()
    results = [(verdict.path, each) for verdict in judged.verdicts for each in verdict.blocking]
    results += [
        ("the gate's rules", each)
        for each in judged.checks
        if each.exit_code is not Exit.PASS and each.rule not in _TOLD_BY_COMMIT
    ]
    for where, result in results:
        note = judgement.fail if result.outcome is Outcome.FAIL else judgement.inconclusive
        finding = result.findings[0] if result.findings else None
        seen = f"{result.rule}: {finding.seen if finding else result.why_not}"
        note(where, prose(seen), prose(result.title))


@rule(
    "confirm.signed",
    clause="signing.md, Promoting",
    title="Under a trust policy, the decision is the gate's by its signature",
    remedy="Let the gate's own job decide, with --sign.",
)
def signed(case: Confirmation, judgement: Judgement) -> None:
    """The gate's summary holds, and is of exactly these bytes."""
    told = case.promotion
    if told is None:
        if case.decision.trust_digest is None:
            judgement.skip("there is no trust policy")
            return
        judgement.inconclusive(
            "trust_digest",
            case.decision.trust_digest,
            prose("that trust policy here"),
            "Name it: --policy FILE, or --policy-ref.",
        )
        return
    for result in judge_promotion(told):
        if result.exit_code is Exit.PASS or result.rule == promotion_subject.id:
            continue  # what is shipped is asked where it is shipped
        note = judgement.fail if result.outcome is Outcome.FAIL else judgement.inconclusive
        for finding in result.findings:
            note(finding.where, prose(f"{result.rule}: {finding.seen}"), prose(finding.expected))
    if told.summary is not None:
        inputs = [each.digest.get("sha256") for each in told.summary.predicate.input_attestations]
        judgement.check(
            case.sha256 in inputs, "decision", case.sha256, prose("the decision that was signed")
        )
        judgement.check(
            told.summary.commits == {case.decision.commit},
            "commit",
            sorted(told.summary.commits),
            case.decision.commit,
        )


RULES = (accepted, age, commit, evidence, steps, asked, judged_again, signed)


def confirm(
    path: Path,
    folder: Path,
    suite: Suite,
    *,
    max_age_hours: float,
    now_us: int,
    policy_ref: str = "",
    trust_file: str = "",
) -> list[Result]:
    """Return how a decision holds against what is here now.

    Args:
        path: The decision file.
        folder: Where it is acted on; the paths in it are relative to the working directory.
        suite: Whose floors hold.
        max_age_hours: Oldest decision.
        now_us: The time, in microseconds since 1970.
        policy_ref: Where the project's policy is read; empty for HEAD.
        trust_file: A trust policy on disk; empty for the one that is committed.

    Raises:
        AbsentEvidenceError: There is no such file.
        UnreadableEvidenceError: It cannot be read, or is no decision.
        InconclusiveError: There is no policy at the ref.
    """
    document = read_document(path)
    decision = typed(document)
    request = msgspec.structs.replace(
        asked_again(document, decision, suite),
        decision_path=str(path),
        policy_ref=policy_ref,
        trust_file=trust_file,
    )
    judged = judge_evidence(request, folder)
    case = Confirmation(
        decision=decision,
        sha256=document.sha256,
        promotion=_promotion(path, decision, judged, now_us),
        request=request,
        judged=judged,
        max_age_hours=max_age_hours,
        now_us=now_us,
    )
    return [each.apply(case) for each in RULES]


def _promotion(
    path: Path, decision: DecisionRead, judged: Judged, now_us: int
) -> PromotionCase | None:
    """Return what is known of the gate's signature, None where nobody asks for one."""
    policy = judged.trust.policy
    if policy is None:
        return None
    return PromotionCase(
        path=str(bundle_path(path)),
        bundle=read_or_reason(bundle_path(path), policy, now_us),
        policy=policy,
        commit=decision.commit or "",
        digest=None,
        now_us=now_us,
    )
