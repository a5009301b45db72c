"""Where a redirect leads: to another place of the same origin, or away."""

from urllib.parse import urljoin, urlsplit

from stressproof.flow.answer import Answer
from stressproof.workload.target import PATH, Origin

REDIRECTS = range(300, 400)
FOLLOWED = frozenset({301, 302, 303, 307, 308})
"""Statuses whose Location is followed where that was asked for."""
_SAME_METHOD = frozenset({307, 308})
_PORTS = {"http": 80, "https": 443}


class LeadsAwayError(Exception):
    """An answer redirects to where nobody follows it; the message says where."""


def place_of(answer: Answer, origin: Origin, place: str) -> str:
    """Return path and query that an answer redirects to.

    Args:
        answer: Its status is one of `FOLLOWED`.
        origin: Whom it comes from.
        place: Path and query that it answers.

    Raises:
        LeadsAwayError: It names no place, or one of another origin.
    """
    location = answer.headers.get("location")
    if not location:
        raise LeadsAwayError(f"answer {answer.status} without a Location")
    own = f"{'https' if origin.secure else 'http'}://{origin.authority}"
    try:
        url = urlsplit(urljoin(own + place, location))
        port = url.port or _PORTS.get(url.scheme)
    except ValueError as error:
        raise LeadsAwayError(f"answer {answer.status} to {location!r}: {error}") from error
    secure, host = url.scheme == "https", urlsplit(own).hostname
    if url.scheme not in _PORTS or (secure, url.hostname, port) != (
        origin.secure,
        host,
        origin.port,
    ):
        raise LeadsAwayError(
            f"answer {answer.status} to {location!r}, which is not of {own}: only redirects within "
            "the target are followed"
        )
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    if not PATH.fullmatch(path):
        raise LeadsAwayError(f"answer {answer.status} to {location!r}, which is no path")
    return path


def method_after(status: int, method: str) -> str:
    """Return how a redirect is followed (RFC 9110, 15.4): 307 and 308 repeat the request."""
    return method if status in _SAME_METHOD or method == "HEAD" else "GET"
