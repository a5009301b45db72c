"""How evidence names an endpoint: by its path, or by its method and path.

A bare path is short for GET where evidence says nothing else of the endpoint. Every place that
names one (``endpoints``, preflight, figures, counters) is read by these functions.
"""

from collections.abc import Iterable

_GET = "GET "


def names_of(method: str, path: str) -> tuple[str, str]:
    """Return both names of an endpoint."""
    return path, f"{method} {path}"


def is_named(required_path: str, listed: Iterable[str]) -> bool:
    """Return whether a path that must be read is among names, in either form."""
    return not set(names_of("GET", required_path)).isdisjoint(listed)


def short(name: str) -> str:
    """Return a name in its short form, in which two names of one endpoint are equal."""
    return name.removeprefix(_GET) if name.startswith(f"{_GET}/") else name
