"""A TCP proxy that misbehaves when told to; always in the path, so that only the toxic differs.

It is a user-space proxy: both kernels still acknowledge what they are sent, so keep-alive probes
and retransmission never see its faults. It tests what applications do, not what TCP does.
"""

import asyncio
import socket
import time
from collections import deque
from typing import Any, TypeVar

from msgspec import Struct, to_builtins

from stressproof.errors import RunError
from stressproof.faults.link import Link, Side
from stressproof.faults.stream import Rules, Tally
from stressproof.faults.toxics import (
    DIRECTIONS,
    Bandwidth,
    CutAfterCommit,
    CutBeforeCommit,
    Direction,
    Down,
    Latency,
    ResetPeer,
    Slicer,
    Timeout,
    Toxic,
    check,
    plain,
)

_BACKLOG = 512
_EVENTS = 100_000

_Cut = TypeVar("_Cut", CutAfterCommit, CutBeforeCommit)


class Counters(Struct):
    """What happened to connections; ``pairs_live`` apart, all of it only grows.

    Attributes:
        pairs_opened: Connections accepted.
        pairs_live: Of those, not over yet.
        pairs_reset: Ended by RST to both ends, by a toxic or because one end reset.
        resets_by_toxic: Of those, by ``reset_peer``, ``down`` or a cut.
        upstream_refused: The server could not be connected to.
        commits_seen: Commits the server reported.
        cuts: Pairs that a cut toxic ended.
        opaque_pairs: Conversations that could not be followed (encrypted, or another protocol).
        switches: Times that the toxics were set.
    """

    pairs_opened: int = 0
    pairs_live: int = 0
    pairs_reset: int = 0
    resets_by_toxic: int = 0
    upstream_refused: int = 0
    commits_seen: int = 0
    cuts: int = 0
    opaque_pairs: int = 0
    switches: int = 0


