"""Thresholds judged while a capture runs, so that a hopeless one ends early."""

from collections.abc import Sequence

from stressproof.capture.plan import Plan
from stressproof.evidence.measurements import Row, RunMeasurements
from stressproof.objectives.expression import Threshold
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.thresholds import EvaluationContext, Evaluator


class ThresholdWatch:
    """Follows the rounds of one capture.

    Args:
        objectives: What must hold.
        plan: What is being captured.

    Attributes:
        crossed: The thresholds that ended the capture; empty while none has.
    """

    def __init__(self, objectives: Objectives, plan: Plan) -> None:
        self.crossed: tuple[Threshold, ...] = ()
        self._evaluator = Evaluator(
            objectives.thresholds,
            EvaluationContext(
                objectives.endpoints(plan.record().endpoints),
                users=plan.max_users,
                resolution_seconds=plan.resolution_seconds,
            ),
        )

    def settled(self, run_index: int, until_s: int, rows: Sequence[Row]) -> bool:
        """Take rows to which nothing can be added; return whether the capture should end."""
        self._evaluator.feed(rows)
        self.crossed = tuple(self._evaluator.settle(run_index, until_s))
        return bool(self.crossed)

    def round_done(self, run: RunMeasurements) -> None:
        """Take what had not settled when a round ended."""
        seen_s = self._evaluator.settled_s
        self._evaluator.feed([row for row in run.rows if row.second >= seen_s])
        self._evaluator.end_round(run.run_index, run.elapsed_us)
