"""What a proxy was told and what it counted: the toxics in force, how often each hit, events."""

import time
from collections import Counter, deque
from typing import Any, TypeVar

from msgspec import Struct, to_builtins

from stressproof.faults.proxy.http_toxics import HttpFault, HttpToxic
from stressproof.faults.proxy.stream import Rules, Tally
from stressproof.faults.proxy.toxics import (
    DIRECTIONS,
    Bandwidth,
    Cut,
    Direction,
    Latency,
    LimitData,
    Protocol,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
    plain,
    type_of,
)

_EVENTS = 100_000

ToxicT = TypeVar("ToxicT", bound=Toxic)


class Counters(Struct):
    """What happened to connections; ``links_live`` apart, all of it only grows.

    Attributes:
        links_opened: Connections accepted.
        links_live: Of those, not over yet.
        links_reset: Ended by RST to both ends, by a toxic or because one end reset.
        upstream_refused: The server could not be connected to.
        commits_seen: Commits the server reported.
        requests_seen: Requests of HTTP that came.
        opaque_links: Conversations that could not be followed, whatever the reason.
        encrypted_links: Of those, the ones under TLS.
        switches: Times that the toxics were set.
    """

    links_opened: int = 0
    links_live: int = 0
    links_reset: int = 0
    upstream_refused: int = 0
    commits_seen: int = 0
    requests_seen: int = 0
    opaque_links: int = 0
    encrypted_links: int = 0
    switches: int = 0


class _Use(Struct):
    """What became of one toxic since it was switched on: how often it matched, took, and hit."""

    matched: int = 0
    taken: int = 0


class ProxyState:
    """The toxics that hold for every link, and everything counted since the proxy started.

    Args:
        seed: Of jitter and piece sizes: a seeded schedule, which is not determinism.
        protocol: What is known of the conversations; some toxics need one.
        authority: What requests of HTTP are to name as their ``Host``; empty for what they named.
    """

    def __init__(self, *, seed: int, protocol: Protocol, authority: str = "") -> None:
        self.seed = seed
        self.protocol = protocol
        self.authority = authority
        self.counters = Counters()
        self.hits: Counter[str] = Counter()
        self.tally: dict[Direction, Tally] = {direction: Tally() for direction in DIRECTIONS}
        self._used: list[tuple[Toxic, _Use]] = []
        self._rules: dict[Direction, Rules] = {direction: Rules() for direction in DIRECTIONS}
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self._event_number = 0

    @property
    def toxics(self) -> list[Toxic]:
        """Those in force."""
        return [toxic for toxic, _ in self._used]

    def switch(self, toxics: list[Toxic], *, keep: bool) -> None:
        """Put other toxics in force.

        Args:
            toxics: All of them.
            keep: One that is in force already goes on counting where it is; else it begins anew.
        """
        before = self._used if keep else []
        self._used = [
            (toxic, next((use for old, use in before if old == toxic), None) or _Use())
            for toxic in toxics
        ]
        self._rules = {direction: _rules(toxics, direction) for direction in DIRECTIONS}
        self.counters.switches += 1

    def find(self, kind: type[ToxicT]) -> ToxicT | None:
        """Return the toxic of a kind that is in force, None where there is none."""
        return next((toxic for toxic in self.toxics if isinstance(toxic, kind)), None)

    def rules(self, direction: Direction) -> Rules:
        """Return what shapes one direction now."""
        return self._rules[direction]

    def armed(self, kind: type[ToxicT]) -> ToxicT | None:
        """Return the cut of a kind that is in force, None where there is none or it is spent."""
        toxic = self.find(kind)
        return toxic if isinstance(toxic, Cut) and self._left(toxic) > 0 else None

    def _left(self, cut: Cut) -> int:
        return cut.count - self._use(cut).taken

    def _use(self, toxic: Toxic) -> _Use:
        return next((use for one, use in self._used if one == toxic), None) or _Use()

    def spend(self, cut: Cut, link: int, **details: Any) -> int:
        """Count one cut and return how many are left; the last one disarms the toxic."""
        self._use(cut).taken += 1
        left = self._left(cut)
        self.hit(cut, link, left=left, **details)
        return left

    def take(self, method: str, path: str) -> HttpToxic | None:
        """Return the first toxic that takes a request; it counts among what the toxic took."""
        for toxic, use in self._used:
            if not isinstance(toxic, HttpFault) or not toxic.matches(method, path):
                continue
            use.matched += 1
            if use.matched % toxic.every or (toxic.first and use.taken >= toxic.first):
                continue
            use.taken += 1
            return toxic
        return None

    def give_back(self, toxic: HttpToxic) -> None:
        """Take back that a toxic took a request: nothing of it could be spoilt."""
        for one, use in self._used:
            if one == toxic:
                use.taken = max(0, use.taken - 1)

    def hit(self, toxic: Toxic, link: int, **details: Any) -> None:
        """Count and note that a toxic did what it does."""
        self.hits[type_of(toxic)] += 1
        self.log(type_of(toxic), link=link, **details)

    def log(self, what: str, **details: Any) -> None:
        """Note an event with its monotonic time in nanoseconds."""
        self._event_number += 1
        event = {"number": self._event_number, "t_ns": time.monotonic_ns(), "event": what}
        self._events.append(event | details)

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the events kept with a number above one."""
        return [event for event in self._events if event["number"] > after]

    def snapshot(self) -> dict[str, Any]:
        """Return everything counted, as plain values."""
        return {
            "t_ns": time.monotonic_ns(),
            "toxics": plain(self.toxics),
            "last_event": self._event_number,
            "counters": to_builtins(self.counters),
            "hits": dict(self.hits),
            **{direction: to_builtins(self.tally[direction]) for direction in DIRECTIONS},
        }


def _rules(toxics: list[Toxic], direction: Direction) -> Rules:
    """Return what a set of toxics means for one direction."""
    here = [toxic for toxic in toxics if getattr(toxic, "stream", "") == direction]

    def find(kind: type[ToxicT]) -> ToxicT | None:
        return next((toxic for toxic in here if isinstance(toxic, kind)), None)

    return Rules(
        latency=find(Latency),
        bandwidth=find(Bandwidth),
        slicer=find(Slicer),
        slow_close=find(SlowClose),
        limit=find(LimitData),
        hold=find(Timeout) is not None,
    )
