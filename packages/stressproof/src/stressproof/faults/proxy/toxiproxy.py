"""Toxics as toxiproxy's HTTP API has them: its own by its names and units, ours by a file's.

Source: the README of Shopify/toxiproxy, version 2.12. Milliseconds, but microseconds in a slicer;
kilobytes (1000 bytes) a second.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.faults.proxy.kinds import PROXY_KINDS, read_written
from stressproof.faults.proxy.toxics import DIRECTIONS, Toxic, parse

_MS: Final = 1000
_ATTRIBUTES: Final[Mapping[str, Mapping[str, tuple[str, int]]]] = {
    "latency": {"latency": ("latency_us", _MS), "jitter": ("jitter_us", _MS)},
    "bandwidth": {"rate": ("bytes_per_second", 1000)},
    "slow_close": {"delay": ("delay_us", _MS)},
    "timeout": {"timeout": ("close_after_us", _MS)},
    "reset_peer": {"timeout": ("after_us", _MS)},
    "slicer": {
        "average_size": ("average_bytes", 1),
        "size_variation": ("variation_bytes", 1),
        "delay": ("delay_us", 1),
    },
    "limit_data": {"bytes": ("bytes", 1)},
}
"""Toxic of toxiproxy to its attributes: what we call each, and how many of ours one of its is."""
_ONE_STREAM: Final = frozenset(_ATTRIBUTES) - {"reset_peer"}

TYPES: Final = (*_ATTRIBUTES, *(kind for kind in PROXY_KINDS if kind not in _ATTRIBUTES))
"""Every type that can be asked for."""


class ToxicBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A toxic as a client asks for it."""

    type: str
    name: str = ""
    stream: str = "downstream"
    toxicity: float = 1.0
    attributes: dict[str, Any] | None = None


class NamedToxic(Struct, frozen=True):
    """A toxic as a client asked for it, and what makes it.

    Attributes:
        name: Unique on its proxy.
        type: Of `TYPES`.
        stream: As it was given; it says nothing of what hits whole connections.
        attributes: All of them.
        made_of: For each direction.
    """

    name: str
    type: str
    stream: str
    attributes: Mapping[str, Any]
    made_of: tuple[Toxic, ...]

    def body(self) -> dict[str, Any]:
        """Return it as a client sees it."""
        return {
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": 1.0,
            "attributes": dict(self.attributes),
        }


def read_toxic(body: ToxicBody) -> NamedToxic:
    """Return what a client asks for.

    Raises:
        UsageError: It is no toxic, or one that hits by chance.
    """
    if body.type not in TYPES:
        raise UsageError(f"invalid toxic type {body.type!r}", hint=f"One of {', '.join(TYPES)}.")
    if body.toxicity != 1:
        raise UsageError(
            f"toxicity is {body.toxicity:g}, expected 1: a fault that hits by chance cannot be "
            "witnessed",
            hint="Hit every connection; or each so-manieth request: http_answer with every.",
        )
    if body.stream not in (*DIRECTIONS, "both"):
        raise UsageError(
            "stream was invalid, can be either upstream or downstream",
            hint='Of the kinds of failure scenarios also "both".',
        )
    theirs = body.type in _ATTRIBUTES
    attributes, made_of = (_theirs if theirs else _ours)(body)
    name = body.name or f"{body.type}_{body.stream}"
    return NamedToxic(name, body.type, body.stream, attributes, tuple(made_of))


def _theirs(body: ToxicBody) -> tuple[dict[str, Any], list[Toxic]]:
    known = _ATTRIBUTES[body.type]
    if body.stream not in DIRECTIONS:
        raise UsageError(f"{body.type} works in one direction", hint="Add one for each.")
    attributes = dict.fromkeys(known, 0) | (body.attributes or {})
    plain: dict[str, Any] = {"type": body.type}
    for name, value in attributes.items():
        if name not in known:
            raise UsageError(
                f"{body.type} has no attribute {name!r}", hint=f"It has {', '.join(known)}."
            )
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
        if not whole:
            raise UsageError(f"{name} is {value!r}, expected a whole number")
        ours, many = known[name]
        plain[ours] = int(value) * many
    if body.type in _ONE_STREAM:
        plain["stream"] = body.stream
    return attributes, parse([plain])


def _ours(body: ToxicBody) -> tuple[dict[str, Any], list[Toxic]]:
    given = dict(body.attributes or {})
    if any(one.name == "stream" for one in FAULT_KINDS[body.type].parameters):
        given.setdefault("stream", body.stream)
    return read_written(body.type, given)
