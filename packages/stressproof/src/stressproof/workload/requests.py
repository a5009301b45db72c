"""What to ask for: one request of a workload."""

from msgspec import Struct
from msgspec.structs import force_setattr

from stressproof.errors import UsageError
from stressproof.workload.bodies import Body, texts_of
from stressproof.workload.checks import Checks
from stressproof.workload.limits import (
    MAX_REDIRECTS,
    MAX_TIMEOUT_US,
    MAX_WEIGHT,
    MIN_TIMEOUT_US,
)
from stressproof.workload.names import demand_name
from stressproof.workload.redaction import masked
from stressproof.workload.target import PATH, TOKEN, demand_headers
from stressproof.workload.templates import placeholders, request_name, without_placeholders

DEFAULT_STATUSES = tuple(range(200, 300))
_FINAL = frozenset(range(200, 600))


class Request(Struct, frozen=True, tag="request"):
    """One request; alone it is an iteration.

    Path, query, headers and body may hold placeholders (`stressproof.workload.templates`); each is
    one value throughout one request.

    Attributes:
        name: How evidence names it; method and path template without query where it is empty.
        method: Any but CONNECT.
        path: Path and query, ``/products/{{skus.sku}}``.
        weight: Its share of the scenario's iterations is ``weight / sum of weights``; 0 for what
            only faults send, which no scenario holds.
        expected_statuses: Any other status is a failure, an unfollowed redirect too.
        checks: What the answer must hold, all of them (`stressproof.workload.checks`).
        headers: Sent beside the target's, and instead of those of the same name.
        query: Added to the path's own, percent-encoded.
        body: What it carries, None for nothing.
        timeout_us: After which it is given up, None for the workload's.
        redirects: How many hops to the same origin are followed.
        rotate: Sets of headers of which each request takes the next: tenants, for example.
        definition_sha256: Of what a file says of it, before anything is taken from the
            environment; None where no file says it.
    """

    name: str
    method: str
    path: str
    weight: int = 1
    expected_statuses: tuple[int, ...] = DEFAULT_STATUSES
    checks: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    query: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    timeout_us: int | None = None
    redirects: int = 0
    rotate: tuple[dict[str, str], ...] = ()
    definition_sha256: str | None = None

    def __post_init__(self) -> None:
        if not self.name:
            force_setattr(self, "name", request_name(self.method, self.path))
        demand_name(self.name)
        if not TOKEN.fullmatch(self.method) or self.method.upper() == "CONNECT":
            raise UsageError(
                f"{self.name}: the method is {self.method!r}", hint="use GET, POST and the like"
            )
        if not PATH.fullmatch(without_placeholders(self.path)) or "#" in self.path:
            raise UsageError(
                f"{self.name}: the path is {self.path!r}, expected /… without spaces or fragment",
                hint="percent-encode what is not plain ASCII",
            )
        if self.weight:
            demand_weight(self.name, self.weight)
        demand_statuses(self.name, self.expected_statuses)
        demand_timeout(self.name, self.timeout_us)
        demand_redirects(self.name, self.redirects)
        Checks.of(self.checks)
        for headers in (self.headers, *self.rotate):
            demand_headers(headers)

    @property
    def placeholders(self) -> set[str]:
        """The placeholders that occur in it."""
        headers = [one for given in (self.headers, *self.rotate) for one in given.values()]
        query = [text for pair in self.query for text in pair]
        texts = (self.path, *headers, *query, *texts_of(self.body))
        return {name for text in texts for name in placeholders(text)}

    def __repr__(self) -> str:
        return (
            f"Request(name={self.name!r}, method={self.method!r}, path={self.path!r}, "
            f"weight={self.weight}, checks={self.checks!r}, headers={masked(self.headers)!r}, "
            f"rotate={len(self.rotate)} sets)"
        )


def demand_weight(name: str, weight: int) -> None:
    """Refuse a weight out of bounds.

    Raises:
        UsageError: It is.
    """
    if not 1 <= weight <= MAX_WEIGHT:
        raise UsageError(
            f"{name}: the weight is {weight}, expected 1 to {MAX_WEIGHT}",
            hint="leave out what should not be asked",
        )


def demand_statuses(name: str, statuses: tuple[int, ...]) -> None:
    """Refuse expected statuses that no answer ends with.

    Raises:
        UsageError: There is none, or one is not final.
    """
    if not statuses or not _FINAL.issuperset(statuses):
        raise UsageError(
            f"{name}: the expected statuses are {statuses}",
            hint="name at least one final status from 200 to 599",
        )


def demand_timeout(name: str, timeout_us: int | None) -> None:
    """Refuse a timeout out of bounds.

    Raises:
        UsageError: It is.
    """
    if timeout_us is not None and not MIN_TIMEOUT_US <= timeout_us <= MAX_TIMEOUT_US:
        raise UsageError(
            f"{name}: the timeout is {timeout_us / 1e6:g} s, expected 0.001 to 3600 s",
            hint="give a request as long as its user would wait",
        )


def demand_redirects(name: str, redirects: int) -> None:
    """Refuse more redirects than anybody follows.

    Raises:
        UsageError: It is out of bounds.
    """
    if not 0 <= redirects <= MAX_REDIRECTS:
        raise UsageError(
            f"{name}: redirects is {redirects}, expected 0 to {MAX_REDIRECTS}",
            hint="a longer chain is a fault of the service",
        )
