"""Laws of thresholds: spelling, and verdicts over rows."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.evidence.measurements import Latency, Measurements, Row, RunMeasurements
from stressproof.measure.histogram import Histogram
from stressproof.objectives.expression import (
    Baseline,
    Comparison,
    Expression,
    Measure,
    Number,
    Selector,
    Threshold,
)
from stressproof.objectives.parser import parse_duration_us, parse_expression, parse_threshold
from stressproof.objectives.selection import Endpoint
from stressproof.objectives.selectors import parse_selector
from stressproof.objectives.syntax import ExpressionError
from stressproof.objectives.thresholds import EvaluationContext, Evaluator, evaluate
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

ENDPOINTS = (Endpoint("/a", path="/a"), Endpoint("/b", path="/b", method="POST"))
SETTING = EvaluationContext(ENDPOINTS, users=5, sample_floors=False)

decimals = st.decimals(0, 10_000, places=3).map(lambda d: d.normalize() if d else Decimal(0))
operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
bounding = st.sampled_from(["<", "<=", ">", ">="])


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    """Any expression that can be written."""
    percents = st.decimals(0, 100, places=2).map(lambda d: d.normalize() if d else Decimal(0))
    measure = draw(
        st.one_of(
            st.sampled_from(["avg", "min", "max", "med", "count", "rate", "value"]).map(Measure),
            percents.map(lambda percent: Measure("p", percent=percent)),
        )
    )
    units = st.sampled_from(["", "us", "ms", "s", "m", "h", "%"])
    number = st.builds(Number, decimals, units)
    margin = st.builds(Baseline, decimals, st.just("%"))
    comparisons: list[Comparison] = []
    kind = draw(st.sampled_from(["absolute", "relative", "both"]))
    if kind != "relative":
        comparisons.append(draw(st.builds(Comparison, operators, number)))
    if kind == "relative":
        comparisons.append(draw(st.builds(Comparison, bounding, margin)))
    if kind == "both":
        sign = draw(st.sampled_from([("<=", 1), (">=", -1)]))
        size = draw(decimals)
        comparisons.append(Comparison(sign[0], Baseline(size * sign[1] if size else size)))  # type: ignore[arg-type]
    over_us = draw(st.none() | st.integers(1, 3600).map(lambda s: s * 1_000_000))
    return Expression(
        measure,
        tuple(comparisons),
        over_us if kind == "absolute" else None,
        draw(st.none() | st.integers(1, 10**6)),
    )


tag_values = st.text("abc/{}:?=.&_0 ,\"'", min_size=1, max_size=8).filter(
    lambda v: v.strip() and not ({'"', "'"} <= set(v)) and "\n" not in v
)


@given(expressions())
def test_an_expression_reads_back_as_it_is_spelled(expression: Expression) -> None:
    """Parsing undoes formatting."""
    assert parse_expression(str(expression)) == expression


@given(st.dictionaries(st.sampled_from(["name", "method", "status", "type"]), tag_values))
def test_a_selector_reads_back_as_it_is_spelled(tags: dict[str, str]) -> None:
    """Whatever a tag's value holds, quoting keeps it."""
    trimmed = {name: value.strip().strip("\"'").strip() for name, value in tags.items()}
    selector = Selector("http_reqs", tuple((k, v) for k, v in trimmed.items() if v))
    assert parse_selector(str(selector)) == selector


@given(st.text("abcprate(95)<>=!. ,%µmsovernvbaseline+-_{}:@", max_size=40))
def test_any_text_is_read_or_refused_with_a_caret(text: str) -> None:
    """No text breaks the parser: it is an expression, or an error that points into it."""
    readers: tuple[Callable[[str], object], ...] = (
        parse_expression,
        parse_threshold,
        parse_selector,
        parse_duration_us,
    )
    for read in readers:
        error = refusal(read, text)
        assert error is None or ("^" in error.message and 0 <= error.start <= len(error.source))


def refusal(read: Callable[[str], object], text: str) -> ExpressionError | None:
    """Return why a text is refused, None where it is read."""
    try:
        read(text)
    except ExpressionError as error:
        return error
    return None


def row(endpoint: int, second: int, ok: list[int], failed: list[int], dropped: int) -> Row:
    """One row with successes and failures of the given times in µs."""
    outcomes = {"ok": len(ok)} | ({"status_503": len(failed)} if failed else {})
    n = len(ok) + len(failed)
    return Row(
        endpoint=endpoint,
        second=second,
        intended=n + dropped,
        started=n,
        late=0,
        dropped=dropped,
        outcomes=outcomes,
        corrected=Latency.of(Histogram.of(ok + failed)),
    )


times = st.lists(st.integers(0, 300_000), max_size=4)


