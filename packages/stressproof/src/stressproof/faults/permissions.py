"""What only an operator permits, each time: no file can, and evidence tells of it."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from stressproof.dotted_path import nearest
from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import is_of_the_file
from stressproof.failures.spec import FaultSpec, ScenarioSpec
from stressproof.faults.proxy.kinds import PROXY_KINDS


class Permissions(Struct, frozen=True):
    """What was permitted for one run.

    Attributes:
        breaks: Ids of faults that hit what the tool has not started (``--break``).
        upstreams: Hosts beyond loopback that proxies may lead to (``--allow-upstream``).
    """

    breaks: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()


NOTHING_MORE: Final = Permissions()
"""Nothing beyond what the tool has started."""


def needs_permission(fault: FaultSpec, started: Iterable[str]) -> bool:
    """Return whether a fault hits, or may hit, what the tool has not started.

    A proxy that runs already was put there to be switched, so it is none of these; nor is what one
    of ours stands before.

    Args:
        fault: Any.
        started: Names of the testbed that are started for it.
    """
    if is_of_the_file(fault):
        return True
    things = {"postgres", "process", "container"}
    return (
        fault.kind not in PROXY_KINDS
        and fault.target_kind in things
        and fault.target not in frozenset(started)
    )


def demand_permission(
    scenarios: Iterable[ScenarioSpec], started: Iterable[str], permissions: Permissions
) -> None:
    """Refuse a run that would break what the tool has not started, unless each was permitted.

    Args:
        scenarios: Those that will run.
        started: Names of the testbed that are started for them.
        permissions: Of the operator.

    Raises:
        UsageError: A fault was not permitted, or one is that there is not.
    """
    specs = list(scenarios)
    known = {fault.id for spec in specs for fault in spec.faults}
    for name in permissions.breaks:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"--break {name}: no fault that would be made has this id",
                hint=f"Did you mean {near}?" if near else f"There are {', '.join(sorted(known))}.",
            )
    missing = dict.fromkeys(_unpermitted(specs, frozenset(started), permissions))
    if missing:
        told = ", ".join(missing)
        raise UsageError(
            f"{told} would break what this tool has not started, and nobody has permitted it",
            hint="Look at what it runs, then: " + " ".join(f"--break {name}" for name in missing),
        )


def _unpermitted(
    specs: Iterable[ScenarioSpec], started: frozenset[str], permissions: Permissions
) -> Iterator[str]:
    for spec in specs:
        for fault in spec.faults:
            if needs_permission(fault, started) and fault.id not in permissions.breaks:
                yield fault.id
