"""A verdict with people behind it: who ran this, who approved it, and which of how many runs it is.

The rules of the level *attested*. Each reason has a rule of its own: what is missing is
inconclusive, what is forged, unauthorised, stale or about something else is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.trust.bundle import SKEW_US, Bundle, Reason, Signed, Unread, refused
from stressproof.trust.ledger import Attempt, Ledger
from stressproof.trust.policy import TrustPolicy
from stressproof.trust.statement import APPROVAL, EVIDENCE, PLAN, SUMMARY, TEST_RESULT
from stressproof.verify.instants import HOUR_US, parse_instant
from stressproof.verify.kind import Evidence
from stressproof.verify.rule import Judgement, Result, Rule, prose, rule
from stressproof.verify.verdict import Verdict, overall, reached_level

_PEOPLE = "signing.md, What is signed"
_RUNS = "signing.md, The run ledger"
_SIGN = "Sign it: stressproof sign FILE; whoever ran it does."
_APPROVE = "Have an approver look at it: stressproof approve FILE."


class AttestationCase(Struct, frozen=True, kw_only=True):
    """What the rules look at.

    Attributes:
        evidence: What was read, and judged by its own rules.
        policy: What must be signed, and by whom.
        bundle: The signed statements beside it, or why there are none.
        ledger: The run ledger, or why there is none.
        commits: Those that the evidence may be about; empty where nobody says.
        now_us: The time, in microseconds since 1970.
    """

    evidence: Evidence
    policy: TrustPolicy
    bundle: Bundle | Unread
    ledger: Ledger | Unread
    commits: tuple[str, ...]
    now_us: int

    @property
    def read(self) -> Bundle | None:
        """The bundle, None where it could not be read."""
        return self.bundle if isinstance(self.bundle, Bundle) else None

    def signed(self, kind: str) -> list[Signed]:
        """Return the statements of a kind, none where there is no bundle."""
        return [] if self.read is None else self.read.of(kind)

    @property
    def statement(self) -> Signed | None:
        """The executor's statement about these very bytes, None where it is not the one."""
        sha256 = self.evidence.sha256
        found = [] if sha256 is None else [s for s in self.signed(EVIDENCE) if s.names(sha256)]
        return found[0] if len(found) == 1 else None

    @property
    def approvals(self) -> list[Signed]:
        """Approvals of that statement under this policy that hold now."""
        statement = self.statement
        if statement is None:
            return []
        return [each for each in self.signed(APPROVAL) if not _why_void(self, statement, each)]

    @property
    def plan(self) -> Signed | None:
        """The plan that the executor's statement names, None where it names none that is here."""
        statement = self.statement
        if statement is None:
            return None
        named = statement.predicate.plan_digest
        return next((each for each in self.signed(PLAN) if each.digest == named), None)

    @property
    def attempt(self) -> Attempt | None:
        """The run of these bytes, None where the ledger does not have it."""
        sha256 = self.evidence.sha256
        if not isinstance(self.ledger, Ledger) or sha256 is None:
            return None
        return self.ledger.attempt_of(sha256)

    @property
    def rivals(self) -> list[Attempt]:
        """Every run of the same kind, profile and build, this one included, as they began."""
        own = self.attempt
        if own is None or not isinstance(self.ledger, Ledger):
            return []
        builds = {own.start.commit, *self.commits}
        return [
            each
            for each in self.ledger.attempts
            if (each.start.kind, each.start.profile) == (own.start.kind, own.start.profile)
            and each.start.commit in builds
        ]


@rule(
    "trust.bundle",
    clause=_PEOPLE,
    title="Signed statements lie beside the evidence, and can be read",
    remedy=_SIGN,
    level=Level.ATTESTED,
)
def bundle(case: AttestationCase, judgement: Judgement) -> None:
    """The bundle is there, every line is an envelope, and every statement is of a known form."""
    if not isinstance(case.bundle, Bundle):
        note = judgement.inconclusive
        if case.bundle.exit_code is not Exit.INCONCLUSIVE:
            note = judgement.fail
        note(case.evidence.path, prose(case.bundle.message), prose("a bundle"), _SIGN)
        return
    _refusals(case, Reason.UNREADABLE, judgement)


