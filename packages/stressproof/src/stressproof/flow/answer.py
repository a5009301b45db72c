"""What a flow is told of a request: its answer, or why there is none that will do."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

Fields = list[tuple[bytes, bytes]]
"""Name and value of each header field."""

_decode = msgspec.json.Decoder().decode


class Answer:
    """A whole answer; it cannot be changed.

    Args:
        status: Status code.
        body: What was kept of its body.
        body_bytes: The body's whole length.
        block: Its header block.
        read_block: Takes the block apart.
    """

    __slots__ = ("_block", "_body", "_body_bytes", "_headers", "_read_block", "_status")

    def __init__(
        self,
        status: int,
        body: bytes,
        body_bytes: int,
        block: bytes,
        read_block: Callable[[bytes], Fields],
    ) -> None:
        self._status = status
        self._body = body
        self._body_bytes = body_bytes
        self._block = block
        self._read_block = read_block
        self._headers: Mapping[str, str] | None = None

    @property
    def status(self) -> int:
        """Status code."""
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        """By name in lower case; of a name that came twice both values, after a comma."""
        if self._headers is None:
            self._headers = MappingProxyType(by_name(self._read_block(self._block)))
        return self._headers

    @property
    def body(self) -> bytes:
        """The body, as it was sent.

        Raises:
            ValueError: It is longer than what is kept of one, 2 MiB.
        """
        if len(self._body) != self._body_bytes:
            raise ValueError(
                f"the body has {self._body_bytes:,} bytes, of which {len(self._body):,} are kept"
            )
        return self._body

    @property
    def text(self) -> str:
        """The body as UTF-8, what is none replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: It is none.
        """
        # Read anew each time: users whose answers are the same bytes share an answer, and what one
        # of them does to a list in it is no other's affair.
        return _decode(self.body)

    def find(self, pattern: str) -> str:
        """Return the first group of a regular expression; where it is not found, the flow fails."""
        match = _compiled(pattern).search(self.text)
        if match is None:
            raise CheckFailedError(f"nothing in the answer matches {pattern!r}")
        return str(match[1])

    def cookies(self) -> list[str]:
        """Return the values of its Set-Cookie fields."""
        if b"et-cookie" not in self._block.lower():
            return []
        fields = self._read_block(self._block)
        return [value.decode("latin-1") for name, value in fields if name.lower() == b"set-cookie"]

    def same(self, block: bytes, body: bytes, body_bytes: int) -> bool:
        """Return whether an answer of these bytes is this one."""
        return body == self._body and block == self._block and body_bytes == self._body_bytes

    def __repr__(self) -> str:
        return f"<Answer {self._status}, {self._body_bytes} bytes>"


def by_name(fields: Fields) -> dict[str, str]:
    """Return header fields by name in lower case; several of a name as one, after commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


@lru_cache(256)
def _compiled(pattern: str) -> "re.Pattern[str]":
    compiled = re.compile(pattern)
    if not compiled.groups:
        raise ValueError(f"the pattern {pattern!r} has no group, write (…) around what to find")
    return compiled


class RequestFailed(Exception):  # noqa: N818  # the name that flows read best with
    """A request had no answer, an unexpected status, or an answer that failed its check.

    Attributes:
        outcome: As it is counted: ``timeout``, ``status_503``, ``body_check``, …
        answer: None where there is none.
    """

    def __init__(self, name: str, outcome: str, answer: Answer | None) -> None:
        super().__init__(f"{name}: {outcome}")
        self.outcome = outcome
        self.answer = answer


class CheckFailedError(Exception):
    """What a flow checks does not hold; the iteration has failed, whoever catches this."""
