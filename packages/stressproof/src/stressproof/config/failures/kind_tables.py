"""Tables of faults and checks: made from what `stressproof.failures` knows of each kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union

import msgspec
from msgspec import Meta, Struct

from stressproof.config.failures.parameters import written
from stressproof.config.plan_tables import Duration, Name
from stressproof.failures.checks import CHECKS
from stressproof.failures.fault_kind import FaultKind
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.failures.parameters import ParameterSpec

_Count = Annotated[int, Meta(ge=1, le=2**53)]
_Words = Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
_Pattern = Annotated[str, Meta(min_length=1, max_length=200)]
_Patterns = Annotated[tuple[_Pattern, ...], Meta(min_length=1, max_length=64)]
_TYPES: Mapping[str, Any] = {
    "duration": Duration,
    "count": int,
    "rate": str | int,
    "byte_rate": str,
    "share": str,
    "factor": int | float,
    "percentile": int | float,
    "text": str,
    "argv": tuple[str, ...],
    "flag": bool,
    "table": dict[str, str | int | bool],
    "patterns": _Pattern | _Patterns,
}
"""How a file writes each type of parameter."""


class SendTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that a fault sends."""

    request: Annotated[str, Meta(description="Which, by its name in the profile.")]
    times: Annotated[int, Meta(description="How many.", ge=1, le=1000)] = 1
    same: Annotated[
        bool | None, Meta(description="One row and one effect for all of them; a race's are.")
    ] = None


class WitnessTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What proves that a fault of one's own took effect."""

    name: Annotated[str, Meta(description="What is counted.", min_length=1, max_length=200)]
    run: Annotated[
        _Words | None, Meta(description="Prints the count; what a class counts has none.")
    ] = None
    needs: Annotated[_Count, Meta(description="By how much it must grow.")] = 1


class FaultTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every fault has."""

    id: Annotated[Name, Meta(description="Unique in its failure.")]
    lasts: Annotated[Duration, Meta(description="How long, 100ms to 10m, unless spent before.")]
    target: Annotated[str, Meta(description="What of the testbed it hits.")] = ""
    recover: Annotated[Duration | None, Meta(description="Instead of the failure's: 0s to 1h.")] = (
        None
    )
    watch: Annotated[
        Duration | None, Meta(description="Recovery is watched so long; 2.5s beyond recover.")
    ] = None
    how: Annotated[str, Meta(description="What is done, for people.", max_length=500)] = ""


class _CheckTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every check may have."""

    of: Annotated[
        _Patterns | None, Meta(description="Requests that are looked at, all together: order_*.")
    ] = None
    each: Annotated[
        _Patterns | None, Meta(description="A check for each of these: order_1..5 are five.")
    ] = None
    during: Annotated[
        _Patterns | None, Meta(description='A check for each of these faults; ["*"]: of all.')
    ] = None
    baseline: Annotated[
        bool | None, Meta(description="Also made without faults; those of effects are.")
    ] = None


_Sends = Annotated[tuple[SendTable, ...], Meta(max_length=20)]
_SEND = (
    (
        "send",
        Annotated[SendTable | _Sends | None, Meta(description="What it sends.")],
        None,
    ),
    ("request", Annotated[str, Meta(description="Short for send with this request.")], ""),
)
_Witnesses = Annotated[tuple[WitnessTable, ...], Meta(max_length=20)]
_WITNESS = (
    (
        "witness",
        Annotated[
            dict[str, _Count] | _Witnesses,
            Meta(description="What proves it, one at least: names with what they need, or tables."),
        ],
        (),
    ),
)


def _is_required(spec: ParameterSpec) -> bool:
    return spec.default is None and not spec.optional


def _field(spec: ParameterSpec, *, required: bool) -> tuple[str, Any, Any]:
    """Return a parameter as a field of a table."""
    bounds: dict[str, Any] = {}
    if spec.choices:
        bounds = {"pattern": f"^({'|'.join(spec.choices)})$"}
    elif spec.type == "count":
        bounds = {"ge": spec.least, "le": spec.most}
    elif spec.type in {"text", "argv"} and spec.least:
        bounds = {"min_length": spec.least}
    kind = Annotated[_TYPES[spec.type], Meta(**bounds)] if bounds else _TYPES[spec.type]
    default = None if spec.default is None else written(spec, spec.default)
    if default is None and not required:
        kind |= None
    says = f"{spec.says[:1].upper()}{spec.says[1:]}."
    given = {} if default is None and required else {"default": default}
    # A name such as class is a word of Python's.
    return f"{spec.name}_", Annotated[kind, Meta(description=says)], _named(spec.name, **given)


def _named(name: str, **given: Any) -> Any:
    return msgspec.field(name=name, **given)


def _fault_table(kind: FaultKind) -> type[FaultTable]:
    made: Any = msgspec.defstruct(
        "".join(word.capitalize() for word in kind.name.split("_")) + "Table",
        [
            *(_field(one, required=_is_required(one)) for one in kind.parameters),
            *(_SEND if kind.sends != "never" else ()),
            *(_WITNESS if kind.witnesses is None else ()),
        ],
        bases=(FaultTable,),
        namespace={"__doc__": kind.says},
        frozen=True,
        forbid_unknown_fields=True,
        kw_only=True,
        tag_field="kind",
        tag=kind.name,
    )
    found: type[FaultTable] = made
    return found


def _check_table() -> type[_CheckTable]:
    """Return one table for all checks: which of its keys say which check, `CHECKS` knows."""
    fields: dict[str, tuple[str, Any, Any]] = {}
    for kind in CHECKS.values():
        taken = bool if kind.value is None else _TYPES[kind.value.type]
        fields[kind.name] = (
            f"{kind.name}_",
            Annotated[taken | None, Meta(description=f"{kind.says}.")],
            _named(kind.name, default=None),
        )
        for one in kind.parameters:
            fields.setdefault(
                one.name,
                (
                    f"{one.name}_",
                    Annotated[_TYPES[one.type] | None, Meta(description=f"{one.says}.")],
                    _named(one.name, default=None),
                ),
            )
    made: Any = msgspec.defstruct(
        "CheckTable",
        list(fields.values()),
        bases=(_CheckTable,),
        namespace={"__doc__": "One check: the key that names it, and what it may have."},
        frozen=True,
        forbid_unknown_fields=True,
        kw_only=True,
    )
    found: type[_CheckTable] = made
    return found


FAULT_TABLES: Mapping[str, type[FaultTable]] = {
    name: _fault_table(kind) for name, kind in FAULT_KINDS.items()
}
"""By kind."""

if TYPE_CHECKING:
    FaultTables = FaultTable
    CheckTable = _CheckTable
else:
    FaultTables = Union[tuple(FAULT_TABLES.values())]  # noqa: UP007  # as many as there are
    CheckTable = _check_table()
