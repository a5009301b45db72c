"""The order of requests: by weight, decided by a seed, the same on every Python and machine.

What `random` makes of a seed beyond `random()` may change with any version of Python; an order that
is to be computed again from evidence needs a generator and a shuffle of its own.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, cycle
from math import gcd

from stressproof.errors import UsageError

MAX_PASS = 100_000
"""Requests of one pass through the weights."""

_AT_LEAST = 1024
_STEP = 1024  # between the places of a period up to which counts are kept
_WORD = 2**64


def word(seed: int, number: int) -> int:
    """Return the number of 64 bits that a seed gives to place ``number``, from 0.

    SplitMix64 (Steele, Lea, Flood: OOPSLA 2014, figure 17), whose state only counts.
    """
    mixed = (seed + (number + 1) * 0x9E3779B97F4A7C15) % _WORD
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % _WORD
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % _WORD
    return mixed ^ mixed >> 31


def order_seed(seed: int, scenario: int, worker: int = 0) -> int:
    """Return the seed of the order in which a worker takes the items of a scenario (by position).

    What workers add never reaches the next scenario's.
    """
    return seed + (scenario << 32) + worker


class WeightedOrder:
    """The endless order of requests to endpoints, each named by its position.

    Every whole run through the weights holds each endpoint exactly ``weight`` times (divided by
    their greatest common divisor), so shares are exact in the long run and close in the short.

    Args:
        weights: Of each endpoint, at least 1.
        seed: Decides the order; any integer.

    Raises:
        UsageError: A pass would hold more than `MAX_PASS` requests.
    """

    def __init__(self, weights: Sequence[int], seed: int) -> None:
        demand_pass(weights)
        divisor = gcd(*weights)
        once = [at for at, weight in enumerate(weights) for _ in range(weight // divisor)]
        words = map(partial(word, seed), count())
        self._endpoints = len(weights)
        self._period: list[int] = []
        self._kept: list[list[int]] = []
        for _ in range(-(-_AT_LEAST // len(once))):
            # Fisher and Yates, from the end.
            for last in range(len(once) - 1, 0, -1):
                at = next(words) % (last + 1)
                once[at], once[last] = once[last], once[at]
            self._period += once

    def __iter__(self) -> Iterator[int]:
        return cycle(self._period)

    def counts(self, requests: int) -> list[int]:
        """Return how many of the first so many requests go to each endpoint."""
        whole, rest = divmod(requests, len(self._period))
        counts = [whole * each for each in self._up_to(len(self._period))]
        return [one + more for one, more in zip(counts, self._up_to(rest), strict=True)]

    def _up_to(self, place: int) -> list[int]:
        """Return how often each endpoint comes up before a place of the period."""
        if not self._kept:
            self._kept = [[0] * self._endpoints]
            for begin in range(0, len(self._period), _STEP):
                self._kept.append(self._counted(self._kept[-1], begin, begin + _STEP))
        return self._counted(self._kept[place // _STEP], place // _STEP * _STEP, place)

    def _counted(self, before: list[int], begin: int, end: int) -> list[int]:
        counts = before.copy()
        for at in self._period[begin:end]:
            counts[at] += 1
        return counts


def pass_length(weights: Sequence[int]) -> int:
    """Return how many requests one pass through the weights holds; all must be at least 1."""
    return sum(weights) // gcd(*weights)


def demand_pass(weights: Sequence[int]) -> None:
    """Demand weights whose pass is short enough to be ordered.

    Raises:
        UsageError: It holds more than `MAX_PASS` requests.
    """
    requests = pass_length(weights)
    if requests > MAX_PASS:
        raise UsageError(
            f"the weights make a pass of {requests} requests, expected at most {MAX_PASS}",
            hint="give the endpoints smaller weights, in the same proportions",
        )