@rule(
    "trust.signatures",
    clause=_PEOPLE,
    title="Every signature is of the bytes that it stands on",
    remedy="Restore the bundle as it was signed, or have it signed again.",
    level=Level.ATTESTED,
)
def signatures(case: AttestationCase, judgement: Judgement) -> None:
    """No line was changed after it was signed, and nobody signed in another's name."""
    _refusals(case, Reason.FORGED, judgement)


@rule(
    "trust.authorised",
    clause="signing.md, Who may say what",
    title="Everybody who signed may say what they signed",
    remedy="Have somebody sign whom the policy names for it, with a key that is valid.",
    level=Level.ATTESTED,
)
def authorised(case: AttestationCase, judgement: Judgement) -> None:
    """Each key is in the roster, valid, not revoked, and its owner has the role."""
    _refusals(case, Reason.UNAUTHORISED, judgement)


def _refusals(case: AttestationCase, reason: Reason, judgement: Judgement) -> None:
    read = case.read
    if read is None:
        judgement.skip(_NO_BUNDLE)
        return
    judgement.passed(len(read.signed))
    for each in refused(read, reason):
        where = f"{read.path}, line {each.line}"
        judgement.fail(where, prose(each.seen), prose(each.expected))


_NO_BUNDLE = "there is no bundle"
_NO_STATEMENT = "nobody signed these bytes"


@rule(
    "trust.evidence",
    clause=_PEOPLE,
    title="An executor signed exactly these bytes",
    remedy=_SIGN,
    level=Level.ATTESTED,
)
def evidence(case: AttestationCase, judgement: Judgement) -> None:
    """One statement is about the artifact's digest, and none is about anything else."""
    read, sha256 = case.read, case.evidence.sha256
    if read is None or sha256 is None:
        judgement.skip(_NO_BUNDLE)
        return
    statements = read.of(EVIDENCE)
    about = [each for each in statements if each.names(sha256)]
    if not statements:
        judgement.inconclusive(read.path, prose("nobody says so"), prose("an executor who does"))
    elif len(statements) > 1 or not about:
        judgement.fail(
            read.path,
            prose(f"{len(statements)} statements, {len(about)} of them about these bytes"),
            prose(f"one, about sha256 {sha256}"),
            "Sign the artifact that is here, in a bundle of its own.",
        )
    else:
        judgement.passed()
    for each in (*read.of(SUMMARY), *read.of(TEST_RESULT)):
        judgement.fail(
            f"{read.path}, line {each.line}",
            prose("a gate's statement"),
            prose("statements about evidence alone"),
        )


@rule(
    "trust.subject",
    clause=f"{_PEOPLE}; gate.md, Which build",
    title="What the executor signed is what the artifact says of itself, and the build here",
    remedy="Sign the artifact that was captured on the commit to be promoted.",
    level=Level.ATTESTED,
)
def subject(case: AttestationCase, judgement: Judgement) -> None:
    """Kind, profile, time and commit agree."""
    statement = case.statement
    if statement is None:
        judgement.skip(_NO_STATEMENT)
        return
    says, data = statement.predicate, case.evidence.data
    for field, wanted in (
        ("kind", case.evidence.kind.name),
        ("profile", data.get("profile")),
        ("captured_at", data.get("captured_at")),
    ):
        seen = getattr(says, field)
        judgement.check(seen == wanted, field, seen, wanted)
    commit = case.evidence.claimed_commit
    judgement.check(statement.commits == {commit}, "git", sorted(statement.commits), commit)
    if case.commits:
        judgement.check(
            statement.commits <= set(case.commits),
            "git",
            sorted(statement.commits),
            case.commits[0],
        )
    captured, signed = parse_instant(says.captured_at), parse_instant(says.signed_at)
    if captured is None or signed is None or signed + SKEW_US < captured:
        judgement.fail(
            "signedAt", says.signed_at, prose(f"not before {says.captured_at}, its capture")
        )


