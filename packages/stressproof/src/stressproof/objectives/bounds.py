"""Confidence bounds that assume nothing of a distribution: order statistics and binomials.

A quantile's bounds are two of the samples themselves, chosen so that the true quantile lies beyond
them with at most the given probability (W. J. Conover, *Practical Nonparametric Statistics*, 3.2).
A difference between two groups of rounds is bounded by order statistics of all pairwise ratios
(Moses; M. Hollander and D. A. Wolfe, *Nonparametric Statistical Methods*, 4.3). Everything is
deterministic: equal inputs give equal bounds.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

from stressproof.measure import buckets
from stressproof.measure.histogram import WHOLE_PPM, Histogram

CONFIDENCE = Fraction(95, 100)
"""Each bound holds with at least this probability, where nothing else is said."""

_NEGLIGIBLE = 1e-18
_CLOSE_ENOUGH = 60
"""Halvings of an interval between 0 and 1: finer than a double."""


@lru_cache(maxsize=4096)
def samples_for(ppm: int) -> int:
    """Return the fewest samples that bound a quantile at 95 %: ``ln 0.05 / ln q``, rounded up.

    A low quantile is bounded from below as hardly as the opposite high one from above.
    """
    share = max(ppm, WHOLE_PPM - ppm)
    if share == WHOLE_PPM:
        return 1  # the extremes themselves claim nothing beyond what was seen
    return math.ceil(math.log(1 - float(CONFIDENCE)) / math.log(share / WHOLE_PPM))


def binomial_at_most(successes: int, n: int, p: float) -> float:
    """Return P(X <= successes) of a binomial distribution.

    Summed from the side with fewer terms that matter; terms fall geometrically away from the mean,
    so a few standard deviations of them suffice for any n.
    """
    if successes < 0:
        return 0.0
    if successes >= n:
        return 1.0
    if p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    if successes <= n * p:
        return _tail(successes, n, p, -1)
    return 1.0 - _tail(successes + 1, n, p, 1)


def _tail(first: int, n: int, p: float, step: int) -> float:
    log_term = (
        math.lgamma(n + 1)
        - math.lgamma(first + 1)
        - math.lgamma(n - first + 1)
        + first * math.log(p)
        + (n - first) * math.log1p(-p)
    )
    term = math.exp(log_term)
    total = 0.0
    odds = p / (1 - p)
    k = first
    while 0 <= k <= n:
        total += term
        if term < total * _NEGLIGIBLE:
            break
        term *= (n - k) / (k + 1) * odds if step > 0 else k / (n - k + 1) / odds
        k += step
    return min(total, 1.0)


@lru_cache(maxsize=4096)
def quantile_ranks(n: int, ppm: int, alpha: float) -> tuple[int | None, int | None]:
    """Return the ranks (from 1) whose samples bound a quantile, None where n is too small.

    Args:
        n: Samples.
        ppm: The quantile in parts per million.
        alpha: The probability with which each bound may be wrong.
    """
    q = ppm / WHOLE_PPM
    # Lower: the largest r with P(X_(r) > Q) <= P(Bin <= r - 1) <= alpha.
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        if binomial_at_most(middle - 1, n, q) <= alpha:
            low = middle
        else:
            high = middle - 1
    lower = low or None
    # Upper: the smallest r with P(X_(r) < Q) <= P(Bin >= r) <= alpha.
    low, high = 1, n + 1
    while low < high:
        middle = (low + high) // 2
        if 1.0 - binomial_at_most(middle - 1, n, q) <= alpha:
            high = middle
        else:
            low = middle + 1
    return lower, low if low <= n else None


def quantile_bounds(
    histogram: Histogram, ppm: int, alpha: float = float(1 - CONFIDENCE)
) -> tuple[int, int] | None:
    """Return microseconds between which a quantile lies, None where there are too few samples.

    The lower bound is a bucket's lowest value and the upper its highest, so that the width of
    buckets is inside the interval.
    """
    lower, upper = quantile_ranks(histogram.n, ppm, alpha)
    if lower is None or upper is None:
        return None
    return histogram_rank(histogram, lower)[0], histogram_rank(histogram, upper)[1]


def histogram_rank(histogram: Histogram, rank: int) -> tuple[int, int]:
    """Return the least and the greatest that the sample of a rank (from 1) can be.

    Raises:
        ValueError: There is no such rank.
    """
    below = 0
    for bucket, count in sorted(histogram.counts.items()):
        below += count
        if below >= rank:
            return (
                max(buckets.lowest(bucket), histogram.min_us or 0),
                min(buckets.highest(bucket), histogram.max_us or 0),
            )
    raise ValueError(f"there is no rank {rank} among {histogram.n} samples")


def share_bounds(
    successes: int, n: int, alpha: float = float(1 - CONFIDENCE)
) -> tuple[float, float]:
    """Return the Clopper-Pearson bounds of a share, each wrong with at most alpha."""
    lower = (
        0.0
        if successes == 0
        else _solve(lambda p: 1 - binomial_at_most(successes - 1, n, p) > alpha)
    )
    upper = 1.0 if successes == n else _solve(lambda p: binomial_at_most(successes, n, p) <= alpha)
    return lower, upper


def _solve(holds: Callable[[float], bool]) -> float:
    """Return the smallest share from which on something holds."""
    low, high = 0.0, 1.0
    for _ in range(_CLOSE_ENOUGH):
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=256)
def rank_sum_tail(a: int, b: int) -> tuple[Fraction, ...]:
    """Return P(U <= u) for u = 0, 1, … of the Mann-Whitney statistic of groups of a and b.

    The number of arrangements with each u is a coefficient of the Gaussian binomial
    ``(a + b choose a)`` in x, built up factor by factor.
    """
    size = a * b
    counts = [1] + [0] * size
    for i in range(1, a + 1):
        for u in range(size, b + i - 1, -1):
            counts[u] -= counts[u - b - i]
        for u in range(i, size + 1):
            counts[u] += counts[u - i]
    whole = math.comb(a + b, a)
    total = 0
    tail = []
    for count in counts:
        total += count
        tail.append(Fraction(total, whole))
    return tuple(tail)


def ratio_bounds(
    before: Sequence[Fraction], after: Sequence[Fraction], alpha: float
) -> tuple[Fraction, Fraction] | None:
    """Return bounds of how many times larger ``after`` is, None where there are too few rounds.

    Args:
        before: One positive figure a round.
        after: Likewise.
        alpha: The probability with which each bound may be wrong.
    """
    tail = rank_sum_tail(len(before), len(after))
    # The k-th smallest ratio exceeds the true one with probability P(U <= k - 1).
    cut = sum(1 for probability in tail if probability <= alpha)
    if cut == 0:
        return None
    ratios = sorted(y / x for x in before for y in after)
    return ratios[cut - 1], ratios[len(ratios) - cut]
