"""HTTP/2 without I/O (RFC 9113): bytes in, answers out; many requests share a connection.

The peer is told to keep no header table, so header blocks have no state: a request's is made once,
an answer's is read once and then known by its bytes (`stressproof.load.hpack_stateless`).
"""

from collections.abc import Callable
from typing import Protocol

from stressproof.load import http2_frames as frames
from stressproof.load.hpack_stateless import AnswerHead, HeaderBlockError, read_head
from stressproof.load.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    HEAD_BYTES,
    HEADERS,
    LARGEST,
    Http2Error,
    pack_head,
    unpack_head,
)

DEFAULT_STREAMS = 100
"""Requests that share a connection at most, where the server allows them."""

_FIRST_WINDOW = 65_535
_LARGEST_FRAME = 2**24 - 1
_CREDIT = 2**28  # bytes received after which the peer is granted as many more
_HEADER_BYTES = 262_144
_FINAL = 200

NO_HEAD = AnswerHead(0, None, b"")
"""What is known of an answer that has not begun."""


class Requester(Protocol):
    """Who sent a request and is told what became of it.

    Attributes:
        head: Of its answer; with a status below 200 until the answer proper has begun.
        body_bytes: How much of its body came in pieces.
        unread: How much came since the peer was last granted more, padding included.
    """

    head: AnswerHead
    body_bytes: int
    unread: int

    @property
    def bodyless(self) -> bool:
        """Whether its answer has no body whatever it announces, as those to HEAD."""

    def piece(self, data: bytes) -> None:
        """Take a part of the body that is not the last."""

    def complete(self, data: bytes) -> None:
        """Take the last part of the body: the answer is whole."""

    def failed(self, outcome: str, detail: str) -> None:
        """Take note that there will be no whole answer."""

    def unanswered(self) -> None:
        """Take note that the server did not look at the request: it may be sent again."""


class _Upload:
    """What is still to be sent of a request's body."""

    __slots__ = ("at", "body", "window")

    def __init__(self, body: bytes, window: int) -> None:
        self.body = body
        self.at = 0
        self.window = window


