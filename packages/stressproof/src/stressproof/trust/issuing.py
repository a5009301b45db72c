"""What an executor and an approver sign, made of what lies there; nothing is asked of a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from stressproof.errors import EvidenceError, UsageError
from stressproof.evidence.reading import Document
from stressproof.trust.ledger import Ledger, new_run, read_or_reason
from stressproof.trust.policy import FOLDER, Role, TrustPolicy
from stressproof.trust.roster import ROSTER_NAME
from stressproof.trust.signing import SigningKey
from stressproof.trust.statement import (
    APPROVAL,
    EVIDENCE,
    GIT,
    IMAGE,
    PLAN,
    ApprovalPredicate,
    Digests,
    EvidencePredicate,
    LedgerPoint,
    PlanPredicate,
    Subject,
    Waiver,
    encode_statement,
)
from stressproof.verify.instants import HOUR_US, show_instant
from stressproof.verify.kinds import kind_of
from stressproof.verify.subject import is_commit
from stressproof.version import __version__

PLAN_HOURS = 24


def owner_of(key: SigningKey, policy: TrustPolicy, role: Role) -> str:
    """Return the principal who owns a key and may sign in a role.

    Raises:
        UsageError: The roster does not have the key, or its owner has another role.
    """
    signer = policy.signer_of(key.public)
    if signer is None:
        raise UsageError(
            f"nobody in {FOLDER}/{ROSTER_NAME} has the key of {key.source} "
            f"({key.public.fingerprint})",
            hint=f'Add, by somebody who may: NAME namespaces="stressproof" {key.public.line}',
        )
    seen = policy.role_of(signer.principal)
    if seen is not role:
        raise UsageError(
            f"{signer.principal} is {seen.value if seen else 'of no role'} and not {role.value}",
            hint="The policy's [roles] say who runs, who approves and who decides; one role each.",
        )
    return signer.principal


class SignedPlan(Struct, frozen=True):
    """A plan that was signed.

    Attributes:
        line: For the bundle.
        payload: What was signed.
        run: Its nonce, which the ledger calls the run by.
    """

    line: bytes
    payload: bytes
    run: str


def sign_plan(
    policy: TrustPolicy,
    key: SigningKey,
    *,
    kind: Literal["stress", "failure"],
    profile: str,
    commit: str | None,
    thresholds: dict[str, float | None] | None = None,
    scenarios: Sequence[str] = (),
    now_us: int,
) -> SignedPlan:
    """Sign what is going to be run.

    Args:
        policy: Who may.
        key: An executor's.
        kind: Of evidence.
        profile: As the suite calls it.
        commit: The build.
        thresholds: The limits that every round is held to.
        scenarios: The failure scenarios, by id.
        now_us: The time, in microseconds since 1970.

    Raises:
        UsageError: The key may not sign a plan, or no commit is known.
        RunError: The signature could not be made.
    """
    executor = owner_of(key, policy, Role.EXECUTOR)
    run = new_run()
    payload = encode_statement(
        PLAN,
        (_git(commit, "the working directory"),),
        PlanPredicate(
            executor=executor,
            kind=kind,
            profile=profile,
            thresholds=thresholds or {},
            scenarios=tuple(scenarios),
            nonce=run,
            planned_at=show_instant(now_us),
            expires_at=show_instant(now_us + PLAN_HOURS * HOUR_US),
            policy_digest=policy.digest,
        ),
    )
    return SignedPlan(key.sign(payload), payload, run)


def sign_evidence(
    document: Document,
    policy: TrustPolicy,
    key: SigningKey,
    *,
    ledger: Path,
    image: str | None = None,
    now_us: int,
) -> bytes:
    """Return the line in which an executor says: these bytes are what I ran.

    Args:
        document: The evidence.
        policy: Who may.
        key: An executor's.
        ledger: Where runs are written; the statement says where this one stands in it.
        image: sha256 of what is promoted, where it is an image or an archive.
        now_us: The time, in microseconds since 1970.

    Raises:
        UsageError: The key may not sign evidence, or the evidence names another person or no
            commit.
        EvidenceError: It is no evidence.
        RunError: The signature could not be made.
    """
    executor = owner_of(key, policy, Role.EXECUTOR)
    named = document.data.get("executed_by")
    if named is not None and named != executor:
        raise UsageError(
            f"{document.path} says that {named!r} executed it, and the key is {executor}'s",
            hint="Inject with --executed-by as the roster spells it.",
        )
    attempt = None
    found = read_or_reason(ledger)
    if isinstance(found, Ledger):
        attempt = found.attempt_of(document.sha256)
    point = None
    plan = None
    if isinstance(found, Ledger) and attempt is not None and attempt.end is not None:
        point, plan = found.point_of(attempt.end), attempt.start.plan
    subjects = [_git(_commit_of(document), document.path), _file(document)]
    if image is not None:
        subjects.append(Subject(IMAGE, Digests(sha256=image)))
    payload = encode_statement(
        EVIDENCE,
        tuple(subjects),
        EvidencePredicate(
            executor=executor,
            kind="failure" if kind_of(document).name == "failure" else "stress",
            profile=_text(document, "profile"),
            captured_at=_text(document, "captured_at"),
            signed_at=show_instant(now_us),
            tool=f"stressproof {__version__}",
            plan_digest=plan,
            ledger=point,
        ),
    )
    return key.sign(payload)


def sign_approval(
    document: Document,
    evidence_digest: str,
    policy: TrustPolicy,
    key: SigningKey,
    *,
    ledger: Path,
    hours: float | None = None,
    waivers: Sequence[tuple[str, str]] = (),
    now_us: int,
) -> bytes:
    """Return the line in which an approver says: these bytes may be promoted.

    Args:
        document: The evidence that was looked at.
        evidence_digest: sha256 of the payload of the executor's statement about it.
        policy: Who may, and under which it holds.
        key: An approver's.
        ledger: Where runs are written; the statement says how many lines were seen.
        hours: How long it holds; as long as the policy lets it if None.
        waivers: Rules that need not hold, each with a reason.
        now_us: The time, in microseconds since 1970.

    Raises:
        UsageError: The key may not approve, it would hold too long, or a rule cannot be waived.
        RunError: The signature could not be made.
    """
    approver = owner_of(key, policy, Role.APPROVER)
    named = document.data.get("approved_by")
    if named is not None and named != approver:
        raise UsageError(
            f"{document.path} names {named!r} as its approver, and the key is {approver}'s",
            hint="Inject with --approved-by as the roster spells it.",
        )
    longest = policy.file.ages.approval_hours
    if hours is not None and not 0 < hours <= longest:
        raise UsageError(
            f"an approval of {hours:g} hours; the policy has more than 0 and at most {longest:g}",
            hint="Leave --valid-hours out, or shorten it.",
        )
    for rule, _ in waivers:
        if rule not in policy.file.require.waivable:
            listed = ", ".join(policy.file.require.waivable) or "none"
            raise UsageError(
                f"the rule {rule!r} cannot be waived; the policy's waivable has {listed}",
                hint="Repair what it shows, or have the policy changed on its own branch.",
            )
    until = show_instant(now_us + int((hours or longest) * HOUR_US))
    found = read_or_reason(ledger)
    point: LedgerPoint | None = None
    if isinstance(found, Ledger) and found.entries:
        point = found.point_of(found.entries[-1])
    payload = encode_statement(
        APPROVAL,
        (_git(_commit_of(document), document.path), _file(document)),
        ApprovalPredicate(
            approver=approver,
            evidence_digest=evidence_digest,
            policy_digest=policy.digest,
            approved_at=show_instant(now_us),
            expires_at=until,
            waivers=tuple(Waiver(rule, reason, until) for rule, reason in waivers),
            ledger=point,
        ),
    )
    return key.sign(payload)


def _git(commit: str | None, where: str) -> Subject:
    if commit is None or not is_commit(commit):
        raise UsageError(
            f"{where} names no commit, so there is no build to sign for",
            hint="Capture in a git checkout of the build.",
        )
    return Subject(GIT, Digests(gitCommit=commit))


def _file(document: Document) -> Subject:
    # A file name may be bytes that are no UTF-8; a statement is.
    name = Path(document.path).name.encode("utf-8", "backslashreplace").decode()
    return Subject(name, Digests(sha256=document.sha256))


def _commit_of(document: Document) -> str | None:
    subject = document.data.get("subject")
    commit: Any = subject.get("git_commit") if isinstance(subject, dict) else None
    return commit if isinstance(commit, str) else None


def _text(document: Document, field: str) -> str:
    value = document.data.get(field)
    if not isinstance(value, str):
        raise EvidenceError(
            f"{document.path}: {field} is {value!r}; expected a text",
            hint="Sign what a capture or an injection wrote.",
        )
    return value
