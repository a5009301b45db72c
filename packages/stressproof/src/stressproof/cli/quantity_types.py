"""Values on the command line that have units: durations and rates."""

import re
from fractions import Fraction
from typing import Any

import click

from stressproof.errors import UsageError
from stressproof.workload.rates import duration_text, parse_duration_us, parse_rate

_ZERO = r"0+(?:\.0+)?(?:us|ms|s|m|h)?"


class Duration(click.ParamType[int]):
    """A time as plain seconds or with units (``30s``, ``1m30s``, ``500ms``), in microseconds.

    Args:
        lowest_us: The shortest that is taken.
        highest_us: The longest.
        step_us: What it must be a multiple of.
    """

    name = "duration"

    def __init__(self, lowest_us: int, highest_us: int, step_us: int = 1) -> None:
        self._lowest_us, self._highest_us, self._step_us = lowest_us, highest_us, step_us

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the microseconds; anything else is a usage error."""
        if isinstance(value, int):
            return value
        try:
            exact = Fraction(0) if re.fullmatch(_ZERO, value) else parse_duration_us(value)
        except UsageError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)
        if not self._lowest_us <= exact <= self._highest_us:
            bounds = f"{duration_text(self._lowest_us)} to {duration_text(self._highest_us)}"
            self.fail(f"{value} is out of range, expected {bounds}", param, ctx)
        if exact % self._step_us:
            self.fail(f"{value} is not in whole seconds, as rounds are measured", param, ctx)
        return round(exact)


class Rate(click.ParamType[Fraction]):
    """Arrivals, exactly, in those of a second: ``200``, ``200/s``, ``30/m``, ``1/60s``."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """Return the rate; anything else is a usage error."""
        if isinstance(value, Fraction):
            return value
        try:
            return parse_rate(value)
        except UsageError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


RATE = Rate()
