"""Faults of a proxy as failure scenarios name them: a kind and its parameters to toxics.

The kinds, their parameters and what is counted of each are those of
`stressproof.failures.fault_kinds`; toxics are what the proxy knows.
"""

from collections.abc import Mapping
from typing import Final

from stressproof.errors import UsageError
from stressproof.evidence.failure import Parameter
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.faults.proxy.toxics import DIRECTIONS, Toxic, parse

_CUT: Final = {"statement": "statement_contains"}
_TOXICS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "latency": ("latency", {}),
    "bandwidth": ("bandwidth", {"rate_bytes_per_s": "bytes_per_second"}),
    "trickle": ("slicer", {"piece": "average_bytes", "pause_us": "delay_us"}),
    "black_hole": ("timeout", {}),
    "reset": ("reset_peer", {}),
    "down": ("down", {}),
    "lose_answer": ("lose_answer", {}),
    "cut_after_commit": ("cut_after_commit", _CUT),
    "cut_before_commit": ("cut_before_commit", _CUT),
    "http_answer": ("http_answer", {}),
    "http_delay": ("http_delay", {}),
    "http_truncate": ("http_truncate", {}),
    "http_garbage": ("http_garbage", {}),
    "http_hang": ("http_hang", {}),
    "http_reset": ("http_reset", {}),
}
"""Kind to the toxic that makes it, and those of its parameters that the toxic calls otherwise."""

PROXY_KINDS: Final = tuple(_TOXICS)
"""Kinds of faults that a proxy makes."""


def toxics(kind: str, parameters: Mapping[str, Parameter]) -> list[Toxic]:
    """Return what a proxy has to do for a fault, one toxic for each direction.

    Args:
        kind: Of the fault.
        parameters: Of the fault, as a spec holds them; what is missing is at its default.

    Raises:
        UsageError: No fault of a proxy is of that kind, or these are not its parameters.
    """
    if kind not in _TOXICS:
        raise UsageError(
            f"{kind!r} is no fault of a proxy", hint=f"There are {', '.join(PROXY_KINDS)}."
        )
    name, renamed = _TOXICS[kind]
    values = FAULT_KINDS[kind].complete(parameters)
    stream = values.pop("stream", None)
    toxic = {"type": name, **{renamed.get(key, key): value for key, value in values.items()}}
    if stream is None:
        return parse([toxic])
    streams = DIRECTIONS if stream == "both" else (stream,)
    return parse([{**toxic, "stream": each} for each in streams])
