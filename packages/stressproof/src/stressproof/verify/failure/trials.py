"""The trials: the checks of the matrix, and everything that follows from operations."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from stressproof.evidence.failure import CheckResult, Scenario, Trial
from stressproof.evidence.level import Level
from stressproof.failures.checks import CHECKS
from stressproof.failures.conclusions import contradictions
from stressproof.failures.spec import CheckSpec, Query, ScenarioSpec
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.differences import differences
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.failure.operations import OPERATIONS_MAX
from stressproof.verify.instants import ROUNDING_US, SECOND_US, parse_instant
from stressproof.verify.rule import Judgement, prose, rule

_CLAUSE = "evidence.md, Failure evidence"
_FORGED = "What does not follow from the operations carried is forged; inject again."
_OTHER_MATRIX = "Inject again with this version: the matrix says what must be injected and checked."


def _key(check: CheckResult | CheckSpec) -> tuple[str, str, bytes]:
    return check.id, check.about, msgspec.json.encode(dict(check.parameters), order="sorted")


def check_problems(
    trial: Trial, spec: ScenarioSpec, *, with_faults: bool
) -> Iterable[tuple[str, str]]:
    """Yield (seen, expected) for every check that a trial lacks, has too often, or has changed."""
    checks = spec.demanded_checks(with_faults=with_faults)
    queries = {query.id: query for query in spec.demanded_queries(with_faults=with_faults)}
    most = len(checks) + len(queries)
    if len(trial.checks) > most:
        yield f"{len(trial.checks)} checks", f"{most}, the matrix's"
        return
    seen = Counter(_key(check) for check in trial.checks if check.source == "operations")
    wanted = Counter(_key(check) for check in checks)
    for name, about, parameters in (wanted - seen).elements():
        yield "not checked", f"{name} {about} {parameters.decode()}"
    for name, about, parameters in (seen - wanted).elements():
        yield f"{name} {about} {parameters.decode()}", "a check of the matrix, once"
    asked = Counter(check.id for check in trial.checks if check.source == "database")
    for name in (Counter(queries.keys()) - asked).elements():
        yield "not asked of the database", name
    for name in (asked - Counter(queries.keys())).elements():
        yield name, "a query of the matrix, once"
    yield from _changed(trial, queries)
    if trial.effects.sql != spec.effects_sql:
        yield "another query for the effects", "the one that counts effects"


def _changed(trial: Trial, queries: Mapping[str, Query]) -> Iterable[tuple[str, str]]:
    """Yield (seen, expected) for every check that asks another question than its name says."""
    for check in trial.checks:
        if check.source == "database" and check.id in queries:
            query = queries[check.id]
            if (check.sql, check.title, check.parameters) != (query.sql, query.title, {}):
                yield f"another query as {check.id}", "the invariant's own query"
        elif check.source == "operations" and check.sql:
            yield f"a query for {check.id}", "none: it is counted from the operations"


@rule(
    "failure.matrix-checks",
    clause=_CLAUSE,
    title="Every check of the matrix was made, with its own parameters and queries",
    remedy=_OTHER_MATRIX,
    level=Level.RECOMPUTED,
)
def matrix_checks(case: FailureCase, judgement: Judgement) -> None:
    """Neither a check less nor an easier one, with the faults and without."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for place, scenario in enumerate(case.artifact.scenarios):
        spec = case.specs.get(scenario.id)
        if spec is None:
            continue  # failure.scenarios says so
        for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
            where = f"scenarios[{place}].{name}.checks"
            judgement.passed()
            for seen, expected in check_problems(trial, spec, with_faults=name == "trial"):
                judgement.fail(where, prose(seen), prose(expected))


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
    if not is_judgeable(artifact.scenarios, case.specs):
        judgement.skip("checks or operations are not the matrix's: other rules say which")
        return
    judgement.passed()
    for found in contradictions(artifact.scenarios, artifact.summary):
        where = found.where.removeprefix("$.")
        for path, seen, expected in differences(found.seen, found.expected, where):
            judgement.fail(path, seen, expected)
    for place, scenario in enumerate(artifact.scenarios):
        for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
            for number, check in enumerate(trial.checks):
                if check.source == "operations" and check.title != CHECKS[check.id].says:
                    at = f"scenarios[{place}].{name}.checks[{number}].title"
                    judgement.fail(at, check.title, CHECKS[check.id].says)


def is_judgeable(scenarios: Iterable[Scenario], specs: Mapping[str, ScenarioSpec]) -> bool:
    """Return whether recomputing asks only for what the matrix asks for, of so many operations.

    Checks and recoveries are counted over all operations: what a forger adds must not be run.
    """
    known: set[str] = set()
    for scenario in scenarios:
        spec = specs.get(scenario.id)
        if spec is None or scenario.id in known:
            return False
        known.add(scenario.id)
        for with_faults, trial in ((False, scenario.baseline), (True, scenario.trial)):
            rows = max(len(trial.operations.rows), len(trial.effects.rows))
            if rows > OPERATIONS_MAX or len(trial.faults) > len(spec.faults):
                return False
            if any(check_problems(trial, spec, with_faults=with_faults)):
                return False
    return True


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
        # What the matrix runs beside the others is in order with itself alone.
        parallel = scenario.id in case.specs and case.specs[scenario.id].parallel
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
    matrix_checks,
    recomputed,
    trial_clock,
)
