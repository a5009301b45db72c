"""The rate limits that the service applied to the load, against what it answered."""

from stressproof.evidence.level import Level
from stressproof.evidence.stress import StressArtifact
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase

_MINUTE_US = 60 * SECOND_US
_BEYOND_PERCENT = 10
"""What workers that share a limit may admit beyond it."""


@rule(
    "stress.rate-limits",
    clause="evidence.md, Target and runtime (requirements require_limits, load_limits)",
    title="The service told its rate limits, and answered no more than they admit",
    remedy="Capture again on a service whose limits nobody changes meanwhile.",
    level=Level.RECOMPUTED,
)
def rate_limits(case: StressCase, judgement: Judgement) -> None:
    """No minute admits more than a limit: required endpoints succeeded no oftener in any round."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    asked, limits = case.requirements, artifact.runtime.limits or {}
    if asked.require_limits and not limits:
        judgement.inconclusive("runtime.limits", prose("none"), prose("the service's own limits"))
    if artifact.runtime.unsafe:
        judgement.skip("a protection of the service is switched off (stress.unsafe)")
        return
    for name in asked.load_limits:
        where = f"runtime.limits.{name}"
        if name in limits:
            _admitted(case, artifact, where, limits[name], judgement)
        elif asked.require_limits:
            judgement.inconclusive(where, None, prose("requests a minute"))
    if not judgement.compared:
        judgement.skip("the suite names no limit of this load, or the service told none")


def _admitted(
    case: StressCase, artifact: StressArtifact, where: str, limit: int, judgement: Judgement
) -> None:
    """Judge the successes of every round by one limit a minute."""
    places = {number for found in case.required_places.values() for number in found}
    for run in artifact.measurements.runs:
        succeeded = sum(row.outcomes.get("ok", 0) for row in run.rows if row.endpoint in places)
        minutes = -(-run.elapsed_us // _MINUTE_US)
        most = limit * minutes * (100 + _BEYOND_PERCENT) // 100
        judgement.check(
            succeeded <= most,
            where,
            prose(f"{limit} a minute, beside {succeeded} answers in round {run.run_index}"),
            prose(f"no more than {most} answers within {minutes} min"),
        )


RULES = (rate_limits,)
