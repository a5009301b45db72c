"""When: pure functions of elapsed time and count, in integers, without a clock.

Time is in whole microseconds and rates in thousandths of an arrival a second. Arrivals add up in
half-billionths of one (a rate in 1/1000 s⁻¹ times a time in µs counts 10⁻⁹ arrivals; the half
makes the mean of two rates exact), so nothing is ever rounded away: arrivals of adjoining intervals
sum to those of the whole, and the share of each worker sums to all.
"""

from collections.abc import Sequence
from math import isqrt

_UNIT = 2_000_000_000  # one arrival


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
    """One straight line of the rate, with the arrivals (in units) before it."""

    __slots__ = ("before", "duration_us", "end_rate", "from_us", "rate", "total")

    def __init__(self, from_us: int, before: int, duration_us: int, rates: tuple[int, int]) -> None:
        self.from_us = from_us
        self.before = before
        self.duration_us = duration_us
        self.rate, self.end_rate = rates
        self.total = before + (self.rate + self.end_rate) * duration_us

    def units(self, at_us: int) -> int:
        """Return the arrivals until ``at_us`` after the line's start, in units."""
        rise = (self.end_rate - self.rate) * at_us * at_us // self.duration_us
        return self.before + 2 * self.rate * at_us + rise

    def first(self, units: int) -> int:
        """Return the first microsecond of the line at which ``units`` have arrived."""
        missing = units - self.before
        if missing <= 0:
            return 0
        if self.rate == self.end_rate:
            return -(-missing // (2 * self.rate))
        # The root of rise·t²/T + 2·rate·t = missing, then exact by trying its neighbours.
        rise = self.end_rate - self.rate
        root = isqrt(max(self.rate**2 + missing * rise // self.duration_us, 0))
        at_us = min(max((root - self.rate) * self.duration_us // rise, 0), self.duration_us)
        return self._settle(at_us, units)

    def _settle(self, guess_us: int, units: int) -> int:
        """Return the first microsecond that reaches ``units``, by bisection near a guess."""
        step = 1
        while guess_us > 0 and self.units(guess_us) >= units:
            guess_us = max(guess_us - step, 0)
            step *= 2
        low, step = guess_us, 1
        high = low
        while self.units(high) < units:
            low, high = high, min(high + step, self.duration_us)
            step *= 2
        while low < high:
            middle = (low + high) // 2
            if self.units(middle) >= units:
                high = middle
            else:
                low = middle + 1
        return high


class RatePacer:
    """When each arrival is due, through straight lines between rates; the first is due at 0.

    Args:
        start: Rate at time 0, in thousandths of an arrival a second.
        steps: ``(duration_us, rate)``, one after the other. After the last nothing arrives.

    Attributes:
        duration_us: The time of all steps.
        total: Arrivals in that time.
    """

    def __init__(self, start: int, steps: Sequence[tuple[int, int]]) -> None:
        self._lines: list[_Line] = []
        at_us = units = 0
        rate = start
        for duration_us, target in steps:
            if duration_us > 0:
                self._lines.append(_Line(at_us, units, duration_us, (rate, target)))
                at_us, units = at_us + duration_us, self._lines[-1].total
            rate = target
        self.duration_us = at_us
        # Strictly before the end: an arrival that is due at the end belongs to what follows.
        self.total = -(-units // _UNIT)
        self._line = 0

    def due(self, elapsed_us: int) -> int:
        """Return how many arrivals are due by ``elapsed_us``, that moment included."""
        if elapsed_us < 0:
            return 0
        for line in self._lines:
            at_us = elapsed_us - line.from_us
            if at_us < line.duration_us:
                return min(line.units(at_us) // _UNIT + 1, self.total)
        return self.total

    def due_us(self, number: int) -> int | None:
        """Return the microsecond at which arrival ``number`` (from 0) is due, None if it is not."""
        if number >= self.total:
            return None
        units = number * _UNIT
        lines = self._lines
        # Callers ask in ascending order, so the line found last is nearly always the right one.
        if lines[self._line].before >= units:
            self._line = 0
        while lines[self._line].total < units:
            self._line += 1
        line = lines[self._line]
        return line.from_us + line.first(units)


def constant(rate: int, duration_us: int) -> RatePacer:
    """Return evenly spaced arrivals; ``rate`` in thousandths a second."""
    return RatePacer(rate, [(duration_us, rate)])


def ramp_up(rate: int, duration_us: int) -> RatePacer:
    """Return arrivals that rise from none to ``rate`` (in thousandths a second)."""
    return RatePacer(0, [(duration_us, rate)])
