"""From values to places on a chart, and the ticks between."""

from collections.abc import Sequence
from math import ceil, floor, log10

from msgspec import Struct

_STEPS = (1.0, 2.0, 5.0, 10.0)
_TICKS = 5
_LOG_FROM = 30.0
"""Of values that lie so many times apart, a linear scale shows the greatest alone."""


class Scale(Struct, frozen=True):
    """A line of values.

    Attributes:
        low: Its first value.
        high: Its last, above the first.
        ticks: Values between that are named.
        logarithmic: Whether equal distances are equal ratios.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 to 1; what lies outside is put at the end."""
        if self.logarithmic:
            value = max(value, self.low)
            found = log10(value / self.low) / log10(self.high / self.low)
        else:
            found = (value - self.low) / (self.high - self.low)
        return min(max(found, 0.0), 1.0)


def linear(high: float, low: float = 0.0) -> Scale:
    """Return a scale up to the first round value at or above a value."""
    wide = max(high - low, 1e-9)
    power = 10 ** floor(log10(wide / _TICKS))
    step = next(power * one for one in _STEPS if power * one * _TICKS >= wide * (1 - 1e-9))
    steps = max(ceil(wide / step - 1e-9), 1)
    ticks = tuple(round(low + step * at, 9) for at in range(steps + 1))
    return Scale(low, ticks[-1], ticks)


def logarithmic(low: float, high: float) -> Scale:
    """Return a scale over whole powers of ten around two values above 0."""
    first, last = floor(log10(low)), ceil(log10(high) - 1e-9)
    last = max(last, first + 1)
    ticks = tuple(10.0**power for power in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks, logarithmic=True)


def fitting(values: Sequence[float]) -> Scale:
    """Return a scale from 0, or one of ratios where the values differ by more than a chart shows.

    Args:
        values: At least 0; what is 0 has no place on a scale of ratios but its beginning.
    """
    positive = [value for value in values if value > 0]
    high = max(positive, default=1.0)
    low = min(positive, default=1.0)
    return logarithmic(low, high) if high > _LOG_FROM * low else linear(high)
