"""What a capture shows: whether limits and objectives were met, as an exit code with reasons."""

import msgspec
from msgspec import Struct

from stressproof.capture.preflight_remedy import preflight_remedy
from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit, strongest
from stressproof.objectives.evaluating import Answers, ask
from stressproof.objectives.objectives import Objectives
from stressproof.outcome import Outcome
from stressproof.suite import LocalService


class Conclusion(Struct, frozen=True):
    """How a capture came out.

    Attributes:
        exit_code: What a command ends with that lets objectives decide.
        reasons: Why, for people, beside objectives.
        why: The same in one clause.
        remedy: What to do next, as sentences; empty where that is not known here.
        answers: The objectives, judged; None where there was nothing to judge them on.
    """

    exit_code: Exit
    reasons: tuple[str, ...]
    why: str = ""
    remedy: str = ""
    answers: Answers | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Every reason and every objective, a line each."""
        return (*self.reasons, *(self.answers.lines if self.answers is not None else ()))


def conclude(
    artifact: StressArtifact,
    objectives: Objectives | None = None,
    local_service: LocalService | None = None,
) -> Conclusion:
    """Return what a capture shows.

    Args:
        artifact: What was captured; that its figures follow from its measurements is not checked.
        objectives: What is asked beside the three limits that it was held to.
        local_service: How such a service is started on this machine, for remedies.
    """
    if artifact.status == "preflight_failed":
        lines = (
            "preflight failed; no load was sent:",
            *(f"  {failure.endpoint}: {failure.error}" for failure in artifact.preflight.failures),
        )
        remedy = preflight_remedy(artifact, local_service)
        return Conclusion(Exit.TARGET, lines, "preflight failed, no load was sent", remedy)
    if artifact.status == "broken":
        broke = "the run broke; the artifact holds what was measured until then"
        return Conclusion(Exit.RUN, (broke,), "the run broke", "Look at the messages above.")
    codes: list[Exit] = []
    lines_of: list[str] = []
    why: list[str] = []
    if not artifact.evaluation.overall_meets_targets:
        missed = [one.run_index for one in artifact.evaluation.rounds if not one.meets_targets]
        where = f"round {', '.join(map(str, missed))}" if missed else "every round: there is none"
        why.append(f"limits missed in {where}")
        lines_of.append(why[-1])
        codes.append(Exit.OBJECTIVES)
    answers = ask(objectives or Objectives(), artifact)
    codes += [outcome.exit for outcome in answers.outcomes if outcome is not Outcome.PASS]
    asked = len(answers.outcomes)
    for outcome, word in ((Outcome.FAIL, "missed"), (Outcome.INCONCLUSIVE, "inconclusive")):
        if count := answers.outcomes.count(outcome):
            why.append(f"{count} of {asked} objectives {word}")
    if artifact.status == "interrupted":
        # What ended it may hold again in what had not settled then; the run proves nothing.
        why.append("the capture ended before its time")
        codes.append(Exit.INCONCLUSIVE)
    worst = artifact.generator.worst
    if worst.saturated:
        lines_of.append("inconclusive: the generator was the limit, not the target")
        lines_of += [f"  {reason}" for reason in worst.saturated_reasons]
        why.append("the generator was the limit")
        codes.append(Exit.INCONCLUSIVE)
    limits = [limit for limit in msgspec.structs.astuple(artifact.thresholds) if limit is not None]
    if artifact.thresholds.min_throughput_rps == 0:
        limits.remove(0)  # which nothing can miss
    return Conclusion(
        strongest(codes or [Exit.PASS]),
        tuple(lines_of),
        "; ".join(why) or f"{len(limits) + asked} of {len(limits) + asked} limits hold",
        answers=answers,
    )
