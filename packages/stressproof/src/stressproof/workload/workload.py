"""Everything that a round is to do, as one value."""

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.executors import Executor
from stressproof.workload.order import demand_pass
from stressproof.workload.redaction import Redactor
from stressproof.workload.target import Target

MAX_ENDPOINTS = 10_000
MIN_TIMEOUT_US = 1_000
MAX_TIMEOUT_US = 3600 * 1_000_000


class Workload(Struct, frozen=True):
    """Everything that a round needs to know.

    Attributes:
        target: The service under load.
        endpoints: At least one; evidence refers to them by position.
        executor: How many users or arrivals, for how long.
        timeout_us: After this a request is given up and counted as a timeout.
        seed: Decides the order of endpoints, nothing else.
    """

    target: Target
    endpoints: tuple[Endpoint, ...]
    executor: Executor
    timeout_us: int = 30_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.endpoints) <= MAX_ENDPOINTS:
            raise UsageError(
                f"the workload has {len(self.endpoints)} endpoints, expected 1 to {MAX_ENDPOINTS}",
                hint="name at least one endpoint",
            )
        demand_pass([endpoint.weight for endpoint in self.endpoints])
        if not MIN_TIMEOUT_US <= self.timeout_us <= MAX_TIMEOUT_US:
            raise UsageError(
                f"the timeout is {self.timeout_us / 1e6:g} s, expected 0.001 to 3600 s",
                hint="give a request as long as its user would wait",
            )

    def redactor(self) -> Redactor:
        """Return what cleans text of every secret that its requests carry."""
        headers = [self.target.headers]
        for endpoint in self.endpoints:
            headers += [endpoint.headers, *endpoint.rotate]
        return Redactor(headers)
