"""Timestamps: RFC 3339 with an offset, as microseconds since 1970 (ruling 3)."""

import re
from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_instant(text: str) -> int | None:
    """Return microseconds since 1970, None where the text is not RFC 3339 with an offset."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def show_instant(instant_us: int) -> str:
    """Return an instant as RFC 3339 in UTC."""
    return (_EPOCH + timedelta(microseconds=instant_us)).isoformat(timespec="seconds")
