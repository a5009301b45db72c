"""The bucket layout: log-linear over microseconds, three significant digits.

It is the layout of HdrHistogram with 2048 sub-buckets and a unit of 1 µs. Values below 2048 have a
bucket each; above, every power of two is split into 1024 buckets, so a bucket is never wider than
1/1024 of the values in it.
"""

from bisect import bisect_left
from collections.abc import Sequence
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


def bounds(ascending: Sequence[int], counts: Sequence[int]) -> tuple[int, int]:
    """Return the least and the greatest sum in microseconds that filled buckets allow.

    Buckets of one power of two are as wide as each other, so that each power takes one step.

    Args:
        ascending: Buckets, each once.
        counts: How many values each of them holds.
    """
    least = most = position = 0
    while position < len(ascending):
        shift = max(ascending[position] // SUB_BUCKETS - 1, 0)
        end = bisect_left(ascending, (shift + 2) * SUB_BUCKETS, position)
        part = counts[position:end]
        n = sum(part)
        weighted = sum(map(mul, ascending[position:end], part))
        low = (weighted - shift * SUB_BUCKETS * n) << shift
        least += low
        most += low + ((1 << shift) - 1) * n
        position = end
    return least, most
