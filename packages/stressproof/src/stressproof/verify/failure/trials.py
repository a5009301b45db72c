"""The trials: the faults and checks of the matrix, and everything that follows from operations."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from stressproof.evidence.failure import CheckResult, InjectedFault, Scenario, Trial
from stressproof.evidence.level import Level
from stressproof.failures.checks import CHECKS
from stressproof.failures.conclusions import contradictions, took_effect
from stressproof.failures.spec import CheckSpec, ScenarioSpec
from stressproof.verify.differences import differences
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.instants import SECOND_US, parse_instant
from stressproof.verify.rule import Judgement, prose, rule

_CLAUSE = "evidence.md, Failure evidence"
_NO_ARTIFACT = "no well-formed schema-2 artifact"
_FORGED = "What does not follow from the operations carried is forged; inject again."
_OTHER_MATRIX = "Inject again with this version: the matrix says what must be injected and checked."

OPERATIONS_MAX = 10_000
"""Of one trial: the matrix asks for a fifth of it, and some checks compare all with all."""

_SLACK_US = SECOND_US // 2


@rule(
    "failure.matrix-faults",
    clause=_CLAUSE,
    title="Every fault of the matrix was injected, in order, and its recovery watched",
    remedy=_OTHER_MATRIX,
    level=Level.RECOMPUTED,
)
def matrix_faults(case: FailureCase, judgement: Judgement) -> None:
    """Ids and kinds are the matrix's; a fault that cannot be injected here is inconclusive."""
    if case.artifact is None:
        judgement.skip(_NO_ARTIFACT)
        return
    unsupported = {each.fault for each in case.artifact.stage.unsupported}
    for place, scenario in enumerate(case.artifact.scenarios):
        spec = case.specs.get(scenario.id)
        if spec is None:
            continue  # failure.scenarios says so
        where = f"scenarios[{place}]"
        seen = [(fault.id, fault.kind) for fault in scenario.trial.faults]
        wanted = [(fault.id, fault.kind) for fault in spec.faults if fault.id not in unsupported]
        names = prose(", ".join(name for name, _ in seen) or "none")
        judgement.check(
            seen == wanted,
            f"{where}.trial.faults",
            names,
            prose(", ".join(name for name, _ in wanted)),
        )
        for fault in spec.faults:
            if fault.id in unsupported:
                judgement.inconclusive(
                    "stage.unsupported",
                    fault.id,
                    prose(f"a stage that can do it, for {scenario.id}"),
                )
        judgement.check(
            not scenario.baseline.faults,
            f"{where}.baseline.faults",
            prose(f"{len(scenario.baseline.faults)} faults"),
            prose("none: a baseline has no fault"),
        )
        _lengths(scenario, spec, where, judgement)


def _lengths(scenario: Scenario, spec: ScenarioSpec, where: str, judgement: Judgement) -> None:
    """Every fault began after steady load, was judged by our objectives and watched long enough."""
    asked = {fault.id: fault for fault in spec.faults}
    for number, fault in enumerate(scenario.trial.faults):
        at = f"{where}.trial.faults[{number}]"
        if fault.id in asked:
            wanted = asked[fault.id].objectives
            for path, seen, expected in differences(fault.objectives, wanted, f"{at}.objectives"):
                judgement.fail(path, seen, expected)
            watched, least = fault.watched_us - fault.healed_us, asked[fault.id].watch_us
            judgement.check(
                watched >= least - _SLACK_US,
                f"{at}.watched_us",
                prose(f"watched for {watched} µs"),
                prose(f"at least {least} µs"),
            )
        judgement.check(
            _ascending(fault),
            at,
            prose("times out of order"),
            prose("requested, effective, removed, healed, watched"),
        )
    if scenario.trial.faults:
        first = scenario.trial.faults[0].effective_us
        judgement.check(
            first >= spec.steady_us - _SLACK_US,
            f"{where}.trial.faults[0].effective_us",
            first,
            prose(f"after {spec.steady_us} µs of steady load"),
        )


def _ascending(fault: InjectedFault) -> bool:
    times = (
        fault.requested_us,
        fault.effective_us,
        fault.removed_us,
        fault.healed_us,
        fault.watched_us,
    )
    return list(times) == sorted(times) and fault.effective_us < fault.healed_us


def _key(check: CheckResult | CheckSpec) -> tuple[str, str, bytes]:
    return check.id, check.about, msgspec.json.encode(dict(check.parameters), order="sorted")


