"""Values on the command line: plain numbers, and words of a few."""

import math
import re
from typing import Any

import click

_WHOLE = r"[0-9]{1,15}"
_DECIMAL = r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE]-?[0-9]{1,2})?"


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


WHOLE = Whole()
LIMIT = Limit()
PERCENT = Limit("%")
