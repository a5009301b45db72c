"""Numbers on the command line: plain, finite, not negative."""

import math
import re
from typing import Any

import click

_WHOLE = r"[0-9]{1,15}"
_DECIMAL = r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE]-?[0-9]{1,2})?"


class Whole(click.ParamType[int]):
    """A whole number in ASCII digits."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; anything else is a usage error."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(_WHOLE, value):
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
        if not re.fullmatch(_DECIMAL, value) or not math.isfinite(float(value)):
            self.fail(f"{value!r} is not a finite number of 0 or more", param, ctx)
        return float(value)


WHOLE = Whole()
LIMIT = Limit()