def check_problems(
    trial: Trial, spec: ScenarioSpec, *, with_faults: bool
) -> Iterable[tuple[str, str]]:
    """Yield (seen, expected) for every check that a trial lacks, has too often, or has changed."""
    checks = spec.demanded_checks(with_faults=with_faults)
    queries = {query.id: query for query in spec.demanded_queries(with_faults=with_faults)}
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
    for check in trial.checks:
        if check.source == "database" and check.id in queries:
            query = queries[check.id]
            if (check.sql, check.title, check.parameters) != (query.sql, query.title, {}):
                yield f"another query as {check.id}", "the invariant's own query"
        elif check.source == "operations" and check.sql:
            yield f"a query for {check.id}", "none: it is counted from the operations"
    if trial.effects.sql != spec.effects_sql:
        yield "another query for the effects", "the one that counts effects"


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
        judgement.skip(_NO_ARTIFACT)
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
    "failure.load",
    clause=_CLAUSE,
    title="Load ran throughout, at the rate of the matrix",
    remedy="Give the injection a machine that can hold the rate, then inject again.",
    level=Level.RECOMPUTED,
)
def load(case: FailureCase, judgement: Judgement) -> None:
    """At least half of the arrivals that the rate asks for, and not more than can be judged."""
    if case.artifact is None:
        judgement.skip(_NO_ARTIFACT)
        return
    for place, scenario in enumerate(case.artifact.scenarios):
        spec = case.specs.get(scenario.id)
        for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
            count = len(trial.operations.rows)
            where = f"scenarios[{place}].{name}.operations"
            judgement.check(
                count <= OPERATIONS_MAX,
                where,
                prose(f"{count} operations"),
                prose(f"at most {OPERATIONS_MAX}"),
            )
            if spec is None:
                continue
            # Arrivals end with the last fault's watch; what comes then only settles the open.
            window = max((fault.watched_us for fault in trial.faults), default=spec.steady_us)
            least = spec.rate_per_s * window // SECOND_US // 2
            if count < least:
                judgement.inconclusive(
                    where, prose(f"{count} operations"), prose(f"at least {least}")
                )


@rule(
    "failure.witnesses",
    clause=_CLAUSE,
    title="Every fault has a witness that it took effect",
    remedy="Without a witness nothing was proven; inject again.",
    level=Level.RECOMPUTED,
)
def witnesses(case: FailureCase, judgement: Judgement) -> None:
    """At least one witness each, and each of them shows that the fault bit."""
    if case.artifact is None:
        judgement.skip(_NO_ARTIFACT)
        return
    for place, scenario in enumerate(case.artifact.scenarios):
        for number, fault in enumerate(scenario.trial.faults):
            where = f"scenarios[{place}].trial.faults[{number}].witnesses"
            if not fault.witnesses:
                judgement.inconclusive(
                    where, prose(f"no witness of {fault.id}"), prose("one or more")
                )
            for witness in fault.witnesses:
                if took_effect(witness):
                    judgement.passed()
                else:
                    judgement.inconclusive(
                        where,
                        prose(f"{witness.name}: {witness.before} to {witness.during}"),
                        prose(f"{witness.needs} more at least"),
                    )


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
        judgement.skip(_NO_ARTIFACT)
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
                if check.source == "operations" and check.title != CHECKS[check.id].title:
                    at = f"scenarios[{place}].{name}.checks[{number}].title"
                    judgement.fail(at, check.title, CHECKS[check.id].title)


def is_judgeable(scenarios: Iterable[Scenario], specs: Mapping[str, ScenarioSpec]) -> bool:
    """Return whether recomputing asks only for what the matrix asks for, of so many operations.

    Some checks compare all operations with all: what a forger adds must not be run.
    """
    for scenario in scenarios:
        spec = specs.get(scenario.id)
        for with_faults, trial in ((False, scenario.baseline), (True, scenario.trial)):
            if spec is None or len(trial.operations.rows) > OPERATIONS_MAX:
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
        judgement.skip(_NO_ARTIFACT)
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
                end - begin >= trial.duration_us - _SLACK_US,
                f"{where}.ended_at",
                prose(f"{(end - begin) / SECOND_US:.3f} s after started_at"),
                prose(f"at least {trial.duration_us / SECOND_US:.3f} s"),
            )
            if before is not None:
                judgement.check(
                    begin >= before - _SLACK_US,
                    f"{where}.started_at",
                    trial.started_at,
                    prose("not before the end of what came before"),
                )
            before = ends[parallel] = end
    for before in ends.values():
        if before is None or captured is None:
            continue
        judgement.check(
            before <= captured + _SLACK_US,
            "captured_at",
            artifact.captured_at,
            prose("not before the end of the last trial"),
        )


RULES = (
    matrix_faults,
    matrix_checks,
    load,
    witnesses,
    recomputed,
    trial_clock,
)
