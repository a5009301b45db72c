"""A project's own objectives, asked of the evidence that its gate judges.

Loaded only where the checkout has a ``stressproof.toml``: the grammar of thresholds comes with it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stressproof.evidence.failure import FailureArtifact
from stressproof.evidence.reading import Document
from stressproof.evidence.stress import SCHEMA_VERSION, StressArtifact
from stressproof.gate.evidence import LoadedEvidence
from stressproof.gate.request import Half
from stressproof.objectives.config import FILE_NAME

if TYPE_CHECKING:
    from stressproof.objectives.compile import Objectives
    from stressproof.objectives.evaluating import Answers
    from stressproof.objectives.recoveries import FaultRecovery


def read_objectives(root: Path) -> "Objectives | None":
    """Return what a project asks beyond the protocol; None where it has no file or asks nothing.

    Args:
        root: Its folder.

    Raises:
        UsageError: What it asks cannot be meant.
    """
    path = root / FILE_NAME
    if not path.exists():
        return None
    from stressproof.objectives.compile import load  # noqa: PLC0415  # see above

    objectives = load(path)
    return objectives if objectives.thresholds or objectives.slos else None


def answers(objectives: "Objectives", readings: Sequence[LoadedEvidence]) -> "Answers | None":
    """Return how each objective comes out; None where no measurements are carried.

    That figures follow from measurements, and recoveries from operations, is the verdicts' affair:
    whatever is wrong with them blocks by itself.
    """
    from stressproof.objectives.evaluating import ask  # noqa: PLC0415  # see above

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


def _recoveries(readings: Sequence[LoadedEvidence]) -> tuple["FaultRecovery", ...]:
    from stressproof.objectives.recoveries import recoveries_of  # noqa: PLC0415  # see above

    try:
        artifact = msgspec.convert(_data(readings, Half.FAILURE), FailureArtifact)
        return tuple(recoveries_of(artifact))
    except (msgspec.ValidationError, ValueError):
        return ()
