"""A sparse histogram of microseconds that merges without loss."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Self

from stressproof.measure import buckets

WHOLE_PPM = 1_000_000


class Histogram:
    """Counts per bucket, with the exact number, sum, minimum and maximum beside them.

    Merging is associative and commutative, and a merge equals recording everything into one.

    Attributes:
        counts: Values seen per bucket (see `buckets`), only for buckets that have any.
        n: Values recorded.
        sum_us: Their exact sum in microseconds.
        min_us: The exact minimum, None while empty.
        max_us: The exact maximum, None while empty.
    """

    __slots__ = ("_ranked", "counts", "max_us", "min_us", "n", "sum_us")

    def __init__(self) -> None:
        self._ranked: tuple[int, list[int], list[int]] = (0, [], [])
        self.counts: dict[int, int] = {}
        self.n = 0
        self.sum_us = 0
        self.min_us: int | None = None
        self.max_us: int | None = None

    @classmethod
    def of(cls, values_us: Iterable[int]) -> Self:
        """Return a histogram of the given values in microseconds."""
        histogram = cls()
        for value_us in values_us:
            histogram.record(value_us)
        return histogram

    def record(self, value_us: int) -> None:
        """Count one value, clamped to `buckets.MAX_US`.

        Raises:
            ValueError: The value is negative: time does not run backwards.
        """
        if value_us < 0:
            raise ValueError(f"a duration cannot be negative: {value_us} µs")
        value_us = min(value_us, buckets.MAX_US)
        bucket = buckets.index(value_us)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.n += 1
        self.sum_us += value_us
        self.min_us = value_us if self.min_us is None else min(self.min_us, value_us)
        self.max_us = value_us if self.max_us is None else max(self.max_us, value_us)

    def merge(
        self, pairs: Sequence[int], sum_us: int, min_us: int | None, max_us: int | None
    ) -> None:
        """Add what another histogram wrote down: its `pairs`, sum, minimum and maximum."""
        counts = self.counts
        added = pairs[1::2]
        for bucket, count in zip(pairs[::2], added, strict=True):
            counts[bucket] = counts.get(bucket, 0) + count
        self.n += sum(added)
        self.sum_us += sum_us
        self._extend(min_us, max_us)

    def merge_all(self, parts: Iterable[tuple[Sequence[int], int, int | None, int | None]]) -> None:
        """Add what many histograms wrote down; as `merge` for each, several times faster.

        Args:
            parts: Each as the arguments of `merge`.
        """
        written = list(zip(*parts, strict=True))
        if not written:
            return
        listed, sums_us, least_us, most_us = written
        counted = Counter(self.counts)
        # Most buckets of a second hold one value: counting those runs in C.
        counted.update(chain.from_iterable([pairs[::2] for pairs in listed]))
        for pairs in listed:
            added = pairs[1::2]
            n = sum(added)
            self.n += n
            if n != len(added):
                for bucket, count in zip(pairs[::2], added, strict=True):
                    if count != 1:
                        counted[bucket] += count - 1
        self.counts = counted
        self.sum_us += sum(sums_us)
        self._extend(
            min((value for value in least_us if value is not None), default=None),
            max((value for value in most_us if value is not None), default=None),
        )

    def absorb(self, other: "Histogram") -> None:
        """Add everything that another histogram holds."""
        counts = self.counts
        if counts:
            for bucket, count in other.counts.items():
                counts[bucket] = counts.get(bucket, 0) + count
        else:
            counts.update(other.counts)
        self.n += other.n
        self.sum_us += other.sum_us
        self._extend(other.min_us, other.max_us)

    def _extend(self, min_us: int | None, max_us: int | None) -> None:
        """Take in the extremes of what was added, None of nothing."""
        if min_us is not None:
            self.min_us = min_us if self.min_us is None else min(self.min_us, min_us)
        if max_us is not None:
            self.max_us = max_us if self.max_us is None else max(self.max_us, max_us)

    def pairs(self) -> list[int]:
        """Return ``[bucket, count, …]``, flat and by ascending bucket: the form on disk."""
        return [number for pair in sorted(self.counts.items()) for number in pair]

    @property
    def mean_us(self) -> int:
        """The mean in whole microseconds, rounded down; 0 where nothing was recorded."""
        return self.sum_us // max(self.n, 1)

    def quantile(self, ppm: int) -> int | None:
        """Return the value in microseconds at a quantile, None where nothing was recorded.

        Nearest rank (the smallest value with at least the asked share at or below it), as the
        highest value equivalent to its bucket, never above the exact maximum. It is a value of a
        bucket, not an interpolation between two.

        Args:
            ppm: The share in parts per million: 950_000 is the 95th percentile.

        Raises:
            ValueError: The share is not within 0 to 1_000_000.
        """
        return self.quantiles((ppm,))[0]

    def quantiles(self, ppms: Sequence[int]) -> list[int | None]:
        """Return `quantile` for several ascending shares in one pass."""
        if any(not 0 <= ppm <= WHOLE_PPM for ppm in ppms) or list(ppms) != sorted(ppms):
            raise ValueError(f"quantiles must ascend within 0 to 1_000_000 ppm: {list(ppms)}")
        if self.max_us is None or not self.counts:
            return [None] * len(ppms)
        ascending, at_or_below = self._in_order()
        ranks = [max(-(-ppm * self.n // WHOLE_PPM), 1) for ppm in ppms]
        found = [ascending[bisect_left(at_or_below, rank)] for rank in ranks]
        return [min(buckets.highest(bucket), self.max_us) for bucket in found]

    def from_bucket(self, bucket: int) -> int:
        """Return how many values lie in a bucket or above it."""
        ascending, at_or_below = self._in_order()
        first = bisect_left(ascending, bucket)
        return self.n - (at_or_below[first - 1] if first else 0)

    def _in_order(self) -> tuple[list[int], list[int]]:
        """Return the filled buckets, and how many values lie in or below each; n tells if anew."""
        if self._ranked[0] != self.n:
            ascending = sorted(self.counts)
            at_or_below = list(accumulate(map(self.counts.__getitem__, ascending)))
            self._ranked = self.n, ascending, at_or_below
        return self._ranked[1:]


P50_PPM = 500_000
P90_PPM = 900_000
P95_PPM = 950_000
P99_PPM = 990_000
P999_PPM = 999_000

SAMPLES_FOR = {P95_PPM: 59, P99_PPM: 299, P999_PPM: 2995}
"""Fewest samples from which a quantile has an upper bound at 95 % confidence: ln 0.05 / ln q."""
