"""The last question: may this build be promoted? Yes to exactly one thing, a gate's fresh word.

The word is SLSA's verification summary. Nothing else is read: not the evidence, not the decision.
Whoever has no summary has nothing, whatever else lies there.
"""

from msgspec import Struct

from stressproof.exits import Exit
from stressproof.trust.bundle import SKEW_US, Bundle, Reason, Signed, Unread, refused
from stressproof.trust.policy import TrustPolicy
from stressproof.trust.statement import IMAGE, SUMMARY, TEST_RESULT
from stressproof.verify.instants import HOUR_US, parse_instant
from stressproof.verify.rule import Judgement, Result, Rule, prose, rule

ATTESTED = "STRESSPROOF_ATTESTED"
TWO_PERSON = "STRESSPROOF_TWO_PERSON"
STEPS = "STRESSPROOF_STEPS"
PLANNED = "STRESSPROOF_PLANNED"
WAIVED = "STRESSPROOF_WITH_WAIVERS"

_CLAUSE = "signing.md, Promoting"
_AGAIN = "Run the gate again with --sign, and promote what it passes."


def evidence_level(kind: str) -> str:
    """Return the level that says that a kind of evidence held."""
    return f"STRESSPROOF_{kind.upper()}"


def resource_uri(policy: TrustPolicy, commit: str) -> str:
    """Return what is promoted, as a summary names it."""
    return f"{policy.file.resource}@{commit}"


def demanded_levels(policy: TrustPolicy) -> list[str]:
    """Return what a summary must say of a build that is promoted under a policy."""
    levels = [ATTESTED, TWO_PERSON, STEPS, *map(evidence_level, policy.file.require.evidence)]
    return [*levels, PLANNED] if policy.file.require.plan else levels


class PromotionCase(Struct, frozen=True, kw_only=True):
    """What is asked about one build.

    Attributes:
        path: Where the summary should be.
        bundle: What lies there, or why nothing can be read.
        policy: Under which policy.
        commit: The build.
        digest: sha256 of what is shipped, None where nobody says.
        now_us: The time, in microseconds since 1970.
    """

    path: str
    bundle: Bundle | Unread
    policy: TrustPolicy
    commit: str
    digest: str | None
    now_us: int

    @property
    def summary(self) -> Signed | None:
        """The gate's summary, None where there is not exactly one."""
        found = self.bundle.of(SUMMARY) if isinstance(self.bundle, Bundle) else []
        return found[0] if len(found) == 1 else None


@rule(
    "promote.summary",
    clause=_CLAUSE,
    title="A gate signed one summary, and nothing else lies beside it",
    remedy=_AGAIN,
)
def one_summary(case: PromotionCase, judgement: Judgement) -> None:
    """The bundle is readable and holds one summary and its test result, by a gate's key."""
    if not isinstance(case.bundle, Bundle):
        absent = case.bundle.exit_code is Exit.INCONCLUSIVE
        note = judgement.inconclusive if absent else judgement.fail
        note(case.path, prose(case.bundle.seen), prose("a gate's summary"))
        return
    found = len(case.bundle.of(SUMMARY))
    others = len(case.bundle.signed) - found - len(case.bundle.of(TEST_RESULT))
    judgement.check(others == 0, case.path, prose(f"{others} other statements"), prose("none"))
    if found == 0 and not case.bundle.refusals:
        judgement.inconclusive(case.path, prose("no summary"), prose("one"))
    elif not case.bundle.refusals:
        judgement.check(found == 1, case.path, prose(f"{found} summaries"), prose("one"))


def _refusal_rule(name: str, title: str, reason: Reason, remedy: str) -> Rule[PromotionCase]:
    def judge(case: PromotionCase, judgement: Judgement) -> None:
        """No line of the summary's bundle is refused for this reason."""
        if not isinstance(case.bundle, Bundle):
            judgement.skip("there is no summary")
            return
        judgement.passed(len(case.bundle.signed))
        for each in refused(case.bundle, reason):
            where = f"{case.path}, line {each.line}"
            judgement.fail(where, prose(each.seen), prose(each.expected))

    return Rule(f"promote.{name}", _CLAUSE, title, remedy, judge)


