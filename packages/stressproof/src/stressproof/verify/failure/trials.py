"""The trials: the checks that were asked for, and everything that follows from operations."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from stressproof.evidence.failure import CheckResult
from stressproof.evidence.level import Level
from stressproof.failures.artifact import Trial
from stressproof.failures.conclusions import contradictions
from stressproof.failures.schedule import OPERATIONS_MAX
from stressproof.failures.spec import CheckSpec, ScenarioSpec
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.differences import differences
from stressproof.verify.failure.case import FailureCase, JudgedTrial
from stressproof.verify.instants import ROUNDING_US, SECOND_US, parse_instant
from stressproof.verify.rule import Judgement, prose, rule

_CLAUSE = "evidence.md, Failure evidence"
_FORGED = "What does not follow from the operations carried is forged; inject again."
_OTHER_SPEC = "Inject again: the spec in the evidence says what had to be checked."
_LOOKS_MAX = 4_000_000


def _key(check: CheckResult | CheckSpec) -> tuple[str, str, bytes]:
    return check.id, check.about, msgspec.json.encode(dict(check.parameters), order="sorted")


def demanded_problems(
    trial: Trial, spec: ScenarioSpec, *, with_faults: bool
) -> Iterator[tuple[str, str]]:
    """Yield (seen, expected) for every check that a trial lacks, has too often, or has changed."""
    checks = spec.demanded_checks(with_faults=with_faults)
    invariants = spec.demanded_invariants(with_faults=with_faults)
    most = len(checks) + len(invariants)
    if len(trial.checks) > most:
        yield f"{len(trial.checks)} checks", f"{most}, those of the spec"
        return
    seen = Counter(_key(check) for check in trial.checks if check.source == "operations")
    wanted = Counter(_key(check) for check in checks)
    for name, about, parameters in (wanted - seen).elements():
        yield "not checked", f"{name} {about} {parameters.decode()}"
    for name, about, parameters in (seen - wanted).elements():
        yield f"{name} {about} {parameters.decode()}", "a check of the spec, once"
    asked = Counter(_key(check) for check in trial.checks if check.source == "invariant")
    demanded = Counter((one.id, "", b"{}") for one in invariants)
    for name, _, _ in (demanded - asked).elements():
        yield "not asked", name
    for name, _, _ in (asked - demanded).elements():
        yield name, "an invariant of the spec, once"


@rule(
    "failure.demanded-checks",
    clause=_CLAUSE,
    title="Every check and invariant that was asked for was made, with its own parameters",
    remedy=_OTHER_SPEC,
    level=Level.RECOMPUTED,
)
def demanded_checks(case: FailureCase, judgement: Judgement) -> None:
    """Neither a check less nor an easier one, with the faults and without."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        judgement.passed()
        for seen, expected in demanded_problems(one.trial, one.spec, with_faults=one.with_faults):
            judgement.fail(f"{one.where}.checks", prose(seen), prose(expected))


@rule(
    "failure.recomputed",
    clause=_CLAUSE,
    title="Phases, recovery, checks, statuses and summary follow from operations and witnesses",
    remedy=_FORGED,
    level=Level.RECOMPUTED,
)
def recomputed(case: FailureCase, judgement: Judgement) -> None:
    """Everything that is stated is what the same functions find again."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    whole = len(case.judged) == len(artifact.scenarios)
    if not (whole and all(map(is_judgeable, case.trials))):
        judgement.skip("specs, checks or operations cannot be recomputed: other rules say which")
        return
    judgement.passed()
    for found in contradictions(artifact.scenarios, artifact.summary):
        for path, seen, expected in differences(found.seen, found.expected, found.where):
            judgement.fail(path, seen, expected)


def is_judgeable(one: JudgedTrial) -> bool:
    """Return whether recomputing asks only for what the spec does, in reasonable time.

    Checks and recoveries are counted over all operations: what a forger adds must not be run.
    """
    trial, effects = one.trial, len(one.trial.effects.rows)
    if not one.is_countable or effects > OPERATIONS_MAX or len(trial.faults) > len(one.spec.faults):
        return False
    looks = len(trial.checks) * max(one.rows, effects)
    looks += one.names * sum(map(_patterns, trial.checks))
    if looks > _LOOKS_MAX:
        return False
    return not any(demanded_problems(trial, one.spec, with_faults=one.with_faults))


def _patterns(check: CheckResult) -> int:
    return sum(len(each) for each in check.parameters.values() if isinstance(each, tuple))


@rule(
    "failure.trial-clock",
    clause=_CLAUSE,
    title="Trials lie within the injection, one after the other on each stage, as long as they say",
    remedy="Times are written by the injection; inject again instead of editing them.",
    level=Level.RECOMPUTED,
)
def trial_clock(case: FailureCase, judgement: Judgement) -> None:
    """No two trials of a stage overlap, and none is shorter than its operations."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    started = parse_instant(artifact.started_at)
    ends = {False: started, True: started}
    captured = parse_instant(artifact.captured_at)
    for place, scenario in enumerate(artifact.scenarios):
        # What runs beside the others is in order with itself alone.
        parallel = scenario.spec.parallel
        before = ends[parallel]
        for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
            where = f"scenarios[{place}].{name}"
            begin, end = parse_instant(trial.started_at), parse_instant(trial.ended_at)
            judgement.check(
                begin is not None, f"{where}.started_at", trial.started_at, prose("a time")
            )
            judgement.check(end is not None, f"{where}.ended_at", trial.ended_at, prose("a time"))
            if begin is None or end is None:
                continue
            judgement.check(
                end - begin >= trial.duration_us - ROUNDING_US,
                f"{where}.ended_at",
                prose(f"{(end - begin) / SECOND_US:.3f} s after started_at"),
                prose(f"at least {trial.duration_us / SECOND_US:.3f} s"),
            )
            if before is not None:
                judgement.check(
                    begin >= before,
                    f"{where}.started_at",
                    trial.started_at,
                    prose("not before the end of what came before"),
                )
            before = ends[parallel] = end
    for before in ends.values():
        if before is None or captured is None:
            continue
        judgement.check(
            before <= captured,
            "captured_at",
            artifact.captured_at,
            prose("not before the end of the last trial"),
        )


RULES = (
    demanded_checks,
    recomputed,
    trial_clock,
)
