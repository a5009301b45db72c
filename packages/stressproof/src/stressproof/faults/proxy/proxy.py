"""A TCP proxy that misbehaves when told to; always in the path, so that only the toxic differs.

It is a user-space proxy: both kernels still acknowledge what they are sent, so keep-alive probes
and retransmission never see its faults. It tests what applications do, not what TCP does.
"""

import asyncio
import itertools
import socket
import ssl
import time

from stressproof.errors import RunError
from stressproof.faults.proxy.addresses import Upstream
from stressproof.faults.proxy.http_toxics import HttpFault
from stressproof.faults.proxy.link import Link, Side
from stressproof.faults.proxy.state import ProxyState
from stressproof.faults.proxy.toxics import (
    Cut,
    Down,
    Protocol,
    ResetPeer,
    Toxic,
    check,
    plain,
    protocol_of,
    type_of,
)

_BACKLOG = 512
_LOOK_S = 0.25
_US = 1_000_000
_NAMES = {"tcp": "no protocol", "postgres": "the PostgreSQL protocol", "http": "HTTP"}


class Proxy:
    """Listens, connects through, and applies one set of toxics to all connections alike.

    Args:
        upstream: Address of the server.
        seed: Of jitter and piece sizes: a seeded schedule, which is not determinism.
        protocol: Of the conversations to follow; cuts at COMMIT and faults of HTTP need theirs.

    Attributes:
        state: The toxics in force, and what was counted.
    """

    def __init__(
        self, upstream: Upstream | tuple[str, int], *, seed: int = 0, protocol: Protocol = "tcp"
    ) -> None:
        self._upstream = Upstream(*upstream)
        self._tls = ssl.create_default_context() if self._upstream.secure else None
        self.state = ProxyState(seed=seed, protocol=protocol, authority=self._upstream.authority)
        self._links: set[Link] = set()
        self._numbers = itertools.count(1)
        self._looking: asyncio.TimerHandle | None = None
        self._storm: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._expiring: asyncio.Task[int] | None = None
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._address: tuple[str, int] = ("127.0.0.1", 0)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen, and return the address.

        Raises:
            RunError: The address cannot be had.
        """
        self._address = (host, port)
        self._reserved = self._bind()
        self._address = (host, self._reserved.getsockname()[1])
        await self._listen()
        self._look()
        return self._address

    def _look(self) -> None:
        """Let every link look for sockets that died unheard, now and then."""
        for link in list(self._links):
            link.look()
        self._looking = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _bind(self) -> socket.socket:
        """Return a bound socket: it keeps the port, and refuses connections until it listens."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        # Named as TCP, or the loop leaves Nagle's algorithm on, and an answer of two writes waits
        # for the client's delayed acknowledgement.
        reserved = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reserved.bind(self._address)
        except OSError as error:
            reserved.close()
            host, port = self._address
            raise RunError(
                f"the proxy cannot listen on {host}:{port}: {error.strerror}",
                hint="Take port 0 for a free one.",
            ) from error
        return reserved

    async def _listen(self) -> None:
        if self._reserved is None:
            return
        loop = asyncio.get_running_loop()
        listener, self._reserved = self._reserved, None
        self._server = await loop.create_server(self._accept, sock=listener, backlog=_BACKLOG)

    def _accept(self) -> Side:
        number = next(self._numbers)
        return Link(self, self.state, self._upstream, number, tls=self._tls).client

    async def switch(self, toxics: list[Toxic], *, keep: bool = False, lasts_us: int = 0) -> int:
        """Replace all toxics at once, for every connection, and return when (monotonic ns).

        Args:
            toxics: All of them.
            keep: Those that are in force already go on counting where they are.
            lasts_us: All of them end after so long, where nothing is switched before; 0 for never.

        Raises:
            UsageError: The toxics contradict each other.
            RunError: One needs a protocol that is not followed, or that is spoken under TLS.
        """
        check(toxics)
        for toxic in toxics:
            self._demand_readable(toxic)
        self.state.switch(toxics, keep=keep)
        self._cancel_timers()
        if lasts_us:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(lasts_us / _US, self._expire)
        down, reset = self.state.find(Down), self.state.find(ResetPeer)
        if down is not None and self._server is not None:
            self._server.close()
            self._server = None
            self._reserved = self._bind()
        for link in list(self._links):
            if down is None:
                link.switched()
            else:
                self._reset(link, down)
        if reset is not None and not reset.after_us:
            self._reset_all(reset)
        effective = time.monotonic_ns()
        self.state.log("switch", toxics=plain(toxics))
        if down is None and self._server is None:
            await self._listen()
            effective = time.monotonic_ns()
        return effective

    def _demand_readable(self, toxic: Toxic) -> None:
        """Refuse what needs to read conversations that cannot be read.

        Raises:
            RunError: This does.
        """
        name, needed = type_of(toxic), protocol_of(toxic)
        if needed is not None and needed != self.state.protocol:
            raise RunError(
                f"{name} needs a proxy that follows {_NAMES[needed]}, and this one follows "
                f"{_NAMES[self.state.protocol]}",
                hint=f"Give the proxy the protocol {needed!r}.",
            )
        if not isinstance(toxic, Cut | HttpFault):
            return
        encrypted = sum(link.conversation.encrypted for link in self._links)
        if encrypted:
            raise RunError(
                f"{name} cannot be done: {encrypted} of {len(self._links)} connections through "
                "the proxy are encrypted (TLS), so what they say cannot be read",
                hint="Have the service speak plainly to the proxy: sslmode=disable, http://.",
            )

    def _reset_all(self, toxic: ResetPeer) -> None:
        """Reset every live link, and do it again when the toxic says."""
        for link in list(self._links):
            self._reset(link, toxic)
        if toxic.every_us:
            again = asyncio.get_running_loop().call_later
            self._storm = again(toxic.every_us / _US, self._reset_all, toxic)

    def _expire(self) -> None:
        self.state.log("expired")
        self._expiring = asyncio.ensure_future(self.switch([]))

    def _cancel_timers(self) -> None:
        for timer in (self._storm, self._expiry):
            if timer is not None:
                timer.cancel()
        self._storm = self._expiry = None

    async def close(self) -> None:
        """Stop listening and end every link."""
        self._cancel_timers()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        for link in list(self._links):
            link.close(reset=True)

    def links(self) -> list[dict[str, int]]:
        """Return the ports of every live link, on both sides of us."""
        return [link.ports() for link in self._links]

    def opened(self, link: Link) -> None:
        """Count a new link; under ``reset_peer`` it may not live long."""
        self.state.counters.links_opened += 1
        self.state.counters.links_live += 1
        self._links.add(link)
        self.state.log("open", link=link.number)
        reset, down = self.state.find(ResetPeer), self.state.find(Down)
        if down is not None:
            self._reset(link, down)
        elif reset is not None and not reset.after_us and not reset.every_us:
            self._reset(link, reset)

    def disarmed(self, by: Link) -> None:
        """Let go what other links hold for a cut that will not come any more."""
        for other in self._links - {by}:
            other.switched()

    def ended(self, link: Link, *, reset: bool) -> None:
        """Count a link's end."""
        self._links.discard(link)
        self.state.counters.links_live -= 1
        self.state.counters.links_reset += reset
        self.state.log("reset" if reset else "close", link=link.number)

    def _reset(self, link: Link, by: ResetPeer | Down) -> None:
        self.state.hit(by, link.number)
        link.close(reset=True)
