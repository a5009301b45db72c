"""The protocol's three limits, judged twice."""

from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stressproof.evidence.derive import evaluate_round, run_results
from stressproof.evidence.measurements import Latency, Measurements, Row, RunMeasurements
from stressproof.evidence.results import Thresholds
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure.histogram import Histogram
from stressproof.objectives.parser import parse_threshold
from stressproof.objectives.protocol import protocol_thresholds
from stressproof.objectives.selection import Endpoint
from stressproof.objectives.thresholds import EvaluationContext, evaluate
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

ENDPOINTS = [WorkloadEndpoint("/a", "GET", "/a", 1, [200])]
SETTING = EvaluationContext((Endpoint("/a"),), sample_floors=False)


def round_of(ok: list[int], failed: list[int], elapsed_us: int) -> RunMeasurements:
    """A round of one second with the given latencies in µs."""
    outcomes = {"ok": len(ok), "timeout": len(failed)}
    n = len(ok) + len(failed)
    latency = Latency.of(Histogram.of(ok + failed))
    return RunMeasurements(1, elapsed_us, [], [Row(0, 0, n, n, 0, 0, outcomes, latency)])


latencies = st.lists(st.integers(0, 4_000_000), max_size=30)
limits = st.integers(0, 4_000_000).map(lambda n: n / 1_000_000)


@given(
    latencies, latencies, st.integers(1, 60_000_000), limits, limits.map(lambda x: x * 25), limits
)
@example([2_000_000], [], 1_000_000, 2.0, 1.0, 0.5)
@example([1] * 99, [1], 1_000_000, 2.0, 1.0, 100.0)
@example([1] * 43, [1] * 57, 1_000_000, 2.0, 57.0, 100.0)
@example([], [], 1_000_000, 2.0, 1.0, 0.0)
@example([1], [], 2_000_001, 2.0, 1.0, 0.5)
def test_the_threshold_machinery_agrees_with_the_protocols_own_evaluation(
    ok: list[int], failed: list[int], elapsed_us: int, p95: float, errors: float, rps: float
) -> None:
    """A round passes the three thresholds exactly where ``evaluate_round`` says that it meets."""
    run = round_of(ok, failed, elapsed_us)
    wanted = Thresholds(
        max_p95_seconds=p95,
        max_error_rate_percent=round(errors, 6),
        min_throughput_rps=round(rps, 6),
    )
    judged = evaluate_round(1, run_results(run, ENDPOINTS), wanted)
    passes = [
        result.outcome is Outcome.PASS
        for result in evaluate(protocol_thresholds(wanted), Measurements(1, [run]), SETTING)
    ]
    assert passes == [judged.meets_p95, judged.meets_error_rate, judged.meets_throughput]


@given(limits, limits, limits)
def test_the_three_limits_have_a_spelling(p95: float, errors: float, rps: float) -> None:
    """The protocol's limits can be written down as thresholds and read back unchanged."""
    assume(errors < 100 and rps > 0)  # nothing can miss the others, and nobody may write them
    wanted = protocol_thresholds(Thresholds(p95, errors, rps))
    assert [parse_threshold(str(threshold)) for threshold in wanted] == wanted


def test_a_limit_is_the_decimal_that_was_written() -> None:
    """0.1 means one tenth: the float beside it does not leak into the threshold."""
    [threshold] = protocol_thresholds(Thresholds(None, 0.1, None))
    assert threshold.expression.comparisons[0].limit.value == Decimal("0.1")  # type: ignore[union-attr]


def test_limits_that_are_not_set_ask_nothing() -> None:
    """A capture without limits has no thresholds."""
    assert protocol_thresholds(Thresholds(None, None, None)) == []
