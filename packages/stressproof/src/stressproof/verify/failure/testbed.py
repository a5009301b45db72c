"""The testbed: which service and database the faults were injected into."""

import re

from stressproof.evidence.level import Level
from stressproof.failures.artifact import FailureArtifact
from stressproof.failures.fault_kinds import FAULT_KINDS, is_of_the_file, limits_of
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.instants import parse_instant
from stressproof.verify.instrument import judge_instrument
from stressproof.verify.probes import (
    BUILD,
    DATABASE,
    LOG,
    judge_build,
    judge_durable,
    judge_forward,
    judge_healthy,
    judge_journal,
    judge_unchanged,
    judge_unsafe,
    says_nothing,
)
from stressproof.verify.rule import Judgement, prose, rule

_CLAUSE = "evidence.md, Failure evidence"
_CHANGED = "Find out why the service changed meanwhile, then inject again."
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@rule(
    "failure.engine",
    clause="protocol 7",
    title="The required database engine was behind the service",
    remedy="Run the service on the required database, then inject again.",
    level=Level.RECOMPUTED,
)
def engine(case: FailureCase, judgement: Judgement) -> None:
    """``runtime_before.database_engine`` is exactly the required one."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    seen, wanted = case.artifact.runtime_before.database_engine, case.requirements.database_engine
    if wanted is None:
        judgement.skip("no engine is asked for")
        return
    judgement.check(seen == wanted, "runtime_before.database_engine", seen, wanted)


@rule(
    "failure.workers",
    clause=_CLAUSE,
    title="The service ran with as many workers as required",
    remedy="Inject into a service of more workers: one proves nothing about the others.",
    level=Level.RECOMPUTED,
)
def workers(case: FailureCase, judgement: Judgement) -> None:
    """No fewer processes served than are required."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    seen = case.artifact.stage.workers
    least = case.requirements.min_workers
    judgement.check(seen >= least, "stage.workers", seen, prose(f"at least {least}"))


@rule(
    "failure.same-build",
    clause=_CLAUSE,
    title="The same build served before and after",
    remedy=_CHANGED,
    level=Level.RECOMPUTED,
)
def same_build(case: FailureCase, judgement: Judgement) -> None:
    """Version and commit agree; processes were replaced, that is what was injected."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    before, after = case.artifact.target_before, case.artifact.target_after
    if after is None:
        judgement.inconclusive("target_after", None, prose("what the target says afterwards"))
        return
    judge_unchanged("target_after", before, after, BUILD, judgement)


@rule(
    "failure.same-database",
    clause=_CLAUSE,
    title="The same database was there before and after all crashes",
    remedy=_CHANGED,
    level=Level.RECOMPUTED,
)
def same_database(case: FailureCase, judgement: Judgement) -> None:
    """Engine, version, identifier, durability, migrations agree; log and journal only grew."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    before, after = case.artifact.runtime_before, case.artifact.runtime_after
    if after is None:
        judgement.inconclusive("runtime_after", None, prose("what the target says afterwards"))
        return
    judge_unchanged("runtime_after", before, after, DATABASE, judgement)
    judge_forward("runtime_after", before, after, LOG, judgement)
    judge_journal("runtime_after", before, after, judgement)


@rule(
    "failure.healthy",
    clause=_CLAUSE,
    title="The service was healthy before the first fault and after the last",
    remedy="Repair the service: what does not recover releases nothing.",
    level=Level.RECOMPUTED,
)
def healthy(case: FailureCase, judgement: Judgement) -> None:
    """Both probes were answered with 200 and ``healthy``, where the service has such a page."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    if _says_nothing(case.artifact) and not case.requirements.require_health:
        judgement.skip("the service says nothing of its health (require_health)")
        return
    judge_healthy("runtime_before", case.artifact.runtime_before, judgement)
    if case.artifact.runtime_after is not None:
        judge_healthy("runtime_after", case.artifact.runtime_after, judgement)


def _says_nothing(artifact: FailureArtifact) -> bool:
    """Return whether the service has no page about itself, before and after alike."""
    after = artifact.runtime_after
    return says_nothing(artifact.runtime_before) and (after is None or says_nothing(after))


@rule(
    "failure.unsafe",
    clause="evidence.md, Target and runtime (requirement refuse_unsafe)",
    title="The database keeps what it confirms, and no protection of the service is off",
    remedy="Runs with a protection switched off belong to the test suite, not to evidence.",
    level=Level.RECOMPUTED,
)
def unsafe(case: FailureCase, judgement: Judgement) -> None:
    """Neither fsync nor synchronous_commit is off, and ``unsafe`` is empty."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    if not case.requirements.refuse_unsafe:
        judgement.skip("recorded; the gates refuse it (refuse_unsafe)")
        return
    judge_unsafe("unsafe", case.artifact.unsafe, judgement)
    if _says_nothing(case.artifact) and case.requirements.database_engine is None:
        return
    judge_durable("runtime_before", case.artifact.runtime_before, judgement)
    judge_durable("runtime_after", case.artifact.runtime_after, judgement)


