"""What is said, once it is known who said it: in-toto statements and the predicates in them.

Of our own predicates unknown fields are refused: whoever does not know a field cannot know what it
takes back. Test results and verification summaries are in-toto's and SLSA's, for others' gates.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from stressproof.trust.policy import Principal

STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"

PLAN = "urn:stressproof:predicate:plan:1"
EVIDENCE = "urn:stressproof:predicate:evidence:1"
APPROVAL = "urn:stressproof:predicate:approval:1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY = "https://slsa.dev/verification_summary/v1"

GIT = "git"
"""Name of the subject that is the commit."""

IMAGE = "image"
"""Name of the subject that is shipped, where there is one beside the commit."""

GATE_ID = "urn:stressproof:gate:"
"""What a summary's verifier is called: this and the principal who owns the key."""

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")]
Text = Annotated[str, Meta(max_length=1024)]
Time = Annotated[str, Meta(max_length=64)]
Hex128 = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class Digests(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a subject is known by: a weak digest beside a strong one is refused with it."""

    sha256: Sha256 | None = None
    gitCommit: Commit | None = None  # noqa: N815  # in-toto's own name


class Subject(Struct, frozen=True, forbid_unknown_fields=True):
    """What a statement is about."""

    name: Text
    digest: Digests


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """An in-toto statement whose predicate is still as it was signed."""

    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[tuple[Subject, ...], Meta(min_length=1, max_length=64)]
    predicateType: Text  # noqa: N815  # in-toto's own name
    predicate: dict[str, Any]


class LedgerPoint(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How long the run ledger was when somebody signed.

    Attributes:
        sequence: Of its last entry.
        digest: sha256 of that entry's line.
    """

    sequence: Annotated[int, Meta(ge=1)]
    digest: Sha256


class PlanPredicate(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is going to be run, signed before it is.

    Attributes:
        executor: Who says so, as the roster has it.
        kind: ``stress`` or ``failure``.
        profile: As the suite calls it.
        thresholds: The three limits that every round is held to; empty for failures.
        scenarios: Ids of the failure scenarios; empty for load.
        nonce: Of this run alone.
        planned_at: When it was signed.
        expires_at: When it is too late to begin.
        policy_digest: Of the policy that was read.
    """

    executor: Principal
    kind: Literal["stress", "failure"]
    profile: Text
    thresholds: dict[Text, float | None]
    scenarios: tuple[Text, ...]
    nonce: Hex128
    planned_at: Time
    expires_at: Time
    policy_digest: Sha256


class EvidencePredicate(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """These bytes are what I ran.

    Attributes:
        executor: Who says so, as the roster has it.
        kind: ``stress`` or ``failure``.
        profile: As the artifact has it.
        captured_at: Likewise.
        signed_at: When it was signed.
        tool: What signed, with its version.
        plan_digest: sha256 of the payload of the plan that was followed, null for none.
        ledger: Where the run's end stands in the ledger, null where no ledger has it.
    """

    executor: Principal
    kind: Literal["stress", "failure"]
    profile: Text
    captured_at: Time
    signed_at: Time
    tool: Text
    plan_digest: Sha256 | None
    ledger: LedgerPoint | None


class Waiver(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A rule that need not hold, by an approver's word.

    Attributes:
        rule: Its id.
        reason: Why not.
        expires_at: Until when.
    """

    rule: Text
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]
    expires_at: Time


class ApprovalPredicate(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """I looked at these bytes, and they may be promoted.

    Attributes:
        approver: Who says so, as the roster has it.
        evidence_digest: sha256 of the payload of the executor's statement.
        policy_digest: Of the policy under which it holds.
        approved_at: When it was signed.
        expires_at: Until when it holds.
        waivers: What need not hold.
        ledger: How long the ledger was that the approver saw, null where there was none.
    """

    approver: Principal
    evidence_digest: Sha256
    policy_digest: Sha256
    approved_at: Time
    expires_at: Time
    waivers: tuple[Waiver, ...]
    ledger: LedgerPoint | None


class Resource(Struct, frozen=True):
    """A resource descriptor of in-toto, as far as it is used here."""

    uri: str
    digest: dict[str, str]


class Verifier(Struct, frozen=True):
    """Who verified."""

    id: str


class SummaryPredicate(Struct, frozen=True, rename="camel"):
    """SLSA's verification summary v1; fields that we do not know are ignored, as SLSA demands.

    Attributes:
        verifier: The gate.
        time_verified: When it decided.
        resource_uri: What may be promoted, with its commit.
        policy: Under which policy.
        input_attestations: Every line that was considered, and the decision itself.
        verification_result: ``PASSED`` or ``FAILED``.
        verified_levels: What holds, in our own words (``STRESSPROOF_…``).
    """

    verifier: Verifier
    time_verified: Time
    resource_uri: str
    policy: Resource
    input_attestations: tuple[Resource, ...]
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: tuple[str, ...]


class TestResultPredicate(Struct, frozen=True, rename="camel"):
    """in-toto's test result v0.1: names of rules and steps, for gates that read those.

    Attributes:
        result: All of it.
        configuration: What was asked.
        passed_tests: What held.
        warned_tests: What did not and does not block.
        failed_tests: What blocks.
    """

    __test__ = False  # pytest takes it for a test by its name

    result: Literal["PASSED", "WARNED", "FAILED"]
    configuration: tuple[Resource, ...]
    passed_tests: tuple[str, ...]
    warned_tests: tuple[str, ...]
    failed_tests: tuple[str, ...]


PREDICATES: dict[str, type[Struct]] = {
    PLAN: PlanPredicate,
    EVIDENCE: EvidencePredicate,
    APPROVAL: ApprovalPredicate,
    TEST_RESULT: TestResultPredicate,
    SUMMARY: SummaryPredicate,
}
"""Every kind of statement that we read, by its predicate type."""


def encode_statement(kind: str, subjects: tuple[Subject, ...], predicate: Struct) -> bytes:
    """Return the payload of a statement; equal statements have equal bytes."""
    return msgspec.json.encode(
        Statement(
            type=STATEMENT_TYPE,
            subject=subjects,
            predicateType=kind,
            predicate=msgspec.to_builtins(predicate),
        ),
        order="sorted",
    )
