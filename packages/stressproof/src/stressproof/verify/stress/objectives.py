"""The workload was large enough, and every round met the limits by itself."""

from collections import Counter

from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence.endpoint_names import short
from stressproof.evidence.limits import LimitsMet, error_rate_percent, limits_met, rate_reached
from stressproof.exits import Exit
from stressproof.measure.histogram import P95_PPM, P99_PPM, SAMPLES_FOR
from stressproof.verify.rule import Judgement, Severity, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import Figures
from stressproof.verify.stress.figures import all_figures

_SLOW = "Make the service meet its limits, then capture again."
_LARGER = "Capture as many rounds, as long and with as many users as is asked for, or more."
_LIMITS = ("max_p95_seconds", "max_error_rate_percent", "min_throughput_rps")

_SAMPLES = {"p95_response_time": SAMPLES_FOR[P95_PPM], "p99_response_time": SAMPLES_FOR[P99_PPM]}


@rule(
    "stress.rounds",
    clause="protocol 6; protocol 12",
    title="There are as many rounds as stated, and enough of them",
    remedy=_LARGER,
)
def rounds(case: StressCase, judgement: Judgement) -> None:
    """``rounds`` is the number of runs and of evaluations, and at least the floor."""
    stated, least = case.declared.rounds, case.requirements.min_rounds
    if case.declared.runs is not None:
        judgement.check(
            len(case.runs) >= least,
            "runs",
            prose(f"{len(case.runs)} rounds"),
            prose(f"at least {least}"),
        )
    if stated is None:
        return
    judgement.check(stated >= least, "rounds", stated, prose(f"at least {least}"))
    if case.declared.runs is not None:
        judgement.check(len(case.runs) == stated, "runs", prose(f"{len(case.runs)} runs"), stated)
    evaluation = case.declared.evaluation
    if evaluation is not None and evaluation.rounds is not None:
        count = len(evaluation.rounds)
        judgement.check(count == stated, "evaluation.rounds", prose(f"{count} rounds"), stated)


_NO_FLOOR_S = 1
"""A shortest round of a second asks nothing: no round is shorter than what it is counted by."""


@rule(
    "stress.workload",
    clause="protocol 8",
    title="Rounds were long enough, with enough users",
    remedy=_LARGER,
)
def workload(case: StressCase, judgement: Judgement) -> None:
    """Duration and users reach their floors."""
    for name, least in (
        ("duration_seconds", case.requirements.min_duration_seconds),
        ("concurrent_users", case.requirements.min_concurrent_users),
    ):
        seen = getattr(case.declared, name)
        if seen is not None:
            judgement.check(seen >= least, name, seen, prose(f"at least {least}"))
    artifact, least = case.artifact, case.requirements.min_duration_seconds
    if artifact is None or not artifact.workload.ends_early or least <= _NO_FLOOR_S:
        return
    for place, run in enumerate(artifact.runs):
        # Iterations may be done long before their time is up.
        seen = run.elapsed_seconds
        judgement.check(
            seen >= least, f"runs[{place}].elapsed_seconds", seen, prose(f"at least {least}")
        )


@rule(
    "stress.endpoints",
    clause="protocol 9",
    title="The load included every required endpoint",
    remedy="Capture with the suite's --profile and without --endpoint.",
)
def endpoints(case: StressCase, judgement: Judgement) -> None:
    """The required endpoints are listed, each endpoint once, at least one."""
    listed = case.declared.endpoints
    if listed is None:
        judgement.skip("endpoints is not there")
        return
    judgement.check(bool(listed), "endpoints", listed, prose("at least one endpoint"))
    twice = [path for path, count in Counter(map(short, listed)).items() if count > 1]
    judgement.check(not twice, "endpoints", twice, prose("every endpoint once"))
    names = set(map(short, listed))
    for name in case.requirements.required_endpoints:
        there = short(name) in names or _is_listed_by_path(name, listed, case)
        judgement.check(there, "endpoints", prose("not listed"), name)


def _is_listed_by_path(name: str, listed: list[str], case: StressCase) -> bool:
    """Return whether a bare path stands for what a name means: a full artifact has its method."""
    if case.artifact is None:
        return False
    endpoints = case.artifact.workload.endpoints
    return any(endpoints[place].path in listed for place in case.required_places[name])


@rule(
    "stress.thresholds",
    clause="protocol 12",
    title="The capture's thresholds are those it is verified against",
    remedy="Capture and verify with the same limits; tightening one means capturing again.",
)
def thresholds(case: StressCase, judgement: Judgement) -> None:
    """Each threshold equals the verifier's, without tolerance."""
    seen = case.declared.thresholds
    if seen is None:
        judgement.skip("thresholds is not there")
        return
    for name in _LIMITS:
        value, wanted = getattr(seen, name), getattr(case.requirements, name)
        judgement.check(value == wanted, f"thresholds.{name}", value, wanted)


