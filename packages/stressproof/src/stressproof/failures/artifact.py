"""The failure-injection artifact: the protocol's fields, and the operations they follow from.

A scenario has two trials of the same load and the same checks: a *baseline* without any fault, and
one with its faults. What is concluded from them is recomputed by
`stressproof.failures.conclusions`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from stressproof.evidence.clock import ClockRecord
from stressproof.evidence.failure import (
    CheckResult,
    Conclusion,
    InjectedFault,
    Micros,
    Name,
    PhaseCount,
)
from stressproof.evidence.fields import Status, Text
from stressproof.evidence.measurements import Count
from stressproof.evidence.target import RuntimeProbe, Subject, TargetProbe
from stressproof.evidence.versions import SchemaVersion
from stressproof.failures.answer_class import AnswerClass
from stressproof.failures.spec import ScenarioSpec


class CodeRecord(Struct, frozen=True, forbid_unknown_fields=True, rename={"answer_class": "class"}):
    """How operations ended, and what that means.

    Attributes:
        code: As `stressproof.failures.history.read_code` reads it.
        answer_class: What it means of the requests whose operations refer to it: one code may be
            there twice, refused to one request and rejected to another.
    """

    code: Name
    answer_class: AnswerClass


class Operations(Struct, frozen=True, forbid_unknown_fields=True):
    """Every request of a trial, in order of its intended start.

    Attributes:
        kinds: What was asked; a row refers to it by position.
        codes: How it ended; likewise.
        columns: Names of a row's numbers.
        rows: ``[start_us, duration_us, kind, code, key, attempt, origin]``: the intended start,
            how long the caller waited from then on, the effect that was asked for (0 for none),
            which attempt at it this was, from 1, and why it was asked, a place in
            `stressproof.failures.history.ORIGINS`.
    """

    kinds: list[Name]
    codes: list[CodeRecord]
    columns: list[Name]
    rows: list[list[Count]]


class EffectCounts(Struct, frozen=True, forbid_unknown_fields=True):
    """What is there in the end, for each effect that was asked for.

    Attributes:
        columns: Names of a row's numbers.
        rows: ``[key, effects]``: how often the effect with that key was found; every key that was
            asked for is there, also with 0.
    """

    columns: list[Name]
    rows: list[list[Count]]


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
    effects: EffectCounts
    faults: list[InjectedFault]
    phases: list[PhaseCount]
    checks: list[CheckResult]
    log: Annotated[list[Text], Meta(max_length=200)]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario; the first seven fields are the protocol's.

    Attributes:
        id: Such as ``FI-001``.
        status: What follows from both trials.
        duration_seconds: Of both trials together, 3 decimals.
        checks: Titles of the checks that passed with the faults injected.
        evidence_refs: Where the proof is: pointers into the artifact, paths in the checkout.
        command: What ran.
        result_tail: The last lines of the log.
        spec: What was asked for: everything here is judged against it.
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
    spec: ScenarioSpec
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
        permitted_faults: Ids of faults that the operator permitted to hit what was not started for
            them; no file can.
        permitted_upstreams: Hosts beyond this machine that proxies might lead to, likewise.
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
    permitted_faults: list[Text] = []
    permitted_upstreams: list[Text] = []


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
