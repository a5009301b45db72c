"""Threshold expressions one by one: what k6's users write, and what goes wrong."""

import pytest

from stressproof.evidence.measurements import Latency, Measurements, Row, RunMeasurements
from stressproof.measure.histogram import Histogram
from stressproof.objectives.metrics import ALIASES, METRICS
from stressproof.objectives.parser import parse_duration_us, parse_expression, parse_threshold
from stressproof.objectives.recoveries import FaultRecovery
from stressproof.objectives.results import ThresholdResult
from stressproof.objectives.sampling import BaselineFigures
from stressproof.objectives.selection import Endpoint
from stressproof.objectives.selectors import parse_selector
from stressproof.objectives.syntax import ExpressionError
from stressproof.objectives.thresholds import EvaluationContext, Evaluator, evaluate
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

# Expressions of grafana.com/docs/k6: using-k6/thresholds, metrics, scenarios, tags-and-groups.
K6_EXPRESSIONS = (
    "rate<0.01",
    "p(95)<200",
    "avg < 200",
    "count >= 500",
    "p(90) < 300",
    "p(99.99) < 1000",
    "count<100",
    "value<4000",
    "rate>0.95",
    "p(99)<300",
    "p(70)<250",
    "avg<200",
    "med<150",
    "min<100",
    "p(90) < 400",
    "p(95) < 800",
    "p(99.9) < 2000",
    "avg < 400",
    "p(95)<500",
    "p(99) < 10",
    "rate>0.9",
    "rate > 0.90",
    "rate==1.0",
    "rate<0.1",
    "rate<=0.05",
    "count === 0",
    "count == 200",
    "count!=0",
    "max<=1000",
    "max>=0",
    "p(95)<1e3",
    "rate<=.01",
)
K6_SELECTORS = (
    "http_req_duration",
    "http_req_failed",
    "http_reqs",
    "checks",
    "iterations",
    "dropped_iterations",
    "iteration_duration",
    "group_duration{group:::individualRequests}",
    "http_req_duration{type:API}",
    "http_req_duration{type:staticContent}",
    "http_req_duration{expected_response:true}",
    "http_req_duration{scenario:my_api_test_1}",
    "http_req_duration{test_type:api}",
    "http_req_duration{name:http://example.com/${id}}",
    "http_req_duration{ name:/path , status:200 }",
    "http_reqs{expected_response:true}",
    "checks{myTag:hola}",
    'http_req_duration{name:"quoted"}',
    "http_req_waiting{group:::group one::sub}",
)


@pytest.mark.parametrize("text", K6_EXPRESSIONS)
def test_k6_expressions_are_read_unchanged(text: str) -> None:
    """Every threshold expression of k6's documentation means something here."""
    assert parse_expression(text).comparisons


@pytest.mark.parametrize("text", K6_SELECTORS)
def test_k6_metrics_and_tags_are_read_unchanged(text: str) -> None:
    """Every built-in metric with tags of k6's documentation is understood."""
    assert parse_selector(text).metric in METRICS


