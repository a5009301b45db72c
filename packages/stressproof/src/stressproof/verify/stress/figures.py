"""Arithmetic: counts add up, totals are those of the rounds, quantiles ascend, nothing is copied.

Declared figures may be rounded to four decimals, so equality between two of them allows half a
unit of the fourth. No limit is ever helped by that.
"""

import itertools
from collections.abc import Callable
from typing import Any

from stressproof.evidence.results import RoundEvaluation
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import Figures
from stressproof.verify.stress.document import RECAPTURE

TOLERANCE = 5e-5
_FLOAT_NOISE = 1e-9
_CONTRADICTION = "These figures cannot come from one capture; capture again instead of editing."

_COUNTS = ("total_requests", "successful_requests", "failed_requests")
_ASCENDING = (
    "min_response_time",
    "median_response_time",
    "p95_response_time",
    "p99_response_time",
    "max_response_time",
)
_LATENCIES = (*_ASCENDING, "avg_response_time")
FIGURES = (*_COUNTS, "throughput_rps", *_LATENCIES)

ERRORS_KEPT = 10
"""Samples of errors that a capture keeps of a round."""


def equal(seen: float, expected: float) -> bool:
    """Return whether two declared figures are the same but for rounding."""
    return abs(seen - expected) <= TOLERANCE + _FLOAT_NOISE


def all_figures(case: StressCase) -> list[tuple[str, Figures]]:
    """Return the figures of every round and of all, each with its path."""
    found = [(f"runs[{place}].results", run.results) for place, run in enumerate(case.runs)]
    found.append(("results", case.declared.results))
    return [(where, figures) for where, figures in found if figures is not None]


def of_rounds(case: StressCase, name: str) -> list[float] | None:
    """Return one figure of every round, None as soon as one is not known."""
    values: list[float] = []
    for run in case.runs:
        value = None if run.results is None else getattr(run.results, name)
        if value is None:
            return None
        values.append(value)
    return values or None


@rule(
    "stress.counts",
    clause="protocol 10",
    title="Successful and failed requests make the total, and none failed without trace",
    remedy=_CONTRADICTION,
)
def counts(case: StressCase, judgement: Judgement) -> None:
    """Total = successful + failed, everywhere; never more samples of errors than failures.

    Samples show failures of the ramp too, which no total counts. A run of a flow may fail although
    no request did, and shows how. After a preflight that failed the samples over all rounds are the
    preflight's (`stress.error-samples`).
    """
    flows = any(one.kind == "flow" for one in case.workload)
    outside = case.failed_outside
    for where, figures in all_figures(case):
        total, good, bad = (getattr(figures, name) for name in _COUNTS)
        if None in (total, good, bad):
            continue
        judgement.check(
            total == good + bad, f"{where}.total_requests", total, prose(f"{good} + {bad}")
        )
        if where == "results" and case.preflight_failed:
            continue
        samples = len(figures.errors_sample or ())
        most = ERRORS_KEPT if flows else min(bad + outside, ERRORS_KEPT)
        judgement.check(
            samples <= most,
            f"{where}.errors_sample",
            prose(f"{samples} errors"),
            prose(f"at most {most}, of {bad} failed requests and {outside} outside of the rounds"),
        )


@rule(
    "stress.some-requests",
    clause="evidence.md, Verdicts",
    title="Every round and the whole have requests to judge",
    remedy="Find out why nothing was sent (a ramp longer than the run?), then capture again.",
)
def some_requests(case: StressCase, judgement: Judgement) -> None:
    """No total is zero: nothing is passed on an empty set."""
    for where, figures in all_figures(case):
        if figures.total_requests == 0:
            judgement.inconclusive(f"{where}.total_requests", 0, prose("at least 1"))
        elif figures.total_requests is not None:
            judgement.passed()


