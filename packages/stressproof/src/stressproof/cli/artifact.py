"""Stress evidence as a value, for commands that ask something new of it."""

from pathlib import Path

import msgspec

from stressproof.config.stress_requirements import StressRequirements
from stressproof.errors import EvidenceError, InconclusiveError
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document, read_document
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.versions import SCHEMA_VERSION, is_current, version_remedy
from stressproof.exits import Exit
from stressproof.failures.artifact import FailureArtifact
from stressproof.objectives.recoveries import FaultRecovery, recoveries_of
from stressproof.verify.instants import now_us
from stressproof.verify.rule import show
from stressproof.verify.stress.verifier import verify

_SHOWN = 5
# The limits of the capture need not be ours, and its load and preflight say nothing of its figures.
_NOT_ASKED = frozenset(
    {"stress.thresholds", "stress.load-reached", "stress.preflight", "stress.preflight-checks"}
)


def read_artifact(path: Path) -> StressArtifact:
    """Return an artifact whose every figure follows from the measurements that it carries.

    Whether it would be release evidence is not asked: how many rounds it has, how old it is and
    what it ran against is the asking command's affair.

    Raises:
        InconclusiveError: Nothing is there, or it carries no measurements.
        EvidenceError: It is malformed or of another version, or its figures do not follow from
            its measurements.
    """
    return artifact_of(read_document(path))


def artifact_of(document: Document) -> StressArtifact:
    """Return what `read_artifact` does, of a document that was read before."""
    demand_full(document)
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
            f"{document.path}: {len(rejections)} rules reject it\n"
            + "\n".join(listed[:_SHOWN])
            + more,
            hint=f"`stressproof verify {document.path}` lists every reason.",
        )
    return msgspec.convert(document.data, StressArtifact)


def demand_full(document: Document) -> None:
    """Refuse a document that does not say that it is a full artifact of the version known here.

    Raises:
        InconclusiveError: It carries no measurements.
        EvidenceError: It is of another version.
    """
    if "schema_version" not in document.data:
        raise InconclusiveError(
            f"{document.path}: carries no measurements, so nothing new can be asked of it",
            hint="`stressproof capture` and `stressproof inject` keep what figures follow from.",
        )
    version = document.data["schema_version"]
    if not is_current(version):
        raise EvidenceError(
            f"{document.path}: schema_version is {show(version)}, expected {SCHEMA_VERSION}",
            hint=version_remedy(version),
        )


def read_recoveries(path: Path) -> tuple[FaultRecovery, ...]:
    """Return how each fault of a failure-injection artifact passed, from its operations.

    Raises:
        InconclusiveError: Nothing is there, or it carries no operations.
        EvidenceError: It is malformed or of another version, or its statements do not follow
            from its operations.
    """
    document = read_document(path)
    demand_full(document)
    try:
        artifact = msgspec.convert(document.data, FailureArtifact)
        return tuple(recoveries_of(artifact))
    except (msgspec.ValidationError, ValueError) as error:
        raise EvidenceError(
            f"{document.path}: no failure evidence with operations: {error}",
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
