"""Instants in UTC, written with microseconds so that a text and its digest never vary."""

from datetime import UTC, datetime


def rfc3339(instant: datetime) -> str:
    """Write an instant as ``2026-02-25T12:00:00.000000Z``.

    Raises:
        ValueError: The instant has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    # Not strftime: its %Y writes the year 999 with three digits.
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def instant(text: str) -> datetime:
    """Read what :func:`rfc3339` (or PostgreSQL as JSON) wrote, in UTC.

    Raises:
        ValueError: The text is not an ISO 8601 instant with an offset.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return parsed.astimezone(UTC)
