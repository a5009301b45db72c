"""Instants as callers give them: RFC 3339 with any offset, which the database need not know."""

from datetime import UTC, datetime

import msgspec

from enforcement.domain.errors import InvalidError


def read_instant(text: str | None, name: str) -> datetime | None:
    """Read an instant from a query parameter, strictly; None stays None.

    Raises:
        InvalidError: ``invalid_instant``: not RFC 3339, no offset, or outside the calendar.
    """
    if text is None:
        return None
    try:
        # Strictly: the framework would take a number for seconds since 1970.
        return in_utc(msgspec.convert(text, datetime), name)
    except msgspec.ValidationError:
        raise InvalidError(
            "invalid_instant",
            f"{name} is {text[:40]!r}, expected an RFC 3339 instant",
            hint="For instance 2026-02-25T12:00:00Z.",
        ) from None


def in_utc(instant: datetime | None, name: str) -> datetime | None:
    """Return an instant in UTC; None stays None.

    Raises:
        InvalidError: ``invalid_instant``: no offset, or outside the calendar in UTC.
    """
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise InvalidError("invalid_instant", f"{name} has no offset from UTC", hint="Append Z.")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise InvalidError("invalid_instant", f"{name} leaves the calendar in UTC") from None
