"""Messages of HTTP/1.1 in one direction of a link, byte by byte (RFC 9112), without I/O.

What the load reads of an answer is read here of requests too; unlike there, nothing is kept of a
body, the bytes stay as they are, and the next message waits until it is wanted.
"""

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Literal, NamedTuple

from msgspec import Struct

from stressproof.load.http1 import (
    CHUNK_LINE,
    CHUNKED,
    END_OF_HEAD,
    INTERIM,
    LINE,
    MAX_CHUNK_LINE_BYTES,
    MAX_HEAD_BYTES,
    MAX_TRAILER_BYTES,
    UNTIL_CLOSE,
    MalformedAnswerError,
    elements_of,
    fields_of,
    framing_fields,
    length_of,
)

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
# What a first line looks like while its end is missing, and once it is there.
REQUEST_BEGINS = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}(?: [\x21-\x7e\x80-\xff]*(?: [HTP/1.0]*\r?)?)?"
    rb"|[^\n]* HTTP/1\.[01]\r?\n"
)
ANSWER_BEGINS = re.compile(
    rb"H(T(T(P(/(1(\.[\x20-\x7e\x80-\xff]*\r?)?)?)?)?)?)?|HTTP/1\.[01] [1-9][0-9][0-9][^\n]*\n"
)
_HOST = re.compile(rb"(\n)host:[^\r\n]*", re.IGNORECASE)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


class RequestHead(Struct, frozen=True):
    """What the header block of a request says that matters here.

    Attributes:
        method: As it was sent.
        path: Of the target, with its query; an absolute target without its origin.
        length: Bytes of body, or `CHUNKED`.
        keep_alive: Whether the connection is to outlive the exchange.
        expects_continue: Whether the body is sent only after an interim answer.
    """

    method: str
    path: str
    length: int
    keep_alive: bool
    expects_continue: bool


def parse_request(block: bytes) -> RequestHead:
    """Return what a header block with its blank line says.

    Raises:
        MalformedAnswerError: It is no request of HTTP/1.1, or says two things about its length.
    """
    first, *lines = LINE.split(block)[:-2]
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise MalformedAnswerError(f"not a request line: {first[:80]!r}")
    fields = framing_fields(lines)
    options = elements_of(fields[b"connection"])
    length = length_of(fields)
    if length == UNTIL_CLOSE:
        if fields[b"transfer-encoding"]:
            raise MalformedAnswerError("the end of a request cannot be told")
        length = 0
    old = match[3] == b"0"
    expects = [value for name, value in fields_of(block) if name.lower() == b"expect"]
    return RequestHead(
        method=match[1].decode("ascii"),
        path=_ORIGIN.sub("", match[2].decode("latin-1"), count=1) or "/",
        length=length,
        keep_alive=b"close" not in options and (not old or b"keep-alive" in options),
        expects_continue=b"100-continue" in elements_of(expects),
    )


def with_host(block: bytes, authority: str) -> bytes:
    """Return the header block of a request with another ``Host``."""
    return _HOST.sub(b"\\1Host: " + authority.encode("ascii"), block, count=1)


class Part(NamedTuple):
    """A piece of a message; its bytes, one after another, are the message."""

    kind: Literal["head", "body", "end"]
    data: bytes


class _State(Enum):
    HEAD = auto()
    FIXED = auto()
    CLOSE = auto()
    SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILER = auto()
    OVER = auto()


