"""A decision file, read again by whoever acts on it: what it says, and what it says was asked."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.reading import Document, UnreadableEvidenceError
from stressproof.gate.environment import SETTINGS
from stressproof.gate.request import GateRequest, plain_request
from stressproof.suite import Suite
from stressproof.verify.kinds import KINDS


class JudgedEvidence(Struct, frozen=True):
    """One artifact, as a decision names it."""

    kind: str
    path: Annotated[str, Meta(pattern=r"^[^\x00]+$")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None


class StepRead(Struct, frozen=True):
    """One quality step, as a decision has it."""

    name: str
    command: tuple[str, ...]
    outcome: str
    exit_code: int


class OutcomeRead(Struct, frozen=True):
    """One verdict or rule, as a decision has it."""

    outcome: str
    exit_code: int


class DecisionRead(Struct, frozen=True):
    """What a promotion needs of a decision file; what is absent accepts nothing."""

    schema: str
    accepted: bool
    exit_code: int
    evidence: list[JudgedEvidence]
    summary: str
    outcome: str = ""
    evidence_only: bool = True
    dry_run: bool = True
    loosened: list[str] = []
    would_pass: bool = False
    decided_at: str | None = None
    commit: str | None = None
    trust_digest: str | None = None
    asked: dict[str, dict[str, Any]] = {}
    verdicts: list[OutcomeRead] = []
    checks: list[OutcomeRead] = []
    steps: list[StepRead] = []


class NotADecisionError(UnreadableEvidenceError):
    """A document is there and is no decision of a gate."""


def typed(document: Document) -> DecisionRead:
    """Return a document as the decision that it is.

    Raises:
        NotADecisionError: It is none.
    """
    try:
        return msgspec.convert(document.data, DecisionRead, strict=True)
    except msgspec.ValidationError as error:
        raise _no_decision(document, str(error)) from error


def asked_again(document: Document, decision: DecisionRead, suite: Suite) -> GateRequest:
    """Return what the decision says was asked: the suite's floors, and what it tightened.

    Raises:
        NotADecisionError: No gate asks such a thing.
    """
    request = plain_request(suite)
    kinds = {kind.name: kind for kind in KINDS}
    for named in decision.evidence:
        if named.kind not in kinds:
            raise _no_decision(document, f"no evidence is called {named.kind!r}")
        kind = kinds[named.kind]
        requirements = request.of(kind).requirements
        if requirements is None:
            raise _no_decision(document, f"the suite {suite.name} asks for no {kind.name} evidence")
        settable = {each.field for each in SETTINGS if each.kind is kind and each.field}
        given = decision.asked.get(kind.name, {})
        for name, value in given.items():
            if name not in settable or not _is_like(value, getattr(requirements, name)):
                raise _no_decision(document, f"{kind.name} evidence cannot be asked {name}={value}")
        request = request.asking(
            kind,
            path=named.path,
            required=True,
            requirements=msgspec.structs.replace(requirements, **given),
        )
    return request


def _is_like(value: object, plain: object) -> bool:
    """Return whether a value could stand for another: a number for a number, a text for a text."""
    if isinstance(plain, str):
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _no_decision(document: Document, seen: str) -> NotADecisionError:
    return NotADecisionError(
        seen,
        "a decision of a gate",
        hint="Name the file that --decision-out wrote.",
        path=document.path,
        sha256=document.sha256,
        size=document.size,
    )