@pytest.mark.parametrize(
    ("text", "under", "says"),
    [
        ("http_req_duration: p95 < 200", "p95", "p(95)"),
        ("http_req_duration: p(95) < 200 msec", "msec", "ms"),
        ("http_req_duration: p(101) < 200", "101", "0 to 100"),
        ("http_req_duration: p(95) = 200", "=", "=="),
        ("http_req_duration: p(95) =< 200", "=", "=="),
        ("http_req_duration: mean < 200", "mean", "avg"),
        ("http_req_duration: p(95) < 5%", "%", "us, ms, s, m, h"),
        ("http_req_duration: rate < 5", "rate", "avg, min, max, med, p"),
        ("http_req_failed: p(95) < 5", "p", "rate, count"),
        ("http_req_failed: rate < 1ms", "ms", "%"),
        ("http_req_duration: p(95) <", "", "ends here"),
        ("http_req_duration: p(95) < 200ms ovr 10s", "ovr", "over"),
        ("http_req_duration: p(95) < 200ms over 10", "", "unit of time"),
        ("http_req_duration: p(95) < 200ms over 1500ms", "1500", "whole number of seconds"),
        ("http_req_duration: p(95) < 200ms n >= 0", "0", "at least 1"),
        ("http_req_duration: p(95) < 200ms n > 5", ">", "'>='"),
        ("http_req_duration: p(95) < 200ms over 5s over 6s", "over", "twice"),
        ("http_req_duration: p(95) vs baseline", "", "margin"),
        ("http_req_duration: p(95) == baseline + 1%", "p(95) == baseline + 1%", "never exactly"),
        ("http_req_duration: p(95) < baseline over 5s", "p(95) < baseline over 5s", "no baseline"),
        ("recovery() < 10s", "(", "name of a fault"),
        ("recovery(FI-001) < 10%", "%", "us, ms, s, m, h"),
        ("htp_req_duration: p(95) < 1", "htp_req_duration", "http_req_duration"),
        ("errors: rate < 1%", "errors", "http_req_failed"),
        ("http_req_duration{name}: p(95) < 1", "name", "colon"),
        ("http_req_duration{name:/a,name:/b}: p(95) < 1", "name", "twice"),
        ("http_req_duration{name:}: p(95) < 1", "name:", "no value"),
        ("p(95) < 200ms", "(95) < 200ms", "a colon"),
        ("http_req_duration: p(95) < 200 && rate < 1", "&", "two thresholds"),
        ("http_req_duration: p(95) < ٣", "٣", "no meaning"),
        ("http_req_duration: p(95) < 1.0000000000000000000000001", None, "at most 24"),
        ("http_req_duration: p(95) < 1e999", None, None),
    ],
)
def test_what_cannot_be_meant_is_pointed_at(text: str, under: str | None, says: str | None) -> None:
    """An error names what was seen, points at it, and says what to write."""
    with pytest.raises(ExpressionError) as caught:
        parse_threshold(text)
    error = caught.value
    if under is not None:
        assert error.source[error.start : error.end].strip() == under
    assert says is None or says in error.message + error.hint


def test_a_path_template_may_hold_braces() -> None:
    """The last closing brace ends the tags, as in k6."""
    threshold = parse_threshold("http_req_duration{name:/orders/{id}/items}: p(95) < 200ms")
    assert threshold.selector.tags == (("name", "/orders/{id}/items"),)


@pytest.mark.parametrize(("text", "expected_us"), [("10s", 10**7), ("1m30s", 9 * 10**7), ("0s", 0)])
def test_durations_have_units(text: str, expected_us: int) -> None:
    """Durations are read as k6 reads them."""
    assert parse_duration_us(text) == expected_us


@pytest.mark.parametrize("alias", ALIASES)
def test_words_that_people_try_lead_to_the_metric(alias: str) -> None:
    """A common word for a metric is answered with the metric's name."""
    with pytest.raises(ExpressionError) as caught:
        parse_selector(alias)
    assert ALIASES[alias] in caught.value.hint


ENDPOINTS = (
    Endpoint("/a", path="/a"),
    Endpoint("/b", method="POST", path="/b", expected_statuses=(200, 201), checked=True),
)


def make_row(endpoint: int, second: int, ok: int, us: int, **failures: int) -> Row:
    """A row whose answers all took equally long."""
    n = ok + sum(failures.values())
    outcomes = {"ok": ok, **failures}
    return Row(endpoint, second, n, n, 0, 0, outcomes, corrected=Latency.of(Histogram.of([us] * n)))


def judge_one(
    text: str, rows: list[Row], setting: EvaluationContext | None = None
) -> ThresholdResult:
    """Judge one threshold on one round."""
    last = max((row.second for row in rows), default=0) + 1
    measurements = Measurements(1, [RunMeasurements(1, last * 1_000_000, [], rows)])
    [result] = evaluate(
        [parse_threshold(text)], measurements, setting or EvaluationContext(ENDPOINTS)
    )
    return result


