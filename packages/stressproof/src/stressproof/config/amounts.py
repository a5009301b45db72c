"""Amounts as a file writes them: what they are, or why they are none."""

import re
from typing import TYPE_CHECKING

from stressproof.config.objective_amounts import share_of
from stressproof.errors import UsageError
from stressproof.objectives.syntax import ExpressionError
from stressproof.workload.rates import duration_text, parse_duration_us, parse_rate
from stressproof.workload.scenarios import Span

if TYPE_CHECKING:
    from stressproof.config.mistakes import Mistakes
    from stressproof.config.positions import Place

LEAST_RATE, MOST_RATE = 1, 1000
_PPM = 1_000_000
_BYTES = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)", re.ASCII)
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_ZERO = re.compile(r"0+(?:us|ms|s|m|h)?")


def duration_us(text: str | None) -> int | None:
    """Return a time in whole microseconds; ``0s`` is one, too.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    return 0 if _ZERO.fullmatch(text) else round(parse_duration_us(text))


def span_of(text: str | None) -> Span | None:
    """Return ``1s..3s`` or ``2s`` as a time from least to most.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    least, dots, most = text.partition("..")
    first = duration_us(least.strip()) or 0
    return Span(first, (duration_us(most.strip()) or 0) if dots else first)


def time_us(text: str, least_us: int, most_us: int) -> int:
    """Return a time in microseconds.

    Raises:
        UsageError: It is none, or out of bounds.
    """
    found = duration_us(text) or 0
    if not least_us <= found <= most_us:
        least, most = duration_text(least_us), duration_text(most_us)
        raise UsageError(f"{text} is out of bounds", hint=f"Write {least} to {most}.")
    return found


def time_or_least(
    mistakes: "Mistakes", path: "Place", text: str, least_us: int, most_us: int
) -> int:
    """Return a time; the least, and a note of it, where it is none or out of bounds."""
    found = mistakes.attempt(path, time_us, text, least_us, most_us)
    return least_us if found is None else found


def rate_per_s(text: str | float, least: int = LEAST_RATE, most: int = MOST_RATE) -> int:
    """Return a rate in whole arrivals a second: evidence holds each to the microsecond.

    Raises:
        UsageError: It is none, or out of bounds.
    """
    found = parse_rate(str(text))
    if found.denominator != 1 or not least <= found <= most:
        raise UsageError(
            f"{text} is no rate of failures",
            hint=f"Write whole arrivals a second, {least}/s to {most}/s.",
        )
    return int(found)


def share_ppm(text: str, least: int = 0, most: int = _PPM) -> int:
    """Return a share in millionths.

    Raises:
        UsageError: It is none, or out of bounds.
    """
    try:
        found = share_of(text) * _PPM
    except ExpressionError as error:
        raise UsageError(f"{text!r} is no share in per cent", hint="Such as 99.5%.") from error
    if found.denominator != 1 or not least <= found <= most:
        bounds = f"{least / 10_000:g}% to {most / 10_000:g}%"
        raise UsageError(f"{text} is out of bounds", hint=f"Write {bounds}.")
    return int(found)


def size_bytes(text: str, least: int, most: int) -> int:
    """Return a size in bytes.

    Raises:
        UsageError: It is none, or out of bounds.
    """
    match = _BYTES.fullmatch(text)
    found = int(match[1]) * _UNITS[match[2]] if match else -1
    if not least <= found <= most:
        bounds = f"{size_text(least)} to {size_text(most)}"
        raise UsageError(f"{text!r} is no size from {bounds}", hint="Such as 160MiB.")
    return found


def size_text(size: int) -> str:
    """Return a size as it is written, in the largest unit that does."""
    unit = next(name for name, many in reversed(_UNITS.items()) if size % many == 0)
    return f"{size // _UNITS[unit]}{unit}"
