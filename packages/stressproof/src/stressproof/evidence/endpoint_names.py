"""How evidence names an endpoint: by its path, or by its method and path.

A bare path is short for GET where evidence says nothing else of the endpoint. Every place that
names one (``endpoints``, preflight, figures, counters, requirements, tags) is read by these
functions.
"""

from collections.abc import Sequence

from stressproof.evidence.stress import WorkloadEndpoint

_GET = "GET "


def names_of(method: str, path: str) -> tuple[str, str]:
    """Return both names of an endpoint."""
    return path, f"{method} {path}"


def short(name: str) -> str:
    """Return a name in its short form, in which two names of one endpoint are equal."""
    return name.removeprefix(_GET) if name.startswith(f"{_GET}/") else name


def named(name: str, endpoints: Sequence[WorkloadEndpoint]) -> list[int]:
    """Return the positions of what a name means in a workload.

    A bare path means its GET; where nobody asks for that, whatever else is asked there.
    """
    numbered = list(enumerate(endpoints))
    exact = [at for at, one in numbered if short(f"{one.method} {one.path}") == short(name)]
    return exact or [at for at, one in numbered if one.path == name]