@rule(
    "trust.approval",
    clause="signing.md, Approving",
    title="As many people as the policy asks for approved this, under this policy, for now",
    remedy=_APPROVE,
    level=Level.ATTESTED,
)
def approval(case: AttestationCase, judgement: Judgement) -> None:
    """Approvals are counted by person and by key; one that does not hold is refused."""
    statement = case.statement
    if statement is None:
        judgement.skip(_NO_STATEMENT)
        return
    for each in case.signed(APPROVAL):
        why = _why_void(case, statement, each)
        if why:
            judgement.fail(f"approval of {each.principal}", prose(why[0]), prose(why[1]))
    people = {each.principal for each in case.approvals} - {statement.principal}
    keys = {each.key for each in case.approvals} - {statement.key}
    wanted = case.policy.file.require.approvals
    if min(len(people), len(keys)) < wanted:
        judgement.inconclusive(
            case.evidence.path, prose(f"{len(people)} of {wanted} approvals"), prose(f"{wanted}")
        )
    else:
        judgement.passed()


def _why_void(case: AttestationCase, statement: Signed, approved: Signed) -> tuple[str, str] | None:
    """Return why an approval does not count, None where it does."""
    says = approved.predicate
    sha256 = case.evidence.sha256 or ""
    if says.evidence_digest != statement.digest or not approved.names(sha256):
        return "of other evidence", "of the statement and the artifact here"
    if approved.commits != statement.commits:
        return f"for the commits {sorted(approved.commits)}", f"{sorted(statement.commits)}"
    if says.policy_digest != case.policy.digest:
        return f"under the policy {says.policy_digest}", f"under {case.policy.digest}"
    at, until = parse_instant(says.approved_at), parse_instant(says.expires_at)
    begun = parse_instant(statement.predicate.signed_at)
    if at is None or until is None or begun is None or at + SKEW_US < begun:
        return f"at {says.approved_at}, before it was signed", "after the executor signed"
    limit_us = int(case.policy.file.ages.approval_hours * HOUR_US)
    if case.now_us >= min(until, at + limit_us):
        return f"stale: of {says.approved_at}, until {says.expires_at}", "one that holds now"
    return None


@rule(
    "trust.names",
    clause="protocol, The failure-injection verifier; signing.md, Who may say what",
    title="The people whom the artifact names are those who signed",
    remedy="Inject again with --executed-by and --approved-by as the roster spells both.",
    level=Level.ATTESTED,
)
def names(case: AttestationCase, judgement: Judgement) -> None:
    """``executed_by`` and ``approved_by`` are the owners of the keys."""
    data, statement = case.evidence.data, case.statement
    if statement is None:
        judgement.skip(_NO_STATEMENT)
        return
    executed, approved = data.get("executed_by"), data.get("approved_by")
    if executed is None and approved is None:
        judgement.skip("the artifact names nobody")
        return
    judgement.check(executed == statement.principal, "executed_by", executed, statement.principal)
    approvers = sorted({each.principal for each in case.approvals})
    if not approvers:
        judgement.inconclusive("approved_by", approved, prose("the approver's signature"), _APPROVE)
        return
    judgement.check(approved in approvers, "approved_by", approved, approvers)


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
        judgement.skip(_NO_STATEMENT)
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
        judgement.skip(_NO_STATEMENT)
        return
    if not isinstance(case.ledger, Ledger):
        absent = case.ledger.exit_code is Exit.INCONCLUSIVE
        note = judgement.inconclusive if absent else judgement.fail
        note("ledger", prose(case.ledger.message), prose("a ledger with this run"))
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
            prose(_attempts(case.rivals)),
            prose(f"at most {most} (attempts_max)"),
            "Find out why it took so many; a new commit begins to count anew.",
        )


RULES: tuple[Rule[AttestationCase], ...] = (
    bundle,
    signatures,
    authorised,
    evidence,
    subject,
    approval,
    names,
    plan,
    ledger,
    newest_run,
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


def waive(result: Result, case: AttestationCase) -> Result:
    """Return a result as WAIVED where an approver may say so and does, else as it is.

    Only what says that objectives were missed, or that there was too little to tell, can be
    waived; what speaks against the evidence itself cannot.
    """
    if result.exit_code not in {Exit.OBJECTIVES, Exit.INCONCLUSIVE}:
        return result
    if result.rule not in case.policy.file.require.waivable:
        return result
    for approved in case.approvals:
        for waiver in approved.predicate.waivers:
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
        lines.append(_attempts(case.rivals))
    return lines


def _attempts(rivals: Sequence[Attempt]) -> str:
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
