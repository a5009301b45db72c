"""What proves that toxics took effect, from what a proxy counted before and after."""

from collections.abc import Sequence
from typing import Any, Final

from stressproof.faults.injector import Counted
from stressproof.faults.proxy.http_toxics import HttpFault
from stressproof.faults.proxy.toxics import (
    Bandwidth,
    Cut,
    CutAfterCommit,
    CutBeforeCommit,
    Down,
    Latency,
    LimitData,
    LoseAnswer,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
    type_of,
)

HELD: Final = "bytes held, none let through"
REFUSED: Final = "connections refused"
SPOILT: Final = "answers spoilt"
_HITS: Final[dict[type[Toxic], str]] = {
    ResetPeer: "pairs reset",
    LoseAnswer: "pairs cut at an answer",
    CutAfterCommit: "pairs cut at a commit",
    CutBeforeCommit: "pairs cut at a commit",
}
_TALLIES: Final[dict[type[Toxic], tuple[str, str]]] = {
    Latency: ("chunks delayed", "delayed"),
    Bandwidth: ("chunks throttled", "throttled"),
    Slicer: ("pieces sent", "pieces"),
    SlowClose: ("ends delayed", "closed_slowly"),
    LimitData: ("links closed at the limit", "limited"),
}
"""Toxic of one direction to what is counted, and the counter of a `Tally` that counts it."""

Snapshot = dict[str, Any]


def counted(toxic: Toxic) -> str:
    """Return what is counted of a toxic."""
    kind = type(toxic)
    if isinstance(toxic, HttpFault):
        return SPOILT
    if isinstance(toxic, Timeout | Down):
        return HELD if isinstance(toxic, Timeout) else REFUSED
    return _HITS.get(kind) or f"{_TALLIES[kind][0]} {getattr(toxic, 'stream', '')}"


def count(
    toxics: Sequence[Toxic],
    before: Snapshot,
    after: Snapshot,
    *,
    events: Sequence[dict[str, Any]] = (),
    refused: int = 0,
) -> dict[str, Counted]:
    """Return what toxics did, by its name; those that count the same thing count it together.

    Args:
        toxics: That were in force.
        before: The proxy's state just before they were.
        after: And just after.
        events: What the proxy noted since.
        refused: How many connections were asked for and refused.
    """
    groups: dict[str, list[Toxic]] = {}
    for toxic in toxics:
        groups.setdefault(counted(toxic), []).append(toxic)
    found = {}
    for name, group in groups.items():
        if name == HELD:
            found[name] = _hole(group, before, after)
        elif name == REFUSED:
            found[name] = Counted(refused)
        else:
            was, now = _counters(group, before, after)
            found[name] = Counted(now, was, _details(group, before, after, events))
    return found


def _counters(group: list[Toxic], before: Snapshot, after: Snapshot) -> tuple[int, int]:
    tally = _TALLIES.get(type(group[0]))
    if tally is not None:
        stream = getattr(group[0], "stream", "")
        return int(before[stream][tally[1]]), int(after[stream][tally[1]])
    names = {type_of(toxic) for toxic in group}
    return (
        sum(before["hits"].get(name, 0) for name in names),
        sum(after["hits"].get(name, 0) for name in names),
    )


def _hole(group: list[Toxic], before: Snapshot, after: Snapshot) -> Counted:
    """Return how many bytes were held; one let through would make it no hole."""
    streams = [toxic.stream for toxic in group if isinstance(toxic, Timeout)]
    held = {stream: after[stream]["held_back"] - before[stream]["held_back"] for stream in streams}
    leaked = sum(after[stream]["forwarded"] - before[stream]["forwarded"] for stream in streams)
    detail = [f"{stream}: {size} bytes held" for stream, size in held.items()]
    detail.append(f"{leaked} bytes let through while it lasted")
    return Counted(0 if leaked else sum(held.values()), detail=detail)


def _details(
    group: list[Toxic], before: Snapshot, after: Snapshot, events: Sequence[dict[str, Any]]
) -> list[str]:
    """Return which links or requests were hit and when, or by how much; and why none was."""
    found = [
        f"{stream}: mean delay over the proxy's life "
        f"{after[stream]['delay_sum_us'] // max(1, after[stream]['delayed'])} us"
        for stream in (toxic.stream for toxic in group if isinstance(toxic, Latency))
    ]
    names = {type_of(toxic) for toxic in group if type(toxic) not in _TALLIES}
    hits = [event for event in events if event["event"] in names]
    for event in hits:
        request = f" {event['method']} {event['path']}" if "path" in event else ""
        found.append(f"{event['event']} on link {event['link']}{request} at {event['t_ns']} ns")
    unread = after["counters"]["encrypted_links"] - before["counters"]["encrypted_links"]
    if unread and isinstance(group[0], Cut | HttpFault):
        found.append(f"{unread} connections are encrypted (TLS), so they cannot be read")
    return found
