"""Numbers on the command line: plain, finite, not negative."""

import math
import re
from typing import Any

import click

_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:e-?[0-9]{1,2})?", re.ASCII | re.IGNORECASE)


class Whole(click.ParamType[int]):
    """A whole number in ASCII digits."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; anything else is a usage error."""
        if isinstance(value, int):
            return value
        if not _WHOLE.fullmatch(value):
            self.fail(f"{value!r} is not a whole number of 0 or more", param, ctx)
        return int(value)


class Limit(click.ParamType[float]):
    """A finite number of 0 or more; NaN and infinity would let everything through."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; anything else is a usage error."""
        if isinstance(value, int | float):
            return float(value)
        if not _DECIMAL.fullmatch(value) or not math.isfinite(float(value)):
            self.fail(f"{value!r} is not a finite number of 0 or more", param, ctx)
        return float(value)


WHOLE = Whole()
LIMIT = Limit()
