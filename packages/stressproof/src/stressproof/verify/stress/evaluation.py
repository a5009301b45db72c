"""The capture's own evaluation follows from its rounds."""

from stressproof.evidence.limits import Limits, error_rate_percent, limits_met
from stressproof.evidence.results import Thresholds
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import DeclaredRound, Figures
from stressproof.verify.stress.figures import equal

_NO_LIMITS = Thresholds(None, None, None)
_FORGED = "The evaluation must follow from the rounds; capture again instead of editing it."


@rule(
    "stress.evaluation",
    clause="protocol 12",
    title="The evaluation follows from the rounds, field by field",
    remedy=_FORGED,
)
def evaluation(case: StressCase, judgement: Judgement) -> None:
    """Every field of the evaluation that is there equals its recomputation."""
    said = case.declared.evaluation
    if said is None:
        judgement.skip("evaluation is not there")
        return
    verdicts: list[bool | None] = []
    for place, one in enumerate(said.rounds or []):
        figures = case.runs[place].results if place < len(case.runs) else None
        if figures is not None:
            limits = one.thresholds or case.declared.thresholds or _NO_LIMITS
            where = f"evaluation.rounds[{place}]"
            verdicts.append(_one_round(place, one, figures, limits, where, judgement))
            if one.thresholds is not None and case.declared.thresholds is not None:
                judgement.check(
                    one.thresholds == case.declared.thresholds,
                    f"{where}.thresholds",
                    prose("other limits"),
                    prose("the artifact's own thresholds"),
                )
    if verdicts and None not in verdicts and said.overall_meets_targets is not None:
        judgement.check(
            said.overall_meets_targets == all(verdicts),
            "evaluation.overall_meets_targets",
            said.overall_meets_targets,
            all(verdicts),
        )
    worst = None if case.declared.results is None else case.declared.results.p95_response_time
    if said.worst_p95_seconds is None and worst is not None:
        judgement.fail("evaluation.worst_p95_seconds", None, worst)
    _same("evaluation.worst_p95_seconds", said.worst_p95_seconds, worst, judgement)
    lowest = case.declared.min_throughput_rps
    _same("evaluation.min_throughput_rps", said.min_throughput_rps, lowest, judgement)
    if case.declared.meets_targets is not None and said.overall_meets_targets is not None:
        met = said.overall_meets_targets and not case.broken_off
        judgement.check(
            case.declared.meets_targets == met, "meets_targets", case.declared.meets_targets, met
        )


def _one_round(
    place: int,
    said: DeclaredRound,
    figures: Figures,
    limits: Limits,
    where: str,
    judgement: Judgement,
) -> bool | None:
    """Compare one round's evaluation, and return whether the round met its limits."""
    if said.run_index is not None:
        judgement.check(
            said.run_index == place + 1, f"{where}.run_index", said.run_index, place + 1
        )
    for name in ("total_requests", "successful_requests", "failed_requests"):
        seen, expected = getattr(said, name), getattr(figures, name)
        if seen is not None and expected is not None:
            judgement.check(seen == expected, f"{where}.{name}", seen, expected)
    for name in ("throughput_rps", "p95_response_time"):
        _same(f"{where}.{name}", getattr(said, name), getattr(figures, name), judgement)
    if figures.total_requests and figures.failed_requests is not None:
        exact = error_rate_percent(figures.failed_requests, figures.total_requests)
        _same(f"{where}.error_rate_percent", said.error_rate_percent, exact, judgement)
    met = limits_met(figures, limits)
    for name in ("p95", "error_rate", "throughput", "targets"):
        seen, expected = getattr(said, f"meets_{name}"), getattr(met, name)
        if seen is not None and expected is not None:
            judgement.check(seen == expected, f"{where}.meets_{name}", seen, expected)
    return met.targets


def _same(where: str, seen: float | None, expected: float | None, judgement: Judgement) -> None:
    """Compare a figure that may be absent with what it must be; a figure out of nothing fails."""
    if seen is not None:
        judgement.check(expected is not None and equal(seen, expected), where, seen, expected)


RULES = (evaluation,)
