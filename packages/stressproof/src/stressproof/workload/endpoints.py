"""What to ask for: one request of a workload."""

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.checks import Check
from stressproof.workload.redaction import masked
from stressproof.workload.target import PATH, TOKEN, demand_headers

DEFAULT_STATUSES = tuple(range(200, 300))
MAX_WEIGHT = 10_000
_FINAL = frozenset(range(200, 600))


class Endpoint(Struct, frozen=True):
    """One request of the workload.

    ``{{uuid}}`` in path, headers or body is a fresh UUID and ``{{seq}}`` a number that no other
    request of the round has; each is one value throughout one request.

    Attributes:
        name: How evidence names it: a path without what varies.
        method: Any but CONNECT.
        path: Path and query.
        weight: Its share of all requests is ``weight / sum of weights``.
        expected_statuses: Any other status is a failure, a redirect too.
        check: What the body must hold (`stressproof.workload.checks`), None for anything.
        headers: Sent beside the target's, and instead of those of the same name.
        body: Request body as text, None for none.
        rotate: Sets of headers of which each request takes the next: tenants, for example.
    """

    name: str
    method: str
    path: str
    weight: int = 1
    expected_statuses: tuple[int, ...] = DEFAULT_STATUSES
    check: str | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    rotate: tuple[dict[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("an endpoint has no name", hint="name it by its path")
        if not TOKEN.fullmatch(self.method) or self.method.upper() == "CONNECT":
            raise UsageError(
                f"{self.name}: the method is {self.method!r}", hint="use GET, POST and the like"
            )
        if not PATH.fullmatch(self.path) or "#" in self.path:
            raise UsageError(
                f"{self.name}: the path is {self.path!r}, expected /… without spaces or fragment",
                hint="percent-encode what is not plain ASCII",
            )
        if not 1 <= self.weight <= MAX_WEIGHT:
            raise UsageError(
                f"{self.name}: the weight is {self.weight}, expected 1 to {MAX_WEIGHT}",
                hint="leave out what should not be asked",
            )
        if not self.expected_statuses or not _FINAL.issuperset(self.expected_statuses):
            raise UsageError(
                f"{self.name}: the expected statuses are {self.expected_statuses}",
                hint="name at least one final status from 200 to 599",
            )
        Check.of(self.check)
        for headers in (self.headers, *self.rotate):
            demand_headers(headers)

    def __repr__(self) -> str:
        return (
            f"Endpoint(name={self.name!r}, method={self.method!r}, path={self.path!r}, "
            f"weight={self.weight}, check={self.check!r}, headers={masked(self.headers)!r}, "
            f"rotate={len(self.rotate)} sets)"
        )