@rule(
    "stress.round-targets",
    clause="protocol 5; protocol 12; evidence.md, Workload",
    title="Every round by itself, and the whole, meet the limits",
    remedy=_SLOW,
    exit_code=Exit.OBJECTIVES,
)
def round_targets(case: StressCase, judgement: Judgement) -> None:
    """p95, error rate and throughput of each round, exactly and without rounding."""
    asked = case.requirements
    _exact_rates(case, judgement)
    for where, figures in all_figures(case):
        if not figures.total_requests:
            continue  # stress.some-requests says that there is nothing to judge
        met = judge_answers(where, figures, asked, judgement)
        if met.throughput is not None:
            judgement.check(
                met.throughput,
                f"{where}.throughput_rps",
                figures.throughput_rps,
                prose(f"at least {asked.min_throughput_rps:g}/s"),
            )
    lowest = case.declared.min_throughput_rps
    if lowest is not None:
        judgement.check(
            lowest >= asked.min_throughput_rps,
            "min_throughput_rps",
            lowest,
            prose(f"at least {asked.min_throughput_rps:g}/s"),
        )


def _exact_rates(case: StressCase, judgement: Judgement) -> None:
    """A rate that was rounded up is none: requests and elapsed time say what it was."""
    least = case.requirements.min_throughput_rps
    for place, run in enumerate(case.runs):
        total = None if run.results is None else run.results.total_requests
        if total and run.elapsed_seconds is not None:
            judgement.check(
                rate_reached(total, run.elapsed_seconds, least),
                f"runs[{place}].results.throughput_rps",
                prose(f"{total} requests in {run.elapsed_seconds!r} s"),
                prose(f"at least {least:g}/s"),
            )


def judge_answers(
    where: str, figures: Figures, asked: StressRequirements, judgement: Judgement
) -> LimitsMet:
    """Judge latency and errors of some requests, and return how all limits are met."""
    met = limits_met(figures, asked)
    if met.p95 is not None:
        judgement.check(
            met.p95,
            f"{where}.p95_response_time",
            figures.p95_response_time,
            prose(f"at most {asked.max_p95_seconds:g} s"),
        )
    judge_errors(where, figures, asked, judgement)
    return met


def judge_errors(
    where: str, figures: Figures, asked: StressRequirements, judgement: Judgement
) -> None:
    """Judge how many of some requests failed."""
    met = limits_met(figures, asked)
    total, failed = figures.total_requests, figures.failed_requests
    if failed is not None and met.error_rate is not None:
        judgement.check(
            met.error_rate,
            f"{where}.failed_requests",
            prose(f"{failed} of {total}, {error_rate_percent(failed, max(total, 1)):.4f} %"),
            prose(f"at most {asked.max_error_rate_percent:g} %"),
        )


@rule(
    "stress.overall",
    clause="protocol 5",
    title="The capture says that it met its targets",
    remedy=_SLOW,
    exit_code=Exit.OBJECTIVES,
)
def overall(case: StressCase, judgement: Judgement) -> None:
    """``evaluation.overall_meets_targets`` is true, and so is ``meets_targets`` where given."""
    evaluation = case.declared.evaluation
    said = None if evaluation is None else evaluation.overall_meets_targets
    if said is not None:
        judgement.check(said, "evaluation.overall_meets_targets", said, True)  # noqa: FBT003
    if case.declared.meets_targets is not None:
        met = case.declared.meets_targets
        judgement.check(met, "meets_targets", met, True)  # noqa: FBT003


@rule(
    "stress.few-samples",
    clause="evidence.md, Percentiles",
    title="The quantiles rest on enough samples",
    remedy="Longer rounds make a quantile worth believing.",
    severity=Severity.WARNS,
)
def few_samples(case: StressCase, judgement: Judgement) -> None:
    """A p95 needs 59 samples and a p99 needs 299 before they bound anything."""
    for place, run in enumerate(case.runs):
        total = None if run.results is None else run.results.total_requests
        if not total:
            continue
        for name, least in _SAMPLES.items():
            judgement.check(
                total >= least,
                f"runs[{place}].results.{name}",
                prose(f"{total} samples"),
                prose(f"at least {least}"),
            )


RULES = (
    rounds,
    workload,
    endpoints,
    thresholds,
    round_targets,
    overall,
    few_samples,
)
