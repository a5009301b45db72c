"""Amounts of objectives and comparisons: what they are, or why they are none, with a caret."""

import re
from fractions import Fraction

from stressproof.objectives.parser import parse_duration_us
from stressproof.objectives.slo import DAY_S, HOUR_S, MINUTE_S
from stressproof.objectives.syntax import ExpressionError

_SHARE = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*(%|pp)\s*", re.ASCII)
_PERIOD = re.compile(r"\s*([0-9]{1,4})\s*(m|h|d|w)\s*", re.ASCII)
_QUANTILE = re.compile(r"\s*p\(\s*([0-9]{1,2}(?:\.[0-9]{1,4})?)\s*\)\s*", re.ASCII)
_PERIOD_S = {"m": MINUTE_S, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
_LONGEST_PERIOD_S = 366 * DAY_S
_PPM_PER_PERCENT = 10_000


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
