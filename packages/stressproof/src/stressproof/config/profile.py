"""A profile: what to ask of a service. Which limits go with it, requirements say."""

from typing import Final

from msgspec import Struct

from stressproof.evidence.workload import AD_HOC as AD_HOC_NAME
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario

_OK = (200,)


class Profile(Struct, frozen=True):
    """A named workload.

    Attributes:
        name: As ``--profile`` takes it.
        endpoints: In the order in which they are asked.
        all_tenants: Whether requests rotate over every tenant that there are credentials for.
        scenarios: Of a file's profile: what is asked, by whom and how much, instead of endpoints.
    """

    name: str
    endpoints: tuple[Request, ...]
    all_tenants: bool = False
    scenarios: tuple[Scenario, ...] = ()


def read(path: str, check: str = "json") -> Request:
    """Return a GET of a path, answered by 200 and JSON (`stressproof.workload.checks`)."""
    return Request(name=path, method="GET", path=path, expected_statuses=_OK, checks=(check,))


HEALTH_LIVE: Final = read("/health/live", "json:status")

HEALTH: Final = Profile(name="health", endpoints=(HEALTH_LIVE,))
"""Whether a service answers at all."""

HEALTH_DEEP: Final = Profile(
    name="health_deep", endpoints=(HEALTH_LIVE, read("/health", "json:status"))
)
"""Whether it and what it depends on answer."""

PLAIN: Final = (HEALTH, HEALTH_DEEP)
"""What anybody's service may be asked without a suite."""

AD_HOC: Final = Profile(name=AD_HOC_NAME, endpoints=())
"""What was named on the command line alone."""

AD_HOC_ERRORS_PERCENT: Final = 1.0
"""The failures that it may have where nobody says more. How fast it ought to be, nobody knows: an
answer within the timeout is fast enough, and no throughput is too low."""
