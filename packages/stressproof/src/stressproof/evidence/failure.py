"""What is measured of a trial of failures: faults, their witnesses and recovery, checks, phases.

Times are whole microseconds of one monotonic clock, counted from the trial's start. The whole
document is `stressproof.failures.artifact`'s.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stressproof.evidence.fields import Text
from stressproof.evidence.measurements import Count

Micros = Annotated[int, Meta(ge=0, le=2**42)]
"""Microseconds since the start of a trial, or a duration; at most seven weeks."""

Conclusion = Literal["pass", "fail", "inconclusive"]

Name = Annotated[str, Meta(min_length=1, max_length=200)]

Parameter = int | str | bool | tuple[str, ...] | dict[str, int | str | bool]
"""Of a fault or a check; lists are of texts, patterns or arguments."""


class Witness(Struct, frozen=True, forbid_unknown_fields=True):
    """Something measured that could not be so, had the fault not taken effect.

    Attributes:
        name: What is counted.
        before: The count before the fault took effect.
        during: The count while it lasted, or at its end.
        needs: By how much it must have grown, 1 at least.
        detail: Where the numbers are from: pids, backend pids, log lines, events.
    """

    name: Name
    before: Count
    during: Count
    needs: Annotated[int, Meta(ge=1, le=2**53)]
    detail: Annotated[list[Text], Meta(max_length=50)] = []


class RecoveryObjectives(Struct, frozen=True, forbid_unknown_fields=True):
    """What recovery from a fault is held against.

    Attributes:
        rto_service_us: From healing to the first good window.
        window_us: Length of a good window.
        window_operations: Requests that must start in it, at least.
        slow_us: The p99 above which a window is not good.
        bad_ppm: Unhealthy requests a good window may have, in millionths.
    """

    rto_service_us: Micros
    window_us: Micros
    window_operations: Count
    slow_us: Micros
    bad_ppm: Count


class Recovery(Struct, frozen=True, forbid_unknown_fields=True):
    """How a fault showed and how it passed (`stressproof.failures.history.recovery`).

    What never happened is null.

    Attributes:
        detection_us: From the effect to the end of the first unhealthy or slow request.
        first_ok_us: From healing to the end of the first healthy request that began after it.
        rto_user_us: From the effect to the start of the first good window, so with the outage.
        rto_service_us: From healing to that same start: the service's own part.
        longest_gap_us: The longest time without a healthy answer while the fault lasted.
    """

    detection_us: Micros | None
    first_ok_us: Micros | None
    rto_user_us: Micros | None
    rto_service_us: Micros | None
    longest_gap_us: Micros


class InjectedFault(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, from its request to the end of the time in which recovery was watched.

    Attributes:
        id: Of the fault within its scenario.
        kind: Of `stressproof.failures.fault_kinds.FAULT_KINDS`.
        target: What it was injected into, as the testbed names it.
        parameters: How, all of its kind.
        requested_us: When it was asked for.
        effective_us: From when the witness says that it held.
        removed_us: When the undo was done.
        healed_us: When it was removed *and* a fresh direct connection got an answer.
        watched_us: Until when recovery was watched.
        witnesses: What proves that it took effect, one at least.
        objectives: What recovery is held against.
        recovery: How it showed and passed.
    """

    id: Name
    kind: Name
    target: Annotated[str, Meta(max_length=200)]
    parameters: dict[str, Parameter]
    requested_us: Micros
    effective_us: Micros
    removed_us: Micros
    healed_us: Micros
    watched_us: Micros
    witnesses: Annotated[list[Witness], Meta(max_length=20)]
    objectives: RecoveryObjectives
    recovery: Recovery


class CheckResult(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that must hold, or must sometimes happen.

    Attributes:
        id: Which check (`stressproof.failures.checks.CHECKS` for those over operations).
        about: The fault it is about, empty for the whole trial.
        title: What holds where it passes, as a sentence.
        source: Recomputed from the operations, or asked as an invariant of the scenario.
        parameters: Of a check over operations.
        compared: How many things were looked at; none is inconclusive.
        violations: How many of them were wrong.
        outcome: What follows.
    """

    id: Name
    about: Annotated[str, Meta(max_length=200)]
    title: Text
    source: Literal["operations", "invariant"]
    parameters: dict[str, Parameter]
    compared: Count
    violations: Count
    outcome: Conclusion


class PhaseCount(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that began in one phase of a trial, by how they ended.

    Attributes:
        phase: ``steady``, ``<fault>/during`` or ``<fault>/recovery``.
        ok: Acknowledged effects and plain answers.
        fail: Surely without effect.
        unknown: Timeouts, disconnects after the request was sent, and errors of the server.
        unhealthy: Of all of them, those that a caller would not call service.
    """

    phase: Name
    ok: Count
    fail: Count
    unknown: Count
    unhealthy: Count
