"""The least sum of a histogram."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stressproof.measure import buckets
from stressproof.measure.histogram import Histogram

pytestmark = pytest.mark.gate

filled = st.dictionaries(st.integers(0, buckets.MAX_INDEX), st.integers(1, 1000), max_size=40)


@given(filled)
@settings(deadline=None)
def test_the_least_sum_is_that_of_every_bucket(counts: dict[int, int]) -> None:
    """The table gives what bucket by bucket gives."""
    least = sum(buckets.lowest(bucket) * count for bucket, count in counts.items())
    assert buckets.least_sum(list(counts), list(counts.values())) == least


@given(filled)
@settings(deadline=None)
def test_the_greatest_sum_is_little_above_it(counts: dict[int, int]) -> None:
    """A bucket is never wider than 1/1024 of what is in it."""
    least = buckets.least_sum(list(counts), list(counts.values()))
    most = sum(buckets.highest(bucket) * count for bucket, count in counts.items())
    assert least <= most <= least + least // buckets.SUB_BUCKETS


@given(st.lists(st.integers(0, buckets.MAX_US), max_size=60))
@settings(deadline=None)
def test_a_real_sum_is_never_called_impossible(values_us: list[int]) -> None:
    """What was recorded lies between the two."""
    pairs = Histogram.of(values_us).pairs()
    least = buckets.least_sum(pairs[::2], pairs[1::2])
    assert least <= sum(values_us) <= least + least // buckets.SUB_BUCKETS


def test_the_table_has_a_value_for_every_bucket() -> None:
    """The last bucket too."""
    assert buckets.least_sum([buckets.MAX_INDEX], [1]) == buckets.lowest(buckets.MAX_INDEX)
