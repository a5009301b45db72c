"""A decision confirmed where it is acted on: it accepts, and it is about what is here now.

One digest travels from the evidence to the promotion: what was judged then is compared with what
lies there now.
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.reading import (
    AbsentEvidenceError,
    Document,
    UnreadableEvidenceError,
    read_document,
)
from stressproof.gate.checkout import Checkout, read_checkout, same_builds
from stressproof.gate.decision import DECISION_SCHEMA
from stressproof.verify.instants import HOUR_US, parse_instant
from stressproof.verify.rule import Judgement, Result, prose, rule
from stressproof.verify.stress.verifier import STRESS

DECISION_MAX_AGE_HOURS = 24.0
_SKEW_US = 60 * 1_000_000
_AGAIN = "Run the gate again, and promote what it accepts."


class JudgedEvidence(Struct, frozen=True):
    """One artifact, as a decision names it."""

    kind: str
    path: Annotated[str, Meta(pattern=r"^[^\x00]+$")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None


class DecisionRead(Struct, frozen=True):
    """What a promotion needs of a decision file."""

    schema: str
    accepted: bool
    exit_code: int
    evidence: list[JudgedEvidence]
    summary: str
    decided_at: str | None = None
    commit: str | None = None


class Confirmation(Struct, frozen=True, kw_only=True):
    """A decision and what is here now.

    Attributes:
        decision: As it was read.
        digests: Of each artifact as it lies there now, null where it cannot be read.
        checkout: What is checked out.
        max_age_hours: Oldest decision.
        now_us: The time, in microseconds since 1970.
    """

    decision: DecisionRead
    digests: list[str | None]
    checkout: Checkout
    max_age_hours: float
    now_us: int


@rule(
    "confirm.accepted",
    clause="protocol, Release rule",
    title="A gate's decision accepts the release",
    remedy="Do not promote; see the decision's summary for what blocks.",
)
def accepted(case: Confirmation, judgement: Judgement) -> None:
    """The document is a gate's, it accepts, and stress evidence is among what it judged."""
    decision = case.decision
    judgement.check(decision.schema == DECISION_SCHEMA, "schema", decision.schema, DECISION_SCHEMA)
    judgement.check(decision.accepted, "accepted", decision.accepted, True)  # noqa: FBT003
    judgement.check(decision.exit_code == 0, "exit_code", decision.exit_code, 0)
    kinds = [each.kind for each in decision.evidence]
    judgement.check(STRESS.name in kinds, "evidence", kinds, prose("stress evidence among it"))


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
    checkout, wanted = case.checkout, case.decision.commit
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
    for judged, digest in zip(case.decision.evidence, case.digests, strict=True):
        judgement.check(
            judged.sha256 is not None and digest == judged.sha256,
            judged.path,
            digest or prose("not readable"),
            judged.sha256,
        )


RULES = (accepted, age, commit, evidence)


class NotADecisionError(UnreadableEvidenceError):
    """A document is there and is no decision of a gate."""


def confirm(path: Path, folder: Path, *, max_age_hours: float, now_us: int) -> list[Result]:
    """Return how a decision holds against what is here now.

    Args:
        path: The decision file.
        folder: Where it is acted on; the paths in it are relative to the working directory.
        max_age_hours: Oldest decision.
        now_us: The time, in microseconds since 1970.

    Raises:
        AbsentEvidenceError: There is no such file.
        UnreadableEvidenceError: It cannot be read, or is no decision.
    """
    document = read_document(path)
    decision = _typed(document)
    case = Confirmation(
        decision=decision,
        digests=[_digest(each.path) for each in decision.evidence],
        checkout=read_checkout(
            folder, named=[str(path), *(each.path for each in decision.evidence)]
        ),
        max_age_hours=max_age_hours,
        now_us=now_us,
    )
    return [each.apply(case) for each in RULES]


def _typed(document: Document) -> DecisionRead:
    try:
        return msgspec.convert(document.data, DecisionRead, strict=True)
    except msgspec.ValidationError as error:
        raise NotADecisionError(
            str(error),
            "a decision of a gate",
            hint="Name the file that --decision-out wrote.",
            path=document.path,
            sha256=document.sha256,
            size=document.size,
        ) from error


def _digest(path: str) -> str | None:
    try:
        return read_document(path).sha256
    except (AbsentEvidenceError, UnreadableEvidenceError) as unread:
        digest: Any = getattr(unread, "sha256", None)
        return digest if isinstance(digest, str) else None
