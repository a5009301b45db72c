"""What several scenarios inject alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from stressproof.evidence.failure import Parameter
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.failures.spec import FaultSpec, TargetKind

DATABASE: Final = "db"
SERVICE: Final = "enforcement"
SESSIONS: Final = "enforcement%"
"""The service's database sessions, by ``application_name`` as a LIKE pattern."""

_TARGETS: Final[Mapping[TargetKind, str]] = MappingProxyType(
    {"postgres": DATABASE, "process": SERVICE, "callers": ""}
)


def fault(
    kind: str,
    id: str,  # noqa: A002  # as specs have it
    how: str,
    lasts_us: int,
    given: Mapping[str, Parameter] = MappingProxyType({}),
    **others: Any,
) -> FaultSpec:
    """Return a fault of what it can hit here, with every parameter that is not given."""
    table = FAULT_KINDS[kind]
    target_kind = next(one for one in _TARGETS if table.fits(one))
    return FaultSpec(
        id=id,
        kind=kind,
        lasts_us=lasts_us,
        target=_TARGETS[target_kind],
        target_kind=target_kind,
        parameters=table.complete(given),
        how=how,
        **others,
    )