readable = _refusal_rule(
    "readable", "Every line is a statement that can be read", Reason.UNREADABLE, _AGAIN
)
signatures = _refusal_rule(
    "signatures", "Every signature is of the bytes that it stands on", Reason.FORGED, _AGAIN
)
authorised = _refusal_rule(
    "authorised",
    "Whoever signed is a gate of the policy",
    Reason.UNAUTHORISED,
    "Let the gate's own job sign, with the key that the policy knows.",
)

_NO_SUMMARY = "there is no one summary"


@rule("promote.result", clause=_CLAUSE, title="The gate's word is PASSED", remedy=_AGAIN)
def result(case: PromotionCase, judgement: Judgement) -> None:
    """PASSED, with every level that the policy makes a gate look at."""
    summary = case.summary
    if summary is None:
        judgement.skip(_NO_SUMMARY)
        return
    says = summary.predicate
    judgement.check(
        says.verification_result == "PASSED",
        "verificationResult",
        says.verification_result,
        "PASSED",
    )
    for level in demanded_levels(case.policy):
        judgement.check(
            level in says.verified_levels, "verifiedLevels", says.verified_levels, level
        )


@rule(
    "promote.fresh",
    clause=_CLAUSE,
    title="The summary is recent, as the policy has it",
    remedy=_AGAIN,
)
def fresh(case: PromotionCase, judgement: Judgement) -> None:
    """Neither stale nor from the future."""
    summary = case.summary
    if summary is None:
        judgement.skip(_NO_SUMMARY)
        return
    text = summary.predicate.time_verified
    at_us = parse_instant(text)
    limit = case.policy.file.ages.summary_hours
    age_us = None if at_us is None else case.now_us - at_us
    judgement.check(
        age_us is not None and -SKEW_US <= age_us <= limit * HOUR_US,
        "timeVerified",
        text,
        prose(f"at most {limit:g} h old"),
    )


@rule(
    "promote.policy",
    clause=_CLAUSE,
    title="The summary was made under the policy that holds here",
    remedy="Run the gate under the policy that is in force, and promote what it passes.",
)
def policy(case: PromotionCase, judgement: Judgement) -> None:
    """Digest of policy and roster, and what is promoted."""
    summary = case.summary
    if summary is None:
        judgement.skip(_NO_SUMMARY)
        return
    says = summary.predicate
    wanted = {"sha256": case.policy.digest}
    judgement.check(
        says.policy.digest == wanted, "policy", says.policy.digest.get("sha256"), case.policy.digest
    )
    uri = resource_uri(case.policy, case.commit)
    judgement.check(says.resource_uri == uri, "resourceUri", says.resource_uri, uri)


@rule(
    "promote.subject",
    clause=_CLAUSE,
    title="The summary is about exactly this build",
    remedy="Promote what the gate passed: its commit, and its image where it names one.",
)
def subject(case: PromotionCase, judgement: Judgement) -> None:
    """The commit, and the digest of what is shipped where either side names one."""
    summary = case.summary
    if summary is None:
        judgement.skip(_NO_SUMMARY)
        return
    judgement.check(
        summary.commits == {case.commit}, "subject", sorted(summary.commits), case.commit
    )
    shipped = {
        each.digest.sha256
        for each in summary.statement.subject
        if each.name == IMAGE and each.digest.sha256
    }
    if case.digest is not None:
        judgement.check(shipped == {case.digest}, IMAGE, sorted(shipped), case.digest)
    elif shipped:
        judgement.inconclusive(
            IMAGE,
            prose("not said what is promoted"),
            sorted(shipped),
            "Name what is promoted: --digest sha256:….",
        )


RULES: tuple[Rule[PromotionCase], ...] = (
    one_summary,
    readable,
    signatures,
    authorised,
    result,
    fresh,
    policy,
    subject,
)
"""In the order in which a person would look."""


def judge_promotion(case: PromotionCase) -> list[Result]:
    """Return how every rule comes out; a promotion needs all of them."""
    return [each.apply(case) for each in RULES]
