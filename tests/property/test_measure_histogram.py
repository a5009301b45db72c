"""Laws of the histogram."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.measure import buckets
from stressproof.measure.histogram import P95_PPM, SAMPLES_FOR, Histogram

pytestmark = pytest.mark.gate

durations = st.integers(0, buckets.MAX_US)
samples = st.lists(durations, max_size=200)


def state(histogram: Histogram) -> tuple[object, ...]:
    """Everything a histogram knows."""
    return (
        histogram.pairs(),
        histogram.n,
        histogram.sum_us,
        histogram.min_us,
        histogram.max_us,
    )


@given(durations)
def test_a_value_lies_in_its_bucket_which_is_narrow(value_us: int) -> None:
    """A bucket holds its value and is at most 1/1024 of it wide."""
    bucket = buckets.index(value_us)
    low, high = buckets.lowest(bucket), buckets.highest(bucket)
    assert low <= value_us <= high
    assert (high - low) * buckets.SUB_BUCKETS <= low


@given(st.integers(0, buckets.MAX_INDEX - 1))
def test_buckets_adjoin(bucket: int) -> None:
    """Every value has exactly one bucket: each begins where the one before ends."""
    assert buckets.lowest(bucket + 1) == buckets.highest(bucket) + 1
    assert buckets.index(buckets.lowest(bucket)) == bucket


@given(samples, samples)
def test_a_merge_equals_recording_together(left: list[int], right: list[int]) -> None:
    """Merging loses nothing and its order does not matter."""
    together = Histogram.of(left + right)
    for first, second in ((left, right), (right, left)):
        merged = Histogram.of(first)
        merged.absorb(Histogram.of(second))
        assert state(merged) == state(together)


@given(samples, samples, samples)
def test_merging_is_associative(a: list[int], b: list[int], c: list[int]) -> None:
    """Workers may be merged in any grouping."""
    left, right, inner = Histogram.of(a), Histogram.of(a), Histogram.of(b)
    left.absorb(Histogram.of(b))
    left.absorb(Histogram.of(c))
    inner.absorb(Histogram.of(c))
    right.absorb(inner)
    assert state(left) == state(right)


@given(st.lists(durations, min_size=1, max_size=200), st.integers(0, 1_000_000))
def test_a_quantile_is_the_nearest_rank(values_us: list[int], ppm: int) -> None:
    """A quantile is the bucket of the value that a sorted list has at that rank."""
    rank = max(math.ceil(ppm * len(values_us) / 1_000_000), 1)
    exact = sorted(values_us)[rank - 1]
    expected = min(buckets.highest(buckets.index(exact)), max(values_us))
    assert Histogram.of(values_us).quantile(ppm) == expected


@given(samples)
def test_quantiles_ascend_within_the_extremes(values_us: list[int]) -> None:
    """No quantile lies outside of what was seen, and a higher one is never smaller."""
    histogram = Histogram.of(values_us)
    found = histogram.quantiles((0, 250_000, 500_000, 950_000, 1_000_000))
    if not values_us:
        assert found == [None] * 5
        return
    numbers = [value for value in found if value is not None]
    assert numbers == sorted(numbers)
    assert numbers[0] >= min(values_us)
    assert numbers[-1] == max(values_us)


def test_values_above_the_range_are_clamped_not_lost() -> None:
    """A request that outlasts the range still counts, at the range's end."""
    histogram = Histogram.of([buckets.MAX_US * 2])
    assert (histogram.n, histogram.max_us) == (1, buckets.MAX_US)


def test_negative_durations_are_refused() -> None:
    """A clock that ran backwards is an error, not a very fast answer."""
    with pytest.raises(ValueError, match="negative"):
        Histogram().record(-1)


def test_descending_or_impossible_shares_are_refused() -> None:
    """Shares are given in ascending parts per million."""
    for shares in ((2, 1), (-1,), (1_000_001,)):
        with pytest.raises(ValueError, match="ppm"):
            Histogram().quantiles(shares)


def test_sample_floor_follows_the_formula() -> None:
    """A quantile's upper bound at 95 % needs ln 0.05 / ln q samples."""
    assert SAMPLES_FOR[P95_PPM] == math.ceil(math.log(0.05) / math.log(0.95))
    assert sorted(SAMPLES_FOR.values()) == [
        math.ceil(math.log(0.05) / math.log(ppm / 1_000_000)) for ppm in sorted(SAMPLES_FOR)
    ]


@given(st.lists(samples, max_size=6), samples)
def test_merging_many_at_once_equals_merging_each(parts: list[list[int]], first: list[int]) -> None:
    """The quick way of merging is the slow one."""
    each, at_once = Histogram.of(first), Histogram.of(first)
    written = [Histogram.of(part) for part in parts]
    for histogram in written:
        each.absorb(histogram)
    at_once.merge_all(
        (histogram.pairs(), histogram.sum_us, histogram.min_us, histogram.max_us)
        for histogram in written
    )
    assert state(at_once) == state(each)


def test_merging_many_does_not_count_one_by_one_what_is_many() -> None:
    """A count of 2^53 is added, not counted to."""
    histogram = Histogram()
    histogram.merge_all([([7, 2**53], 7 * 2**53, 7, 7), ([7, 1], 7, 7, 7)])
    assert histogram.counts == {7: 2**53 + 1}
    assert histogram.n == 2**53 + 1


@given(samples, samples, durations)
def test_what_lies_from_a_bucket_on_is_counted_anew_as_more_comes(
    first: list[int], more: list[int], value_us: int
) -> None:
    """What was asked before does not hide what was added since."""
    bucket = buckets.index(value_us)
    histogram = Histogram.of(first)
    assert histogram.from_bucket(bucket) == sum(buckets.index(one) >= bucket for one in first)
    histogram.absorb(Histogram.of(more))
    every = first + more
    assert histogram.from_bucket(bucket) == sum(buckets.index(one) >= bucket for one in every)
    assert histogram.quantile(P95_PPM) == Histogram.of(every).quantile(P95_PPM)
