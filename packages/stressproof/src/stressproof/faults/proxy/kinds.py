"""Faults of a proxy as failure scenarios name them: a kind and its parameters to toxics.

The kinds, their parameters and what is counted of each are those of
`stressproof.failures.fault_kinds`; toxics are what the proxy knows.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stressproof.config.failures.kind_tables import FAULT_TABLES
from stressproof.config.failures.parameters import parameter
from stressproof.errors import UsageError
from stressproof.evidence.failure import Parameter
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.failures.parameters import ParameterSpec
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
    _demand_kind(kind)
    name, renamed = _TOXICS[kind]
    values = FAULT_KINDS[kind].complete(parameters)
    stream = values.pop("stream", None)
    toxic = {"type": name, **{renamed.get(key, key): value for key, value in values.items()}}
    if stream is None:
        return parse([toxic])
    streams = DIRECTIONS if stream == "both" else (stream,)
    return parse([{**toxic, "stream": each} for each in streams])


def read_written(kind: str, written: Mapping[str, Any]) -> tuple[dict[str, Any], list[Toxic]]:
    """Return a fault's parameters as a file writes them, all of them, and what makes it.

    Args:
        kind: Of the fault.
        written: Those that differ from their defaults: ``{"latency": "1.5s"}``.

    Raises:
        UsageError: No fault of a proxy is of that kind, or these are not its parameters.
    """
    _demand_kind(kind)
    specs = FAULT_KINDS[kind].parameters
    try:
        table = msgspec.convert(
            {**written, "kind": kind, "id": kind, "lasts": "1s"}, FAULT_TABLES[kind]
        )
    except msgspec.ValidationError as error:
        known = ", ".join(one.name for one in specs) or "none"
        raise UsageError(f"{kind}: {error}", hint=f"Its parameters: {known}.") from error
    values: dict[str, Any] = {one.name: getattr(table, f"{one.name}_") for one in specs}
    given = [one for one in specs if values[one.name] is not None]
    read = {one.key: _read(kind, one, values[one.name]) for one in given}
    return {one.name: values[one.name] for one in given}, toxics(kind, read)


def _read(kind: str, spec: ParameterSpec, value: Any) -> Parameter:
    try:
        return parameter(spec, value)
    except UsageError as error:
        raise UsageError(f"{kind}, {spec.name}: {error.message}", hint=error.hint) from error


def _demand_kind(kind: str) -> None:
    if kind not in _TOXICS:
        raise UsageError(
            f"{kind!r} is no fault of a proxy", hint=f"There are {', '.join(PROXY_KINDS)}."
        )
