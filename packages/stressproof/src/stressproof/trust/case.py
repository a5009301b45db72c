"""One piece of evidence with who signed it, and which of the known runs it is."""

from msgspec import Struct

from stressproof.evidence.reading import STATEMENTS, beside
from stressproof.trust.bundle import (
    SKEW_US,
    Bundle,
    Signed,
    Unread,
    read_or_reason,
)
from stressproof.trust.ledger import Attempt, Ledger
from stressproof.trust.policy import TrustPolicy
from stressproof.trust.statement import (
    APPROVAL,
    EVIDENCE,
    PLAN,
)
from stressproof.verify.instants import HOUR_US, parse_instant
from stressproof.verify.kind import Evidence

NO_STATEMENT = "nobody signed these bytes"


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
        return [each for each in self.signed(APPROVAL) if not why_void(self, statement, each)]

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


def why_void(case: AttestationCase, statement: Signed, approved: Signed) -> tuple[str, str] | None:
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


def attestation_case(
    evidence: Evidence,
    policy: TrustPolicy,
    ledger: Ledger | Unread,
    commits: tuple[str, ...],
    now_us: int,
) -> AttestationCase:
    """Return what is known of who signed evidence, its bundle read."""
    return AttestationCase(
        evidence=evidence,
        policy=policy,
        bundle=read_or_reason(beside(evidence.path, STATEMENTS), policy, now_us),
        ledger=ledger,
        commits=commits,
        now_us=now_us,
    )
