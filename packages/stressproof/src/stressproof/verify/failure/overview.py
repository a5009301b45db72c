"""Failure evidence for whoever approves it: who, what was broken, and how long recovery took."""

from stressproof.evidence.failure import InjectedFault
from stressproof.quantities import span
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.rule import printable
from stressproof.verify.verdict import Overview

_UNKNOWN = "not said"


def overview(case: FailureCase) -> list[Overview]:
    """Return people, scenarios, and every fault with its recovery beside its objective."""
    declared = case.declared
    people = [
        ["executed by", printable(declared.executed_by or _UNKNOWN)],
        ["approved by", printable(declared.approved_by or _UNKNOWN)],
    ]
    found = [Overview("People", ["role", "who"], people)]
    full = case.artifact.scenarios if case.artifact is not None else []
    titles = {one.id: one.spec.title for one in full}
    scenarios = [
        [
            printable(one.id or _UNKNOWN),
            printable(one.status or _UNKNOWN).upper(),
            printable(titles.get(one.id or "", "")),
        ]
        for one in case.scenarios
    ]
    if scenarios:
        found.append(Overview("Scenarios", ["scenario", "verdict", "what"], scenarios))
    faults = [_fault(one.id, fault) for one in full for fault in one.trial.faults]
    if faults:
        columns = ["fault", "kind", "held", "silent", "back in", "limit"]
        found.append(Overview("Faults", columns, faults))
    return found


def _fault(scenario: str, fault: InjectedFault) -> list[str]:
    recovery = fault.recovery
    recovered = recovery.rto_service_us
    return [
        printable(f"{scenario}/{fault.id}"),
        printable(fault.kind),
        span(fault.healed_us - fault.effective_us),
        span(recovery.longest_gap_us),
        "not yet" if recovered is None else span(recovered),
        span(fault.objectives.rto_service_us),
    ]
