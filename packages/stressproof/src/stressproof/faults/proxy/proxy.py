"""A TCP proxy that misbehaves when told to; always in the path, so that only the toxic differs.

It is a user-space proxy: both kernels still acknowledge what they are sent, so keep-alive probes
and retransmission never see its faults. It tests what applications do, not what TCP does.
"""

import asyncio
import itertools
import socket
import time

from stressproof.errors import RunError
from stressproof.faults.proxy.link import Link, Side
from stressproof.faults.proxy.state import ProxyState
from stressproof.faults.proxy.toxics import (
    CutAfterCommit,
    CutBeforeCommit,
    Down,
    ResetPeer,
    Toxic,
    check,
    plain,
)

_BACKLOG = 512
_LOOK_S = 0.25


class Proxy:
    """Listens, connects through, and applies one set of toxics to all connections alike.

    Args:
        upstream: Address of the server.
        seed: Of jitter and piece sizes: a seeded schedule, which is not determinism.
        postgres: Follow the PostgreSQL protocol; the cut toxics need it.

    Attributes:
        state: The toxics in force, and what was counted.
    """

    def __init__(self, upstream: tuple[str, int], *, seed: int = 0, postgres: bool = False) -> None:
        self._upstream = upstream
        self.state = ProxyState(seed=seed, postgres=postgres)
        self._links: set[Link] = set()
        self._numbers = itertools.count(1)
        self._looking: asyncio.TimerHandle | None = None
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
        reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
        return Link(self, self.state, self._upstream, next(self._numbers)).client

    async def switch(self, toxics: list[Toxic]) -> int:
        """Replace all toxics at once, for every connection, and return when (monotonic ns).

        Raises:
            UsageError: The toxics contradict each other.
            RunError: A cut was asked of a proxy that does not follow PostgreSQL.
        """
        check(toxics)
        cuts = [toxic for toxic in toxics if isinstance(toxic, CutAfterCommit | CutBeforeCommit)]
        if cuts and not self.state.postgres:
            raise RunError("a cut at COMMIT needs a proxy that follows the PostgreSQL protocol")
        self.state.switch(toxics)
        down = self.state.holds(Down)
        if down and self._server is not None:
            self._server.close()
            self._server = None
            self._reserved = self._bind()
        for link in list(self._links):
            if down or self.state.holds(ResetPeer):
                self._reset(link, "down" if down else "reset_peer")
            else:
                link.switched()
        effective = time.monotonic_ns()
        self.state.log("switch", toxics=plain(toxics))
        if not down and self._server is None:
            await self._listen()
            effective = time.monotonic_ns()
        return effective

    async def reset_links(self) -> int:
        """Reset every live link once, idle ones too; toxics stay. Returns how many."""
        links = list(self._links)
        for link in links:
            self._reset(link, "reset_peer")
        return len(links)

    async def close(self) -> None:
        """Stop listening and end every link."""
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
        """Count a new link; under ``reset_peer`` it does not live long."""
        self.state.counters.links_opened += 1
        self.state.counters.links_live += 1
        self._links.add(link)
        self.state.log("open", link=link.number)
        if self.state.holds(ResetPeer) or self.state.holds(Down):
            self._reset(link, "reset_peer")

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

    def _reset(self, link: Link, by: str) -> None:
        self.state.counters.resets_by_toxic += 1
        self.state.log(by, link=link.number)
        link.close(reset=True)
