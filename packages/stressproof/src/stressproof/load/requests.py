"""Requests as bytes, made before the load starts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from os import urandom
from random import Random
from typing import NamedTuple

from stressproof.errors import UsageError
from stressproof.load.hpack_stateless import encode_fields
from stressproof.load.http1 import CHECKED_BODY_BYTES, SAMPLED_BODY_BYTES, HeadCache
from stressproof.version import __version__
from stressproof.workload.checks import Check
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.target import Target, demand_headers, origin_of
from stressproof.workload.workload import Workload

_PLACEHOLDER = re.compile(rb"\{\{(\w*)\}\}")
_HTTP1_ONLY = frozenset({"keep-alive", "proxy-connection", "te", "upgrade"})  # RFC 9113, 8.2.2
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

    def values(self) -> tuple[bytes, bytes]:
        """Return a new UUID (version 4) and the next sequence number, as text."""
        digits = f"{self._random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        uuid = (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )
        number = self._sequence
        self._sequence += self._step
        return uuid.encode(), b"%d" % number


class PreparedEndpoint:
    """One endpoint, ready to be sent and judged.

    Attributes:
        index: Position in ``workload.endpoints``.
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

    def __init__(self, index: int, endpoint: Endpoint, target: Target, fresh: UniqueValues) -> None:
        self.index = index
        self.name = endpoint.name
        variants, fill = _variants(target, endpoint)
        if fill:
            self.requests = (one.filled(*fresh.values()) for one in cycle(variants))
            self.streams = (one.filled_stream(*fresh.values()) for one in cycle(variants))
        else:
            self.requests = cycle([one.whole() for one in variants])
            self.streams = cycle([one.stream() for one in variants])
        self.expected = frozenset(endpoint.expected_statuses)
        self.check = Check.of(endpoint.check)
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
        for index, endpoint in enumerate(workload.endpoints)
    ]


class Composed(NamedTuple):
    """A request in two parts, for what still has to be filled in.

    Attributes:
        head: Request line and headers, without the blank line and what depends on the body.
        body: Empty for none.
        announced: Whether the length of the body is said although it may be empty.
        fields: What ``head`` says, as HTTP/2 has it.
    """

    head: bytes
    body: bytes
    announced: bool
    fields: tuple[tuple[bytes, bytes], ...]

    def filled(self, uuid: bytes, sequence: bytes) -> bytes:
        """Return the request with values for its placeholders."""
        head, body = (_fill(part, uuid, sequence) for part in (self.head, self.body))
        return Composed(head, body, self.announced, ()).whole()

    def whole(self) -> bytes:
        """Return the request as it is."""
        if self.body or self.announced:
            return b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(self.body), self.body)
        return self.head + b"\r\n"

    def stream(self) -> tuple[bytes, bytes]:
        """Return header block and body of HTTP/2, as they are."""
        fields = self.fields
        if self.body or self.announced:
            fields += ((b"content-length", b"%d" % len(self.body)),)
        return encode_fields(fields), self.body

    def filled_stream(self, uuid: bytes, sequence: bytes) -> tuple[bytes, bytes]:
        """Return header block and body with values for the placeholders."""
        fields = tuple((name, _fill(value, uuid, sequence)) for name, value in self.fields)
        body = _fill(self.body, uuid, sequence)
        return Composed(b"", body, self.announced, fields).stream()


def _fill(text: bytes, uuid: bytes, sequence: bytes) -> bytes:
    return text.replace(b"{{uuid}}", uuid).replace(b"{{seq}}", sequence)


def compose(
    target: Target,
    method: str,
    path: str,
    headers: Iterable[Mapping[str, str]],
    body: bytes | None,
) -> Composed:
    """Return a request to a target.

    Args:
        target: Its headers come first.
        method: As it is sent.
        path: After the target's base path, byte by byte as it is given.
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
    if body is not None:
        merged["content-type"] = ("Content-Type", "application/json")
    for given in (target.headers, *headers):
        demand_headers(given)
        if target.http2 and (unfit := _HTTP1_ONLY.intersection(map(str.lower, given))):
            raise UsageError(
                f"HTTP/2 has no header {', '.join(sorted(unfit))}", hint="leave it out"
            )
        merged.update({name.lower(): (name, value) for name, value in given.items()})
    lines = [
        f"{method} {origin.base}{path} HTTP/1.1",
        f"Host: {origin.authority}",
        *(f"{name}: {value}" for name, value in merged.values()),
    ]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n"
    pseudo = {
        ":method": method,
        ":scheme": "https" if origin.secure else "http",
        ":path": origin.base + path,
        ":authority": origin.authority,
    }
    fields = [*pseudo.items(), *((name, value.strip()) for name, (_, value) in merged.items())]
    return Composed(
        head,
        body or b"",
        method not in _BODYLESS_METHODS,
        tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields),
    )


def _variants(target: Target, endpoint: Endpoint) -> tuple[list[Composed], bool]:
    """Return an endpoint's requests, one for each set of rotated headers, and whether to fill them.

    Raises:
        UsageError: A placeholder is unknown.
    """
    body = None if endpoint.body is None else endpoint.body.encode()
    variants = [
        compose(target, endpoint.method, endpoint.path, (endpoint.headers, rotated), body)
        for rotated in (endpoint.rotate or ({},))
    ]
    found = {at for one in variants for at in _PLACEHOLDER.findall(one.head + one.body)}
    for unknown in sorted(found - {b"uuid", b"seq"}):
        raise UsageError(
            f"{endpoint.name}: {{{{{unknown.decode(errors='replace')}}}}} means nothing",
            hint="use {{uuid}} or {{seq}}",
        )
    return variants, bool(found)
