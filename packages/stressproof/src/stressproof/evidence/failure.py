"""The failure-injection artifact: the protocol's fields, and the operations they follow from.

Times inside a trial are whole microseconds of one monotonic clock, counted from the trial's start.
A scenario has two trials of the same load and the same checks: a *baseline* without any fault, and
one with its faults. What is concluded from them is recomputed by
`stressproof.failures.conclusions`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stressproof.evidence.clock import ClockRecord
from stressproof.evidence.fields import Status, Text
from stressproof.evidence.measurements import Count
from stressproof.evidence.target import RuntimeProbe, Subject, TargetProbe
from stressproof.evidence.versions import SchemaVersion

Micros = Annotated[int, Meta(ge=0, le=2**42)]
"""Microseconds since the start of a trial, or a duration; at most seven weeks."""

Conclusion = Literal["pass", "fail", "inconclusive"]

Name = Annotated[str, Meta(min_length=1, max_length=200)]

Parameter = int | str | bool | tuple[str, ...] | dict[str, int | str | bool]
"""Of a fault or a check; lists are of texts, patterns or arguments."""


class Operations(Struct, frozen=True, forbid_unknown_fields=True):
    """Every request of a trial, in order of its intended start.

    Attributes:
        kinds: What was asked; a row refers to it by position.
        codes: How it ended (`stressproof.failures.history.read_code`); likewise.
        columns: Names of a row's numbers.
        rows: ``[start_us, duration_us, kind, code, key, attempt]``: the intended start, how long
            the caller waited from then on, the effect that was asked for (0 for none), and which
            attempt at it this was, from 1.
    """

    kinds: list[Name]
    codes: list[Name]
    columns: list[Name]
    rows: list[list[Count]]


class Effects(Struct, frozen=True, forbid_unknown_fields=True):
    """What the database holds in the end, for each effect that was asked for.

    Attributes:
        sql: How it was asked, on a direct connection after healing and quiescing.
        columns: Names of a row's numbers.
        rows: ``[key, effects]``: how often the effect with that key was found; every key that was
            asked for is there, also with 0.
    """

    sql: Annotated[str, Meta(max_length=20_000)]
    columns: list[Name]
    rows: list[list[Count]]


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
        answer_us: The longest that any caller may wait, under the fault too.
    """

    rto_service_us: Micros
    window_us: Micros
    window_operations: Count
    slow_us: Micros
    bad_ppm: Count
    answer_us: Micros


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
        id: Of the fault within its scenario, as the matrix has it.
        kind: Which injector.
        target: What it was injected into.
        parameters: How.
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
    target: Name
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
        source: Recomputed from the operations, or asked of the database.
        parameters: Of a check over operations.
        sql: The query, of a check of the database; it returns ``(compared, violations)``.
        compared: How many things were looked at; none is inconclusive.
        violations: How many of them were wrong.
        outcome: What follows.
    """

    id: Name
    about: Annotated[str, Meta(max_length=200)]
    title: Text
    source: Literal["operations", "database"]
    parameters: dict[str, Parameter]
    sql: Annotated[str, Meta(max_length=20_000)]
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


class Trial(Struct, frozen=True, forbid_unknown_fields=True):
    """One run of a scenario's load and checks, with its faults or without any.

    Attributes:
        started_at: RFC 3339; the zero of all times.
        ended_at: When the last check was done.
        duration_us: From the first intended start to the end of the last answer.
        operations: Every request.
        effects: What became of those that asked for one.
        faults: In order; none in a baseline.
        phases: Counts by phase.
        checks: What was held against it.
        log: What happened, for people; the last lines of it.
    """

    started_at: Text
    ended_at: Text
    duration_us: Micros
    operations: Operations
    effects: Effects
    faults: list[InjectedFault]
    phases: list[PhaseCount]
    checks: list[CheckResult]
    log: Annotated[list[Text], Meta(max_length=200)]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario of the matrix; the first seven fields are the protocol's.

    Attributes:
        id: Such as ``FI-001``.
        status: What follows from both trials.
        duration_seconds: Of both trials together, 3 decimals.
        checks: Titles of the checks that passed with the faults injected.
        evidence_refs: Where the proof is: pointers into the artifact, paths in the checkout.
        command: What ran.
        result_tail: The last lines of the log.
        title: What the scenario is about.
        seed: Of its schedule and load; a seeded schedule is not determinism.
        reasons: Why it did not pass, one sentence each; empty where it did.
        baseline: The same without a fault.
        trial: With its faults.
    """

    id: Name
    status: Conclusion
    duration_seconds: float
    checks: list[Text]
    evidence_refs: list[Text]
    command: Text
    result_tail: Text
    title: Text
    seed: Count
    reasons: list[Text]
    baseline: Trial
    trial: Trial


class Summary(Struct, frozen=True, forbid_unknown_fields=True):
    """Counts of scenarios; the first four fields are the protocol's.

    It knows pass and fail only, so what is inconclusive is among the failed, and named beside them.
    """

    total_scenarios: Count
    passed_scenarios: Count
    failed_scenarios: Count
    overall_passed: bool
    inconclusive_scenarios: Count


class Unsupported(Struct, frozen=True, forbid_unknown_fields=True):
    """A fault that this machine cannot inject: said, never skipped in silence."""

    fault: Name
    why: Text


class TestbedRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the faults were injected.

    Attributes:
        tool: What injected.
        version: Of it.
        python: Likewise.
        host: Operating system and architecture.
        cpus: Processors that could be used.
        workers: Processes of the service.
        proxy: Between the service and its database; in the path of the baseline too.
        postgres_binary_sha256: Of the database server, where it is ours.
        limits: What these faults are not, as sentences.
        unsupported: What was asked for and cannot be done here.
    """

    tool: Name
    version: Name
    python: Name
    host: Name
    cpus: Count
    workers: Count
    proxy: Text
    postgres_binary_sha256: Text | None
    limits: list[Text]
    unsupported: list[Unsupported]


class FailureArtifact(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; names without a unit are the protocol's own.

    Attributes:
        schema_version: The one of `stressproof.evidence.versions`.
        status: How the injection ended; only ``complete`` can be release evidence.
        profile: As the suite calls it.
        runner: ``staged_failure_injection``, as the protocol has it.
        execution_class: ``staged``.
        started_at: RFC 3339 with offset.
        captured_at: After the last check.
        clock: How the wall clock went on, which all times here are read from once.
        executed_by: Who ran it.
        approved_by: Somebody else.
        seed: From which every scenario's own follows.
        subject: The build.
        target_before: The service before the first scenario.
        target_after: And after the last; its workers and its database were replaced in between.
        runtime_before: The database as the service sees it.
        runtime_after: Likewise; the same system identifier.
        unsafe: Protections that the service says are switched off.
        stage: Where.
        scenarios: In order of their ids.
        summary: Counts.
    """

    schema_version: SchemaVersion
    status: Status
    profile: Text
    runner: Text
    execution_class: Text
    started_at: Text
    captured_at: Text
    clock: ClockRecord
    executed_by: Name
    approved_by: Name
    seed: Count
    subject: Subject
    target_before: TargetProbe
    target_after: TargetProbe | None
    runtime_before: RuntimeProbe
    runtime_after: RuntimeProbe | None
    unsafe: list[Text]
    stage: TestbedRecord
    scenarios: list[Scenario]
    summary: Summary