class Session:
    """One connection's side of the client.

    What is to be sent while bytes are taken in leaves in one piece when all of them are.

    Args:
        write: Sends bytes.
        settled: Called whenever the server's settings have come.

    Attributes:
        requesters: Those whose answers are outstanding, by the number of their stream.
        capacity: How many the server takes at a time.
        usable: Whether another request may be sent, were there room for it.
        greeted: Whether the server has said what it allows.
    """

    def __init__(
        self, write: Callable[[bytes], object], settled: Callable[[], None] | None = None
    ) -> None:
        self._write = write
        self._settled = settled
        self.requesters: dict[int, Requester] = {}
        self.capacity = DEFAULT_STREAMS
        self.usable = False
        self._next = 1
        self._out: list[bytes] = []
        self._receiving = False
        self._pending = b""
        self._block = b""
        self._block_stream = 0
        self._block_flags = 0
        self._credit = 0
        self._uploads: dict[int, _Upload] = {}
        self._window = self._first_window = _FIRST_WINDOW
        self._frame_bytes = FRAME_BYTES
        self.greeted = False
        self._takers: dict[int, Callable[[int, int, bytes], None]] = {
            DATA: self._take_data,
            HEADERS: self._take_headers,
            frames.RST_STREAM: self._take_reset,
            frames.SETTINGS: self._take_settings,
            frames.PUSH_PROMISE: self._take_push,
            frames.PING: self._take_ping,
            frames.GOAWAY: self._take_goodbye,
            frames.WINDOW_UPDATE: self._take_window,
            frames.CONTINUATION: self._take_continuation,
        }

    def start(self) -> None:
        """Send what a client begins with."""
        self._write(
            frames.PREFACE
            + frames.settings(
                (frames.TABLE_SIZE, 0), (frames.ENABLE_PUSH, 0), (frames.INITIAL_WINDOW, LARGEST)
            )
            + frames.frame(frames.WINDOW_UPDATE, 0, 0, frames.number(LARGEST - _FIRST_WINDOW))
        )

    def request(self, requester: Requester, block: bytes, body: bytes) -> int:
        """Send a request and return the number of its stream; `usable` must hold.

        Args:
            requester: Who is to be told.
            block: Its header block.
            body: Empty for none.
        """
        stream = self._next
        self._next = stream + 2
        if self._next > LARGEST:
            self.usable = False
        self.requesters[stream] = requester
        out = self._out
        length = len(block)
        if length <= self._frame_bytes:
            flags = END_HEADERS if body else END_HEADERS | END_STREAM
            out.append(pack_head(length >> 8, length & 0xFF, HEADERS, flags, stream))
            out.append(block)
        else:
            self._send_long_block(stream, block, ended=not body)
        if body:
            self._uploads[stream] = _Upload(body, self._first_window)
            self._send_body(stream)
        if not self._receiving:
            self._flush()
        return stream

    def cancel(self, stream: int) -> None:
        """Let go of a request; what still comes of its answer is ignored."""
        if self.requesters.pop(stream, None) is not None:
            self._uploads.pop(stream, None)
            self._send(frames.RST_STREAM, 0, stream, frames.number(frames.CANCEL))

    def receive(self, data: bytes) -> None:
        """Take bytes in, and tell requesters what they mean.

        Raises:
            Http2Error: The peer does not speak HTTP/2.
        """
        if self._pending:
            data = self._pending + data
        if not self.greeted and (data[:1] > b"\0" or data[3:4] not in {b"", b"\4"}):
            raise Http2Error(f"not HTTP/2: the server began with {data[:40]!r}")
        self._receiving = True
        try:
            self._pending = data[self._read(data) :]
        finally:
            self._receiving = False
        if self._credit >= _CREDIT:
            self._send(frames.WINDOW_UPDATE, 0, 0, frames.number(self._credit))
            self._credit = 0
        self._flush()

    def _read(self, data: bytes) -> int:
        """Read whole frames; return where the first begins that is not."""
        at, size = 0, len(data)
        requesters = self.requesters
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream = unpack_head(data, at)
            length = high << 8 | low
            if length > FRAME_BYTES:
                raise Http2Error(f"a frame of more than {FRAME_BYTES} bytes")
            begin = at + HEAD_BYTES
            end = begin + length
            if end > size:
                break
            at = end
            # The hot path: the last piece of data, and a header block in one piece.
            if not self._block_stream and stream in requesters:
                if kind == DATA and flags == END_STREAM:
                    self._credit += length
                    self._complete(stream, requesters[stream], data[begin:end])
                    continue
                if kind == HEADERS and flags == END_HEADERS:
                    self._take_block(stream, flags, data[begin:end])
                    continue
            self._take(kind, flags, stream & LARGEST, data[begin:end])
        return at

    def lose(self) -> list[Requester]:
        """End the session; return who has no answer."""
        self.usable = False
        left = list(self.requesters.values())
        self.requesters.clear()
        self._uploads.clear()
        return left

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block_stream and (kind != frames.CONTINUATION or stream != self._block_stream):
            raise Http2Error("a header block is interrupted by another frame")
        take = self._takers.get(kind)
        if take is not None:  # None are priorities, and what later versions add
            take(stream, flags, payload)

    def _take_data(self, stream: int, flags: int, payload: bytes) -> None:
        self._credit += len(payload)
        data = frames.unpadded(payload, flags)
        requester = self.requesters.get(stream)
        if requester is None:
            return
        if flags & END_STREAM:
            self._complete(stream, requester, data)
        elif requester.head.status < _FINAL:
            self._break(stream, "data before the answer's headers")
        else:
            requester.body_bytes += len(data)
            requester.piece(data)
            requester.unread += len(payload)
            if requester.unread >= _CREDIT:
                self._send(frames.WINDOW_UPDATE, 0, stream, frames.number(requester.unread))
                requester.unread = 0

    def _take_headers(self, stream: int, flags: int, payload: bytes) -> None:
        block = frames.unpadded(payload, flags)
        self._take_block(stream, flags, block[5:] if flags & frames.PRIORITISED else block)

    def _take_push(self, _stream: int, _flags: int, _payload: bytes) -> None:
        raise Http2Error("the server pushes although it was told not to")

    def _take_ping(self, _stream: int, flags: int, payload: bytes) -> None:
        if len(payload) != 8:  # noqa: PLR2004  # RFC 9113, 6.7
            raise Http2Error("a ping that is not of 8 bytes")
        if not flags & frames.ACK:
            self._send(frames.PING, frames.ACK, 0, payload)

    def _take_block(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & END_HEADERS:
            self._block_stream, self._block_flags, self._block = stream, flags, block
            return
        requester = self.requesters.get(stream)
        if requester is None:
            return
        ended = flags & END_STREAM
        if requester.head.status < _FINAL:
            try:
                requester.head = read_head(block)
            except HeaderBlockError as error:
                self._break(stream, str(error))
                return
        elif not ended:  # else it is a trailer
            self._break(stream, "a second answer")
            return
        if ended:
            self._complete(stream, requester, b"")

    def _take_continuation(self, stream: int, flags: int, payload: bytes) -> None:
        if not self._block_stream:
            raise Http2Error("a continuation of nothing")
        self._block += payload
        if len(self._block) > _HEADER_BYTES:
            raise Http2Error(f"a header block of more than {_HEADER_BYTES} bytes")
        if flags & END_HEADERS:
            block, self._block, self._block_stream = self._block, b"", 0
            self._take_block(stream, self._block_flags | END_HEADERS, block)

    def _take_reset(self, stream: int, _flags: int, payload: bytes) -> None:
        requester = self.requesters.pop(stream, None)
        self._uploads.pop(stream, None)
        if requester is None:
            return
        code = int.from_bytes(payload[:4], "big")
        if code == frames.REFUSED_STREAM:
            requester.unanswered()
        else:
            requester.failed("reset", f"the server reset the stream: {frames.describe_error(code)}")

    def _take_settings(self, _stream: int, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        if len(payload) % 6:
            raise Http2Error("settings that are not of 6 bytes each")
        for key, value in frames.unpack_settings(payload):
            self._take_setting(key, value)
        self._send(frames.SETTINGS, frames.ACK, 0)
        for stream in list(self._uploads):
            self._send_body(stream)
        if not self.greeted:
            self.greeted = self.usable = True
        if self._settled is not None:
            self._settled()

    def _take_setting(self, key: int, value: int) -> None:
        if key == frames.MAX_STREAMS:
            self.capacity = value
        elif key == frames.INITIAL_WINDOW:
            if value > LARGEST:
                raise Http2Error(f"a window of {value} bytes")
            for upload in self._uploads.values():
                upload.window += value - self._first_window
            self._first_window = value
        elif key == frames.MAX_FRAME:
            if not FRAME_BYTES <= value <= _LARGEST_FRAME:
                raise Http2Error(f"frames of {value} bytes")
            self._frame_bytes = value

    def _take_goodbye(self, _stream: int, _flags: int, payload: bytes) -> None:
        """Send nothing more; what the server has not looked at was not answered, and not failed."""
        self.usable = False
        last = int.from_bytes(payload[:4], "big") & LARGEST
        for stream in [one for one in self.requesters if one > last]:
            self._uploads.pop(stream, None)
            self.requesters.pop(stream).unanswered()

    def _take_window(self, stream: int, _flags: int, payload: bytes) -> None:
        grant = int.from_bytes(payload[:4], "big") & LARGEST
        if stream == 0:
            self._window += grant
            if self._window > LARGEST:
                raise Http2Error("a window that is too large")
            for waiting in list(self._uploads):
                self._send_body(waiting)
        elif stream in self._uploads:
            self._uploads[stream].window += grant
            self._send_body(stream)

    def _complete(self, stream: int, requester: Requester, data: bytes) -> None:
        """End an answer with the last piece of its body."""
        status, length, _ = requester.head
        if status < _FINAL:
            self._break(stream, "the stream ended before the answer's headers")
            return
        body_bytes = requester.body_bytes + len(data)
        if length not in {None, body_bytes} and not requester.bodyless:
            self._break(stream, f"{body_bytes} bytes of body where {length} were announced")
            return
        del self.requesters[stream]
        if self._uploads and self._uploads.pop(stream, None) is not None:
            # Answered before it was all said: the rest interests nobody.
            self._send(frames.RST_STREAM, 0, stream, frames.number(frames.CANCEL))
        requester.complete(data)

    def _break(self, stream: int, why: str) -> None:
        """End one request whose answer breaks the rules; others are not concerned."""
        requester = self.requesters.pop(stream)
        self._uploads.pop(stream, None)
        self._send(frames.RST_STREAM, 0, stream, frames.number(frames.PROTOCOL_ERROR))
        requester.failed("protocol", why)

    def _send_long_block(self, stream: int, block: bytes, *, ended: bool) -> None:
        size = self._frame_bytes
        kind, flags = HEADERS, END_STREAM if ended else 0
        for at in range(0, len(block), size):
            last = END_HEADERS if at + size >= len(block) else 0
            self._out.append(frames.frame(kind, flags | last, stream, block[at : at + size]))
            kind, flags = frames.CONTINUATION, 0

    def _send_body(self, stream: int) -> None:
        """Send as much of a body as both windows allow."""
        upload = self._uploads[stream]
        size = len(upload.body)
        while upload.at < size:
            room = min(self._window, upload.window, self._frame_bytes, size - upload.at)
            if room <= 0:
                return
            piece = upload.body[upload.at : upload.at + room]
            upload.at += room
            upload.window -= room
            self._window -= room
            ended = END_STREAM if upload.at == size else 0
            self._send(DATA, ended, stream, piece)
        del self._uploads[stream]

    def _send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self._out.append(frames.frame(kind, flags, stream, payload))
        if not self._receiving:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            out, self._out = self._out, []
            self._write(b"".join(out))
