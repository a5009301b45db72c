"""A project's own objectives, asked of the evidence that its gate judges."""

from collections.abc import Sequence

import msgspec

from stressproof.evidence.failure import FailureArtifact
from stressproof.evidence.reading import Document
from stressproof.evidence.stress import SCHEMA_VERSION, StressArtifact
from stressproof.gate.evidence import LoadedEvidence
from stressproof.gate.request import Half
from stressproof.objectives.evaluating import Answers, ask
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.recoveries import FaultRecovery, recoveries_of


def answers(objectives: Objectives, readings: Sequence[LoadedEvidence]) -> Answers | None:
    """Return how each objective comes out; None where no measurements are carried.

    That figures follow from measurements, and recoveries from operations, is the verdicts' affair:
    whatever is wrong with them blocks by itself.
    """
    artifact = _stress_artifact(readings)
    if artifact is None:
        return None
    return ask(objectives, artifact, recoveries=_recoveries(readings))


def _data(readings: Sequence[LoadedEvidence], half: Half) -> object:
    for reading in readings:
        if reading.half is half and isinstance(reading.document, Document):
            return reading.document.data
    return None


def _stress_artifact(readings: Sequence[LoadedEvidence]) -> StressArtifact | None:
    data = _data(readings, Half.STRESS)
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        return None
    try:
        return msgspec.convert(data, StressArtifact)
    except msgspec.ValidationError:
        return None


def _recoveries(readings: Sequence[LoadedEvidence]) -> tuple[FaultRecovery, ...]:
    try:
        artifact = msgspec.convert(_data(readings, Half.FAILURE), FailureArtifact)
        return tuple(recoveries_of(artifact))
    except (msgspec.ValidationError, ValueError):
        return ()
