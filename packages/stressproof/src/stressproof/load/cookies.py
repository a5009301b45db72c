"""Cookies as a user keeps them: names and values of one origin (RFC 6265, 5.2, cut down to that).

Path and domain are not looked at: a user asks one origin, and services that give one name several
values by path are none that a load is for. A cookie that is taken back is forgotten.
"""

import time
from email.utils import parsedate_to_datetime


def keep(cookies: dict[str, str], fields: list[str]) -> None:
    """Put what Set-Cookie fields say into a user's cookies."""
    for field in fields:
        pair, _, attributes = field.partition(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals):
            continue
        if _is_over(attributes):
            cookies.pop(name, None)
        else:
            cookies[name] = value


def as_header(cookies: dict[str, str]) -> str:
    """Return cookies as they are sent."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _is_over(attributes: str) -> bool:
    over = False
    for attribute in attributes.split(";"):
        name, _, value = (part.strip() for part in attribute.partition("="))
        if name.lower() == "max-age":  # before Expires, whichever comes first
            return value.startswith("-") or not value.strip("0")
        if name.lower() == "expires":
            try:
                over = parsedate_to_datetime(value).timestamp() <= time.time()
            except ValueError:
                continue
    return over
