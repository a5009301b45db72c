"""PostgreSQL's wire protocol, as much of it as tells when a transaction was committed.

Messages are found by their headers, never by searching for text, so data that contains the word
COMMIT and messages split over any number of chunks change nothing. Source: PostgreSQL
documentation, "Frontend/Backend Protocol", message formats (protocol 3.0 and 3.2).
"""

import re
import struct
from collections import deque
from collections.abc import Iterator

from msgspec import Struct

_HEADER = 5
_START_HEADER = 8
_SSL_REQUEST = 80_877_103
_GSS_REQUEST = 80_877_104
_CANCEL_REQUEST = 80_877_102
_MAJOR_VERSION = 3
# A startup packet holds user, database and options; a megabyte of it is something else.
_MAX_START = 1 << 20
# libpq refuses longer messages too ("1 GB limit"); a larger length is not this protocol.
_MAX_MESSAGE = 1 << 30
# Only these messages are looked into; all others stream through unread, whatever their size.
_READ_FRONTEND = frozenset(b"QPBES")
_READ_BACKEND = frozenset(b"CZEI")
# Enough of a statement to recognise it; the rest of a long one is skipped, not kept.
_KEPT = 1024
# A driver that numbers its prepared statements makes new names for ever; the oldest are forgotten.
_NAMES = 4096
_RAN = 256
_TAIL = 32
_ENDS_IN_COMMIT = re.compile(rb";\s*(?:COMMIT|END)\s*;?\s*\0?$", re.IGNORECASE)


class Message(Struct, frozen=True):
    """One whole message.

    Attributes:
        kind: Its type byte; 0 for a message without one (start-up, or an answer to SSLRequest).
        start: Where it begins, counted from the first byte of the stream.
        end: Where the next one begins.
        body: The first bytes after the header, at most 1 KiB; empty for kinds nobody reads.
        tail: Its last bytes, 32 at most; a message of several statements may end in COMMIT.
    """

    kind: int
    start: int
    end: int
    body: bytes
    tail: bytes = b""


