"""What the proxy can do to one exchange of HTTP, as values: which requests, what becomes of them.

Unless ``deliver`` is set, the server behind never hears of a request that is spoilt. Where it is
set, the server does what was asked and the client is told otherwise.
"""

import re
from functools import cache
from typing import Annotated

from msgspec import Meta, Struct

from stressproof.failures.fault_kinds import LONGEST_US

PPM = 1_000_000
Duration = Annotated[int, Meta(ge=0, le=LONGEST_US)]
"""Microseconds, no more than a fault may last."""

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_FIELD = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
# What frames an answer is the proxy's to say.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "trailer"})

_BODYLESS = frozenset({204, 304})

_FieldName = Annotated[str, Meta(pattern=_FIELD, max_length=100)]
_FieldValue = Annotated[str, Meta(pattern=r"^[\t\x20-\x7e]*$", max_length=1000)]


class HttpFault(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Which requests a toxic takes.

    Attributes:
        path: A glob over the path without its query: ``*`` within a segment, ``**`` across.
        method: Exactly, or ``*`` for any.
        first: Only the first so many of those it would take; 0 for all.
        every: Only each so-manieth that matches.
    """

    path: Annotated[str, Meta(pattern=r"^/", max_length=500)] = "/**"
    method: Annotated[str, Meta(pattern=r"^(\*|[!#$%&'+.^_`|~0-9A-Za-z-]+)$", max_length=40)] = "*"
    first: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    every: _Count = 1

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request is of those meant; of a path with a query, the path counts."""
        if self.method not in ("*", method):
            return False
        return _glob(self.path).fullmatch(path.partition("?")[0]) is not None


class HttpAnswer(HttpFault, frozen=True, tag="http_answer"):
    """The proxy answers in the server's place."""

    status: Annotated[int, Meta(ge=200, le=599)] = 500
    headers: dict[_FieldName, _FieldValue] = {}
    body: Annotated[str, Meta(max_length=1_000_000)] = ""
    deliver: bool = False

    def __post_init__(self) -> None:
        """Refuse fields that say how long the answer is, and a body where none may be.

        Raises:
            ValueError: There is one.
        """
        if framing := _FRAMING & {name.lower() for name in self.headers}:
            raise ValueError(f"the proxy itself says {', '.join(sorted(framing))} of its answers")
        if self.body and not self.may_have_body:
            raise ValueError(f"an answer of {self.status} has no body")

    @property
    def may_have_body(self) -> bool:
        """Whether HTTP allows a body with the status."""
        return self.status not in _BODYLESS


class HttpDelay(HttpFault, frozen=True, tag="http_delay"):
    """The server's answer leaves ``delay_us`` ± ``jitter_us`` after it began to come."""

    delay_us: Duration = 5_000_000
    jitter_us: Duration = 0


class HttpTruncate(HttpFault, frozen=True, tag="http_truncate"):
    """The whole head of the server's answer, ``keep_ppm`` of its body, and the connection's end.

    Of a body whose length is not announced, that share of its first 256 KiB.
    """

    keep_ppm: Annotated[int, Meta(ge=0, le=PPM)] = PPM // 2


class HttpGarbage(HttpFault, frozen=True, tag="http_garbage"):
    """Bytes that are no HTTP, and the connection's end."""

    deliver: bool = False


class HttpHang(HttpFault, frozen=True, tag="http_hang"):
    """No answer until the toxic is gone, then RST."""

    deliver: bool = False


class HttpReset(HttpFault, frozen=True, tag="http_reset"):
    """RST in place of an answer."""

    deliver: bool = False


Replacing = HttpAnswer | HttpGarbage | HttpHang | HttpReset
"""Nothing of the server's answer reaches the client."""

HttpToxic = HttpDelay | HttpTruncate | Replacing


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    wild: dict[str, str] = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in parts), re.DOTALL)
