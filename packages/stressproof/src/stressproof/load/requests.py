"""Requests as bytes, made before the load starts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from os import urandom
from random import Random
from typing import NamedTuple

from stressproof.errors import UsageError
from stressproof.load.http1 import CHECKED_BODY_BYTES, SAMPLED_BODY_BYTES, HeadCache
from stressproof.version import __version__
from stressproof.workload.checks import Check
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.target import Target, demand_headers, origin_of
from stressproof.workload.workload import Workload

_PLACEHOLDER = re.compile(rb"\{\{(\w*)\}\}")
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
        requests: The bytes of one request after another, without end.
        expected: Statuses that are no failure.
        check: What the body must hold, None for anything.
        bodyless: Whether its answers have no body, as those to HEAD.
        heads: Known header blocks of its answers.
        accepted: The last answer that came in one piece and was found good, head and body: what
            equals it is good too, and leaves the connection open. Empty before there is one.
    """

    __slots__ = ("accepted", "bodyless", "check", "expected", "heads", "index", "name", "requests")

    def __init__(self, index: int, endpoint: Endpoint, requests: Iterator[bytes]) -> None:
        self.index = index
        self.name = endpoint.name
        self.requests = requests
        self.expected = frozenset(endpoint.expected_statuses)
        self.check = Check.of(endpoint.check)
        self.accepted = b""
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
        PreparedEndpoint(index, endpoint, _requests(workload.target, endpoint, fresh))
        for index, endpoint in enumerate(workload.endpoints)
    ]


class Composed(NamedTuple):
    """A request in two parts, for what still has to be filled in.

    Attributes:
        head: Request line and headers, without the blank line and what depends on the body.
        body: Empty for none.
        announced: Whether the length of the body is said although it may be empty.
    """

    head: bytes
    body: bytes
    announced: bool

    def filled(self, uuid: bytes, sequence: bytes) -> bytes:
        """Return the request with values for its placeholders."""
        head, body = (
            part.replace(b"{{uuid}}", uuid).replace(b"{{seq}}", sequence)
            for part in (self.head, self.body)
        )
        return Composed(head, body, self.announced).whole()

    def whole(self) -> bytes:
        """Return the request as it is."""
        if self.body or self.announced:
            return b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(self.body), self.body)
        return self.head + b"\r\n"


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
        merged.update({name.lower(): (name, value) for name, value in given.items()})
    lines = [
        f"{method} {origin.base}{path} HTTP/1.1",
        f"Host: {origin.authority}",
        *(f"{name}: {value}" for name, value in merged.values()),
    ]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n"
    return Composed(head, body or b"", method not in _BODYLESS_METHODS)


def _requests(target: Target, endpoint: Endpoint, fresh: UniqueValues) -> Iterator[bytes]:
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
    if found:
        return (one.filled(*fresh.values()) for one in cycle(variants))
    return cycle([one.whole() for one in variants])
