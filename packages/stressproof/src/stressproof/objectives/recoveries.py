"""``recovery(fault) < 10s``: times to recovery, from the operations of failure evidence."""

from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct

from stressproof.errors import EvidenceError
from stressproof.failures.artifact import FailureArtifact
from stressproof.failures.conclusions import derive, took_effect
from stressproof.objectives.expression import EVERY_FAULT, Number, Threshold
from stressproof.objectives.figures import Figure
from stressproof.objectives.judging import Interval, Judgement, absolute_limit, judge
from stressproof.objectives.results import Record
from stressproof.outcome import Outcome

_NEVER = Fraction(10**12)
"""The excess of a service that did not recover: worse than any time."""


class FaultRecovery(Struct, frozen=True):
    """How one injected fault passed.

    Attributes:
        scenario: Its scenario, such as ``FI-001``.
        fault: Its id within the scenario.
        kind: Which injector.
        recovery_us: From healing to the first good window, None where there was none.
        witnessed: Whether it is proven that the fault took effect at all.
    """

    scenario: str
    fault: str
    kind: str
    recovery_us: int | None
    witnessed: bool

    def __str__(self) -> str:
        return f"{self.scenario}/{self.fault}"

    def is_called(self, name: str) -> bool:
        """Return whether a threshold's ``recovery(name)`` is about this fault."""
        return name in {EVERY_FAULT, self.scenario, self.fault, self.kind, str(self)}


def recoveries_of(artifact: FailureArtifact) -> list[FaultRecovery]:
    """Return the recovery from each fault of failure evidence, recomputed from its operations.

    Raises:
        EvidenceError: A recovery that the artifact states is not that of its operations.
        ValueError: Its operations have no meaning.
    """
    found = []
    for scenario in artifact.scenarios:
        follows = derive(scenario.trial, scenario.spec).recoveries
        for fault, expected in zip(scenario.trial.faults, follows, strict=True):
            if fault.recovery != expected:
                raise EvidenceError(
                    f"{scenario.id}/{fault.id}: the recovery stated is {fault.recovery}, and that "
                    f"of the operations is {expected}",
                    hint="Inject again; evidence is never edited.",
                )
            found.append(
                FaultRecovery(
                    scenario=scenario.id,
                    fault=fault.id,
                    kind=fault.kind,
                    recovery_us=expected.rto_service_us,
                    witnessed=bool(fault.witnesses)
                    and all(took_effect(one) for one in fault.witnesses),
                )
            )
    return found


def judge_recoveries(threshold: Threshold, recoveries: Sequence[FaultRecovery]) -> Record:
    """Return the verdict on each fault that a threshold names; the worst counts."""
    name = threshold.expression.measure.fault
    record = Record(threshold)
    record.not_judgeable_reason = (
        f"no fault is called {name!r}; there are {', '.join(map(str, recoveries))}"
        if recoveries
        else "no failure evidence was given"
    )
    comparisons = threshold.expression.comparisons
    limits = tuple(
        Interval.at(absolute_limit(one.limit, "recovery", "recovery"))
        for one in comparisons
        if isinstance(one.limit, Number)
    )
    for one in recoveries:
        if not one.is_called(name):
            continue
        if not one.witnessed:
            unproven = Figure(None, None, 1, reason="nothing proves that the fault took effect")
            judged = judge(unproven, comparisons, limits, None)
        elif one.recovery_us is None:
            never = Figure(None, None, 1, reason="the service did not recover while it was watched")
            judged = Judgement(Outcome.FAIL, never, limits, never.reason, _NEVER)
        else:
            time_us = Fraction(one.recovery_us)
            judged = judge(Figure(time_us, time_us, 1), comparisons, limits, None)
        record.add(judged, one)
    return record