STEADY = [make_row(endpoint, second, 50, 100_000) for second in range(4) for endpoint in (0, 1)]
OUTAGE = [
    make_row(0, second, 100, 10_000) if second != 17 else make_row(0, second, 0, 10_000, reset=100)
    for second in range(60)
]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("http_req_duration: p(95) < 200", Outcome.PASS),
        ("http_req_duration: p(95) < 0.2s", Outcome.PASS),
        ("http_req_duration: p(95) < 100.1", Outcome.PASS),
        ("http_req_duration: p(95) <= 100", Outcome.PASS),
        ("http_req_duration: p(95) < 100", Outcome.FAIL),
        ("http_req_duration: p(99.9) < 200", Outcome.INCONCLUSIVE),
        ("http_req_duration: max == 100", Outcome.PASS),
        ("http_req_duration: avg != 100", Outcome.FAIL),
        ("http_req_duration: p(95) < 200 n >= 401", Outcome.INCONCLUSIVE),
        ("http_req_duration: p(95) < 200 over 2s n >= 200", Outcome.PASS),
        ("http_req_duration: p(95) < 200 over 5s", Outcome.INCONCLUSIVE),
        ("http_req_failed: rate < 1%", Outcome.PASS),
        ("http_reqs: rate >= 100", Outcome.PASS),
        ("http_reqs: rate > 100/s", Outcome.FAIL),
        ("http_reqs: count == 400", Outcome.PASS),
        ("http_reqs{method:POST}: count == 200", Outcome.PASS),
        ("http_reqs{status:503}: count < 1", Outcome.PASS),
        ("http_reqs{name:/a,status:200}: count == 200", Outcome.PASS),
        # /b expects 200 or 201, and which of them came is not recorded.
        ("http_reqs{name:/b,status:200}: count == 200", Outcome.INCONCLUSIVE),
        ("http_reqs{name:/b,status:200}: count <= 200", Outcome.PASS),
        ("http_req_duration{name:/b,status:201}: p(95) < 200", Outcome.INCONCLUSIVE),
        ("http_req_duration{name:/b,expected_response:true}: p(95) < 200", Outcome.PASS),
        ("http_req_duration{name:/c}: p(95) < 200", Outcome.INCONCLUSIVE),
        ("http_req_duration{type:API}: p(95) < 200", Outcome.INCONCLUSIVE),
        ("http_req_duration{scenario:default}: p(95) < 200", Outcome.PASS),
        ("http_req_waiting: p(95) < 200", Outcome.INCONCLUSIVE),
        ("checks: rate > 99%", Outcome.PASS),
        ("checks{name:/a}: rate > 99%", Outcome.INCONCLUSIVE),
        ("dropped_iterations: count < 1", Outcome.PASS),
        ("http_req_duration: p(95) < baseline", Outcome.INCONCLUSIVE),
        ("recovery(fault) < 10s", Outcome.INCONCLUSIVE),
        ("vus_max: value >= 10", Outcome.FAIL),
    ],
)
def test_verdicts_on_a_steady_service(text: str, outcome: Outcome) -> None:
    """Each figure is compared exactly, and what the rows do not tell is inconclusive."""
    result = judge_one(text, STEADY)
    assert result.outcome is outcome, result
    assert (result.reason != "") is (outcome is Outcome.INCONCLUSIVE)


def test_a_latency_of_requests_that_cannot_be_counted_is_inconclusive() -> None:
    """Where even the number of requests with a status is open, no interval bounds their times."""
    rows = [make_row(0, 0, 0, 100_000, status_302=100, redirect=100)]
    text = "http_req_duration{status:302}: p(95) < 1h"
    assert judge_one(text, rows).outcome is Outcome.INCONCLUSIVE
    assert judge_one("http_reqs{status:302}: count >= 100", rows).outcome is Outcome.PASS
    assert judge_one("http_reqs{status:302}: count > 100", rows).outcome is Outcome.INCONCLUSIVE


