"""A bundle: one signed statement a line (``.intoto.jsonl``), read with a reason for each refusal.

Order matters: bytes, then whose signature it is, then what that person may say, and only then what
is said. A line that is refused is not looked into any further.
"""

import hashlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.reading import (
    STATEMENTS,
    AbsentEvidenceError,
    UnreadableEvidenceError,
    beside,
    read_bytes,
)
from stressproof.trust.envelope import (
    EnvelopeError,
    ForgedEnvelopeError,
    Opened,
    UnauthorisedEnvelopeError,
    open_envelope,
)
from stressproof.trust.policy import Role, TrustPolicy
from stressproof.trust.statement import (
    APPROVAL,
    EVIDENCE,
    GATE_ID,
    PLAN,
    PREDICATES,
    SUMMARY,
    TEST_RESULT,
    ApprovalPredicate,
    EvidencePredicate,
    PlanPredicate,
    Statement,
    SummaryPredicate,
)
from stressproof.verify.instants import SECOND_US, parse_instant

MAX_BYTES = 4 * 1024 * 1024
MAX_LINES = 256
SKEW_US = 60 * SECOND_US

if TYPE_CHECKING:
    from pathlib import Path

MAY_SIGN = {
    PLAN: Role.EXECUTOR,
    EVIDENCE: Role.EXECUTOR,
    APPROVAL: Role.APPROVER,
    SUMMARY: Role.GATE,
    TEST_RESULT: Role.GATE,
}
"""Which role a statement is bound to: no key says what is not its owner's to say."""


class Reason(StrEnum):
    """Why a line is refused."""

    UNREADABLE = "unreadable"
    FORGED = "forged"
    UNAUTHORISED = "unauthorised"


class Refusal(Struct, frozen=True):
    """A line that is not taken.

    Attributes:
        line: From 1.
        reason: Why.
        seen: What was found.
        expected: What would have been taken.
    """

    line: int
    reason: Reason
    seen: str
    expected: str


class Signed(Struct, frozen=True):
    """A line that is taken: what somebody says.

    Attributes:
        line: From 1.
        principal: Who.
        key: Fingerprint of the key.
        kind: Predicate type.
        statement: The statement.
        predicate: Its predicate, as one of `PREDICATES`.
        digest: sha256 of the payload.
    """

    line: int
    principal: str
    key: str
    kind: str
    statement: Statement
    predicate: Any

    digest: str

    def names(self, sha256: str) -> bool:
        """Return whether it is about a file of these bytes."""
        return any(subject.digest.sha256 == sha256 for subject in self.statement.subject)

    @property
    def commits(self) -> set[str]:
        """The commits that it is about."""
        return {
            subject.digest.gitCommit
            for subject in self.statement.subject
            if subject.digest.gitCommit is not None
        }


class Bundle(Struct, frozen=True):
    """A bundle as it was read.

    Attributes:
        path: Where.
        signed: What is taken.
        refusals: What is not.
        digests: sha256 of every line, taken or not.
    """

    path: str
    signed: tuple[Signed, ...]
    refusals: tuple[Refusal, ...]
    digests: tuple[str, ...]

    def of(self, kind: str) -> list[Signed]:
        """Return the statements of one predicate type."""
        return [each for each in self.signed if each.kind == kind]


Unread = UnreadableEvidenceError | AbsentEvidenceError


def bundle_path(artifact: "Path | str") -> "Path":
    """Return where the bundle of a file lies: beside it."""
    from pathlib import Path  # noqa: PLC0415  # a verification goes by names

    return Path(beside(artifact, STATEMENTS))


def read_bundle(path: "Path | str", policy: TrustPolicy, now_us: int) -> Bundle:
    """Return a bundle, every line taken or refused.

    Args:
        path: Where.
        policy: Who may say what.
        now_us: The time, in microseconds since 1970.

    Raises:
        AbsentEvidenceError: Nothing is there.
        UnreadableEvidenceError: It is no file that can be read, or too large.
    """
    name = str(path)
    raw = read_bytes(name, max_bytes=MAX_BYTES)
    lines = raw.split(b"\n")
    if lines.pop() or not lines:
        raise _unreadable(name, "an empty file" if not raw else "a last line that was cut short")
    if len(lines) > MAX_LINES:
        raise _unreadable(name, f"{len(lines)} lines, more than {MAX_LINES}")
    reader = _LineReader(policy, now_us)
    signed, refusals = [], []
    for number, line in enumerate(lines, 1):
        try:
            signed.append(reader.read(number, line))
        except _RefusedError as refused:
            refusals.append(Refusal(number, refused.reason, refused.seen, refused.expected))
    digests = tuple(hashlib.sha256(line).hexdigest() for line in lines)
    return Bundle(name, tuple(signed), tuple(refusals), digests)


def _unreadable(name: str, seen: str) -> UnreadableEvidenceError:
    return UnreadableEvidenceError(
        seen,
        f"one signed statement a line, at most {MAX_LINES}",
        hint="Restore the bundle, or sign again.",
        path=name,
    )


def append_lines(path: "Path", lines: Sequence[bytes]) -> None:
    """Add lines to a bundle; a reader sees all of them or none.

    Raises:
        OutputError: It could not be written.
        UnreadableEvidenceError: What is there is no bundle that could be added to.
    """
    try:
        before = read_bytes(str(path), max_bytes=MAX_BYTES)
    except AbsentEvidenceError:
        before = b""
    if before and not before.endswith(b"\n"):
        raise _unreadable(str(path), "a last line that was cut short")
    put_bundle(path, [*before.splitlines(), *lines])


