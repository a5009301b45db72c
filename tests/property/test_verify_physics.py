"""What real samples give is never called impossible."""

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcement_suite.suite import SUITE
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM, Histogram
from stressproof.outcome import Outcome
from stressproof.verify.stress.physics import average_possible, least_waiting

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

from forgeries.corpus import base
from forgeries.honest import NOW_US

from stressproof.evidence.reading import Document
from stressproof.verify.stress.case import StressCase

pytestmark = pytest.mark.gate

samples = st.lists(st.integers(1, 10**8), min_size=1, max_size=300)


def _case(results: dict[str, float | int]) -> StressCase:
    data = base("plain")
    data["runs"][0]["results"].update(results)
    return StressCase(Document(data, "0" * 64, 1, "x"), SUITE.stress_requirements(), NOW_US)


def _first(case: StressCase) -> list[str]:
    result = average_possible.apply(case)
    return [each.where for each in result.findings if each.where.startswith("runs[0]")]


@given(samples)
@settings(deadline=None)
def test_figures_of_a_histogram_are_possible(values_us: list[int]) -> None:
    """Nearest rank at the upper end of a bucket, as our captures have it."""
    histogram = Histogram.of(values_us)
    p50, p95, p99 = histogram.quantiles((P50_PPM, P95_PPM, P99_PPM))
    results = {
        "total_requests": len(values_us),
        "successful_requests": len(values_us),
        "failed_requests": 0,
        "avg_response_time": sum(values_us) / len(values_us) / 1e6,
        "median_response_time": (p50 or 0) / 1e6,
        "p95_response_time": (p95 or 0) / 1e6,
        "p99_response_time": (p99 or 0) / 1e6,
        "min_response_time": min(values_us) / 1e6,
        "max_response_time": max(values_us) / 1e6,
    }
    assert _first(_case(results)) == []
    declared = _case({**results, "avg_response_time": None}).declared
    waited = least_waiting(declared.runs[0].results)
    assert waited is not None
    assert waited <= sum(values_us) / 1e6 * (1 + 1e-9)


@given(samples)
@settings(deadline=None)
def test_figures_by_interpolation_are_possible(values_us: list[int]) -> None:
    """Other tools put a quantile between two samples (exclusive interpolation)."""
    ascending = sorted(values_us)

    def quantile(share: float) -> float:
        place = min(max(share * (len(ascending) + 1), 1), len(ascending))
        low = ascending[math.floor(place) - 1]
        high = ascending[min(math.floor(place), len(ascending) - 1)]
        return (low + (high - low) * (place - math.floor(place))) / 1e6

    results = {
        "total_requests": len(values_us),
        "successful_requests": len(values_us),
        "failed_requests": 0,
        "avg_response_time": sum(values_us) / len(values_us) / 1e6,
        "median_response_time": quantile(0.5),
        "p95_response_time": quantile(0.95),
        "p99_response_time": quantile(0.99),
        "min_response_time": ascending[0] / 1e6,
        "max_response_time": ascending[-1] / 1e6,
    }
    assert _first(_case(results)) == []


def test_something_is_judged() -> None:
    """The first round of the case is compared, so that nothing passes on an empty set."""
    result = average_possible.apply(_case({"avg_response_time": 50.0}))
    assert result.outcome is Outcome.FAIL
