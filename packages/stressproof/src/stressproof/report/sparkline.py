"""A value over time in one line of a terminal."""

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_MOST = 60
_LEAST = 10


def bars(values: Sequence[int | None]) -> str:
    """Return a bar for each value, from the lowest of them to the highest; a blank for None."""
    known = [value for value in values if value is not None]
    low, steps = min(known, default=0), len(_BARS) - 1
    height = max(known, default=0) - low or 1
    return "".join(
        " " if value is None else _BARS[round(steps * (value - low) / height)] for value in values
    )


def columns_within(width: int | None, beside: int) -> int:
    """Return how many bars fit into a terminal, beside so many other characters."""
    return _MOST if width is None else min(_MOST, max(_LEAST, width - beside))
