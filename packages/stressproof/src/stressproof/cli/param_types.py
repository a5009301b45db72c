"""Values on the command line: plain numbers, durations and rates with units."""

import math
import re
from fractions import Fraction
from typing import Any

import click

from stressproof.errors import UsageError
from stressproof.workload.rates import duration_text, parse_duration_us, parse_rate

_WHOLE = r"[0-9]{1,15}"
_DECIMAL = r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE]-?[0-9]{1,2})?"
_ZERO = r"0+(?:\.0+)?(?:us|ms|s|m|h)?"


class Whole(click.ParamType[int]):
    """A whole number in ASCII digits.

    Args:
        lowest: The least that is taken.
        highest: The most, None for no bound.
    """

    name = "integer"

    def __init__(self, lowest: int = 0, highest: int | None = None) -> None:
        self._lowest, self._highest = lowest, highest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; anything else is a usage error."""
        if isinstance(value, int):
            return value
        most = "or more" if self._highest is None else f"to {self._highest}"
        if not re.fullmatch(f"-?{_WHOLE}", value):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        number = int(value)
        if number < self._lowest or (self._highest is not None and number > self._highest):
            self.fail(f"{value} is out of range, expected {self._lowest} {most}", param, ctx)
        return number


class Choice(click.Choice[str]):
    """One of a few words; a misspelling is offered the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word; anything else is a usage error."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            from stressproof.objectives.syntax import did_you_mean  # noqa: PLC0415  # only a typo

            known = ", ".join(self.choices)
            near = did_you_mean(value, self.choices)
            self.fail(f"{value!r} is none of {known}. {near}".rstrip(), param, ctx)


class Limit(click.ParamType[float]):
    """A finite number of 0 or more; NaN and infinity would let everything through.

    Args:
        unit: What may stand behind the number, such as ``%``.
    """

    name = "number"

    def __init__(self, unit: str = "") -> None:
        self._unit = unit

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; anything else is a usage error."""
        if isinstance(value, int | float):
            return float(value)
        number = value.removesuffix(self._unit).rstrip()
        if not re.fullmatch(_DECIMAL, number) or not math.isfinite(float(number)):
            self.fail(f"{value!r} is not a finite number of 0 or more", param, ctx)
        return float(number)


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


WHOLE = Whole()
LIMIT = Limit()
PERCENT = Limit("%")
RATE = Rate()
