"""A project's own objectives, asked of the evidence that its gate judges."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stressproof.evidence.stress import StressArtifact
from stressproof.failures.artifact import FailureArtifact
from stressproof.objectives.evaluating import Answers, ask
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.recoveries import FaultRecovery, recoveries_of
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import Evidence, EvidenceKind
from stressproof.verify.stress.verifier import STRESS


def answers(objectives: Objectives, evidence: Sequence[Evidence]) -> Answers | None:
    """Return how each objective comes out; None where no measurements are carried.

    That figures follow from measurements, and recoveries from operations, is the verdicts' affair:
    whatever is wrong with them blocks by itself.
    """
    artifact = stress_artifact(evidence)
    if artifact is None:
        return None
    return ask(objectives, artifact, recoveries=_recoveries(evidence))


def _data(evidence: Sequence[Evidence], kind: EvidenceKind[Any]) -> Mapping[str, Any]:
    return next((each.data for each in evidence if each.kind is kind), {})


def stress_artifact(evidence: Sequence[Evidence]) -> StressArtifact | None:
    """Return the stress evidence in its types, None where there is none that has them."""
    data = _data(evidence, STRESS)
    try:
        return msgspec.convert(data, StressArtifact)
    except msgspec.ValidationError:
        return None


def _recoveries(evidence: Sequence[Evidence]) -> tuple[FaultRecovery, ...]:
    try:
        artifact = msgspec.convert(_data(evidence, FAILURE), FailureArtifact)
        return tuple(recoveries_of(artifact))
    except (msgspec.ValidationError, ValueError):
        return ()
