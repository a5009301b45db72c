"""HTTP/2: virtual users that share connections, each with one stream at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from ssl import SSLSession
from time import monotonic_ns
from typing import Any, Protocol

from stressproof.flow.answer import Answer, Fields
from stressproof.load.composing import Message
from stressproof.load.connector import HandoffProtocol, OpeningError, Transport, session_of
from stressproof.load.hpack_stateless import fields_of
from stressproof.load.http2 import DEFAULT_STREAMS, NO_HEAD, Session
from stressproof.load.http2_frames import Http2Error
from stressproof.load.recorder import LiveRow
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.tls import TlsError
from stressproof.load.virtual_user import Engine, VirtualUser

_NOWHERE = HandoffProtocol()
_SENDINGS = 3  # how often a request is sent at most that servers do not look at


class Waiting(Protocol):
    """Who waits for a connection."""

    def connected(self, link: "Link") -> None:
        """Use it; there is room on it for one more."""

    def unconnected(self, outcome: str, detail: str) -> None:
        """Take note that there is none."""


class Link(asyncio.Protocol):
    """One connection and its users.

    Attributes:
        session: What is spoken on it.
        transport: What carries it.
        users: How many have made it theirs.
    """

    __slots__ = ("_pool", "session", "transport", "users")

    def __init__(self, pool: "LinkPool", transport: Transport) -> None:
        self._pool = pool
        self.transport = transport
        self.session = Session(transport.write, lambda: pool.serve(self))
        self.users = 0

    @property
    def room(self) -> int:
        """How many more users it can take."""
        if not self.session.usable:
            return 0
        return min(self.session.capacity, DEFAULT_STREAMS) - self.users

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        try:
            self.session.receive(data)
        except Http2Error as error:
            self.close()
            self._end("protocol", str(error))
        if not self.session.usable and not self.session.requesters and self.session.greeted:
            self.close()
            self._pool.forget(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who still waits for an answer."""
        how = "reset" if isinstance(exc, ConnectionResetError) else str(exc or "closed")
        self._end("tls" if isinstance(exc, TlsError) else "reset", f"the connection was {how}")

    def close(self) -> None:
        """Let go of the connection."""
        self.transport.set_protocol(_NOWHERE)
        self.transport.abort()

    def _end(self, outcome: str, detail: str) -> None:
        greeted = self.session.greeted
        requesters = self.session.lose()
        self._pool.forget(self)
        for requester in requesters:
            requester.failed(outcome, detail)
        if not greeted:
            self._pool.fail(outcome, f"{detail} before it was used")


class LinkPool:
    """The connections of a worker, opened as users need them.

    Args:
        engine: What the users share.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._links: list[Link] = []
        self._waiting: deque[Waiting] = deque()
        self._opening: asyncio.Task[None] | None = None
        self._session: SSLSession | None = None

    def connect(self, user: Waiting) -> None:
        """Give a user a connection, now or when there is one."""
        for link in self._links:
            if link.room > 0:
                link.users += 1
                user.connected(link)
                return
        self._waiting.append(user)
        self._open()

    def leave(self, user: Waiting) -> None:
        """Forget a user who waits no longer."""
        if user in self._waiting:
            self._waiting.remove(user)

    def serve(self, link: Link) -> None:
        """Give a connection whose server has said what it allows to those who wait for one."""
        while self._waiting and link.room > 0:
            link.users += 1
            self._waiting.popleft().connected(link)
        if self._waiting and min(link.session.capacity, DEFAULT_STREAMS) > 0:
            self._open()

    def forget(self, link: Link) -> None:
        """Take a connection out of use."""
        self._session = session_of(link.transport) or self._session
        if link in self._links:
            self._links.remove(link)

    def fail(self, outcome: str, detail: str) -> None:
        """Tell all who wait that there is no connection."""
        waiting, self._waiting = self._waiting, deque()
        for user in waiting:
            user.unconnected(outcome, detail)

    def close(self) -> None:
        """Close all connections."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        links, self._links = self._links, []
        for link in links:
            link.session.lose()
            link.close()

    def _open(self) -> None:
        unsettled = any(not link.session.greeted for link in self._links)
        if self._opening is None and not unsettled:
            self._opening = self._engine.loop.create_task(self._open_one())

    async def _open_one(self) -> None:
        try:
            transport, early = await self._engine.connector.dial(self._session)
        except OpeningError as error:
            self._opening = None
            self.fail(error.outcome, str(error))
            return
        self._opening = None
        link = Link(self, transport)
        self._links.append(link)
        transport.set_protocol(link)
        link.session.start()
        if early:  # a server need not wait for us
            link.data_received(early)