@rule(
    "stress.totals",
    clause="protocol 10",
    title="Top-level counts are the sums of the rounds'",
    remedy=_CONTRADICTION,
)
def totals(case: StressCase, judgement: Judgement) -> None:
    """Each count equals its sum over the rounds."""
    for name in _COUNTS:
        whole = None if case.declared.results is None else getattr(case.declared.results, name)
        parts = of_rounds(case, name)
        if whole is not None and parts is not None:
            judgement.check(whole == sum(parts), f"results.{name}", whole, sum(parts))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


_PROJECTIONS: tuple[tuple[str, str, Callable[[list[float]], float], str], ...] = (
    ("results.p95_response_time", "p95_response_time", max, "the highest of the rounds"),
    ("results.p99_response_time", "p99_response_time", max, "the highest of the rounds"),
    ("min_throughput_rps", "throughput_rps", min, "the lowest of the rounds"),
    ("results.throughput_rps", "throughput_rps", _mean, "the mean of the rounds"),
    ("results.min_response_time", "min_response_time", min, "the lowest of the rounds"),
    ("results.max_response_time", "max_response_time", max, "the highest of the rounds"),
)


@rule(
    "stress.projections",
    clause="protocol 11",
    title="Top-level latencies and throughput follow from the rounds'",
    remedy=_CONTRADICTION,
)
def projections(case: StressCase, judgement: Judgement) -> None:
    """Maxima of p95 and p99, minimum and mean of throughput; extremes where they are given."""
    for where, name, project, what in _PROJECTIONS:
        seen = _top(case, where)
        parts = of_rounds(case, name)
        if seen is not None and parts is not None:
            expected = project(parts)
            judgement.check(equal(seen, expected), where, seen, prose(f"{expected!r}, {what}"))


@rule(
    "stress.averages",
    clause="protocol 11",
    title="Top-level average and median lie between those of the rounds",
    remedy=_CONTRADICTION,
)
def averages(case: StressCase, judgement: Judgement) -> None:
    """However rounds are averaged, the result is between the lowest and the highest of them."""
    for name in ("avg_response_time", "median_response_time"):
        seen = _top(case, f"results.{name}")
        parts = of_rounds(case, name)
        if seen is None or parts is None:
            continue
        low, high = min(parts), max(parts)
        inside = low - TOLERANCE - _FLOAT_NOISE <= seen <= high + TOLERANCE + _FLOAT_NOISE
        judgement.check(inside, f"results.{name}", seen, prose(f"{low!r} to {high!r}"))


def _top(case: StressCase, where: str) -> float | None:
    holder: Any = case.declared
    for name in where.split("."):
        holder = None if holder is None else getattr(holder, name)
    return None if holder is None else float(holder)


@rule(
    "stress.latency-order",
    clause="evidence.md, What is possible",
    title="Latencies ascend from minimum to maximum, and none of a round is zero",
    remedy=_CONTRADICTION,
)
def latency_order(case: StressCase, judgement: Judgement) -> None:
    """0 < min ≤ median ≤ p95 ≤ p99 ≤ max, with the average between the extremes."""
    for where, figures in all_figures(case):
        known = [
            (name, value) for name in _ASCENDING if (value := getattr(figures, name)) is not None
        ]
        for (lower, low), (upper, high) in itertools.pairwise(known):
            judgement.check(
                low <= high, f"{where}.{upper}", high, prose(f"at least {lower}, {low!r}")
            )
        _average_inside(where, figures, judgement)
        # Rounded to four decimals a fast answer is 0.0000 at top level, but no round is rounded.
        if where != "results" and known and figures.successful_requests:
            name, value = known[0]
            judgement.check(value > 0, f"{where}.{name}", value, prose("more than 0"))


def _average_inside(where: str, figures: Figures, judgement: Judgement) -> None:
    average, low, high = (
        figures.avg_response_time,
        figures.min_response_time,
        figures.max_response_time,
    )
    if average is None:
        return
    slack = TOLERANCE if where == "results" else _FLOAT_NOISE
    path = f"{where}.avg_response_time"
    if low is not None:
        judgement.check(average >= low - slack, path, average, prose(f"at least min, {low!r}"))
    if high is not None:
        judgement.check(average <= high + slack, path, average, prose(f"at most max, {high!r}"))


