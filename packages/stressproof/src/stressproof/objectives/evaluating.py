"""Everything that a configuration asks, asked of one artifact."""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.stress import StressArtifact
from stressproof.objectives.burn import SloResult, evaluate_slo
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.recoveries import FaultRecovery
from stressproof.objectives.results import ThresholdResult
from stressproof.objectives.sampling import BaselineFigures
from stressproof.objectives.thresholds import EvaluationContext, evaluate
from stressproof.outcome import Outcome, worst


class Answers(Struct, frozen=True):
    """Every objective and how it came out.

    Attributes:
        thresholds: In the order of the configuration.
        slos: Likewise.
    """

    thresholds: tuple[ThresholdResult, ...]
    slos: tuple[SloResult, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of all; inconclusive where nothing was asked."""
        return worst(self.outcomes)

    @property
    def outcomes(self) -> list[Outcome]:
        """Each objective's outcome."""
        return [*(one.outcome for one in self.thresholds), *(one.outcome for one in self.slos)]

    @property
    def lines(self) -> list[str]:
        """One line an objective, and those of its window pairs below each budget."""
        lines = [one.sentence for one in self.thresholds]
        for slo in self.slos:
            lines += [slo.sentence, *(f"  {pair.sentence}" for pair in slo.pairs)]
        return lines


def ask(
    objectives: Objectives,
    artifact: StressArtifact,
    *,
    baseline: StressArtifact | None = None,
    recoveries: Sequence[FaultRecovery] = (),
) -> Answers:
    """Judge objectives on the measurements of an artifact.

    Args:
        objectives: What is asked.
        artifact: What is judged; that its figures follow from its measurements is not checked.
        baseline: An earlier artifact that may be compared with it, for relative limits.
        recoveries: How injected faults passed, for recovery times.
    """
    endpoints = objectives.endpoints(artifact.workload.endpoints)
    before = None
    if baseline is not None:
        before = BaselineFigures(
            baseline.measurements,
            objectives.endpoints(baseline.workload.endpoints),
            baseline.workload.max_users,
        )
    setting = EvaluationContext(
        endpoints,
        users=artifact.workload.max_users,
        resolution_seconds=artifact.measurements.resolution_seconds,
        baseline=before,
        recoveries=tuple(recoveries),
    )
    return Answers(
        tuple(evaluate(objectives.thresholds, artifact.measurements, setting)),
        tuple(evaluate_slo(slo, artifact.measurements, endpoints) for slo in objectives.slos),
    )
