"""How evidence names an endpoint: by its path, or by its method and path.

A bare path is short for GET where evidence says nothing else of the endpoint. Every place that
names one (``endpoints``, preflight, figures, counters, requirements, tags) is read by these
functions.
"""

import re
from collections.abc import Sequence

from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.workload.templates import request_name

_GET = "GET "
_TELLING = re.compile(r"/|[!#$%&'*+.^_`|~0-9A-Za-z-]+ +/|flow:")


def names_of(method: str, path: str) -> tuple[str, str]:
    """Return both names of an endpoint."""
    return path, f"{method} {path}"


def own_names(endpoint: WorkloadEndpoint) -> tuple[str, ...]:
    """Return the names that an endpoint may carry.

    A name that reads like a path, or like a flow's, proves what is asked, so it must be the
    endpoint's own; any other a profile may give.
    """
    if endpoint.kind == "flow":
        return (f"flow:{endpoint.flow}",)
    own = (*names_of(endpoint.method, endpoint.path), request_name(endpoint.method, endpoint.path))
    return own if _TELLING.match(endpoint.name) else (endpoint.name, *own)


def short(name: str) -> str:
    """Return a name in its short form, in which two names of one endpoint are equal."""
    return name.removeprefix(_GET) if name.startswith(f"{_GET}/") else name


def named(name: str, endpoints: Sequence[WorkloadEndpoint]) -> list[int]:
    """Return the positions of what a name means in a workload.

    A request's own name, a flow's (``flow:checkout``), or method and path. A bare path means its
    GET; where nobody asks for that, whatever else is asked there.
    """
    numbered = list(enumerate(endpoints))
    exact = [
        at
        for at, one in numbered
        if short(name) in {short(one.name), short(f"{one.method} {one.path}")}
    ]
    return exact or [at for at, one in numbered if one.path == name]
