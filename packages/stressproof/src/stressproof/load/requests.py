"""Requests as bytes, made before the load starts."""

import re
from collections.abc import Iterator
from itertools import cycle
from os import urandom
from random import Random

from stressproof.errors import UsageError
from stressproof.load.http1 import CHECKED_BODY_BYTES, SAMPLED_BODY_BYTES, HeadCache
from stressproof.version import __version__
from stressproof.workload.checks import Check
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.target import origin_of
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
        heads: Known header blocks of its answers; an answer to HEAD has no body.
        accepted: The last answer that came in one piece and was found good, head and body: what
            equals it is good too, and leaves the connection open. Empty before there is one.
    """

    __slots__ = ("accepted", "check", "expected", "heads", "index", "name", "requests")

    def __init__(self, index: int, endpoint: Endpoint, requests: Iterator[bytes]) -> None:
        self.index = index
        self.name = endpoint.name
        self.requests = requests
        self.expected = frozenset(endpoint.expected_statuses)
        self.check = Check.of(endpoint.check)
        self.accepted = b""
        self.heads = HeadCache(
            bodyless=endpoint.method == "HEAD",
            keep=SAMPLED_BODY_BYTES if self.check is None else CHECKED_BODY_BYTES,
        )


def prepare(workload: Workload, fresh: UniqueValues) -> list[PreparedEndpoint]:
    """Return the endpoints of a workload, ready to be sent.

    Raises:
        UsageError: A placeholder is unknown.
    """
    return [
        PreparedEndpoint(index, endpoint, _requests(workload, endpoint, fresh))
        for index, endpoint in enumerate(workload.endpoints)
    ]


def _requests(workload: Workload, endpoint: Endpoint, fresh: UniqueValues) -> Iterator[bytes]:
    variants = [_compose(workload, endpoint, rotated) for rotated in (endpoint.rotate or ({},))]
    if any(_placeholders(endpoint.name, head + body) for head, body in variants):
        return _filled(cycle(variants), endpoint, fresh)
    return cycle([_join(head, body, endpoint) for head, body in variants])


def _filled(
    variants: Iterator[tuple[bytes, bytes]], endpoint: Endpoint, fresh: UniqueValues
) -> Iterator[bytes]:
    for head, body in variants:
        uuid, sequence = fresh.values()
        yield _join(
            head.replace(b"{{uuid}}", uuid).replace(b"{{seq}}", sequence),
            body.replace(b"{{uuid}}", uuid).replace(b"{{seq}}", sequence),
            endpoint,
        )


def _placeholders(name: str, text: bytes) -> list[bytes]:
    found = _PLACEHOLDER.findall(text)
    for placeholder in found:
        if placeholder not in {b"uuid", b"seq"}:
            raise UsageError(
                f"{name}: {{{{{placeholder.decode(errors='replace')}}}}} means nothing",
                hint="use {{uuid}} or {{seq}}",
            )
    return found


def _compose(
    workload: Workload, endpoint: Endpoint, rotated: dict[str, str]
) -> tuple[bytes, bytes]:
    """Return a request's head without its last two lines, and its body."""
    origin = origin_of(workload.target.url)
    headers = {
        "user-agent": ("User-Agent", f"stressproof/{__version__}"),
        "accept": ("Accept", "*/*"),
    }
    if endpoint.body is not None:
        headers["content-type"] = ("Content-Type", "application/json")
    for given in (workload.target.headers, endpoint.headers, rotated):
        headers.update({name.lower(): (name, value) for name, value in given.items()})
    lines = [
        f"{endpoint.method} {origin.base}{endpoint.path} HTTP/1.1",
        f"Host: {origin.authority}",
        *(f"{name}: {value}" for name, value in headers.values()),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n", (endpoint.body or "").encode()


def _join(head: bytes, body: bytes, endpoint: Endpoint) -> bytes:
    if body or endpoint.method not in _BODYLESS_METHODS:
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
    return head + b"\r\n"