def test_an_average_hides_an_outage_and_a_window_finds_it() -> None:
    """A second of total outage is 1.7 % of a minute and all of its own second; it is named."""
    assert judge_one("http_req_failed: rate < 2%", OUTAGE).outcome is Outcome.PASS
    found = judge_one("http_req_failed: rate < 2% over 1s", OUTAGE)
    assert found.outcome is Outcome.FAIL
    assert (found.where, found.failed, found.judged) == ("round 1, second 17 to 18", 1, 60)
    assert found.observed == "100 %"


def test_no_data_is_never_a_pass() -> None:
    """An empty run, an empty second and a service that never succeeds leave the question open."""
    for text in ("http_req_duration: p(95) < 1h", "http_req_failed: rate < 100%", "checks: rate>0"):
        assert judge_one(text, []).outcome is Outcome.INCONCLUSIVE
    dead = [make_row(0, 0, 0, 5, connect=100)]
    assert judge_one("http_req_duration: p(95) < 1h", dead).outcome is Outcome.INCONCLUSIVE
    gap = [make_row(0, 0, 100, 5), make_row(0, 1, 0, 5), make_row(0, 2, 100, 5)]
    window = judge_one("http_req_failed: rate < 1% over 1s", gap)
    assert (window.outcome, window.where) == (Outcome.INCONCLUSIVE, "round 1, second 1 to 2")


def test_every_round_is_judged_by_itself() -> None:
    """A bad round is not paid for by a good one, and is named."""
    good = RunMeasurements(1, 10**6, [], [make_row(0, 0, 1000, 10_000)])
    bad = RunMeasurements(2, 10**6, [], [make_row(0, 0, 95, 10_000, timeout=5)])
    threshold = parse_threshold("http_req_failed: rate <= 1%")
    [result] = evaluate([threshold], Measurements(1, [good, bad]), EvaluationContext(ENDPOINTS))
    assert (result.outcome, result.where, result.n) == (Outcome.FAIL, "round 2", 100)


def test_a_value_is_never_shown_as_the_limit_it_misses() -> None:
    """As many digits are shown as it takes to see why a threshold failed."""
    rows = [make_row(0, 0, 99_999, 10, timeout=1001)]
    result = judge_one("http_req_failed: rate <= 0.991%", rows)
    assert result.outcome is Outcome.FAIL
    assert result.observed != result.limit.removeprefix("<= ")


def test_a_window_that_is_no_multiple_of_the_resolution_is_inconclusive() -> None:
    """Rows of ten seconds cannot tell what happened within five."""
    setting = EvaluationContext(ENDPOINTS, resolution_seconds=10)
    result = judge_one("http_req_failed: rate < 1% over 5s", STEADY, setting)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "10 s" in result.reason


RECOVERIES = (
    FaultRecovery("FI-001", "cut", "reset", 2_000_000, witnessed=True),
    FaultRecovery("FI-002", "kill", "crash", None, witnessed=True),
    FaultRecovery("FI-003", "slow", "latency", 1, witnessed=False),
)


@pytest.mark.parametrize(
    ("text", "outcome", "where"),
    [
        ("recovery(FI-001) < 10s", Outcome.PASS, "FI-001/cut"),
        ("recovery(FI-001/cut) < 2s", Outcome.FAIL, "FI-001/cut"),
        ("recovery(crash) < 10s", Outcome.FAIL, "FI-002/kill"),
        ("recovery(fault) < 10s", Outcome.FAIL, "FI-002/kill"),
        ("recovery(slow) < 10s", Outcome.INCONCLUSIVE, "FI-003/slow"),
        ("recovery(FI-004) < 10s", Outcome.INCONCLUSIVE, ""),
    ],
)
def test_recovery_is_judged_per_fault(text: str, outcome: Outcome, where: str) -> None:
    """Never recovering fails any limit; a fault without proof, or unknown, proves nothing."""
    result = judge_one(text, STEADY, EvaluationContext(ENDPOINTS, recoveries=RECOVERIES))
    assert (result.outcome, result.where) == (outcome, where)


