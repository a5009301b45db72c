"""What a proxy was told and what it counted: the toxics in force, cuts left, counters, events."""

import time
from collections import deque
from typing import Any, TypeVar

from msgspec import Struct, to_builtins

from stressproof.faults.proxy.stream import Rules, Tally
from stressproof.faults.proxy.toxics import (
    DIRECTIONS,
    Bandwidth,
    CutAfterCommit,
    CutBeforeCommit,
    Direction,
    Latency,
    Slicer,
    Timeout,
    Toxic,
    plain,
)

_EVENTS = 100_000

_Cut = TypeVar("_Cut", CutAfterCommit, CutBeforeCommit)


class Counters(Struct):
    """What happened to connections; ``links_live`` apart, all of it only grows.

    Attributes:
        links_opened: Connections accepted.
        links_live: Of those, not over yet.
        links_reset: Ended by RST to both ends, by a toxic or because one end reset.
        resets_by_toxic: Of those, by ``reset_peer``, ``down`` or a cut.
        upstream_refused: The server could not be connected to.
        commits_seen: Commits the server reported.
        cuts: Links that a cut toxic ended.
        opaque_links: Conversations that could not be followed (encrypted, or another protocol).
        switches: Times that the toxics were set.
    """

    links_opened: int = 0
    links_live: int = 0
    links_reset: int = 0
    resets_by_toxic: int = 0
    upstream_refused: int = 0
    commits_seen: int = 0
    cuts: int = 0
    opaque_links: int = 0
    switches: int = 0


class ProxyState:
    """The toxics that hold for every link, and everything counted since the proxy started.

    Args:
        seed: Of jitter and piece sizes: a seeded schedule, which is not determinism.
        postgres: Conversations are followed as PostgreSQL's; the cut toxics need it.
    """

    def __init__(self, *, seed: int, postgres: bool) -> None:
        self.seed = seed
        self.postgres = postgres
        self.counters = Counters()
        self.tally: dict[Direction, Tally] = {direction: Tally() for direction in DIRECTIONS}
        self._toxics: list[Toxic] = []
        self._left: dict[type[Toxic], int] = {}
        self._rules: dict[Direction, Rules] = {direction: Rules() for direction in DIRECTIONS}
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self._event_number = 0

    def switch(self, toxics: list[Toxic]) -> None:
        """Put other toxics in force."""
        self._toxics = list(toxics)
        self._left = {
            type(toxic): toxic.count
            for toxic in toxics
            if isinstance(toxic, CutAfterCommit | CutBeforeCommit)
        }
        self._rules = {direction: _rules(toxics, direction) for direction in DIRECTIONS}
        self.counters.switches += 1

    def holds(self, kind: type[Toxic]) -> bool:
        """Return whether a toxic of a kind is in force."""
        return any(isinstance(toxic, kind) for toxic in self._toxics)

    def rules(self, direction: Direction) -> Rules:
        """Return what shapes one direction now."""
        return self._rules[direction]

    def armed(self, kind: type[_Cut]) -> _Cut | None:
        """Return the cut toxic of a kind, None where there is none or it is spent."""
        if self._left.get(kind, 0) < 1:
            return None
        return next((toxic for toxic in self._toxics if isinstance(toxic, kind)), None)

    def spend(self, toxic: CutAfterCommit | CutBeforeCommit, link: int, **details: Any) -> int:
        """Count one cut and return how many are left; the last one disarms the toxic."""
        kind = type(toxic)
        self._left[kind] -= 1
        self.counters.cuts += 1
        self.counters.resets_by_toxic += 1
        name = "cut_after_commit" if kind is CutAfterCommit else "cut_before_commit"
        self.log(name, link=link, left=self._left[kind], **details)
        return self._left[kind]

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
            "toxics": plain(self._toxics),
            "last_event": self._event_number,
            "counters": to_builtins(self.counters),
            **{direction: to_builtins(self.tally[direction]) for direction in DIRECTIONS},
        }


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
