"""Rules about people: who signed, whether they may, what exactly, and for how long."""

from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.trust.bundle import (
    SKEW_US,
    Bundle,
    Reason,
    refused,
)
from stressproof.trust.case import NO_STATEMENT, AttestationCase, why_void
from stressproof.trust.statement import (
    APPROVAL,
    EVIDENCE,
    SUMMARY,
    TEST_RESULT,
)
from stressproof.verify.instants import parse_instant
from stressproof.verify.rule import Judgement, Rule, prose, rule

_PEOPLE = "signing.md, What is signed"
_SIGN = "Sign it: stressproof sign FILE; whoever ran it does."
_APPROVE = "Have an approver look at it: stressproof approve FILE."


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
        note(case.evidence.path, prose(case.bundle.seen), prose("a bundle"), _SIGN)
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
        judgement.skip(NO_STATEMENT)
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
        judgement.skip(NO_STATEMENT)
        return
    for each in case.signed(APPROVAL):
        why = why_void(case, statement, each)
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


@rule(
    "trust.names",
    clause="protocol, Release rule; signing.md, Who may say what",
    title="The people whom the artifact names are those who signed",
    remedy="Inject again with --executed-by and --approved-by as the roster spells both.",
    level=Level.ATTESTED,
)
def names(case: AttestationCase, judgement: Judgement) -> None:
    """``executed_by`` and ``approved_by`` are the owners of the keys."""
    data, statement = case.evidence.data, case.statement
    if statement is None:
        judgement.skip(NO_STATEMENT)
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


RULES: tuple[Rule[AttestationCase], ...] = (
    bundle,
    signatures,
    authorised,
    evidence,
    subject,
    approval,
    names,
)
"""In the order in which a person would look."""
