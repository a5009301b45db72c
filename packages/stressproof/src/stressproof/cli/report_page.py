"""A page for one document: judged as ``verify`` does, shown as far as it can be believed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from stressproof.cli.artifact import artifact_of, integrity
from stressproof.cli.suite_choice import chosen_project, chosen_suite
from stressproof.cli.verify import floor_of
from stressproof.errors import StressproofError
from stressproof.evidence.reading import Document, read_document
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.writing import write_atomic
from stressproof.failures.artifact import FailureArtifact
from stressproof.objectives.comparability import Capture, check_alike, check_baseline
from stressproof.objectives.evaluating import ask
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.protocol import protocol_thresholds
from stressproof.report.html import failure, stress
from stressproof.report.html.parts import Fact, Page, unshown
from stressproof.trust.attestation import people
from stressproof.trust.case import NO_STATEMENT, attestation_case
from stressproof.trust.ledger import ledger_path, read_or_reason
from stressproof.trust.policy import TrustPolicy
from stressproof.verify.instants import now_us, parse_instant
from stressproof.verify.kind import EvidenceKind
from stressproof.verify.kinds import kind_of
from stressproof.verify.rule import printable
from stressproof.verify.stress.verifier import STRESS
from stressproof.verify.verdict import Verdict


def write_beside(artifact: Path) -> Path:
    """Write the page of an artifact beside it, and return where.

    Raises:
        OutputError: It cannot be written.
    """
    from stressproof.report.html.document import render  # noqa: PLC0415  # a template engine

    out = artifact.with_suffix(".report.html")
    write_atomic(out, render(pages_of([read_document(artifact)])).encode())
    return out


def pages_of(
    documents: Sequence[Document],
    baseline: StressArtifact | None = None,
    policy: TrustPolicy | None = None,
) -> list[Page]:
    """Return a page for each document, in their order.

    Args:
        documents: Evidence of either kind.
        baseline: An earlier stress artifact, drawn beside each.
        policy: Whose keys are whose; None says nothing of signatures.

    Raises:
        UsageError: The suite or the project's file cannot be used.
    """
    pages = [
        page_of(document, f"evidence-{number}", baseline)
        for number, document in enumerate(documents, start=1)
    ]
    if policy is None:
        return pages
    return [
        msgspec.structs.replace(page, facts=[*page.facts, _signed(document, policy)])
        for page, document in zip(pages, documents, strict=True)
    ]


def _signed(document: Document, policy: TrustPolicy) -> Fact:
    """Return who signed a document and who approved it, as its bundle and the run ledger say."""
    evidence = kind_of(document).evidence(document, document.path, ".")
    ledger = read_or_reason(ledger_path(str(Path(document.path).parent)))
    case = attestation_case(evidence, policy, ledger, (), now_us())
    said = people(case) if case.statement is not None else [NO_STATEMENT]
    return Fact("Signed", printable("; ".join(said)))


def page_of(document: Document, id: str, baseline: StressArtifact | None) -> Page:  # noqa: A002  # HTML's own name
    """Return the page of one document; `pages_of` of one, with an id of the caller's."""
    verdict = _verdict(document)
    try:
        if verdict.kind == STRESS.name:
            return _stress(document, verdict, id, baseline)
        return failure.page(msgspec.convert(document.data, FailureArtifact), verdict, id=id)
    except StressproofError as error:
        return unshown(verdict, error.message, id=id)
    except (msgspec.ValidationError, ValueError) as error:
        return unshown(verdict, f"its operations cannot be read: {error}", id=id)


def _verdict(document: Document) -> Verdict:
    """Judge at the moment of the capture: a page must not change with the day it is made on."""
    kind = kind_of(document)
    floor = floor_of(kind, document)
    if floor is None:
        floor = _floor_of_suite(kind, document)
    captured = document.data.get("captured_at")
    at_us = parse_instant(captured) if isinstance(captured, str) else None
    evidence = kind.evidence(document, document.path, ".")
    return kind.judge(evidence, floor, now_us() if at_us is None else at_us)


def _floor_of_suite(kind: EvidenceKind[Any], document: Document) -> Any:
    """Return what the suite asks of this profile; of one that it does not know, to be consistent.

    Raises:
        UsageError: The suite cannot be used.
    """
    suite, profile = chosen_suite(), str(document.data.get("profile") or "")
    if kind is STRESS and profile not in suite.profile_table():
        return integrity(document)
    return kind.requirements(suite, profile)


def _stress(
    document: Document,
    verdict: Verdict,
    id: str,  # noqa: A002  # likewise
    baseline: StressArtifact | None,
) -> Page:
    artifact = artifact_of(document)
    asked = asked_of(artifact, chosen_project().beyond_limits)
    answers = ask(asked, artifact, baseline=_comparable(baseline, artifact))
    return stress.page(artifact, verdict, answers, id=id, baseline=baseline)


def asked_of(artifact: StressArtifact, objectives: Objectives) -> Objectives:
    """Return objectives with the limits that a capture was held to before them."""
    limits = tuple(protocol_thresholds(artifact.thresholds))
    return msgspec.structs.replace(objectives, thresholds=limits + objectives.thresholds)


def _comparable(baseline: StressArtifact | None, artifact: StressArtifact) -> StressArtifact | None:
    """Return a baseline that limits may be relative to; any other is only drawn."""
    if baseline is None:
        return None
    before, now = [Capture("the baseline", baseline)], [Capture("this", artifact)]
    try:
        check_baseline(before)
        check_alike(before, now)
    except StressproofError:
        return None
    return baseline
