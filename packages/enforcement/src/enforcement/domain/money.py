"""Money: ``Decimal`` inside, a patterned string on the wire, never a JSON number.

Monthly amounts carry 4 decimal places and hourly ones 6. Integer digits are bounded so that a
sum of many amounts stays far below what ``numeric(20, 4)`` holds.
"""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

from enforcement.domain.errors import InvalidError

MONTHLY_PATTERN: Final = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$"
HOURLY_PATTERN: Final = r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?$"

ZERO: Final = Decimal("0.0000")
CENT_OF_CENT: Final = Decimal("0.0001")
_MICRO: Final = Decimal("0.000001")
# Wide enough for any sum met here; an inexact result would be a bug, so it is trapped.
_EXACT: Final = Context(prec=38, traps=[Inexact, InvalidOperation])
_ROUNDED: Final = Context(prec=38, traps=[InvalidOperation])
_MONTHLY: Final = re.compile(MONTHLY_PATTERN, re.ASCII)
_HOURLY: Final = re.compile(HOURLY_PATTERN, re.ASCII)


def parse_monthly(text: str, *, field: str = "amount") -> Decimal:
    """Parse a monthly amount in US dollars.

    Args:
        text: For instance ``"12"`` or ``"12.3456"``; no sign, exponent, space or leading zero.
        field: Name used in the refusal.

    Returns:
        The amount with exactly 4 decimal places.

    Raises:
        InvalidError: ``invalid_amount`` when the text is not of that form.
    """
    return _parse(text, _MONTHLY, CENT_OF_CENT, field)


def parse_hourly(text: str, *, field: str = "amount") -> Decimal:
    """Parse an hourly amount in US dollars: as :func:`parse_monthly`, with 6 decimal places."""
    return _parse(text, _HOURLY, _MICRO, field)


def _parse(text: str, pattern: re.Pattern[str], step: Decimal, field: str) -> Decimal:
    # fullmatch and not match: "$" would let a trailing newline through.
    if pattern.fullmatch(text) is None:
        raise InvalidError(
            "invalid_amount",
            f"{field}: {text[:40]!r} is not an amount of the form {pattern.pattern}",
        )
    return Decimal(text).quantize(step, context=_EXACT)


def monthly(value: Decimal) -> Decimal:
    """Give an exact sum or difference of monthly amounts its 4 places again.

    Raises:
        decimal.Inexact: The value has more than 4 places: a bug of ours.
    """
    return value.quantize(CENT_OF_CENT, context=_EXACT)


def rounded(value: Decimal) -> Decimal:
    """Round a derived figure (a mean, a forecast) to 4 places, half to even; never a balance."""
    return value.quantize(CENT_OF_CENT, context=_ROUNDED)


def monthly_text(value: Decimal) -> str:
    """Write a monthly amount as it goes over the wire: always 4 places."""
    return f"{value:.4f}"


def hourly_text(value: Decimal) -> str:
    """Write an hourly amount as it goes over the wire: always 6 places."""
    return f"{value:.6f}"
