"""Requests as bytes, made before the load starts."""

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import cycle
from os import urandom
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

from stressproof.errors import UsageError
from stressproof.load.hpack_stateless import encode_fields
from stressproof.load.http1 import CHECKED_BODY_BYTES, SAMPLED_BODY_BYTES, HeadCache
from stressproof.version import __version__
from stressproof.workload.auth import BasicAuth, BearerAuth, authorization
from stressproof.workload.bodies import CompiledBody, compile_body
from stressproof.workload.checks import Checks
from stressproof.workload.requests import Request
from stressproof.workload.target import Target, demand_headers, origin_of
from stressproof.workload.templates import SEQ, UUID, Place, Template, demand_known
from stressproof.workload.workload import Workload

_HTTP1_ONLY = frozenset({"keep-alive", "proxy-connection", "te", "upgrade"})  # RFC 9113, 8.2.2
NOTHING: Mapping[str, Any] = MappingProxyType({})
_BODYLESS_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})


class UniqueValues:
    """Values that no other request of the round has.

    UUIDs come from the system's randomness and not from the workload's seed: an idempotency key
    that a second run repeats would be answered from memory.

    Args:
        worker: This worker's number; sequence numbers of different workers never meet.
        workers: How many there are.
    """

    def __init__(self, worker: int, workers: int) -> None:
        self._random = Random(urandom(32))  # noqa: S311  # unique, and nobody's secret
        self._sequence = worker
        self._step = workers

    def values(self, needs: Container[str]) -> dict[str, Any]:
        """Return a value for each placeholder of a request that is fresh, and makes no other."""
        made: dict[str, Any] = {}
        if UUID in needs:
            made[UUID] = self.uuid()
        if SEQ in needs:
            made[SEQ] = self._sequence
            self._sequence += self._step
        return made

    def uuid(self) -> str:
        """Return a new UUID, version 4."""
        digits = f"{self._random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )


class PreparedEndpoint:
    """One endpoint, ready to be sent and judged.

    Attributes:
        index: Position in ``workload.items``.
        name: The endpoint's name.
        requests: The bytes of one request after another, without end, for HTTP/1.1.
        streams: Likewise header block and body, for HTTP/2.
        expected: Statuses that are no failure.
        check: What the body must hold, None for anything.
        bodyless: Whether its answers have no body, as those to HEAD.
        heads: Known header blocks of its answers.
        accepted: The last answer that came in one piece and was found good, head and body: what
            equals it is good too, and leaves the connection open. Empty before there is one.
        trailed: Whether bytes have followed one of its answers that belong to none: its connections
            are not used again.
    """

    __slots__ = (
        "accepted",
        "bodyless",
        "check",
        "expected",
        "heads",
        "index",
        "name",
        "requests",
        "streams",
        "trailed",
    )

    requests: Iterator[bytes]
    streams: Iterator[tuple[bytes, bytes]]

    def __init__(self, index: int, endpoint: Request, target: Target, fresh: UniqueValues) -> None:
        self.index = index
        self.name = endpoint.name
        variants = compose_request(target, endpoint)
        needs = frozenset[str]().union(*(one.needs for one in variants))
        demand_known(endpoint.name, needs, {})
        if needs:
            self.requests = (one.whole(fresh.values(one.needs)) for one in cycle(variants))
            self.streams = (one.stream(fresh.values(one.needs)) for one in cycle(variants))
        else:
            self.requests = cycle([one.whole() for one in variants])
            self.streams = cycle([one.stream() for one in variants])
        self.expected = frozenset(endpoint.expected_statuses)
        self.check = Checks.of(endpoint.checks)
        self.accepted = b""
        self.trailed = False
        self.bodyless = endpoint.method == "HEAD"
        self.heads = HeadCache(
            bodyless=self.bodyless,
            keep=SAMPLED_BODY_BYTES if self.check is None else CHECKED_BODY_BYTES,
        )


def prepare(workload: Workload, fresh: UniqueValues) -> list[PreparedEndpoint]:
    """Return the endpoints of a workload, ready to be sent.

    Raises:
        UsageError: A placeholder is unknown.
    """
    return [
        PreparedEndpoint(index, endpoint, workload.target, fresh)
        for index, endpoint in enumerate(workload.items)
        if isinstance(endpoint, Request)
    ]


