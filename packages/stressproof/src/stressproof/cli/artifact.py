"""Stress evidence as a value, for commands that ask something new of it."""

from pathlib import Path

import msgspec

from stressproof.config.stress_requirements import StressRequirements
from stressproof.errors import EvidenceError, InconclusiveError
from stressproof.evidence.failure import FailureArtifact
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document, read_document
from stressproof.evidence.stress import SCHEMA_VERSION, StressArtifact
from stressproof.exits import Exit
from stressproof.objectives.recoveries import FaultRecovery, recoveries_of
from stressproof.verify.instants import now_us
from stressproof.verify.stress.verifier import verify

_SHOWN = 5
_NOT_ASKED = frozenset({"stress.thresholds"})  # the limits of the capture need not be ours


def read_artifact(path: Path) -> StressArtifact:
    """Return an artifact whose every figure follows from the measurements that it carries.

    Whether it would be release evidence is not asked: how many rounds it has, how old it is and
    what it ran against is the asking command's affair.

    Raises:
        InconclusiveError: Nothing is there, or it carries no measurements.
        EvidenceError: It is malformed, or its figures do not follow from its measurements.
    """
    document = read_document(path)
    if document.data.get("schema_version") != SCHEMA_VERSION:
        raise InconclusiveError(
            f"{path}: carries no measurements, so nothing new can be asked of it",
            hint="Capture it with `stressproof capture`, which keeps every second.",
        )
    verdict = verify(document, integrity(document), now_us())
    rejections = [
        one
        for one in verdict.results
        if one.exit_code is Exit.EVIDENCE and one.rule not in _NOT_ASKED
    ]
    if rejections:
        listed = [
            f"  {one.rule}: {finding.where} is {finding.seen}, expected {finding.expected}"
            for one in rejections
            for finding in one.findings[:1]
        ]
        more = f"\n  and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        raise EvidenceError(
            f"{path}: {len(rejections)} rules reject it\n" + "\n".join(listed[:_SHOWN]) + more,
            hint=f"`stressproof verify {path}` lists every reason.",
        )
    return msgspec.convert(document.data, StressArtifact)


def read_recoveries(path: Path) -> tuple[FaultRecovery, ...]:
    """Return how each fault of a failure-injection artifact passed, from its operations.

    Raises:
        InconclusiveError: Nothing is there.
        EvidenceError: It is malformed, or its statements do not follow from its operations.
    """
    document = read_document(path)
    try:
        artifact = msgspec.convert(document.data, FailureArtifact)
        return tuple(recoveries_of(artifact))
    except (msgspec.ValidationError, ValueError) as error:
        raise EvidenceError(
            f"{path}: no failure evidence with operations: {error}",
            hint="`stressproof inject` writes it.",
        ) from error


def integrity(document: Document) -> StressRequirements:
    """Return requirements that ask for nothing but consistency with itself."""
    return StressRequirements(
        profile=str(document.data.get("profile")),
        runner=str(document.data.get("runner")),
        min_rounds=1,
        min_duration_seconds=1,
        min_concurrent_users=1,
        database_engine=None,
        max_p95_seconds=1e9,
        max_error_rate_percent=100.0,
        min_throughput_rps=0.0,
        required_endpoints=(),
        minimum_level=Level.RECOMPUTED,
    )
