"""Rates as exact fractions: ``200``, ``0.0125/s``, ``1/60s``, ``30/m``."""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from stressproof.errors import UsageError
from stressproof.workload.limits import MAX_TIME_UNIT_US

US_PER_S = 1_000_000

_UNITS_US = {"us": 1, "ms": 1000, "s": US_PER_S, "m": 60 * US_PER_S, "h": 3600 * US_PER_S}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_PART = re.compile(rf"({_NUMBER})(us|ms|s|m|h)")
_RATE = re.compile(rf"({_NUMBER})(?:/(.+))?")


def parse_duration_us(text: str) -> Fraction:
    """Return a duration in microseconds: seconds, or numbers with units (``1m30s``).

    Raises:
        UsageError: It is none, or is not above 0.
    """
    duration_us = Fraction(0)
    if re.fullmatch(_NUMBER, text):
        duration_us = Fraction(text) * US_PER_S
    elif re.fullmatch(rf"(?:{_PART.pattern})+", text):
        duration_us = sum(
            (Fraction(number) * _UNITS_US[unit] for number, unit in _PART.findall(text)),
            Fraction(0),
        )
    if duration_us <= 0:
        raise UsageError(
            f"{text!r} is not a duration above 0", hint="Write it as 30s, 2m, 1m30s or 500ms."
        )
    return duration_us


def parse_rate(text: str) -> Fraction:
    """Return a rate in arrivals a second.

    Raises:
        UsageError: It is none.
    """
    match = _RATE.fullmatch(text)
    try:
        if match is not None:
            count, span = match[1], match[2] or "s"
            time_us = parse_duration_us(f"1{span}" if span in _UNITS_US else span)
            return Fraction(count) * US_PER_S / time_us
    except UsageError:
        pass  # it is the rate that was written
    raise UsageError(
        f"{text!r} is not a rate", hint="Write it as 200, 200/s, 0.5/s, 30/m or 1/60s."
    )


def duration_text(duration_us: int) -> str:
    """Return a duration as it is written, in the largest unit that does: ``168h``, ``500ms``."""
    units = ((name, us) for name, us in reversed(_UNITS_US.items()) if duration_us % us == 0)
    name, us = ("s", 1) if duration_us == 0 else next(units)
    return f"{duration_us // us}{name}"


def with_time_unit(rates: Sequence[Fraction]) -> tuple[list[int], int]:
    """Return rates (a second) as whole numbers over one time unit in microseconds.

    The unit is the shortest of whole seconds that will do: 0.0125/s is 1 over 80 s.

    Raises:
        UsageError: No unit will do that evidence can hold.
    """
    unit_us = lcm(US_PER_S, *((rate / US_PER_S).denominator for rate in rates))
    if unit_us > MAX_TIME_UNIT_US:
        raise UsageError(
            "these rates have no common time unit", hint="Write them with fewer digits."
        )
    return [int(rate * unit_us / US_PER_S) for rate in rates], unit_us