@st.composite
def rounds(draw: st.DrawFn) -> RunMeasurements:
    """A round of up to six seconds."""
    seconds = draw(st.integers(1, 6))
    rows = [
        row(endpoint, second, draw(times), draw(times), draw(st.integers(0, 2)))
        for second in range(seconds)
        for endpoint in (0, 1)
    ]
    return RunMeasurements(1, draw(st.integers(1, 7_000_000)), [], rows)


EXPRESSIONS = (
    "http_req_duration: p(95) < 100ms",
    "http_req_duration{name:/a}: p(33.33333) < 100ms over 2s",
    "http_req_duration{name:/b}: max < 150ms over 3s",
    "http_req_duration: avg >= 50 n >= 5",
    "http_req_duration{status:200}: med < 120",
    "http_req_duration{status:200}: max < 120 over 2s",
    "http_req_failed: rate < 40% over 2s",
    "http_req_failed{name:/a}: count <= 6",
    "http_reqs: rate > 1.5/s",
    "http_reqs{status:503}: count < 4 over 2s",
    "dropped_iterations: count < 3",
    "iterations: count >= 9",
)


@given(st.lists(rounds(), max_size=3), st.sampled_from(EXPRESSIONS), st.randoms())
def test_live_and_afterwards_agree(runs: list[RunMeasurements], text: str, random: Any) -> None:
    """Feeding a run in shuffled fragments, second by second, gives the verdict of the whole."""
    threshold = parse_threshold(text)
    live = Evaluator([threshold], SETTING)
    for run in runs:
        last = max(one.second for one in run.rows)
        for second in range(last + 1):
            parts = [part for one in run.rows if one.second == second for part in split(one)]
            random.shuffle(parts)
            for part in parts:
                live.feed([part])
            if random.random() < 0.5:
                live.settle(run.run_index, second + 1)
        live.end_round(run.run_index, run.elapsed_us)
    assert live.results() == evaluate([threshold], Measurements(1, runs), SETTING)


def split(whole: Row) -> list[Row]:
    """Return a row as two whose sum it is: the first answer alone, then the rest."""
    if whole.corrected.n < 2:
        return [whole]
    outcome = next(name for name, count in whole.outcomes.items() if count)
    bucket = whole.corrected.buckets[0]
    smallest = whole.corrected.min_us or 0
    rest_counts = dict(
        zip(whole.corrected.buckets[::2], whole.corrected.buckets[1::2], strict=True)
    )
    rest_counts[bucket] -= 1
    rest = Latency(
        whole.corrected.n - 1,
        whole.corrected.sum_us - smallest,
        whole.corrected.min_us,
        whole.corrected.max_us,
        [number for b, c in sorted(rest_counts.items()) if c for number in (b, c)],
    )
    first = Latency(1, smallest, smallest, smallest, [bucket, 1])
    outcomes = dict(whole.outcomes)
    outcomes[outcome] -= 1
    return [
        Row(whole.endpoint, whole.second, 1, 1, 0, 0, {outcome: 1}, first),
        Row(
            whole.endpoint,
            whole.second,
            whole.intended - 1,
            whole.started - 1,
            0,
            whole.dropped,
            {name: count for name, count in outcomes.items() if count},
            rest,
        ),
    ]


@given(rounds(), st.integers(1, 4))
def test_windows_are_every_stretch_of_their_length(run: RunMeasurements, window_s: int) -> None:
    """A window threshold is the same threshold on each stretch by itself, the worst counting."""
    seconds = max(one.second for one in run.rows) + 1
    [sliding] = evaluate(
        [parse_threshold(f"http_req_duration: p(90) <= 100ms over {window_s}s")],
        Measurements(1, [run]),
        SETTING,
    )
    alone = []
    for first in range(seconds - window_s + 1):
        rows = [one for one in run.rows if first <= one.second < first + window_s]
        piece = RunMeasurements(1, window_s * 1_000_000, [], rows)
        [result] = evaluate(
            [parse_threshold("http_req_duration: p(90) <= 100ms")],
            Measurements(1, [piece]),
            SETTING,
        )
        alone.append(result)
    assert sliding.judged == len(alone)
    if not alone:
        assert sliding.outcome is Outcome.INCONCLUSIVE
        return
    assert sliding.outcome is max((one.outcome for one in alone), key=lambda o: o.rank)
    assert sliding.failed == sum(one.outcome is Outcome.FAIL for one in alone)
    if sliding.outcome is not Outcome.INCONCLUSIVE:
        known = [one.observed_value for one in alone if one.observed_value is not None]
        assert sliding.observed_value == max(known)


