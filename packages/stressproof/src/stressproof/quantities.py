"""Quantities as people read them: latencies in milliseconds, spans in seconds, everywhere."""

from collections.abc import Sequence

NO_DATA = "no data"
_US_PER_MS = 1000
_US_PER_S = 1_000_000
_WHOLE_FROM = 100
"""From here on, three digits are there without decimals."""


def _digits(value: float) -> str:
    """Return a number with three significant digits, or all before the point."""
    if value >= _WHOLE_FROM or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def latency(us: int | None) -> str:
    """Return a latency in milliseconds."""
    return NO_DATA if us is None else f"{_digits(us / _US_PER_MS)} ms"


def latency_of_seconds(seconds: float | None) -> str:
    """Return a latency that is held in seconds, in milliseconds."""
    return NO_DATA if seconds is None else latency(round(seconds * _US_PER_S))


def span(us: int | None) -> str:
    """Return how long something lasted, in seconds."""
    return NO_DATA if us is None else f"{us / _US_PER_S:,.2f} s"


def rate(per_second: float | None) -> str:
    """Return how often something happened."""
    return NO_DATA if per_second is None else f"{_digits(per_second)}/s"


def percent(value: float | None) -> str:
    """Return a share that is held in per cent."""
    return NO_DATA if value is None else f"{value:.3g} %"


def share(part: int, whole: int) -> str:
    """Return a part of a whole in per cent; a part that is there is never shown as 0."""
    return NO_DATA if not whole else percent(100 * part / whole)


def count(number: int) -> str:
    """Return how many there are."""
    return f"{number:,}"


def count_of(number: int, what: str) -> str:
    """Return how many there are of what is called so: ``1 round``, ``2 rounds``."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def listed(words: Sequence[str], most: int = 4) -> str:
    """Return words as a list in a sentence, cut where it would be too long to read."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")


def measured(value: float | None, unit: str) -> str:
    """Return a figure that is held in a unit: times in milliseconds, as everywhere."""
    if value is None:
        return "not known"
    if unit == "s":
        return latency_of_seconds(value)
    if unit == "1/s":
        return rate(value)
    if isinstance(value, int):
        return f"{value:,} {unit.removesuffix('s') if value == 1 else unit}"
    return f"{value:g} {unit}"


def held_against(limit: str, unit: str) -> str:
    """Return a limit such as ``<= 2`` with the unit of what it is held against."""
    comparison, _, number = limit.partition(" ")
    if not number:
        return limit
    value = float(number)
    return f"{comparison} {measured(int(value) if value.is_integer() else value, unit)}"