class MessageReader:
    """Reads one message after another, each when it is wanted.

    Args:
        parse: Given a header block with its blank line, returns the length of the body (`CHUNKED`,
            `UNTIL_CLOSE`, or `INTERIM` where another header block follows).
        begins: What the first line of an unfinished header block looks like, with the line feed
            where it has come, so that the end of anything else is not waited for.
    """

    def __init__(self, parse: Callable[[bytes], int], begins: re.Pattern[bytes]) -> None:
        self._parse = parse
        self._begins = begins
        self._buffer = bytearray()
        self._state = _State.HEAD
        self._left = 0
        self._searched = 0

    @property
    def buffered(self) -> int:
        """Bytes that came and were not read yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._buffer += data

    def begin(self) -> None:
        """Have the next message read."""
        self._state = _State.HEAD

    def rest(self) -> bytes:
        """Take all that was not read."""
        return self._take(len(self._buffer))

    def end_of_stream(self) -> bool:
        """Return whether the end of the bytes completes the message."""
        over = self._state is _State.CLOSE
        if over:
            self._state = _State.OVER
        return over

    def next(self) -> Part | None:
        """Return the next part; None where bytes are missing, or the message is over.

        Raises:
            MalformedAnswerError: This is not HTTP/1.1; `rest` has what was not returned.
        """
        match self._state:
            case _State.HEAD:
                return self._head()
            case _State.FIXED | _State.CHUNK | _State.CLOSE:
                return self._body()
            case _State.SIZE:
                return self._size()
            case _State.CHUNK_END:
                return self._chunk_end()
            case _State.TRAILER:
                return self._trailer()
            case _:
                return None

    def _head(self) -> Part | None:
        buffer = self._buffer
        while buffer[:2] == b"\r\n":
            del buffer[:2]  # blank lines before a message mean nothing (RFC 9112 section 2.2)
        found = END_OF_HEAD.search(buffer, self._searched)
        if found is None:
            if len(buffer) > MAX_HEAD_BYTES:
                raise MalformedAnswerError(f"a header block of more than {MAX_HEAD_BYTES} bytes")
            line = bytes(buffer[: buffer.find(b"\n") + 1 or len(buffer)])
            if line and not self._begins.fullmatch(line):
                raise MalformedAnswerError(f"not HTTP/1.1: {line[:80]!r}")
            self._searched = max(0, len(buffer) - 3)
            return None
        self._searched = 0
        if found.end() > MAX_HEAD_BYTES:
            raise MalformedAnswerError(f"a header block of more than {MAX_HEAD_BYTES} bytes")
        length = self._parse(bytes(buffer[: found.end()]))
        if length != INTERIM:
            self._left = max(0, length)
            self._state = {
                CHUNKED: _State.SIZE,
                UNTIL_CLOSE: _State.CLOSE,
            }.get(length, _State.FIXED)
        return Part("head", self._take(found.end()))

    def _body(self) -> Part | None:
        if self._state is _State.CLOSE:
            size = len(self._buffer)
        else:
            size = min(self._left, len(self._buffer))
            self._left -= size
            if not self._left:
                if self._state is _State.FIXED and not size:
                    return self._end()
                if self._state is _State.CHUNK:
                    self._state = _State.CHUNK_END
        return Part("body", self._take(size)) if size else None

    def _size(self) -> Part | None:
        end = self._buffer.find(b"\r\n")
        if (end if end >= 0 else len(self._buffer)) > MAX_CHUNK_LINE_BYTES:
            raise MalformedAnswerError(f"a chunk line of more than {MAX_CHUNK_LINE_BYTES} bytes")
        if end < 0:
            return None
        match = CHUNK_LINE.fullmatch(self._buffer, 0, end)
        if match is None:
            raise MalformedAnswerError(f"not a chunk size: {bytes(self._buffer[:80])!r}")
        self._left = int(match[1], 16)
        self._state = _State.CHUNK if self._left else _State.TRAILER
        return Part("body", self._take(end + 2))

    def _chunk_end(self) -> Part | None:
        if len(self._buffer) < len(b"\r\n"):
            return None
        if self._buffer[:2] != b"\r\n":
            raise MalformedAnswerError("a chunk is longer than it says")
        self._state = _State.SIZE
        return Part("body", self._take(2))

    def _trailer(self) -> Part | None:
        if self._left < 0:
            return self._end()
        end = self._buffer.find(b"\n") + 1
        self._left += end or len(self._buffer)
        if self._left > MAX_TRAILER_BYTES:
            raise MalformedAnswerError(f"a trailer of more than {MAX_TRAILER_BYTES} bytes")
        if not end:
            self._left -= len(self._buffer)
            return None
        line = self._take(end)
        if line in (b"\r\n", b"\n"):
            self._left = -1
        return Part("body", line)

    def _end(self) -> Part:
        self._state = _State.OVER
        return Part("end", b"")

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
