"""Faults of a proxy as failure scenarios name them: a kind and its parameters to toxics.

The kinds, their parameters and what is counted of each are those of
`stressproof.failures.fault_kinds`; toxics are what the proxy knows.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from stressproof.errors import UsageError
from stressproof.evidence.failure import Parameter
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.faults.proxy.toxics import DIRECTIONS, Toxic, parse

_Values = dict[str, Any]


def toxics(kind: str, parameters: Mapping[str, Parameter]) -> list[Toxic]:
    """Return what a proxy has to do for a fault.

    Args:
        kind: Of the fault.
        parameters: Of the fault, as a spec holds them; what is missing is at its default.

    Raises:
        UsageError: No fault of a proxy is of that kind, or these are not its parameters.
    """
    make = _MAKERS.get(kind)
    if make is None:
        raise UsageError(
            f"{kind!r} is no fault of a proxy", hint=f"There are {', '.join(PROXY_KINDS)}."
        )
    return parse(make(kind, FAULT_KINDS[kind].complete(parameters)))


def _each_stream(name: str, names: Mapping[str, str]) -> Callable[[str, _Values], list[_Values]]:
    """Return what makes a toxic for each direction; its attributes by those of the kind."""

    def make(_: str, values: _Values) -> list[_Values]:
        given = {names[key]: value for key, value in values.items() if key != "stream"}
        streams = [each for each in DIRECTIONS if values["stream"] in ("both", each)]
        return [{"type": name, "stream": stream, **given} for stream in streams]

    return make


def _renamed(
    name: str = "", names: Mapping[str, str] | None = None
) -> Callable[[str, _Values], list[_Values]]:
    """Return what makes one toxic, with the attributes of the kind or others for some of them."""

    def make(kind: str, values: _Values) -> list[_Values]:
        given = {(names or {}).get(key, key): value for key, value in values.items()}
        return [{"type": name or kind, **given}]

    return make


_LATENCY: Final = {"latency_us": "latency_us", "jitter_us": "jitter_us"}
_MAKERS: Final[Mapping[str, Callable[[str, _Values], list[_Values]]]] = {
    "latency": _each_stream("latency", _LATENCY),
    "bandwidth": _each_stream("bandwidth", {"rate_bytes_per_s": "bytes_per_second"}),
    "trickle": _each_stream("slicer", {"piece": "average_bytes", "pause_us": "delay_us"}),
    "black_hole": _each_stream("timeout", {}),
    "reset": _renamed("reset_peer"),
    "down": _renamed(),
    "lose_answer": _renamed(),
    "cut_after_commit": _renamed(names={"statement": "statement_contains"}),
    "cut_before_commit": _renamed(names={"statement": "statement_contains"}),
    "http_answer": _renamed(),
    "http_delay": _renamed(),
    "http_truncate": _renamed(),
    "http_garbage": _renamed(),
    "http_hang": _renamed(),
    "http_reset": _renamed(),
}

PROXY_KINDS: Final = tuple(_MAKERS)
"""Kinds of faults that a proxy makes."""
