"""Why a scenario's spec cannot be one: asked of a file before anything is run, and of evidence."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from stressproof.errors import UsageError
from stressproof.failures.checks import check_problems
from stressproof.failures.fault_kinds import fault_problems
from stressproof.failures.schedule import OPERATIONS_MAX, most_operations
from stressproof.failures.spec import Effects, Invariant, ScenarioSpec
from stressproof.workload.order import demand_pass

OF_EFFECTS: Final = ("acknowledged_durable", "no_double_effect", "failed_absent", "every_key_read")
"""Checks made wherever there are effects, in the baseline too, unless a scenario says why not."""

AFTER_FAULTS: Final = ("recovered", "healthy_after_recovery")
"""Checks that are made after each fault, likewise."""


def spec_problems(spec: ScenarioSpec) -> Iterator[str]:
    """Yield why a scenario cannot be run or judged, one sentence each."""
    yield from _twice("request", (one.kind for one in spec.requests))
    yield from _twice("fault", (one.id for one in spec.faults))
    yield from _twice("invariant", (one.id for one in spec.invariants))
    scheduled = [one.weight for one in spec.scheduled]
    if scheduled:
        try:
            demand_pass(scheduled)
        except UsageError as error:
            yield str(error)
    else:
        yield "there is no load: no request has a weight"
    asked = most_operations(spec)
    if asked > OPERATIONS_MAX:
        yield f"a trial asks for {asked} operations, and {OPERATIONS_MAX} can be judged"
    if not spec.faults:
        yield "there is no fault"
    for fault in spec.faults:
        yield from (f"fault {fault.id}: {problem}" for problem in fault_problems(fault))
    faults = [one.id for one in spec.faults]
    for check in spec.checks:
        where = f"check {check.id} {check.about}".rstrip()
        yield from (f"{where}: {problem}" for problem in check_problems(check, faults))
    yield from _answers_problems(spec)
    yield from _missing_checks(spec)


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what} {name} is there {count} times"


def _answers_problems(spec: ScenarioSpec) -> Iterator[str]:
    """Yield where what is asked in the end is not asked in one way."""
    asked: list[Effects | Invariant] = list(spec.invariants)
    asked += [] if spec.effects is None else [spec.effects]
    for one in asked:
        name = f"invariant {one.id}" if isinstance(one, Invariant) else "effects"
        if sum(map(bool, (one.sql, one.http, one.run))) != 1:
            yield f"{name}: one of sql, http and run, and one only"
    if spec.effects is None and any(request.keyed for request in spec.requests):
        yield "requests ask for effects, and nothing says where they are found"


def _missing_checks(spec: ScenarioSpec) -> Iterator[str]:
    """Yield each check that is made unasked and neither is there nor told why not."""
    has = {
        (check.id, check.about)
        for check in spec.checks
        if check.baseline or check.id not in OF_EFFECTS
    }
    wanted = [(name, fault.id) for name in AFTER_FAULTS for fault in spec.faults]
    if any(request.keyed for request in spec.requests):
        wanted += [(name, "") for name in OF_EFFECTS]
    for name, about in wanted:
        if (name, about) not in has and name not in spec.off:
            yield f"check {name} {about}".rstrip() + ": is not there, and off does not say why"
