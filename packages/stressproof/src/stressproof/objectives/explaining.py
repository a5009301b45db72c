"""Objectives in plain words, so that a person can say whether that is what was meant."""

from decimal import Decimal
from fractions import Fraction

from stressproof.objectives import bounds
from stressproof.objectives.expression import (
    EVERY_FAULT,
    Baseline,
    Comparison,
    Measure,
    Threshold,
    duration_text,
    plain,
)
from stressproof.objectives.judging import absolute_limit, digits, show
from stressproof.objectives.metrics import METRICS
from stressproof.objectives.prometheus import window_text
from stressproof.objectives.slo import (
    PAIRS,
    Slo,
    one_error_trips_below,
    zero_errors_prove_from,
)

_OPERATORS = {
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "==": "exactly",
    "!=": "anything but",
}
_MEASURES = {
    "avg": "the average",
    "min": "the shortest",
    "max": "the longest",
    "med": "the median",
    "count": "the number",
    "value": "the value",
    "recovery": "",
}


def explain_threshold(threshold: Threshold) -> str:
    """Return what a threshold asks, as one sentence."""
    expression = threshold.expression
    metric = METRICS[threshold.selector.metric]
    if expression.measure.name == "recovery":
        fault = expression.measure.fault
        whose = "every fault" if fault == EVERY_FAULT else f"the fault {fault}"
        subject = f"after {whose} the time until the service works again"
    else:
        meaning = metric.meaning if metric.recorded else metric.name
        subject = f"{_measure(expression.measure, metric.kind)} ({meaning})"
    if threshold.selector.tags:
        tags = " and ".join(f"{name} {value}" for name, value in threshold.selector.tags)
        subject += f" of requests with {tags}"
    limits = " and ".join(_comparison(one, threshold) for one in expression.comparisons)
    text = f"{subject} must be {limits}"
    if expression.over_us is not None:
        text += f" in every {duration_text(expression.over_us)} of every round"
    elif expression.measure.name != "recovery":
        text += " in every round"
    floor = max(expression.least_n or 1, _own_floor(expression.measure))
    if floor > 1:
        text += f"; it takes {floor:,} samples to say"
    if threshold.abort_on_fail:
        text += "; the run ends as soon as it is not"
        if threshold.delay_abort_us:
            text += f", from {duration_text(threshold.delay_abort_us)} on"
    if not metric.recorded:
        text += "; this is not recorded, so the answer will be inconclusive"
    return text


def _own_floor(measure: Measure) -> int:
    percent = Decimal(50) if measure.name == "med" else measure.percent
    return 1 if percent is None else bounds.samples_for(int(percent * 10_000))


def _measure(measure: Measure, kind: str) -> str:
    if measure.percent is not None:
        return f"what {plain(measure.percent)} % stay within"
    if measure.name == "rate":
        return "the share" if kind == "rate" else "the number a second"
    return _MEASURES[measure.name]


def _comparison(comparison: Comparison, threshold: Threshold) -> str:
    limit = comparison.limit
    metric = threshold.selector.metric
    measure = threshold.expression.measure.name
    word = _OPERATORS[comparison.operator]
    if isinstance(limit, Baseline):
        sign = "more" if limit.margin >= 0 else "less"
        if not limit.margin:
            return f"{word} the baseline's"
        return f"{word} {plain(abs(limit.margin))}{limit.unit} {sign} than the baseline's"
    value = absolute_limit(limit, metric, measure)
    return f"{word} {show(value, METRICS[metric].dimension(measure))}"


def explain_slo(slo: Slo) -> list[str]:
    """Return what an objective asks of a run and of production, line by line."""
    good = "succeed"
    if slo.latency_us is not None:
        good = f"succeed within {show(Fraction(slo.latency_us), 'time')}"
    tags = "".join(f", {name} {value}" for name, value in slo.selector.tags)
    percent = digits(slo.objective * 100, 8)
    lines = [f"{slo.name}: {percent} % of requests{tags} must {good}, in the run as a whole"]
    for pair in PAIRS:
        factor = pair.factor(slo.period_s)
        lines.append(
            f"{pair.severity}: burn rate above {digits(factor)} over "
            f"{window_text(pair.long_s)} and {window_text(pair.short_s)} (a round stands for 3d); "
            f"{one_error_trips_below(factor, slo.budget):,} events before one error counts, "
            f"{zero_errors_prove_from(factor, slo.budget):,} without any to pass"
        )
    return lines