class Framer:
    """Splits one direction of a connection into messages.

    Args:
        read: Message types whose bodies are kept.

    Attributes:
        position: Bytes consumed so far.
        opaque: The stream is not (or no longer) readable: encrypted, or another protocol.
    """

    def __init__(self, read: frozenset[int]) -> None:
        self._read = read
        self._pending = bytearray()
        self._tail = b""
        self._current: tuple[int, int, int] | None = None
        self.position = 0
        self.opaque = False

    @property
    def boundary(self) -> int:
        """Where the message that is still incomplete began; equals position where none is."""
        if self._current is not None:
            return self._current[1]
        return self.position - len(self._pending)

    @property
    def incomplete_kind(self) -> int | None:
        """Type of the message under way; None where there is none or its header is not whole."""
        return None if self._current is None else self._current[0]

    def raw(self, size: int) -> None:
        """Count bytes that belong to no message."""
        self.position += size

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take the next bytes and yield each message that they complete."""
        end = self.position + len(data)
        offset = 0
        while offset < len(data) and not self.opaque:
            if self._current is None:
                offset += self._take(data, offset, _HEADER - len(self._pending))
                if len(self._pending) < _HEADER:
                    break
                kind, length = struct.unpack("!BI", self._pending)
                if not 4 <= length <= _MAX_MESSAGE:  # noqa: PLR2004  # the length counts itself
                    self.opaque = True
                    break
                start = self.position - _HEADER
                self._current = (kind, start, start + 1 + length)
                self._pending.clear()
            kind, start, stop = self._current
            wanted = min(stop - self.position, len(data) - offset)
            if kind in self._read and len(self._pending) < _KEPT:
                self._pending += data[offset : offset + min(wanted, _KEPT - len(self._pending))]
            if kind in self._read:
                self._tail = (self._tail + data[offset : offset + wanted][-_TAIL:])[-_TAIL:]
            offset += wanted
            self.position += wanted
            if self.position == stop:
                message = Message(kind, start, stop, bytes(self._pending), self._tail)
                self._pending.clear()
                self._tail = b""
                self._current = None
                yield message
        self.position = end

    def _take(self, data: bytes, offset: int, size: int) -> int:
        piece = data[offset : offset + size]
        self._pending += piece
        self.position += len(piece)
        return len(piece)


class Commit(Struct, frozen=True):
    """A commit that the server has reported.

    Attributes:
        hold_from: Position in the downstream of the first byte that would tell the client.
        tag: The command tag that reported it.
        explicit: It was a COMMIT, not the end of a statement of its own.
        statements: What the transaction ran, shortened, in order.
    """

    hold_from: int
    tag: str
    explicit: bool
    statements: tuple[str, ...]


class _Asked(Struct, frozen=True):
    """Something the client asked for and the server has not answered yet."""

    kind: str
    sql: str


class Session:
    """One connection's conversation, followed in both directions.

    Attributes:
        opaque: It cannot be followed: encrypted, or not PostgreSQL.
        encrypted: The server agreed to encrypt it, so that it cannot be followed.
        ready: The server has said ``ReadyForQuery`` once: who connects has been let in.
        in_transaction: The server said so in its last ``ReadyForQuery``.
    """

    def __init__(self) -> None:
        self._front = Framer(_READ_FRONTEND)
        self._back = Framer(_READ_BACKEND)
        self._start = bytearray()
        self._started = False
        self._negotiating = False
        self._statements: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}
        self._asked: deque[_Asked] = deque()
        self._ran: deque[str] = deque(maxlen=_RAN)
        self._implicit: tuple[int, str] | None = None
        self.encrypted = False
        self.ready = False
        self.in_transaction = False
        self._foreign = False

    @property
    def opaque(self) -> bool:
        """Whether the conversation cannot be followed."""
        return self._foreign or self._front.opaque or self._back.opaque

    @property
    def holding_from(self) -> int | None:
        """Position in the downstream from which bytes could tell of a commit; None where none can.

        That is a message still incomplete whose kind reports ends of commands, or the report of a
        statement whose implicit transaction has not been said to be over yet.
        """
        if self.opaque or self._negotiating:
            return None
        if self._implicit is not None:
            return self._implicit[0]
        kind = self._back.incomplete_kind
        if self._back.boundary < self._back.position and (kind is None or kind in b"CZ"):
            return self._back.boundary
        return None

    def upstream(self, data: bytes) -> list[tuple[int, tuple[str, ...]]]:
        """Follow bytes from the client.

        Returns:
            For each request to commit: the position in the upstream where its message begins, and
            what the transaction asked for before it.
        """
        if self.opaque:
            return []
        if not self._started:
            data = self._read_start(data)
        asks = []
        for message in self._front.feed(data):
            commit = self._ask(message)
            if commit:
                asks.append((message.start, commit))
        return asks

    def downstream(self, data: bytes) -> list[Commit]:
        """Follow bytes from the server and return the commits they report."""
        if self.opaque:
            return []
        if self._negotiating and data:
            # The answer to SSLRequest or GSSENCRequest: one byte without a header.
            self._negotiating = False
            self._back.raw(1)
            if data[:1] != b"N":
                self._foreign = True
                self.encrypted = data[:1] in (b"S", b"G")
                return []
            data = data[1:]
        commits = []
        for message in self._back.feed(data):
            commit = self._answer(message)
            if commit is not None:
                commits.append(commit)
        return commits

    def _read_start(self, data: bytes) -> bytes:
        """Consume packets without a type byte; return what follows the last of them."""
        self._start += data
        while len(self._start) >= _START_HEADER and not self._started:
            length, code = struct.unpack("!II", self._start[:_START_HEADER])
            request = code in {_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST}
            if not _START_HEADER <= length <= _MAX_START or (
                not request and code >> 16 != _MAJOR_VERSION
            ):
                self._foreign = True
                return b""
            if len(self._start) < length:
                return b""
            del self._start[:length]
            self._front.raw(length)
            self._negotiating = code in {_SSL_REQUEST, _GSS_REQUEST}
            self._started = not request
        if not self._started:
            return b""
        rest = bytes(self._start)
        self._start.clear()
        return rest

    def _ask(self, message: Message) -> tuple[str, ...] | None:
        kind = chr(message.kind)
        if kind == "P":
            name, sql = _strings(message.body, 2)
            _remember(self._statements, name, _text(sql))
        elif kind == "B":
            portal, name = _strings(message.body, 2)
            _remember(self._portals, portal, self._statements.get(name, ""))
        elif kind == "E":
            sql_text = self._portals.get(_strings(message.body, 1)[0], "")
            return self._queue("execute", sql_text, _is_commit(sql_text, b""))
        elif kind == "Q":
            sql_text = _text(_strings(message.body, 1)[0])
            return self._queue("query", sql_text, _is_commit(sql_text, message.tail))
        elif kind == "S":
            self._asked.append(_Asked("sync", ""))
        return None

    def _queue(self, kind: str, sql: str, commits: bool) -> tuple[str, ...] | None:  # noqa: FBT001  # said in the line above each call
        self._asked.append(_Asked(kind, sql))
        if not commits:
            return None
        return (*self._ran, *(item.sql for item in self._asked if item.sql))

    def _answer(self, message: Message) -> Commit | None:
        kind = chr(message.kind)
        if kind == "Z":
            return self._ready(message)
        head = self._asked[0] if self._asked else None
        if kind == "C":
            tag = _text(message.body.split(b"\0", 1)[0])
            if head is not None and head.kind != "sync":
                self._ran.append(head.sql)
                if head.kind == "execute":
                    self._asked.popleft()
            if tag == "COMMIT":
                # A COMMIT of a failed transaction is answered with ROLLBACK, so this is durable.
                statements = tuple(self._ran)
                self._ran.clear()
                self._implicit = None
                return Commit(message.start, tag, explicit=True, statements=statements)
            if not self.in_transaction and self._implicit is None:
                self._implicit = (message.start, tag)
        elif kind == "E":
            self._implicit = None
        elif kind == "I" and head is not None and head.kind == "execute":
            self._asked.popleft()
        return None

    def _ready(self, message: Message) -> Commit | None:
        """Follow ReadyForQuery: all that was asked before it is answered."""
        while self._asked and self._asked.popleft().kind not in {"sync", "query"}:
            pass
        self.ready = True
        was_in_transaction, implicit = self.in_transaction, self._implicit
        self.in_transaction = message.body[:1] in {b"T", b"E"}
        self._implicit = None
        commit = None
        if implicit is not None and not self.in_transaction and not was_in_transaction:
            commit = Commit(implicit[0], implicit[1], explicit=False, statements=tuple(self._ran))
        if not self.in_transaction:
            self._ran.clear()
        return commit


def _remember(names: dict[bytes, str], name: bytes, sql: str) -> None:
    names.pop(name, None)
    names[name] = sql
    if len(names) > _NAMES:
        del names[next(iter(names))]


def _strings(body: bytes, count: int) -> list[bytes]:
    """Return the first zero-terminated strings of a body; empty ones where they are missing."""
    parts = body.split(b"\0", count)[:count]
    return parts + [b""] * (count - len(parts))


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _is_commit(sql: str, tail: bytes) -> bool:
    """Return whether a message ends a transaction by keeping it: alone, or after statements."""
    word = sql.lstrip().split(None, 1)[:1]
    alone = bool(word) and word[0].rstrip(";").upper() in {"COMMIT", "END"}
    return alone or _ENDS_IN_COMMIT.search(tail) is not None