@rule(
    "stress.latency-known",
    clause="evidence.md, Percentiles",
    title="Latencies are null exactly where nothing succeeded",
    remedy=RECAPTURE,
)
def latency_known(case: StressCase, judgement: Judgement) -> None:
    """With a success p95 and p99 are numbers; without requests none of them is."""
    for where, figures in all_figures(case):
        good, total = figures.successful_requests, figures.total_requests
        if good is None or total is None:
            continue
        for name in _LATENCIES:
            value = getattr(figures, name)
            if total == 0:
                judgement.check(not value, f"{where}.{name}", value, prose("null: no requests"))
            elif good > 0 and name in {"p95_response_time", "p99_response_time"}:
                judgement.check(
                    value is not None,
                    f"{where}.{name}",
                    value,
                    prose("a number: requests did succeed"),
                )


@rule(
    "stress.distinct-rounds",
    clause="protocol 6",
    title="No round is a copy of another",
    remedy="Run every round; a copied one proves nothing.",
)
def distinct_rounds(case: StressCase, judgement: Judgement) -> None:
    """Two real rounds never agree in every figure, where there are times to differ in."""
    seen: dict[tuple[Any, ...], int] = {}
    rounds = [
        (place, run.results)
        for place, run in enumerate(case.runs)
        if run.results is not None
        and run.results.total_requests
        and run.results.successful_requests != 0  # else all counts are those of the load
    ]
    # What one round leaves out must not tell it from its copy.
    names = [
        name for name in FIGURES if all(getattr(figures, name) is not None for _, figures in rounds)
    ]
    for place, figures in rounds:
        key = tuple(getattr(figures, name) for name in names)
        before = seen.setdefault(key, place)
        judgement.check(
            before == place,
            f"runs[{place}].results",
            prose(f"the same figures as runs[{before}]"),
            prose("figures of its own"),
        )


_TIMES = ("started_at", "ended_at", "elapsed_seconds")
_SOMETIMES_NULL = (*_LATENCIES, "error_rate_percent")


@rule(
    "stress.same-figures",
    clause="protocol 6; protocol 11",
    title="Every round states the same figures",
    remedy="One tool writes every round alike; capture again instead of leaving a figure out.",
)
def same_figures(case: StressCase, judgement: Judgement) -> None:
    """What one round states, each does: a figure left out would escape what is projected of it."""
    if case.is_full:
        judgement.skip("the full artifact's type demands every figure")
        return
    evaluation = case.declared.evaluation
    judged = (None if evaluation is None else evaluation.rounds) or []
    for where, rounds, names in (
        ("runs[{}]", case.runs, _TIMES),
        ("runs[{}].results", [run.results for run in case.runs], FIGURES),
        ("evaluation.rounds[{}]", judged, RoundEvaluation.__struct_fields__),
    ):
        known = [(place, one) for place, one in enumerate(rounds) if one is not None]
        for name in names:
            stated = [place for place, one in known if getattr(one, name) is not None]
            if not stated:
                continue
            judgement.passed()
            for place, one in known:
                if getattr(one, name) is None and not _may_be_null(name, case, place):
                    path = f"{where.format(place)}.{name}"
                    judgement.fail(path, None, prose(f"a value, as round {stated[0] + 1} has"))
    whole = case.declared.results
    for name in FIGURES if whole is not None else ():
        if of_rounds(case, name) is not None and getattr(whole, name) is None:
            judgement.fail(f"results.{name}", None, prose("a value, as every round has"))


def _may_be_null(name: str, case: StressCase, place: int) -> bool:
    """Return whether a round without a success states no such figure."""
    figures = case.runs[place].results if place < len(case.runs) else None
    return name in _SOMETIMES_NULL and (figures is None or not figures.successful_requests)


RULES = (
    counts,
    same_figures,
    some_requests,
    totals,
    projections,
    averages,
    latency_order,
    latency_known,
    distinct_rounds,
)