def put_bundle(path: "Path", lines: Sequence[bytes]) -> None:
    """Let a bundle hold these lines and no others; without any there is none.

    Raises:
        OutputError: It could not be written.
    """
    from stressproof.evidence.writing import write_atomic  # noqa: PLC0415  # not to verify

    if lines:
        write_atomic(path, b"".join(line + b"\n" for line in lines))
    else:
        path.unlink(missing_ok=True)


class _RefusedError(Exception):
    def __init__(self, reason: Reason, seen: str, expected: str) -> None:
        super().__init__(seen)
        self.reason = reason
        self.seen = seen
        self.expected = expected


class _LineReader:
    """Reads lines one by one under one policy, at one time."""

    def __init__(self, policy: TrustPolicy, now_us: int) -> None:
        self._policy = policy
        self._keys = policy.keys
        self._now_us = now_us

    def read(self, number: int, line: bytes) -> Signed:
        """Return what a line says.

        Raises:
            _RefusedError: It is not taken.
        """
        opened = self._open(line)
        principal, role = self._owner(opened)
        statement, predicate = self._parse(opened.payload)
        kind = statement.predicateType
        if role is not MAY_SIGN[kind]:
            raise _RefusedError(
                Reason.UNAUTHORISED,
                f"{principal}, {role.value if role else 'of no role'}, signed {kind}",
                f"one of the role {MAY_SIGN[kind].value}",
            )
        self._check_claims(opened, principal, predicate)
        digest = hashlib.sha256(opened.payload).hexdigest()
        return Signed(number, principal, opened.key.fingerprint, kind, statement, predicate, digest)

    def _open(self, line: bytes) -> Opened:
        try:
            return open_envelope(line, self._keys)
        except EnvelopeError as error:
            reason = Reason.UNREADABLE
            if isinstance(error, ForgedEnvelopeError):
                reason = Reason.FORGED
            if isinstance(error, UnauthorisedEnvelopeError):
                reason = Reason.UNAUTHORISED
            raise _RefusedError(reason, error.seen, error.expected) from error

    def _owner(self, opened: Opened) -> tuple[str, Role | None]:
        signer = self._policy.signer_of(opened.key)
        if signer is None:
            raise _RefusedError(
                Reason.UNAUTHORISED, "a key that nobody owns", "a key of the roster"
            )
        if self._policy.is_revoked(opened.key):
            raise _RefusedError(
                Reason.UNAUTHORISED,
                f"{signer.principal}'s key {opened.key.fingerprint}, which is revoked",
                "a key that is not",
            )
        if not signer.is_valid_at(self._now_us):
            raise _RefusedError(
                Reason.UNAUTHORISED,
                f"{signer.principal}'s key, which the roster does not have valid now",
                "a key that is",
            )
        return signer.principal, self._policy.role_of(signer.principal)

    def _parse(self, payload: bytes) -> tuple[Statement, Any]:
        try:
            statement = msgspec.convert(parse_object(payload), Statement, strict=True)
            wanted = PREDICATES.get(statement.predicateType)
            if wanted is None:
                raise _RefusedError(
                    Reason.UNREADABLE,
                    f"the predicate type {statement.predicateType!r}",
                    "one that is known here",
                )
            return statement, msgspec.convert(statement.predicate, wanted, strict=True)
        except (MalformedJson, msgspec.ValidationError) as error:
            raise _RefusedError(Reason.UNREADABLE, str(error), "a statement") from error

    def _check_claims(self, opened: Opened, principal: str, predicate: Any) -> None:
        """Who and when, as the statement has it, must be who and when the key may."""
        named, at = _claims(predicate)
        if named not in {None, principal}:
            raise _RefusedError(
                Reason.FORGED, f"{principal} signed in the name of {named}", principal
            )
        if at is None:
            return
        at_us = parse_instant(at)
        if at_us is None or at_us > self._now_us + SKEW_US:
            raise _RefusedError(Reason.FORGED, f"signed at {at!r}", "a time that has been")
        signer = self._policy.signer_of(opened.key)
        if signer is not None and not signer.is_valid_at(at_us):
            raise _RefusedError(
                Reason.UNAUTHORISED,
                f"signed at {at}, when {principal}'s key was not valid",
                "a time at which it was",
            )


def _claims(predicate: Any) -> tuple[str | None, str | None]:
    """Return who and when a predicate says."""
    if isinstance(predicate, PlanPredicate):
        return predicate.executor, predicate.planned_at
    if isinstance(predicate, EvidencePredicate):
        return predicate.executor, predicate.signed_at
    if isinstance(predicate, ApprovalPredicate):
        return predicate.approver, predicate.approved_at
    if isinstance(predicate, SummaryPredicate):
        return predicate.verifier.id.removeprefix(GATE_ID), predicate.time_verified
    return None, None


def read_or_reason(path: "Path | str", policy: TrustPolicy, now_us: int) -> Bundle | Unread:
    """Read a bundle; what keeps it from being read is for a rule to tell, not an end."""
    try:
        return read_bundle(path, policy, now_us)
    except (UnreadableEvidenceError, AbsentEvidenceError) as error:
        return error


def refused(bundle: Bundle, reason: Reason) -> Iterator[Refusal]:
    """Yield the lines that were refused for one reason."""
    return (each for each in bundle.refusals if each.reason is reason)