class Proxy:
    """Listens, connects through, and applies one set of toxics to all connections alike.

    Args:
        upstream: Address of the server.
        seed: Of jitter and piece sizes: a seeded schedule, which is not determinism.
        postgres: Follow the PostgreSQL protocol; the cut toxics need it.
    """

    def __init__(self, upstream: tuple[str, int], *, seed: int = 0, postgres: bool = False) -> None:
        self.upstream = upstream
        self.seed = seed
        self.postgres = postgres
        self.counters = Counters()
        self.tally: dict[Direction, Tally] = {direction: Tally() for direction in DIRECTIONS}
        self._toxics: list[Toxic] = []
        self._left: dict[type[Toxic], int] = {}
        self._rules: dict[Direction, Rules] = {direction: Rules() for direction in DIRECTIONS}
        self._links: set[Link] = set()
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self._event_number = 0
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
        return self._address

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
        return Link(self, self.counters.pairs_opened + 1).client

    async def switch(self, toxics: list[Toxic]) -> int:
        """Replace all toxics at once, for every connection, and return when (monotonic ns).

        Raises:
            UsageError: The toxics contradict each other.
            RunError: A cut was asked of a proxy that does not follow PostgreSQL.
        """
        check(toxics)
        cuts = [toxic for toxic in toxics if isinstance(toxic, CutAfterCommit | CutBeforeCommit)]
        if cuts and not self.postgres:
            raise RunError("a cut at COMMIT needs a proxy that follows the PostgreSQL protocol")
        self._toxics = list(toxics)
        self._left = {type(toxic): toxic.count for toxic in cuts}
        self._rules = {direction: _rules(toxics, direction) for direction in DIRECTIONS}
        self.counters.switches += 1
        down = self._has(Down)
        if down and self._server is not None:
            self._server.close()
            self._server = None
            self._reserved = self._bind()
        for link in list(self._links):
            if down or self._has(ResetPeer):
                self._reset(link, "down" if down else "reset_peer")
            else:
                link.switched()
        effective = time.monotonic_ns()
        self.log("switch", toxics=plain(toxics))
        if not down and self._server is None:
            await self._listen()
            effective = time.monotonic_ns()
        return effective

    async def reset_pairs(self) -> int:
        """Reset every live pair once, idle ones too; toxics stay. Returns how many."""
        links = list(self._links)
        for link in links:
            self._reset(link, "reset_peer")
        return len(links)

    async def close(self) -> None:
        """Stop listening and end every pair."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        for link in list(self._links):
            link.close(reset=True)

    def rules(self, direction: Direction) -> Rules:
        """Return what shapes one direction now."""
        return self._rules[direction]

    def armed(self, kind: type[_Cut]) -> _Cut | None:
        """Return the cut toxic of a kind, None where there is none or it is spent."""
        if self._left.get(kind, 0) < 1:
            return None
        return next((toxic for toxic in self._toxics if isinstance(toxic, kind)), None)

    def spend(self, toxic: CutAfterCommit | CutBeforeCommit, link: Link, **details: Any) -> None:
        """Count one cut; the last one disarms the toxic, and lets go what others hold."""
        kind = type(toxic)
        self._left[kind] -= 1
        self.counters.cuts += 1
        self.counters.resets_by_toxic += 1
        name = "cut_after_commit" if kind is CutAfterCommit else "cut_before_commit"
        self.log(name, link=link.number, left=self._left[kind], **details)
        if self._left[kind] == 0:
            for other in self._links - {link}:
                other.switched()

    def opened(self, link: Link) -> None:
        """Count a new pair; under ``reset_peer`` it does not live long."""
        self.counters.pairs_opened += 1
        self.counters.pairs_live += 1
        self._links.add(link)
        self.log("open", link=link.number)
        if self._has(ResetPeer) or self._has(Down):
            self._reset(link, "reset_peer")

    def ended(self, link: Link, *, reset: bool) -> None:
        """Count a pair's end."""
        self._links.discard(link)
        self.counters.pairs_live -= 1
        self.counters.pairs_reset += reset
        self.log("reset" if reset else "close", link=link.number)

    def log(self, what: str, **details: Any) -> None:
        """Note an event with its monotonic time in nanoseconds."""
        self._event_number += 1
        event = {"number": self._event_number, "t_ns": time.monotonic_ns(), "event": what}
        self._events.append(event | details)

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the events kept with a number above one."""
        return [event for event in self._events if event["number"] > after]

    def links(self) -> list[dict[str, int]]:
        """Return the ports of every live pair, on both sides of us."""
        return [link.ports() for link in self._links]

    def snapshot(self) -> dict[str, Any]:
        """Return everything counted, as plain values."""
        return {
            "t_ns": time.monotonic_ns(),
            "toxics": plain(self._toxics),
            "last_event": self._event_number,
            "counters": to_builtins(self.counters),
            **{direction: to_builtins(self.tally[direction]) for direction in DIRECTIONS},
        }

    def _has(self, kind: type[Toxic]) -> bool:
        return any(isinstance(toxic, kind) for toxic in self._toxics)

    def _reset(self, link: Link, by: str) -> None:
        self.counters.resets_by_toxic += 1
        self.log(by, link=link.number)
        link.close(reset=True)


def _rules(toxics: list[Toxic], direction: Direction) -> Rules:
    """Return what a set of toxics means for one direction."""
    latency = bandwidth = slicer = None
    hold = False
    for toxic in toxics:
        match toxic:
            case Latency(stream=stream) if stream == direction:
                latency = toxic
            case Bandwidth(stream=stream) if stream == direction:
                bandwidth = toxic
            case Slicer(stream=stream) if stream == direction:
                slicer = toxic
            case Timeout(stream=stream) if stream == direction:
                hold = True
            case _:
                pass
    return Rules(latency=latency, bandwidth=bandwidth, slicer=slicer, hold=hold)
