"""Timestamps: RFC 3339 with an offset, as microseconds since 1970."""

import re
import time
from datetime import UTC, datetime, timedelta

from stressproof.verify.rule import Judgement, prose

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US

ROUNDING_US = 1
"""Times of one clock, each cut to whole microseconds, may differ by this much from their parts."""

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3])(?::[0-5]\d){2}(?:\.\d{1,9})?"
    # No place on earth is farther from UTC than fourteen hours.
    r"(?:Z|[+-](?:0\d:[0-5]\d|1[0-3]:[0-5]\d|14:00))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000


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


def judge_future(
    text: str | None, drift_us: int, skew_seconds: int, now_us: int, judgement: Judgement
) -> None:
    """A capture's end is at most the allowed skew ahead of our clock.

    Args:
        text: ``captured_at``.
        drift_us: How far ahead of it the clock was that it was captured by: what that clock read
            in the end is what can be compared with ours.
        skew_seconds: Allowed.
        now_us: Our clock.
        judgement: Told.
    """
    captured = None if text is None else parse_instant(text)
    if captured is None:
        judgement.skip("captured_at cannot be read")
        return
    latest = now_us + skew_seconds * SECOND_US
    holds = captured + drift_us <= latest
    judgement.check(holds, "captured_at", text, prose(f"not after {show_instant(latest)}"))


def judge_age(
    where: str,
    text: str | None,
    drift_us: int,
    limit_hours: float | None,
    now_us: int,
    judgement: Judgement,
) -> None:
    """A capture's end lies at most the asked hours behind our clock, by either of its readings.

    Args:
        where: JSON path of the time from which the age counts.
        text: That time.
        drift_us: How far ahead of it the clock was in the end, if somebody set it.
        limit_hours: Asked.
        now_us: Our clock.
        judgement: Told.
    """
    if limit_hours is None:
        judgement.skip("no age limit was asked for; the gates ask for one")
        return
    captured = None if text is None else parse_instant(text)
    if captured is None:
        judgement.inconclusive(where, prose("no readable time"), prose("a known age"))
        return
    young_us, old_us = sorted((now_us - captured, now_us - captured - drift_us))
    expected = prose(f"at most {limit_hours:g} h")
    if young_us <= limit_hours * HOUR_US < old_us:
        seen = prose(f"{young_us / HOUR_US:.1f} or {old_us / HOUR_US:.1f} h old: the clock stepped")
        judgement.inconclusive(where, seen, expected)
        return
    seen = prose(f"{old_us / HOUR_US:.1f} h old")
    judgement.check(old_us <= limit_hours * HOUR_US, where, seen, expected)