@rule(
    "failure.target-build",
    clause="gate.md, Which build",
    title="The service was built from the commit that is promoted",
    remedy="Deploy the commit to be released, then inject again.",
    level=Level.RECOMPUTED,
)
def target_build(case: FailureCase, judgement: Judgement) -> None:
    """Where the service states its commit, it is an expected one, without local changes."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    build, expected = case.artifact.target_before, case.requirements.expected_commits
    judge_build("target_before", build, expected, judgement)


@rule(
    "failure.probes-fresh",
    clause=_CLAUSE,
    title="The service was asked just before the first trial and just after the last",
    remedy="Times are written by the injection; inject again instead of editing them.",
    level=Level.RECOMPUTED,
)
def probes_fresh(case: FailureCase, judgement: Judgement) -> None:
    """``probed_at`` lies between the start and the first trial, and the last one and the end."""
    artifact = case.artifact
    if artifact is None or not artifact.scenarios:
        judgement.skip(NO_ARTIFACT)
        return
    # What runs beside the others has a testbed of its own, which is not asked.
    asked = [one for one in artifact.scenarios if not one.spec.parallel] or artifact.scenarios
    _between(
        "runtime_before.probed_at",
        artifact.runtime_before.probed_at,
        (artifact.started_at, asked[0].baseline.started_at),
        judgement,
    )
    if artifact.runtime_after is not None:  # failure.same-database says so
        _between(
            "runtime_after.probed_at",
            artifact.runtime_after.probed_at,
            (asked[-1].trial.ended_at, artifact.captured_at),
            judgement,
        )


def _between(where: str, seen: str, span: tuple[str, str], judgement: Judgement) -> None:
    at, begin, end = (parse_instant(text) for text in (seen, *span))
    holds = at is not None and (begin is None or at >= begin) and (end is None or at <= end)
    judgement.check(holds, where, seen, prose(f"from {span[0]} to {span[1]}"))


@rule(
    "failure.testbed",
    clause=_CLAUSE,
    title="The testbed is one that there can be, and our tool injected the faults",
    remedy="Inject with this tool; nobody else writes its evidence.",
    level=Level.RECOMPUTED,
)
def testbed(case: FailureCase, judgement: Judgement) -> None:
    """Tool, versions, processors and proxy are told, and what these faults are not, as asked.

    Whoever was at the keyboard permitted each fault that is code of the file's.
    """
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    told = case.artifact.stage
    judge_instrument("stage", told, judgement)
    faults = [fault for _, scenario in case.judged for fault in scenario.spec.faults]
    if any(FAULT_KINDS[fault.kind].of_proxy for fault in faults):
        judgement.check(bool(told.proxy.strip()), "stage.proxy", told.proxy, prose("what it was"))
    if case.artifact.status == "complete":  # what broke off tells of scenarios that are not there
        wanted = limits_of(scenario.spec for _, scenario in case.judged)
        judgement.check(told.limits == wanted, "stage.limits", told.limits, wanted)
    for fault in faults:
        permitted = not is_of_the_file(fault) or fault.id in told.permitted_faults
        wanted_leave = prose(f"{fault.id} too: what it breaks was not started for it")
        judgement.check(permitted, "stage.permitted_faults", told.permitted_faults, wanted_leave)
    binary = told.postgres_binary_sha256
    if binary is not None:
        holds = _SHA256.fullmatch(binary) is not None
        where = "stage.postgres_binary_sha256"
        judgement.check(holds, where, binary, prose("64 lower-case hex digits"))


RULES = (
    engine,
    testbed,
    workers,
    same_build,
    same_database,
    healthy,
    unsafe,
    target_build,
    probes_fresh,
)
