"""Faults of the network between a service and its database, through the proxy."""

import socket
import time
from typing import Any

from stressproof.errors import RunError
from stressproof.evidence.failure import Witness
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Injector
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import (
    Bandwidth,
    CutAfterCommit,
    CutBeforeCommit,
    Direction,
    Down,
    Latency,
    Slicer,
    Timeout,
    Toxic,
)

_PROBES = 3


class ProxyFault(Injector):
    """Toxics on every connection, switched on at once and off at once.

    Args:
        fault: As the scenario has it.
        proxy: In the path.
        toxics: One at least; a witness is demanded of each.
    """

    def __init__(self, fault: FaultSpec, proxy: ProxyProcess, *toxics: Toxic) -> None:
        super().__init__(fault)
        if not toxics:
            raise RunError("a network fault without a toxic is none")
        self._proxy = proxy
        self._toxics = toxics
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        self._refused = 0
        self._first_event = 0

    def apply(self) -> int:
        """Switch the toxics on."""
        switched = self._proxy.switch(*self._toxics)
        self._before = switched.before
        self._first_event = int(switched.before["last_event"])
        return switched.effective_ns

    def observe(self) -> None:
        """Ask for a connection, where none should be had."""
        if any(isinstance(toxic, Down) for toxic in self._toxics) and self._refused < _PROBES:
            try:
                socket.create_connection((self._proxy.host, self._proxy.port), 1).close()
            except ConnectionRefusedError:
                self._refused += 1

    def undo(self) -> None:
        """Switch every toxic off."""
        self._after = self._proxy.switch().before

    def is_finished(self) -> bool:
        """Return whether the last of the cuts was made, where it is cuts that were asked for."""
        wanted = sum(
            toxic.count
            for toxic in self._toxics
            if isinstance(toxic, CutAfterCommit | CutBeforeCommit)
        )
        if not wanted:
            return False
        made = self._proxy.state()["counters"]["cuts"] - self._before["counters"]["cuts"]
        return bool(made >= wanted)

    def witnesses(self) -> list[Witness]:
        """Return a witness for each toxic, from the proxy's own counters; one for a black hole."""
        holes = [toxic.stream for toxic in self._toxics if isinstance(toxic, Timeout)]
        found = [self._witness(toxic) for toxic in self._toxics if not isinstance(toxic, Timeout)]
        return [*found, self._hole(holes)] if holes else found

    def _hole(self, streams: list[Direction]) -> Witness:
        """Return how many bytes were held; one let through would make it no hole."""
        before, after = self._before, self._after
        held = sum(after[stream]["held"] for stream in streams)
        leaked = sum(after[stream]["forwarded"] - before[stream]["forwarded"] for stream in streams)
        detail = [f"{stream}: {after[stream]['held']} bytes held" for stream in streams]
        return Witness(
            name="bytes held, none let through",
            before=0,
            during=0 if leaked else held,
            needs=1,
            detail=[*detail, f"{leaked} bytes let through while it lasted"],
        )

    def _witness(self, toxic: Toxic) -> Witness:
        before, after = self._before, self._after
        detail: list[str] = []
        match toxic:
            case Latency(stream=stream):
                tally = after[stream]
                delay = tally["delay_sum_us"] // max(1, tally["delayed"])
                detail = [f"mean delay over the proxy's life {delay} us"]
                name, counts = f"chunks delayed {stream}", _grew(before, after, stream, "delayed")
            case Bandwidth(stream=stream):
                name, counts = (
                    f"chunks throttled {stream}",
                    _grew(before, after, stream, "throttled"),
                )
            case Slicer(stream=stream):
                name, counts = f"pieces sent {stream}", _grew(before, after, stream, "pieces")
            case Down():
                name, counts = "connections refused", (0, self._refused)
            case CutAfterCommit() | CutBeforeCommit():
                cuts = [
                    event
                    for event in self._proxy.events(self._first_event)
                    if event["event"].startswith("cut_")
                ]
                detail = [f"link {event['link']} at {event['t_ns']} ns" for event in cuts][:20]
                name, counts = "pairs cut at a commit", _grew(before, after, "counters", "cuts")
            case _:
                name, counts = "pairs reset", _grew(before, after, "counters", "resets_by_toxic")
        return Witness(name=name, before=counts[0], during=counts[1], needs=1, detail=detail)


class ResetStorm(Injector):
    """RST to every live link, again and again while it lasts.

    Args:
        fault: As the scenario has it.
        proxy: In the path.
        every_us: Between two resets.
    """

    def __init__(self, fault: FaultSpec, proxy: ProxyProcess, *, every_us: int = 200_000) -> None:
        super().__init__(fault)
        self._proxy = proxy
        self._every_us = every_us
        self._resets = 0
        self._times = 0
        self._next_ns = 0

    def apply(self) -> int:
        """Reset for the first time."""
        effective = time.monotonic_ns()
        self._reset_all()
        return effective

    def observe(self) -> None:
        """Reset again when it is due."""
        if time.monotonic_ns() >= self._next_ns:
            self._reset_all()

    def undo(self) -> None:
        """Reset no more."""
        self._next_ns = 2**63

    def witnesses(self) -> list[Witness]:
        """Return how many links were reset."""
        detail = [f"{self._times} times"]
        return [Witness(name="pairs reset", before=0, during=self._resets, needs=1, detail=detail)]

    def _reset_all(self) -> None:
        self._resets += self._proxy.reset_links()
        self._times += 1
        self._next_ns = time.monotonic_ns() + self._every_us * 1000


def _grew(
    before: dict[str, Any], after: dict[str, Any], part: str, counter: str
) -> tuple[int, int]:
    return int(before[part][counter]), int(after[part][counter])