def run_at(index: int, us: int, n: int = 2000) -> RunMeasurements:
    """A round of one second in which every answer took as long."""
    return RunMeasurements(index, 10**6, [], [make_row(0, 0, n, us)])


@pytest.mark.parametrize(
    ("us", "outcome"),
    [(101_000, Outcome.PASS), (110_500, Outcome.INCONCLUSIVE), (116_000, Outcome.FAIL)],
)
def test_a_baseline_limit_knows_the_baselines_own_spread(us: int, outcome: Outcome) -> None:
    """Beyond the limit of its slowest round is a failure, below that of its fastest a pass."""
    baseline = BaselineFigures(Measurements(1, [run_at(1, 100_000), run_at(2, 104_000)]), ENDPOINTS)
    setting = EvaluationContext(ENDPOINTS, baseline=baseline)
    threshold = parse_threshold("http_req_duration: p(95) vs baseline + 10%")
    [result] = evaluate([threshold], Measurements(1, [run_at(1, us)]), setting)
    assert result.outcome is outcome, result


def test_a_baseline_of_one_round_shows_no_spread() -> None:
    """How much a machine varies cannot be seen in a single round."""
    baseline = BaselineFigures(Measurements(1, [run_at(1, 100_000)]), ENDPOINTS)
    threshold = parse_threshold("http_req_duration: p(95) vs baseline + 10%")
    [result] = evaluate(
        [threshold],
        Measurements(1, [run_at(1, 1)]),
        EvaluationContext(ENDPOINTS, baseline=baseline),
    )
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "one round" in result.reason


def test_a_run_is_aborted_when_the_threshold_falls_and_not_before_its_delay() -> None:
    """``abortOnFail`` ends a run at the first settled second that fails, after the delay."""
    threshold = parse_threshold(
        "http_req_failed: rate < 50%", abort_on_fail=True, delay_abort_us=3_000_000
    )
    evaluator = Evaluator([threshold], EvaluationContext(ENDPOINTS))
    aborted_at = []
    for second in range(5):
        evaluator.feed([make_row(0, second, 0, 5, connect=10)])
        if evaluator.settle(1, second + 1):
            aborted_at.append(second + 1)
    assert aborted_at == [3, 4, 5]


def test_what_is_discovered_later_is_watched_from_then_on() -> None:
    """A step of a flow has no rows before it is known; its windows are those of the whole round."""
    step = Endpoint("POST /orders", "POST", "/orders", kind="step", flow="buy")
    threshold = parse_threshold(
        "http_req_failed{name:POST /orders}: rate < 50% over 2s", abort_on_fail=True
    )
    evaluator = Evaluator([threshold], EvaluationContext(ENDPOINTS))
    aborted_at = []
    for second in range(4):
        if second == 2:
            evaluator.know((*ENDPOINTS, step))
        rows = [make_row(0, second, 5, 0, connect=0)]
        if second >= 2:
            rows.append(make_row(len(ENDPOINTS), second, 0, 5, connect=5))
        evaluator.feed(rows)
        if evaluator.settle(1, second + 1):
            aborted_at.append(second + 1)
    assert aborted_at == [3, 4]


def test_a_count_that_still_grows_does_not_abort() -> None:
    """A run is not ended for requests that it has not sent yet."""
    threshold = parse_threshold("http_reqs: count >= 1000", abort_on_fail=True)
    evaluator = Evaluator([threshold], EvaluationContext(ENDPOINTS))
    evaluator.feed([make_row(0, 0, 10, 5)])
    assert evaluator.settle(1, 1) == []
    evaluator.end_round(1, 10**6)
    assert evaluator.results()[0].outcome is Outcome.FAIL


def test_a_settled_second_stays_settled() -> None:
    """Rows that arrive after their second was judged are a mistake of the caller, and said so."""
    evaluator = Evaluator([], EvaluationContext(ENDPOINTS))
    evaluator.settle(1, 3)
    with pytest.raises(ValueError, match="second 2"):
        evaluator.feed([make_row(0, 2, 1, 1)])