@given(rounds(), st.integers(1, 300), st.integers(0, 100))
def test_a_looser_limit_never_judges_worse(run: RunMeasurements, limit: int, more: int) -> None:
    """Raising an upper limit, or lowering a lower one, cannot turn a pass into anything else."""
    measurements = Measurements(1, [run])
    for metric, measure, operator, unit in (
        ("http_req_duration", "p(90)", "<= ", "ms"),
        ("http_req_duration{status:200}", "avg", "< ", "ms"),
        # In hundredths: a share of 100 % or more is a limit that nothing can miss.
        ("http_req_failed", "rate", "<= 0.", "%"),
    ):
        tight, loose = (
            evaluate(
                [parse_threshold(f"{metric}: {measure} {operator}{value:04}{unit}")],
                measurements,
                SETTING,
            )[0].outcome
            for value in (limit, limit + more)
        )
        assert loose.rank <= tight.rank
    high, low = (
        evaluate([parse_threshold(f"http_reqs: rate >= {value}")], measurements, SETTING)[0]
        for value in (limit + more, limit)
    )
    assert low.outcome.rank <= high.outcome.rank


@given(rounds())
def test_more_failures_never_judge_better(run: RunMeasurements) -> None:
    """Turning every answer into a failure cannot make an error rate pass."""
    worse = RunMeasurements(
        run.run_index,
        run.elapsed_us,
        [],
        [
            row_with(one, {"status_503": sum(one.outcomes.values())} if one.outcomes else {})
            for one in run.rows
        ],
    )
    threshold = [parse_threshold("http_req_failed: rate < 30%")]
    before, after = (
        evaluate(threshold, Measurements(1, [each]), SETTING)[0].outcome for each in (run, worse)
    )
    assert after.rank >= before.rank
    assert after is not Outcome.PASS


def row_with(one: Row, outcomes: dict[str, int]) -> Row:
    """The same row with other outcomes."""
    return Row(
        one.endpoint,
        one.second,
        one.intended,
        one.started,
        one.late,
        one.dropped,
        outcomes,
        one.corrected,
    )


ends = st.sampled_from(["slowest", "fastest"])


@given(rounds(), st.sampled_from(["min", "max", "avg", "p(50)", "p(90)"]), ends)
def test_answers_of_one_status_lie_within_the_interval(
    run: RunMeasurements, measure: str, successes: str
) -> None:
    """Whichever requests of a row had the status, the true figure is inside what is reported."""
    everything = [one for one in run.rows if one.endpoint == 0]
    # Two of the possibilities: the successes were the slowest of each row, or the fastest.
    chosen = Histogram()
    for one in everything:
        values = sorted(values_of(one.corrected), reverse=successes == "slowest")
        for value in values[: one.outcomes.get("ok", 0)]:
            chosen.record(value)
    if chosen.n == 0:
        return
    truth = {
        "min": chosen.min_us,
        "max": chosen.max_us,
        "avg": Fraction(chosen.sum_us, chosen.n),
        "p(50)": chosen.quantile(500_000),
        "p(90)": chosen.quantile(900_000),
    }[measure]
    assert truth is not None
    above = math.ceil(float(truth) * 1.002) + 1
    below = math.floor(float(truth) * 0.998) - 1
    text = "http_req_duration{name:/a,status:200}: "
    above_it, below_it = evaluate(
        [
            parse_threshold(f"{text}{measure} <= {above}us"),
            parse_threshold(f"{text}{measure} <= {max(below, 0)}us"),
        ],
        Measurements(1, [run]),
        SETTING,
    )
    assert above_it.outcome is not Outcome.FAIL
    assert below <= 0 or below_it.outcome is not Outcome.PASS


def values_of(latency: Latency) -> list[int]:
    """Return the highest equivalent value of every sample."""
    from stressproof.measure import buckets  # noqa: PLC0415  # beside its only use

    return [
        min(buckets.highest(latency.buckets[at]), latency.max_us or 0)
        for at in range(0, len(latency.buckets), 2)
        for _ in range(latency.buckets[at + 1])
    ]


@given(rounds(), st.integers(1, 6))
def test_what_is_judged_live_is_the_verdict_on_the_settled_rows(
    run: RunMeasurements, settled_s: int
) -> None:
    """A run aborts exactly where its settled seconds alone would fail."""
    threshold = parse_threshold("http_req_failed: rate < 50%", abort_on_fail=True)
    live = Evaluator([threshold], SETTING)
    live.feed(run.rows)
    aborted = live.settle(1, settled_s)
    rows = [one for one in run.rows if one.second < settled_s]
    piece = RunMeasurements(1, settled_s * 1_000_000, [], rows)
    [afterwards] = evaluate([threshold], Measurements(1, [piece]), SETTING)
    assert bool(aborted) == (afterwards.outcome is Outcome.FAIL)


@given(st.builds(Threshold, st.just(Selector("http_req_duration")), expressions()))
def test_a_threshold_reads_back_from_one_text(threshold: Threshold) -> None:
    """The text in a result can be pasted into a flag, where the metric has such a measure."""
    try:
        again = parse_threshold(str(threshold))
    except ExpressionError:
        return
    assert again == threshold
