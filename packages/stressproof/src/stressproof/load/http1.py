"""Answers of HTTP/1.1, byte by byte: framing as RFC 9112 section 6.3 has it, without I/O.

The engine needs four things of an answer: status, where it ends, whether the connection may be used
again, and a bounded part of the body. Servers repeat their header blocks, so a block is parsed once
and then found by its bytes.
"""

import re

CHUNKED = -1
UNTIL_CLOSE = -2
INTERIM = -3

MAX_HEAD_BYTES = 65_536
MAX_INTERIM = 16
MAX_CHUNK_LINE_BYTES = 4_096
MAX_TRAILER_BYTES = 65_536
CHECKED_BODY_BYTES = 2 * 1024 * 1024
"""What is kept of a body for a check; a longer body cannot be checked and fails."""
SAMPLED_BODY_BYTES = 256
"""What is kept of a body that is not checked, to show what a failure looked like."""

_BLANK = b"\r\n\r\n"
# A line of a header block may end in a line feed alone (RFC 9112 section 2.2).
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
LINE = re.compile(rb"\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
CHUNK_LINE = re.compile(
    # Blanks may stand wherever RFC 9112 section 7.1.1 has BWS, and some servers pad the size.
    rb"""([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t ]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[\t ]*"""
    rb"""(?:=[\t ]*(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+"""
    rb"""|"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*")[\t ]*)?)*"""
)
_FRAMING = (b"content-length", b"transfer-encoding", b"connection")
_KNOWN_HEADS = 512

_SWITCHING = 101
_FINAL = 200
_EMPTY = 204
_NO_CONTENT = frozenset({_EMPTY, 304})


class MalformedAnswerError(Exception):
    """The peer does not speak HTTP/1.1; the connection is of no more use."""


class Head:
    """What a header block says that matters here.

    Attributes:
        status: Status code.
        length: Bytes of body, or `CHUNKED`, `UNTIL_CLOSE`, or `INTERIM` where the answer proper is
            still to come.
        keep_alive: Whether the connection outlives the answer.
        block: The header block itself, for `fields_of`.
    """

    __slots__ = ("block", "keep_alive", "length", "status")

    def __init__(self, status: int, length: int, block: bytes, *, keep_alive: bool) -> None:
        self.block = block
        self.status = status
        self.length = length
        self.keep_alive = keep_alive


class HeadCache:
    """The header blocks that answers to one endpoint begin with, by their bytes; bounded.

    Servers repeat themselves: the block of the last answer is tried first, then those seen before.

    Args:
        bodyless: Whether these answer HEAD, and thus end with their header block.
        keep: How many bytes of a body to keep.

    Attributes:
        block: The header block seen last.
        head: What it says.
        whole: Bytes of an answer under it, body included; -1 where only the body can tell.
    """

    __slots__ = ("_bodyless", "_heads", "block", "head", "keep", "whole")

    def __init__(self, *, bodyless: bool, keep: int = CHECKED_BODY_BYTES) -> None:
        self.keep = keep
        self._bodyless = bodyless
        self._heads: dict[bytes, Head] = {}
        self.block = b"\0"  # begins no answer
        self.head: Head | None = None
        self.whole = -1

    def __len__(self) -> int:
        return len(self._heads)

    def look_up(self, data: bytes) -> None:
        """Make the block that an answer begins with the one seen last, if it has been seen."""
        block = data[: data.find(_BLANK) + len(_BLANK)]
        head = self._heads.get(block)
        if head is not None:
            self._remember(block, head)

    def parse(self, block: bytes) -> Head:
        """Return what a header block (with its blank line) says, and remember it.

        Raises:
            MalformedAnswerError: It is not one.
        """
        head = self._heads.get(block)
        if head is None:
            if len(self._heads) >= _KNOWN_HEADS:
                self._heads.clear()
            head = self._heads[block] = parse_head(block, bodyless=self._bodyless)
        self._remember(block, head)
        return head

    def _remember(self, block: bytes, head: Head) -> None:
        self.block = block
        self.head = head
        self.whole = len(block) + head.length if head.length >= 0 else -1


def parse_head(block: bytes, *, bodyless: bool) -> Head:
    """Parse a header block that ends with its blank line.

    Args:
        block: Status line and fields.
        bodyless: Whether this answers a HEAD.

    Raises:
        MalformedAnswerError: It breaks the grammar, or says two things about its length.
    """
    first, *lines = LINE.split(block)[:-2]
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise MalformedAnswerError(f"not a status line: {first[:80]!r}")
    status = int(match[2])
    old = match[1] == b"0"
    fields = framing_fields(lines)
    options = elements_of(fields[b"connection"])
    keep_alive = b"close" not in options and (not old or b"keep-alive" in options)
    if status < _FINAL:
        length = INTERIM
    elif bodyless or status in _NO_CONTENT:
        length = 0
        # What announces a body that cannot be may send one, which is no part of the next answer.
        keep_alive = keep_alive and (bodyless or status != _EMPTY or not _announces_body(fields))
    else:
        length = length_of(fields)
        # HTTP/1.0 knows no codings: what has one is read, and nothing after it (RFC 9112, 6.1).
        keep_alive = keep_alive and not (old and length == CHUNKED)
    return Head(status, length, block, keep_alive=keep_alive and length != UNTIL_CLOSE)


def fields_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and value of each field of a header block; of a continued one its first line."""
    fields = map(FIELD.fullmatch, LINE.split(block)[1:-2])
    return [(field[1], field[2].strip(b" \t")) for field in fields if field]


def _announces_body(fields: dict[bytes, list[bytes]]) -> bool:
    return bool(fields[b"transfer-encoding"]) or any(
        length.strip(b"0") for length in fields[b"content-length"]
    )


def framing_fields(lines: list[bytes]) -> dict[bytes, list[bytes]]:
    """Return the values of the fields that matter, by their names, having looked at all.

    Raises:
        MalformedAnswerError: A line is no field.
    """
    found: dict[bytes, list[bytes]] = {name: [] for name in _FRAMING}
    name = _FRAMING[0]  # no field comes before the first, so it cannot be continued
    for line in lines:
        if line[:1] in (b" ", b"\t") and name not in found:
            continue  # an obsolete continuation of a field that says nothing here
        field = FIELD.fullmatch(line)
        if field is None:
            raise MalformedAnswerError(f"not a header field: {line[:80]!r}")
        name = field[1].lower()
        if name in found:
            found[name].append(field[2].strip(b" \t"))
    return found


def elements_of(values: list[bytes]) -> list[bytes]:
    """Return the elements of a field that is a list, in small letters."""
    return [part.strip(b" \t").lower() for value in values for part in value.split(b",")]


def length_of(fields: dict[bytes, list[bytes]]) -> int:
    """Return bytes of body, or `CHUNKED`, or `UNTIL_CLOSE` where no field says.

    Raises:
        MalformedAnswerError: They say two things, or something unreadable.
    """
    lengths = set(fields[b"content-length"])
    codings = elements_of(fields[b"transfer-encoding"])
    if codings and lengths:
        raise MalformedAnswerError("Transfer-Encoding beside Content-Length")
    if lengths:
        return _content_length(lengths)
    return _coded_length(codings)


def _content_length(values: set[bytes]) -> int:
    value = values.pop()
    if values or not _LENGTH.fullmatch(value):
        raise MalformedAnswerError(f"not one Content-Length: {[value, *values]!r}"[:120])
    return int(value)


def _coded_length(codings: list[bytes]) -> int:
    if b"chunked" not in codings:
        return UNTIL_CLOSE
    if codings.index(b"chunked") != len(codings) - 1:
        raise MalformedAnswerError("chunked is not the last transfer coding")
    return CHUNKED


_HEAD, _FIXED, _CLOSE, _SIZE, _CHUNK, _CHUNK_END, _TRAILER = range(7)


class AnswerReader:
    """Reads one answer after another from the bytes of a connection.

    Attributes:
        fresh: Whether nothing of an answer has been read.
        known: Header blocks of the request under way; set it before its answer is fed.
        body: The body read last; of one that came in pieces at most as much as is to be kept.
        body_bytes: Its whole length.
    """

    __slots__ = (
        "_head",
        "_interim",
        "_kept",
        "_left",
        "_pending",
        "_state",
        "body",
        "body_bytes",
        "fresh",
        "known",
    )

    def __init__(self, known: HeadCache) -> None:
        self.known = known
        self.reset()

    def reset(self) -> None:
        """Forget an unfinished answer: the next byte begins a new one."""
        self.fresh = True
        self._state = _HEAD
        self._pending = b""
        self._head: Head | None = None
        self._interim = 0
        self._left = 0
        self._kept = bytearray()
        self.body = b""
        self.body_bytes = 0

    def feed(self, data: bytes) -> Head | None:
        """Read what has arrived; return the head once its answer is complete.

        Raises:
            MalformedAnswerError: It is not HTTP/1.1, or more than the one answer came.
        """
        if self.fresh:
            # The hot path: a whole answer in one piece, under a header block seen before.
            known = self.known
            if not data.startswith(known.block):
                known.look_up(data)
                if not data.startswith(known.block):
                    return self._feed_in_pieces(data)
            if len(data) == known.whole:
                self.body = body = data[len(known.block) :]
                self.body_bytes = len(body)
                return known.head
        return self._feed_in_pieces(data)

    def end(self) -> Head | None:
        """Return the head where the end of the connection completes the answer."""
        if self._state != _CLOSE:
            return None
        head = self._head
        self._complete()
        return head

    def _feed_in_pieces(self, data: bytes) -> Head | None:
        self.fresh = False
        if self._pending:
            data = self._pending + data
            self._pending = b""
        steps = (
            self._read_head,
            self._read_body,
            self._read_body,
            self._read_size,
            self._read_body,
            self._read_chunk_end,
            self._read_trailer,
        )
        at = 0
        while True:
            moved = steps[self._state](data, at)
            if moved < 0:  # complete, with the end of it as -1 - moved
                at = -1 - moved
                break
            if moved == at:
                self._pending = data[at:]
                return None
            at = moved
        head = self._head
        if at != len(data) and (head is None or head.status != _EMPTY or head.keep_alive):
            raise MalformedAnswerError(f"{len(data) - at} bytes more than the answer")
        self._complete()
        return head

    def _complete(self) -> None:
        body, length = bytes(self._kept), self.body_bytes
        self.reset()
        self.body = body
        self.body_bytes = length

    def _read_head(self, data: bytes, at: int) -> int:
        """Read a header block, as the first of the steps.

        Each step returns how far it read: where it began for need of more, below 0 at the end.
        """
        blank = END_OF_HEAD.search(data, at)
        if blank is None:
            if len(data) - at > MAX_HEAD_BYTES:
                raise MalformedAnswerError(f"a header block of more than {MAX_HEAD_BYTES} bytes")
            if not b"HTTP/1.".startswith(data[at : at + 7]):
                raise MalformedAnswerError(f"not a status line: {data[at : at + 80]!r}")
            return at
        end = blank.end()
        if end - at > MAX_HEAD_BYTES:
            raise MalformedAnswerError(f"a header block of more than {MAX_HEAD_BYTES} bytes")
        head = self.known.parse(data[at:end])
        if head.length == INTERIM:
            self._interim += 1
            if head.status == _SWITCHING:
                raise MalformedAnswerError("status 101, and nobody asked for another protocol")
            if self._interim > MAX_INTERIM:
                raise MalformedAnswerError(f"more than {MAX_INTERIM} interim answers in a row")
            return end
        self._head = head
        self.body_bytes = 0
        if head.length == 0:
            return -1 - end
        self._left = head.length
        self._state = {CHUNKED: _SIZE, UNTIL_CLOSE: _CLOSE}.get(head.length, _FIXED)
        return end

    def _read_body(self, data: bytes, at: int) -> int:
        limit = len(data) if self._state == _CLOSE else min(len(data), at + self._left)
        taken = limit - at
        self.body_bytes += taken
        room = self.known.keep - len(self._kept)
        if room > 0:
            self._kept += data[at : min(limit, at + room)]
        if self._state == _CLOSE:
            return limit
        self._left -= taken
        if self._left:
            return limit
        if self._state == _FIXED:
            return -1 - limit
        self._state = _CHUNK_END
        return limit

    def _read_size(self, data: bytes, at: int) -> int:
        feed = data.find(b"\n", at)
        if (feed if feed >= 0 else len(data)) - at > MAX_CHUNK_LINE_BYTES:
            raise MalformedAnswerError(f"a chunk line of more than {MAX_CHUNK_LINE_BYTES} bytes")
        if feed < 0:
            return at
        end = feed - 1
        # Unlike in a header block, a line feed alone ends nothing here (RFC 9112 section 7.1).
        match = CHUNK_LINE.fullmatch(data, at, end) if data[end:feed] == b"\r" else None
        if match is None:
            raise MalformedAnswerError(f"not a chunk size: {data[at : min(feed + 1, at + 80)]!r}")
        self._left = int(match[1], 16)
        self._state = _CHUNK if self._left else _TRAILER
        return feed + 1

    def _read_chunk_end(self, data: bytes, at: int) -> int:
        if not b"\r\n".startswith(data[at : at + 2]):
            raise MalformedAnswerError("a chunk is longer than it says")
        if len(data) - at < len(b"\r\n"):
            return at
        self._state = _SIZE
        return at + 2

    def _read_trailer(self, data: bytes, at: int) -> int:
        feed = data.find(b"\n", at)
        self._left += (feed + 1 if feed >= 0 else len(data)) - at
        if self._left > MAX_TRAILER_BYTES:
            raise MalformedAnswerError(f"a trailer of more than {MAX_TRAILER_BYTES} bytes")
        if feed < 0:
            self._left -= len(data) - at
            return at
        end = feed - (data[at:feed].endswith(b"\r"))
        if end == at:
            return -1 - (feed + 1)
        if not FIELD.fullmatch(data, at, end):
            raise MalformedAnswerError(f"not a trailer field: {data[at : min(end, at + 80)]!r}")
        return feed + 1
