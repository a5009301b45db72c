"""When: pure functions of elapsed time and count, in integers, without a clock.

Time is in whole microseconds, and a rate is a whole number of arrivals over a time unit. What has
arrived adds up in integers (a rate times a time, twice, so that the mean of two rates is exact):
nothing is ever rounded away, arrivals of adjoining intervals sum to those of the whole, and the
share of each worker sums to all.

An arrival is due in the microsecond within which what has arrived grows past its number: the first
of a constant rate at once, none while the rate is 0.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import isqrt

US_PER_S = 1_000_000


def share(total: int, worker: int, workers: int) -> int:
    """Return how many of ``total`` numbered things belong to one worker.

    Number ``n`` belongs to worker ``n % workers``.
    """
    return (total - worker + workers - 1) // workers


class UserPacer:
    """How many users are active at a time, through straight lines between levels.

    Args:
        start: Users at time 0.
        steps: ``(duration_us, target)``, one after the other; the last target holds from then on.
    """

    def __init__(self, start: int, steps: Sequence[tuple[int, int]]) -> None:
        self._start = start
        self._steps = list(steps)

    def users(self, elapsed_us: int) -> int:
        """Return the number of users: the last of a rising line starts before its end."""
        level = self._start
        for duration_us, target in self._steps:
            if elapsed_us < duration_us:
                return level - (level - target) * elapsed_us // duration_us
            elapsed_us -= duration_us
            level = target
        return level


class _Line:
    """One straight line of the rate, with what has arrived before it, doubled."""

    __slots__ = ("before", "duration_us", "end_rate", "from_us", "rate", "total")

    def __init__(self, from_us: int, before: int, duration_us: int, rates: tuple[int, int]) -> None:
        self.from_us = from_us
        self.before = before
        self.duration_us = duration_us
        self.rate, self.end_rate = rates
        self.total = before + (self.rate + self.end_rate) * duration_us

    def grown(self, at_us: int) -> int:
        """Return what has arrived of the line until ``at_us`` after its start, times its length."""
        rise = self.end_rate - self.rate
        return (2 * self.rate * self.duration_us + rise * at_us) * at_us

    def first(self, arrived: int) -> int:
        """Return the first microsecond of the line within which more than ``arrived`` has."""
        missing = arrived - self.before
        if self.rate == self.end_rate:
            return missing // (2 * self.rate)
        # Near the root of rise·t²/T + 2·rate·t = missing; then exact by trying its neighbours.
        rise = self.end_rate - self.rate
        root = isqrt(max(self.rate**2 + missing * rise // self.duration_us, 0))
        at_us = min(max((root - self.rate) * self.duration_us // rise, 1), self.duration_us)
        return self._settle(at_us, missing * self.duration_us) - 1

    def _settle(self, guess_us: int, grown: int) -> int:
        """Return the first moment at which more than ``grown`` has, by bisection near a guess."""
        step = 1
        while guess_us > 0 and self.grown(guess_us) > grown:
            guess_us = max(guess_us - step, 0)
            step *= 2
        low, step = guess_us, 1
        high = low
        while self.grown(high) <= grown:
            low, high = high, min(high + step, self.duration_us)
            step *= 2
        while low < high:
            middle = (low + high) // 2
            if self.grown(middle) > grown:
                high = middle
            else:
                low = middle + 1
        return high


class RatePacer:
    """When each arrival is due, through straight lines between rates.

    Args:
        start: Rate at time 0, in arrivals over the time unit.
        steps: ``(duration_us, rate)``, one after the other. After the last nothing arrives.
        time_unit_us: What the rates are over.

    Attributes:
        duration_us: The time of all steps.
        total: Arrivals in that time.
    """

    def __init__(
        self, start: int, steps: Sequence[tuple[int, int]], time_unit_us: int = US_PER_S
    ) -> None:
        self._lines: list[_Line] = []
        self._one = 2 * time_unit_us
        at_us = arrived = 0
        rate = start
        for duration_us, target in steps:
            if duration_us > 0:
                self._lines.append(_Line(at_us, arrived, duration_us, (rate, target)))
                at_us, arrived = at_us + duration_us, self._lines[-1].total
            rate = target
        self.duration_us = at_us
        self.total = -(-arrived // self._one)
        self._line = 0

    def due(self, elapsed_us: int) -> int:
        """Return how many arrivals are due by ``elapsed_us``, that microsecond included."""
        if elapsed_us < 0:
            return 0
        if elapsed_us >= self.duration_us:
            return self.total
        line = self._lines[bisect_right(self._lines, elapsed_us, key=lambda one: one.from_us) - 1]
        arrived = line.before * line.duration_us + line.grown(elapsed_us + 1 - line.from_us)
        return -(-arrived // (self._one * line.duration_us))

    def due_us(self, number: int) -> int | None:
        """Return the microsecond at which arrival ``number`` (from 0) is due, None if it is not."""
        if number >= self.total:
            return None
        arrived = number * self._one
        lines = self._lines
        # Callers ask in ascending order, so the line found last is nearly always the right one.
        if lines[self._line].before > arrived:
            self._line = 0
        while lines[self._line].total <= arrived:
            self._line += 1
        line = lines[self._line]
        return line.from_us + line.first(arrived)


def constant(rate: int, duration_us: int, time_unit_us: int = US_PER_S) -> RatePacer:
    """Return evenly spaced arrivals."""
    return RatePacer(rate, [(duration_us, rate)], time_unit_us)


def ramp_up(rate: int, duration_us: int, time_unit_us: int = US_PER_S) -> RatePacer:
    """Return arrivals that rise from none to a rate."""
    return RatePacer(0, [(duration_us, rate)], time_unit_us)