class StreamUser(VirtualUser):
    """A virtual user whose requests are streams of a connection that others use too.

    It is the `Requester` of its answers.
    """

    __slots__ = (
        "_kept",
        "_link",
        "_pool",
        "_request",
        "_sendings",
        "_stream",
        "body_bytes",
        "head",
        "unread",
    )

    def __init__(
        self,
        number: int,
        engine: Engine,
        released: Callable[[VirtualUser, int], None],
        pool: LinkPool,
    ) -> None:
        super().__init__(number, engine, released)
        self._pool = pool
        self._link: Link | None = None
        self._stream = 0
        self._sendings = 0
        self._request = (b"", b"")  # sent once more where a server did not look at it
        self._kept = b""
        self.head = NO_HEAD
        self.body_bytes = self.unread = 0

    @property
    def bodyless(self) -> bool:
        """Whether the answer under way has no body whatever it announces."""
        return self.endpoint is not None and self.endpoint.bodyless

    def begin(
        self,
        endpoint: PreparedEndpoint,
        row: LiveRow,
        intended_ns: int,
        now_ns: int,
        message: Message | None = None,
    ) -> None:
        """Send a request, through a new connection where none has room."""
        self.endpoint = endpoint
        self._row = row
        self._intended_ns = intended_ns
        self.started_ns = self._sent_ns = now_ns
        self._sendings = 0
        request: Any = next(endpoint.messages) if message is None else message
        self._request = request
        link = self._link
        if link is not None:
            session = link.session
            if session.usable and len(session.requesters) < session.capacity:
                self._send(session)
                return
            link.users -= 1
            self._link = None
        self._pool.connect(self)

    def connected(self, link: Link) -> None:
        """Send the request under way over a connection that has room."""
        self._link = link
        self.refusals = 0
        self._sent_ns = monotonic_ns()
        if self.endpoint is not None:
            self._send(link.session)

    def unconnected(self, outcome: str, detail: str) -> None:
        """Count the request under way: there is no connection for it."""
        self._refuse(outcome, detail)

    def piece(self, data: bytes) -> None:
        """Take a part of the body that is not the last."""
        self._first_ns = self._first_ns or monotonic_ns()
        endpoint = self.endpoint
        if endpoint is not None and len(self._kept) < endpoint.heads.keep:
            self._kept += data[: endpoint.heads.keep - len(self._kept)]

    def complete(self, data: bytes) -> None:
        """Judge and count the answer, and move on."""
        now_ns = monotonic_ns()
        endpoint = self.endpoint
        if endpoint is None:
            return
        self._stream = 0
        length = self.body_bytes + len(data)
        if self.body_bytes:
            self.piece(data)
            data, self._kept = self._kept, b""
        status, check = self.head.status, endpoint.check
        if endpoint.wants_answer:
            self.answer = self._answer(endpoint, data, length)
        if status in endpoint.expected and (check is None or data == check.good):
            self._row.ok += 1
        else:
            self._judge(endpoint, status, data, length)
        self._count(now_ns)
        self._released(self, now_ns)
        self.answer = None

    def _answer(self, endpoint: PreparedEndpoint, body: bytes, length: int) -> Answer:
        """Return an answer for who wants it; the same one where it is the same."""
        head, last = self.head, endpoint.answer
        if last is not None and last.same(head.block, body, length):
            return last
        endpoint.answer = Answer(head.status, body, length, head.block, _fields)
        return endpoint.answer

    def failed(self, outcome: str, detail: str) -> None:
        """Count a request without a whole answer."""
        self._stream = 0
        if outcome == "reset" and self.head is NO_HEAD and self._sent_ns == self.started_ns:
            link = self._link
            if link is None or not link.session.usable:
                outcome = "reset_reused"
        self._fail(outcome, detail, monotonic_ns())

    def unanswered(self) -> None:
        """Send the request once more: the server did not look at it."""
        self._stream = 0
        link, self._link = self._link, None
        if link is not None:
            link.users -= 1
        if self._sendings >= _SENDINGS:
            self._fail(
                "reset", f"{self._sendings} connections did not look at the request", monotonic_ns()
            )
        elif self.endpoint is not None:
            self._pool.connect(self)

    def _send(self, session: Session) -> None:
        self.head = NO_HEAD
        self.body_bytes = self.unread = 0
        self._sendings += 1
        self._stream = session.request(self, *self._request)

    def _drop(self) -> None:
        self._kept = b""
        self._pool.leave(self)
        link, stream = self._link, self._stream
        self._stream = 0
        if link is not None and stream:
            link.session.cancel(stream)


def _fields(block: bytes) -> Fields:
    return fields_of(block)[1:]  # the first is the status
