"""What is asked of whom: the target, its endpoints and the executor, as plain values."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.load.checks import Check
from stressproof.load.executors import Executor
from stressproof.load.redaction import masked

DEFAULT_STATUSES = tuple(range(200, 300))
_FINAL = frozenset(range(200, 600))
MAX_ENDPOINTS = 10_000
MAX_WEIGHT = 10_000
MIN_TIMEOUT_US = 1_000
MAX_TIMEOUT_US = 3600 * 1_000_000

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[\x21-\x7e]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_BY_US = frozenset({"content-length", "transfer-encoding", "connection", "host", "expect"})


class Origin(NamedTuple):
    """Where a URL leads.

    Attributes:
        secure: Whether it is HTTPS.
        host: Name or address, an IPv6 one without brackets.
        port: TCP port.
        base: Path before every endpoint's path, empty or beginning with a slash.
        authority: ``host[:port]`` as the Host header has it.
    """

    secure: bool
    host: str
    port: int
    base: str
    authority: str


class Target(Struct, frozen=True):
    """The service under load.

    Attributes:
        url: ``http[s]://host[:port][/base]``.
        headers: Sent with every request; those that carry credentials are masked when shown.
        ca_file: PEM file of the authorities to trust instead of the system's.
        server_name: Name to ask for and to verify instead of the URL's host.
    """

    url: str
    headers: dict[str, str] = {}
    ca_file: str | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        origin_of(self.url)
        demand_headers(self.headers)

    def __repr__(self) -> str:
        return (
            f"Target(url={self.url!r}, headers={masked(self.headers)!r}, "
            f"ca_file={self.ca_file!r}, server_name={self.server_name!r})"
        )


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
        check: What the body must hold (`stressproof.load.checks`), None for anything.
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
        if not _TOKEN.fullmatch(self.method) or self.method.upper() == "CONNECT":
            raise UsageError(
                f"{self.name}: the method is {self.method!r}", hint="use GET, POST and the like"
            )
        if not _PATH.fullmatch(self.path) or "#" in self.path:
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
        if not MIN_TIMEOUT_US <= self.timeout_us <= MAX_TIMEOUT_US:
            raise UsageError(
                f"the timeout is {self.timeout_us / 1e6:g} s, expected 0.001 to 3600 s",
                hint="give a request as long as its user would wait",
            )


def origin_of(url: str) -> Origin:
    """Take a target's URL apart.

    Raises:
        UsageError: It is no absolute HTTP URL, or holds credentials, a query or a fragment.
    """
    problem = ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad_url(url, str(error)) from error
    if parts.scheme not in {"http", "https"}:
        problem = "the scheme must be http or https"
    elif not host:
        problem = "it names no host"
    elif "@" in parts.netloc:
        problem = "credentials do not belong in it"
    elif parts.query or parts.fragment:
        problem = "it must end with the host or a path"
    elif port == 0:
        problem = "port 0 cannot be connected to"
    if problem:
        raise _bad_url("…" if "@" in parts.netloc else url, problem)
    try:
        name = host if ":" in host else host.encode("idna").decode()
    except UnicodeError as error:
        raise _bad_url(url, f"the host {host!r} is not a valid name") from error
    base = parts.path.rstrip("/")
    if base and not _PATH.fullmatch(base):
        raise _bad_url(url, "percent-encode what is not plain ASCII")
    secure = parts.scheme == "https"
    shown = f"[{name}]" if ":" in name else name
    return Origin(
        secure=secure,
        host=name,
        port=port or (443 if secure else 80),
        base=base,
        authority=shown if port is None else f"{shown}:{port}",
    )


def _bad_url(url: str, problem: str) -> UsageError:
    return UsageError(
        f"the target's URL {url!r} cannot be used: {problem}",
        hint="write it as http://host:port or https://host, and credentials as a header",
    )


def demand_headers(headers: dict[str, str]) -> None:
    """Refuse headers that would break the request.

    Raises:
        UsageError: A name is no token, a value holds a line break, or the header is ours to set.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} is not a header's name", hint="write it as Name: value")
        if not _VALUE.fullmatch(value):
            raise UsageError(
                f"the value of the header {name} holds characters that HTTP forbids",
                hint="a header's value is one line of Latin-1 text",
            )
        if name.lower() in _BY_US:
            raise UsageError(
                f"the header {name} is the generator's to set", hint=f"leave {name} out"
            )
