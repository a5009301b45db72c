"""Amounts as a file writes them: what they are, or why they are none."""

import re
from fractions import Fraction

from stressproof.config.plans import duration_us
from stressproof.errors import UsageError
from stressproof.objectives.parser import parse_duration_us
from stressproof.objectives.slo import DAY_S, HOUR_S, MINUTE_S
from stressproof.objectives.syntax import ExpressionError
from stressproof.workload.rates import duration_text, parse_rate

LEAST_RATE, MOST_RATE = 1, 1000
_PPM = 1_000_000
_SHARE = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*(%|pp)\s*", re.ASCII)
_PERIOD = re.compile(r"\s*([0-9]{1,4})\s*(m|h|d|w)\s*", re.ASCII)
_QUANTILE = re.compile(r"\s*p\(\s*([0-9]{1,2}(?:\.[0-9]{1,4})?)\s*\)\s*", re.ASCII)
_PERIOD_S = {"m": MINUTE_S, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
_LONGEST_PERIOD_S = 366 * DAY_S
_PPM_PER_PERCENT = 10_000
_BYTES = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)", re.ASCII)
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def bad_text(text: str, reason: str, hint: str = "") -> ExpressionError:
    """Return what refuses a text as a whole."""
    return ExpressionError(reason, text, 0, len(text), hint=hint)


def share_of(text: str) -> Fraction:
    """Return ``5%`` as a twentieth.

    Raises:
        ExpressionError: It is no share with its unit.
    """
    match = _SHARE.fullmatch(text)
    if match is None:
        raise bad_text(text, "expected a share in per cent", "Such as 5% or 0.5pp.")
    return Fraction(match[1]) / 100


def quantile_ppm(text: str) -> int:
    """Return ``p(95)`` as 950000.

    Raises:
        ExpressionError: It is no quantile between 0 and 100, both exclusive.
    """
    match = _QUANTILE.fullmatch(text)
    ppm = int(Fraction(match[1]) * _PPM_PER_PERCENT) if match else 0
    if not ppm:
        raise bad_text(text, "expected a quantile above p(0) and below p(100)", "Such as p(95).")
    return ppm


def objective_share(text: str) -> Fraction:
    """Return the share of an objective.

    Raises:
        ExpressionError: It is none, everything or nothing.
    """
    share = share_of(text)
    if not 0 < share < 1:
        raise bad_text(
            text, "an objective lies between 0% and 100%, both exclusive", "Such as 99.9%."
        )
    return share


def period_seconds(text: str) -> int:
    """Return ``30d`` in seconds.

    Raises:
        ExpressionError: It is no period, or longer than a year.
    """
    match = _PERIOD.fullmatch(text)
    seconds = int(match[1]) * _PERIOD_S[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST_PERIOD_S:
        raise bad_text(text, "expected a period within a year", "Such as 30d, 4w or 12h.")
    return seconds


def positive_us(text: str) -> int:
    """Return a time in microseconds.

    Raises:
        ExpressionError: It is none, or no time at all.
    """
    found = parse_duration_us(text)
    if found == 0:
        raise bad_text(text, "expected a time longer than nothing")
    return found


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
