"""The bounds of a histogram's sum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.measure import buckets
from stressproof.measure.histogram import Histogram

pytestmark = pytest.mark.gate

filled = st.dictionaries(st.integers(0, buckets.MAX_INDEX), st.integers(1, 1000), max_size=40)


@given(filled)
def test_bounds_are_those_of_every_bucket_together(counts: dict[int, int]) -> None:
    """Group by group gives what bucket by bucket gives."""
    ascending = sorted(counts)
    least = sum(buckets.lowest(bucket) * counts[bucket] for bucket in ascending)
    most = sum(buckets.highest(bucket) * counts[bucket] for bucket in ascending)
    assert buckets.bounds(ascending, [counts[each] for each in ascending]) == (least, most)


@given(st.lists(st.integers(0, buckets.MAX_US), max_size=60))
def test_a_real_sum_lies_within_its_bounds(values_us: list[int]) -> None:
    """What was recorded is never called impossible."""
    pairs = Histogram.of(values_us).pairs()
    least, most = buckets.bounds(pairs[::2], pairs[1::2])
    assert least <= sum(values_us) <= most
