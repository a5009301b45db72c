"""What a capture shows: whether limits and objectives were met, as an exit code with reasons."""

from msgspec import Struct

from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit, strongest
from stressproof.objectives.evaluating import ask
from stressproof.objectives.objectives import Objectives
from stressproof.outcome import Outcome
from stressproof.suite import LocalService


class Conclusion(Struct, frozen=True):
    """How a capture came out.

    Attributes:
        exit_code: What a command ends with that lets objectives decide.
        lines: Why, for people; every objective has its line.
    """

    exit_code: Exit
    lines: tuple[str, ...]


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
        return Conclusion(Exit.TARGET, tuple(_failed_preflight(artifact, local_service)))
    if artifact.status == "broken":
        broke = "the run broke; the artifact holds what was measured until then"
        return Conclusion(Exit.RUN, (broke,))
    codes, lines = [], []
    if not artifact.evaluation.overall_meets_targets:
        missed = [one.run_index for one in artifact.evaluation.rounds if not one.meets_targets]
        lines.append(f"limits missed in round {', '.join(map(str, missed))}")
        codes.append(Exit.OBJECTIVES)
    answers = ask(objectives or Objectives(), artifact)
    lines += answers.lines
    codes += [outcome.exit for outcome in answers.outcomes if outcome is not Outcome.PASS]
    worst = artifact.generator.worst
    if worst.saturated:
        lines.append("inconclusive: the generator was the limit, not the target")
        lines += [f"  {reason}" for reason in worst.saturated_reasons]
        codes.append(Exit.INCONCLUSIVE)
    return Conclusion(strongest(codes or [Exit.PASS]), tuple(lines))


def _failed_preflight(artifact: StressArtifact, local: LocalService | None) -> list[str]:
    return [
        "preflight failed; no load was sent:",
        *(f"  {failure.endpoint}: {failure.error}" for failure in artifact.preflight.failures),
        f"  {_preflight_remedy(artifact, local)}",
    ]


def _preflight_remedy(artifact: StressArtifact, local: LocalService | None) -> str:
    """Return what to do about a failed preflight, from how its checks failed."""
    statuses = {check.status_code for check in artifact.preflight.checks if not check.ok}
    if statuses == {None}:
        start = f" Try `{local.start}`." if local else ""
        return f"Is the service running at {artifact.target_url}?{start}"
    if statuses & {401, 403}:
        how = f" (`{local.issue}`), or restart `{local.start}`" if local else ""
        return f"The service refuses the credentials: set STRESSPROOF_TOKEN to a valid token{how}."
    if 429 in statuses:  # noqa: PLR2004  # Too Many Requests
        return "The service limits this caller's rate: wait, or raise the tenant's limits."
    if any(status is not None and status >= 500 for status in statuses):  # noqa: PLR2004  # server error
        return "The service fails by itself: look at its log and at its /health."
    return "Compare --profile and --endpoint with what this service offers."
