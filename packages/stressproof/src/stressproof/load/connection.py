"""HTTP/1.1: a connection for each virtual user; the hot path of the engine.

Between an answer and the next request lie `Connection.data_received`, a look at the last answer
that was found good (the same bytes need no second judgement) or into the table of known header
blocks, one increment of a histogram, and `Connection.begin`. Everything that can be done before the
load is done before it.
"""

import asyncio
from collections.abc import Callable
from ssl import SSLSession
from time import monotonic_ns
from typing import Any

from stressproof.flow.answer import Answer
from stressproof.load.composing import Message
from stressproof.load.connector import HandoffProtocol, OpeningError, Transport, session_of
from stressproof.load.http1 import AnswerReader, Head, HeadCache, MalformedAnswerError, fields_of
from stressproof.load.recorder import LiveRow
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.tls import TlsError
from stressproof.load.virtual_user import Engine, VirtualUser

_NOWHERE = HandoffProtocol()
_ACCEPTED_BYTES = 16_384  # an endpoint's last good answer is kept where it is no longer
_NO_ANSWER = HeadCache(bodyless=False)  # until there is a request, whose own takes its place


class Connection(VirtualUser, asyncio.Protocol):
    """A virtual user with a connection of its own, which opens itself anew when it must."""

    __slots__ = ("_opening", "_previous", "_reader", "_session", "_transport", "_write")

    def __init__(
        self, number: int, engine: Engine, released: Callable[[VirtualUser, int], None]
    ) -> None:
        super().__init__(number, engine, released)
        self._reader = AnswerReader(_NO_ANSWER)
        self._transport: Transport | None = None
        self._session: SSLSession | None = None
        self._write: Callable[[bytes], None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._previous: PreparedEndpoint | None = None

    def begin(
        self,
        endpoint: PreparedEndpoint,
        row: LiveRow,
        intended_ns: int,
        now_ns: int,
        message: Message | None = None,
    ) -> None:
        """Send a request, through a new connection where there is none."""
        self.endpoint = endpoint
        self._row = row
        self._intended_ns = intended_ns
        self.started_ns = self._sent_ns = now_ns
        data: Any = next(endpoint.messages) if message is None else message
        write = self._write
        if write is not None:
            write(data)
        else:
            self._opening = self._engine.loop.create_task(self._open(data))

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer in; where it completes it, judge, count and move on."""
        now_ns = monotonic_ns()
        endpoint, reader = self.endpoint, self._reader
        if endpoint is None:
            self._drop()  # nobody asked: whatever follows could be taken for an answer
            return
        if data == endpoint.accepted and reader.fresh:
            self._row.ok += 1
            self._previous = endpoint
            self._count(now_ns)
            released = self._released
            released(self, now_ns)
            return
        whole = reader.fresh
        reader.known = endpoint.heads
        try:
            head = reader.feed(data)
        except MalformedAnswerError as error:
            self._fail("protocol", self._whose(data, whole=whole) or str(error), now_ns)
            return
        if head is not None:
            self._end(head, now_ns, data if whole else None)
        elif not self._first_ns:
            self._first_ns = now_ns

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection for the end of the answer where it may be that."""
        self._session = session_of(self._transport) or self._session
        self._transport = self._write = self._previous = None
        if self.endpoint is None:
            self._reader.reset()
            return
        now_ns = monotonic_ns()
        begun = not self._reader.fresh
        head = self._reader.end() if exc is None else None
        if head is not None:
            self._end(head, now_ns, None)
            return
        how = "reset" if isinstance(exc, ConnectionResetError) else str(exc or "closed")
        if isinstance(exc, TlsError):
            self._fail("tls", f"the connection was {how}", now_ns)
        elif begun:
            self._fail("reset", f"the connection was {how} within an answer", now_ns)
        elif self._sent_ns != self.started_ns:  # the connection was opened for this request
            self._fail("reset", f"the connection was {how} before an answer", now_ns)
        else:
            self._fail("reset_reused", f"an idle connection was {how} as it was used again", now_ns)

    def _whose(self, data: bytes, *, whole: bool) -> str:
        """Return who is to blame for bytes that begin no answer, empty where this answer is.

        They may be the rest of the answer before: its endpoint gives up its connections from now
        on, so that this is the last time that another pays for it.
        """
        before = self._previous
        if before is None or not whole or data.startswith(b"HTTP/1."[: len(data)]):
            return ""
        before.trailed = True
        before.accepted = b""
        return f"{data[:40]!r} came after an answer to {before.name}, and belongs to none"

    def _end(self, head: Head, now_ns: int, data: bytes | None) -> None:
        """Judge and count a whole answer (``data`` where it came in one piece), and move on."""
        endpoint, reader = self.endpoint, self._reader
        if endpoint is None:  # cannot be: both callers looked
            return
        if endpoint.wants_answer:
            self.answer = Answer(head.status, reader.body, reader.body_bytes, head.block, fields_of)
        good = self._judge(endpoint, head.status, reader.body, reader.body_bytes)
        reusable = head.keep_alive and not endpoint.trailed
        if good and reusable and data is not None and len(data) <= _ACCEPTED_BYTES:
            endpoint.accepted = data
            endpoint.answer = self.answer
        self._previous = endpoint
        self._count(now_ns)
        reader.body = b""  # thousands of idle connections would hold as many answers
        if not reusable:
            self._drop()
        self._released(self, now_ns)
        self.answer = None

    def _drop(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        transport, self._transport, self._write = self._transport, None, None
        if transport is not None:
            self._session = session_of(transport) or self._session
            transport.set_protocol(_NOWHERE)
            transport.abort()
        self._previous = None
        self._reader.reset()

    async def _open(self, data: bytes) -> None:
        try:
            transport = await self._engine.connector.open(self._session)
        except OpeningError as error:
            self._opening = None
            self._refuse(error.outcome, str(error))
            return
        self._opening = None
        self.refusals = 0
        transport.set_protocol(self)
        self._transport, self._write = transport, transport.write
        self._sent_ns = monotonic_ns()
        transport.write(data)