class Composed(NamedTuple):
    """A request, compiled: what is the same each time, and holes.

    Attributes:
        head: Request line and headers, without the blank line and what depends on the body.
        body: Empty for none.
        announced: Whether the length of the body is said although it may be empty.
        fields: What ``head`` says, as HTTP/2 has it.
        needs: The placeholders that occur.
    """

    head: Template
    body: Template
    announced: bool
    fields: tuple[tuple[bytes, Template], ...]
    needs: frozenset[str]

    def whole(self, values: Mapping[str, Any] = NOTHING) -> bytes:
        """Return the request of HTTP/1.1 with values for its placeholders."""
        head, body = self.head.fill(values), self.body.fill(values)
        if body or self.announced:
            return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        return head + b"\r\n"

    def stream(self, values: Mapping[str, Any] = NOTHING) -> tuple[bytes, bytes]:
        """Return header block and body of HTTP/2 with values for the placeholders."""
        fields = tuple((name, value.fill(values)) for name, value in self.fields)
        body = self.body.fill(values)
        if body or self.announced:
            fields += ((b"content-length", b"%d" % len(body)),)
        return encode_fields(fields), body


def compose(
    target: Target,
    method: str,
    url: Template,
    headers: Iterable[Mapping[str, str]],
    body: CompiledBody | None,
) -> Composed:
    """Return a request to a target.

    Args:
        target: Its headers come first.
        method: As it is sent.
        url: Path and query after the target's base path, byte by byte as they are given.
        headers: Further ones; the last of a name wins, whatever its case.
        body: None for none.

    Raises:
        UsageError: A header would break the request.
    """
    origin = origin_of(target.url)
    merged = {
        "user-agent": ("User-Agent", f"stressproof/{__version__}"),
        "accept": ("Accept", "*/*"),
    }
    if isinstance(target.auth, BasicAuth | BearerAuth):
        merged["authorization"] = ("Authorization", authorization(target.auth))
    if body is not None and body.content_type:
        merged["content-type"] = ("Content-Type", body.content_type)
    for given in (target.headers, *headers):
        demand_headers(given)
        if target.http2 and (unfit := _HTTP1_ONLY.intersection(map(str.lower, given))):
            raise UsageError(
                f"HTTP/2 has no header {', '.join(sorted(unfit))}", hint="leave it out"
            )
        merged.update({name.lower(): (name, value) for name, value in given.items()})
    base = origin.base.encode("latin-1")
    lines = [
        Template([b"%b %b" % (method.encode(), base)]),
        url,
        Template([f" HTTP/1.1\r\nHost: {origin.authority}\r\n".encode("latin-1")]),
        *(Template.of(f"{name}: {value}\r\n", Place.HEADER) for name, value in merged.values()),
    ]
    pseudo = {
        b":method": Template([method.encode()]),
        b":scheme": Template([b"https" if origin.secure else b"http"]),
        b":path": Template.joined([Template([base]), url]),
        b":authority": Template([origin.authority.encode("latin-1")]),
    }
    fields = [
        (name.encode("latin-1"), Template.of(value.strip(), Place.HEADER))
        for name, (_, value) in merged.items()
    ]
    head = Template.joined(lines)
    content = Template(()) if body is None else body.content
    return Composed(
        head,
        content,
        method not in _BODYLESS_METHODS,
        (*pseudo.items(), *fields),
        head.needs | content.needs,
    )


def compose_request(target: Target, request: Request) -> list[Composed]:
    """Return a request compiled, once for each set of rotated headers."""
    url = Template.joined([Template.of(request.path, Place.URL), *_query(request)])
    body = None if request.body is None else compile_body(request.body)
    return [
        compose(target, request.method, url, (request.headers, rotated), body)
        for rotated in (request.rotate or ({},))
    ]


def _query(request: Request) -> Iterator[Template]:
    mark = b"&" if "?" in request.path else b"?"
    for name, value in request.query:
        yield Template([mark])
        yield Template.of(name, Place.QUERY)
        yield Template([b"="])
        yield Template.of(value, Place.QUERY)
        mark = b"&"
