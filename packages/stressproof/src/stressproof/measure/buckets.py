"""The bucket layout: log-linear over microseconds, three significant digits.

It is the layout of HdrHistogram with 2048 sub-buckets and a unit of 1 µs. Values below 2048 have a
bucket each; above, every power of two is split into 1024 buckets, so a bucket is never wider than
1/1024 of the values in it.
"""

from collections.abc import Sequence
from functools import cache
from operator import mul

SUB_BUCKETS = 1024
_SUB_BITS = SUB_BUCKETS.bit_length()  # 11: the bits that a bucket index keeps of a value

MAX_US = 2**36 - 1
"""The largest value that can be recorded, about 19 hours; recorders clamp to it."""


def index(value_us: int) -> int:
    """Return the bucket of a value in microseconds; ``value_us`` must not be negative."""
    shift = max(value_us.bit_length() - _SUB_BITS, 0)
    return shift * SUB_BUCKETS + (value_us >> shift)


def lowest(bucket: int) -> int:
    """Return the smallest value in microseconds that falls into a bucket."""
    shift = max(bucket // SUB_BUCKETS - 1, 0)
    return (bucket - shift * SUB_BUCKETS) << shift


def highest(bucket: int) -> int:
    """Return the largest value in microseconds that falls into a bucket."""
    shift = max(bucket // SUB_BUCKETS - 1, 0)
    return ((bucket - shift * SUB_BUCKETS + 1) << shift) - 1


MAX_INDEX = index(MAX_US)
"""The last bucket that exists."""


def least_sum(filled: Sequence[int], counts: Sequence[int]) -> int:
    """Return the least sum in microseconds that filled buckets allow.

    The greatest is above it by 1/1024 at most, and below 2048 µs by nothing.

    Args:
        filled: Buckets.
        counts: How many values each of them holds.
    """
    return sum(map(mul, map(_lowest_values().__getitem__, filled), counts))


@cache
def _lowest_values() -> list[int]:
    """Return `lowest` of every bucket: a table, for those who ask for very many."""
    values = list(range(SUB_BUCKETS))
    for shift in range(MAX_INDEX // SUB_BUCKETS):
        values += range(SUB_BUCKETS << shift, 2 * SUB_BUCKETS << shift, 1 << shift)
    return values
