"""One proxied connection: two sockets, two streams, and the conversation between them."""

import asyncio
import random
import socket
import ssl
import struct
from functools import partial
from typing import Any, Protocol

from stressproof.faults.proxy.addresses import Upstream
from stressproof.faults.proxy.commits import PostgresConversation
from stressproof.faults.proxy.conversation import Conversation
from stressproof.faults.proxy.http_conversation import HttpConversation
from stressproof.faults.proxy.state import ProxyState
from stressproof.faults.proxy.stream import Ending, Stream
from stressproof.faults.proxy.toxics import DIRECTIONS, Cut, Direction, ResetPeer, Timeout
from stressproof.faults.proxy.toxics import Protocol as Spoken

_RST_ON_CLOSE = struct.pack("ii", 1, 0)
_WRITE_BUFFER = 64 * 1024
_US = 1_000_000
_CONVERSATIONS: dict[Spoken, type[Conversation]] = {
    "tcp": Conversation,
    "postgres": PostgresConversation,
    "http": HttpConversation,
}


class Side(asyncio.Protocol):
    """One socket of a link; ``incoming`` is the direction of what it reads."""

    def __init__(self, link: "Link", incoming: Direction) -> None:
        self._link = link
        self.incoming = incoming
        self.transport: asyncio.Transport | None = None
        self.connection: Any = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport and tell the link."""
        if isinstance(transport, asyncio.Transport):
            self.transport = transport
            self.connection = transport.get_extra_info("socket")
            transport.set_write_buffer_limits(high=_WRITE_BUFFER)
            self._link.connected(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the link."""
        self._link.received(self.incoming, data)

    def eof_received(self) -> bool:
        """Pass the half-close on, and keep the other half open where there is one: TLS has none."""
        self.has_ended = True
        self._link.finished(self)
        return self.transport is None or self.transport.can_write_eof()

    def pause_writing(self) -> None:
        """Stop the stream that writes here."""
        self._link.outgoing(self).sink_full(full=True)

    def resume_writing(self) -> None:
        """Let it go on."""
        self._link.outgoing(self).sink_full(full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the link: this socket is no more."""
        del exc
        self.transport = None
        self._link.lost(self)

    def was_reset(self) -> bool:
        """Return whether the peer reset a socket that nobody reads, so that nobody was told.

        A transport that is paused, or has read the end, hears of a reset only when it writes.
        """
        if self.transport is None or (self.transport.is_reading() and not self.has_ended):
            return False
        return bool(self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def abort(self) -> None:
        """Close with RST: a linger of zero drops what is unsent and skips the FIN."""
        if self.transport is None:
            return
        # Asked of the socket itself: a transport of TLS that is closing knows none any more.
        if self.connection is not None and self.connection.fileno() >= 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self.transport.abort()


class Owner(Protocol):
    """Who accepts links and is told what becomes of them."""

    def opened(self, link: "Link") -> None:
        """Take note of a link whose client is connected."""
        ...

    def disarmed(self, by: "Link") -> None:
        """Take note that a link made the last cut there was to make."""
        ...

    def ended(self, link: "Link", *, reset: bool) -> None:
        """Take note that both sockets of a link are over."""
        ...


class Link:
    """A client's connection and the one made to the server for it.

    Args:
        owner: Told what becomes of it.
        state: The toxics that apply, and where is counted.
        upstream: Address of the server.
        number: From 1, in order of arrival.
        tls: How TLS is spoken to the server; None where it is not.
    """

    def __init__(
        self,
        owner: Owner,
        state: ProxyState,
        upstream: Upstream,
        number: int,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._owner = owner
        self._state = state
        self._upstream = upstream
        self._tls = tls
        self.number = number
        self.client = Side(self, "upstream")
        self.server = Side(self, "downstream")
        self.streams: dict[Direction, Stream] = {
            direction: Stream(
                state.rules(direction),
                state.tally[direction],
                random.Random(f"{state.seed}/{number}/{direction}"),  # noqa: S311  # not a secret
                partial(self._ended, direction),
            )
            for direction in DIRECTIONS
        }
        self.conversation = _CONVERSATIONS[state.protocol](self, state)
        self._half_closed: set[Direction] = set()
        self._dial: asyncio.Task[Any] | None = None
        self._age: asyncio.TimerHandle | None = None
        self._opaque_counted = False
        self._draining = False
        self.closed = False

    def connected(self, side: Side) -> None:
        """Wire a socket into both streams; the client's arrival makes us dial the server."""
        if self.closed:
            side.abort()
            return
        self.streams[side.incoming].attach(source=side.transport)
        self.outgoing(side).attach(sink=side.transport)
        if side is self.client:
            self._owner.opened(self)
            if not self.closed:
                self._grow_old()
                self._dial = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        host, port, *_ = self._upstream
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, host, port, ssl=self._tls)
        except OSError as error:
            self._state.counters.upstream_refused += 1
            self._state.log(
                "upstream_refused", link=self.number, error=str(error.strerror or error)
            )
            self.close(reset=True)

    def ports(self) -> dict[str, int]:
        """Return the client's port and ours towards the server, 0 where there is none yet."""
        return {
            "link": self.number,
            "client_port": _port(self.client.transport, "peername"),
            "server_port": _port(self.server.transport, "sockname"),
        }

    def outgoing(self, side: Side) -> Stream:
        """Return the stream that writes to a side."""
        return self.streams["downstream" if side is self.client else "upstream"]

    def received(self, direction: Direction, data: bytes) -> None:
        """Hand bytes to the conversation, which passes on what may pass."""
        self._state.tally[direction].received += len(data)
        if direction == "upstream":
            self.conversation.upstream(data)
        else:
            self.conversation.downstream(data)
        self._count_opaque()

    def _count_opaque(self) -> None:
        conversation = self.conversation
        if not self._opaque_counted and conversation.opaque:
            self._opaque_counted = True
            self._state.counters.opaque_links += 1
            self._state.counters.encrypted_links += conversation.encrypted
            self._state.log("opaque", link=self.number, encrypted=conversation.encrypted)

    def pass_on(self, direction: Direction, data: bytes, *, not_before: float = 0.0) -> None:
        """Send bytes one way, at the earliest at a time of the loop's clock."""
        if data:
            self.streams[direction].receive(data, not_before=not_before)

    def pass_end(self, direction: Direction, ending: Ending = "end") -> None:
        """Say one way that nothing more will come, or close all of it, after what was passed on."""
        self.streams[direction].end(ending)

    def waiting(self, direction: Direction) -> int:
        """Return how many bytes that were passed on have not left yet."""
        return self.streams[direction].queued

    def block(self, direction: Direction, *, blocked: bool) -> None:
        """Stop or go on reading what is to go one way."""
        self.streams[direction].block_source(blocked)

    def silence(self) -> None:
        """Let nothing reach the client any more, not even an end."""
        self.streams["downstream"].stop()

    def hurry(self) -> None:
        """Let what was passed on with a time leave now."""
        self.streams["downstream"].hurry()

    def reset(self) -> None:
        """Reset both sides."""
        self.close(reset=True)

    def cut(self, toxic: Cut, **details: Any) -> None:
        """Reset both sides, and count it for a toxic."""
        left = self._state.spend(toxic, self.number, **details)
        self.close(reset=True)
        if left == 0:
            self._owner.disarmed(self)

    def switched(self) -> None:
        """Apply the proxy's present toxics."""
        self.conversation.switched()
        if self.closed:
            return
        for direction, stream in self.streams.items():
            stream.switch(self._state.rules(direction))
        self._grow_old()

    def _grow_old(self) -> None:
        """Set when a toxic ends this link by its age, from now on."""
        if self._age is not None:
            self._age.cancel()
            self._age = None
        reset, hole = self._state.find(ResetPeer), self._state.find(Timeout)
        loop = asyncio.get_running_loop()
        if reset is not None and reset.after_us:
            self._age = loop.call_later(reset.after_us / _US, self._die, reset)
        elif hole is not None and hole.close_after_us:
            self._age = loop.call_later(hole.close_after_us / _US, self._die, hole)

    def _die(self, toxic: ResetPeer | Timeout) -> None:
        self._state.hit(toxic, self.number)
        self.close(reset=isinstance(toxic, ResetPeer))

    def finished(self, side: Side) -> None:
        """Pass on that a side sends no more; where the other is gone, nothing is left to do."""
        dialled = self._dial is not None and self._dial.done()
        if dialled and self._other(side).transport is None:
            self.close(reset=True)
        else:
            self.conversation.finished(side.incoming)

    def _ended(self, direction: Direction, ending: Ending) -> None:
        """Pass the end of one direction on; after both, what is written still leaves."""
        if ending != "end":
            self.close(reset=ending == "reset")
            return
        self._half_closed.add(direction)
        if len(self._half_closed) == len(self.streams):
            self.close(reset=False)
            return
        side = self.server if direction == "upstream" else self.client
        sink = side.transport
        if sink is not None and not sink.can_write_eof():
            self.close(reset=False)  # TLS has no half of a connection that could end
        elif sink is not None and not sink.is_closing():
            try:
                sink.write_eof()
            except OSError:
                side.abort()  # it was reset while nobody read it

    def lost(self, side: Side) -> None:
        """Pass on that a socket is no more, as a reset: a toxic may delay or hold it.

        It is not held for a side that is gone, or that has ended too and may be: nobody would be
        heard of again.
        """
        other = self._other(side)
        if self.closed or (self._draining and other.transport is not None):
            return
        if other.transport is None or other.has_ended:
            self.close(reset=not self._draining)
        else:
            self.outgoing(side).discard()
            in_order = self._tls is not None and side is self.server and side.has_ended
            self.streams[side.incoming].end("close" if in_order else "reset")

    def look(self) -> None:
        """Notice a socket that was reset while nobody read it."""
        for side in (self.client, self.server):
            if side.was_reset():
                side.abort()

    def _other(self, side: Side) -> Side:
        return self.server if side is self.client else self.client

    def close(self, *, reset: bool) -> None:
        """End both connections: by RST at once, or orderly, once what is written has left."""
        if self.closed:
            return
        for stream in self.streams.values():
            stream.discard()
        if self._age is not None:
            self._age.cancel()
            self._age = None
        if self._dial is not None and not self._dial.done():
            self._dial.cancel()
        transports = [one for side in (self.client, self.server) if (one := side.transport)]
        if transports and not reset:
            self._draining = True
            for transport in transports:
                # One of TLS closes itself at its peer's end, and breaks if it is closed again.
                if not transport.is_closing():
                    transport.close()
            return
        self.closed = True
        for side in (self.client, self.server):
            side.abort()
        self._owner.ended(self, reset=reset)


def _port(transport: asyncio.Transport | None, end: str) -> int:
    address = None if transport is None else transport.get_extra_info(end)
    return int(address[1]) if address else 0
