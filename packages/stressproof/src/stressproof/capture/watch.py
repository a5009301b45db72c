"""Thresholds judged while a capture runs, so that a hopeless one ends early."""

from collections.abc import Sequence

from stressproof.capture.plan import Plan
from stressproof.capture.steps import step_record
from stressproof.evidence.measurements import Row, RunMeasurements
from stressproof.load.steps import Step
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
        self._objectives = objectives
        self._declared = plan.record().endpoints
        self._steps: Sequence[Step] = ()
        self._evaluator = Evaluator(
            objectives.thresholds,
            EvaluationContext(
                objectives.endpoints(self._declared),
                users=plan.max_users,
                resolution_seconds=plan.resolution_seconds,
            ),
        )

    def settled(
        self, run_index: int, until_s: int, rows: Sequence[Row], steps: Sequence[Step]
    ) -> bool:
        """Take rows to which nothing can be added; return whether the capture should end.

        Args:
            run_index: The round.
            until_s: Every row before this second is settled.
            rows: Those that were not handed over yet.
            steps: What flows turned out to ask until now, as rows refer to it.
        """
        self._know(steps)
        self._evaluator.feed(rows)
        self.crossed = tuple(self._evaluator.settle(run_index, until_s))
        return bool(self.crossed)

    def round_done(self, run: RunMeasurements, steps: Sequence[Step]) -> None:
        """Take what had not settled when a round ended; its rows refer to these steps."""
        self._know(steps)
        seen_s = self._evaluator.settled_s
        self._evaluator.feed([row for row in run.rows if row.second >= seen_s])
        self._evaluator.end_round(run.run_index, run.elapsed_us)

    def _know(self, steps: Sequence[Step]) -> None:
        if list(steps) == list(self._steps):
            return
        self._steps = steps
        found = [step_record(step) for step in steps]
        self._evaluator.know(self._objectives.endpoints([*self._declared, *found]))
