"""A project's own objectives, asked of the evidence that its gate judges.

Loaded only where the checkout has a ``stressproof.toml``: the grammar of thresholds comes with it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stressproof.evidence.failure import FailureArtifact
from stressproof.evidence.stress import SCHEMA_VERSION, StressArtifact
from stressproof.objectives.config import FILE_NAME
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import Evidence, EvidenceKind
from stressproof.verify.stress.verifier import STRESS

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


def answers(objectives: "Objectives", evidence: Sequence[Evidence]) -> "Answers | None":
    """Return how each objective comes out; None where no measurements are carried.

    That figures follow from measurements, and recoveries from operations, is the verdicts' affair:
    whatever is wrong with them blocks by itself.
    """
    from stressproof.objectives.evaluating import ask  # noqa: PLC0415  # see above

    artifact = _stress_artifact(evidence)
    if artifact is None:
        return None
    return ask(objectives, artifact, recoveries=_recoveries(evidence))


def _data(evidence: Sequence[Evidence], kind: EvidenceKind[Any]) -> Mapping[str, Any]:
    return next((each.data for each in evidence if each.kind is kind), {})


def _stress_artifact(evidence: Sequence[Evidence]) -> StressArtifact | None:
    data = _data(evidence, STRESS)
    if data.get("schema_version") != SCHEMA_VERSION:
        return None
    try:
        return msgspec.convert(data, StressArtifact)
    except msgspec.ValidationError:
        return None


def _recoveries(evidence: Sequence[Evidence]) -> tuple["FaultRecovery", ...]:
    from stressproof.objectives.recoveries import recoveries_of  # noqa: PLC0415  # see above

    try:
        artifact = msgspec.convert(_data(evidence, FAILURE), FailureArtifact)
        return tuple(recoveries_of(artifact))
    except (msgspec.ValidationError, ValueError):
        return ()
