"""From operations, effects and witnesses to verdicts: the same functions for maker and verifier."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stressproof.evidence.checks import CHECKS, Evidence, outcome
from stressproof.evidence.failure import (
    Check,
    Fault,
    PhaseCount,
    Recovery,
    Scenario,
    Summary,
    Trial,
    Verdict,
    Witness,
)
from stressproof.evidence.failure_matrix import baseline_checks
from stressproof.evidence.failure_queries import EFFECTS_SQL, ONLY_WITH_FAULTS, QUERIES
from stressproof.evidence.failure_specs import ScenarioSpec
from stressproof.evidence.operations import (
    EFFECT_COLUMNS,
    Operation,
    Window,
    count_phases,
    read,
    recovery,
)


class Difference(Struct, frozen=True):
    """A statement in an artifact that does not follow from what the artifact carries.

    Attributes:
        where: JSON path of the statement.
        seen: What it says.
        expected: What follows.
    """

    where: str
    seen: object
    expected: object


def took_effect(witness: Witness) -> bool:
    """Return whether a witness shows that its fault took effect."""
    return witness.during - witness.before >= witness.needs


def window_of(fault: Fault) -> Window:
    """Return a fault's times."""
    return Window(fault.id, fault.effective_us, fault.healed_us, fault.watched_us)


def effects_of(trial: Trial) -> dict[int, int]:
    """Return key to number of effects.

    Raises:
        ValueError: Rows are not of that shape, or a key is there twice.
    """
    if trial.effects.columns != EFFECT_COLUMNS:
        raise ValueError(f"columns are {trial.effects.columns}, expected {EFFECT_COLUMNS}")
    found: dict[int, int] = {}
    for row in trial.effects.rows:
        if len(row) != len(EFFECT_COLUMNS) or row[0] in found:
            raise ValueError(f"row {row[:3]} of the effects is malformed or there twice")
        found[row[0]] = row[1]
    return found


def recompute_check(
    check: Check,
    operations: Sequence[Operation],
    effects: dict[int, int],
    faults: Iterable[Fault],
) -> Check:
    """Return the check as it follows; one of the database can only be consistent with itself.

    Raises:
        ValueError: There is no such check, no such fault, or a parameter is none of its own.
    """
    compared, violations = check.compared, check.violations
    if check.source == "operations":
        if check.id not in CHECKS:
            raise ValueError(f"there is no check {check.id!r} over operations")
        about = [fault for fault in faults if fault.id == check.about]
        if check.about and not about:
            raise ValueError(f"there is no fault {check.about!r} for check {check.id!r}")
        fault = about[0] if about else None
        compared, violations = CHECKS[check.id](
            Evidence(operations, effects, fault, check.parameters)
        )
    return replace(
        check,
        compared=compared,
        violations=violations,
        outcome=outcome(check.id, compared, violations),
    )


class Derived(Struct, frozen=True):
    """What follows from a trial's operations, effects and fault times."""

    duration_us: int
    phases: list[PhaseCount]
    recoveries: list[Recovery]
    checks: list[Check]


def derive(trial: Trial) -> Derived:
    """Return everything that follows from what a trial carries.

    Raises:
        ValueError: It carries something that has no meaning.
    """
    operations, effects = read(trial.operations), effects_of(trial)
    windows = [window_of(fault) for fault in trial.faults]
    _demand_order(windows)
    until = max((one.end_us for one in operations), default=0)
    first = operations[0].start_us if operations else 0
    recoveries = [
        recovery(operations, window, fault.objectives)
        for window, fault in zip(windows, trial.faults, strict=True)
    ]
    faults = [
        replace(fault, recovery=follows)
        for fault, follows in zip(trial.faults, recoveries, strict=True)
    ]
    return Derived(
        duration_us=until - first,
        phases=count_phases(operations, windows, until),
        recoveries=recoveries,
        checks=[recompute_check(check, operations, effects, faults) for check in trial.checks],
    )


def _demand_order(windows: Sequence[Window]) -> None:
    position = 0
    names = set()
    for window in windows:
        times = (position, window.effective_us, window.healed_us, window.watched_us)
        if list(times) != sorted(times) or window.id in names:
            raise ValueError(f"the times of fault {window.id!r} are out of order, or it is twice")
        names.add(window.id)
        position = window.watched_us


def judge_scenario(baseline: Trial, trial: Trial) -> tuple[Verdict, list[str]]:
    """Return a scenario's verdict and every reason against a pass.

    A violated check fails, whatever else holds. Without a failure: a fault without a witness, a
    check that looked at nothing and a *sometimes* that never happened are inconclusive. Whether all
    was checked that should be is another question (`missing`).
    """
    failed: list[str] = []
    unsure: list[str] = []
    if not trial.faults:
        unsure.append("no fault was injected")
    for fault in trial.faults:
        if not fault.witnesses:
            unsure.append(f"{fault.id}: no witness")
        unsure += [
            f"{fault.id}: no proof that it bit: {witness.name} went from {witness.before} to "
            f"{witness.during}, needed {witness.needs} more"
            for witness in fault.witnesses
            if not took_effect(witness)
        ]
    for name, one in (("baseline", baseline), ("trial", trial)):
        if not one.checks:
            unsure.append(f"{name}: nothing was checked")
        for check in one.checks:
            about = f" ({check.about})" if check.about else ""
            line = f"{name}: {check.id}{about}: {check.title}"
            if check.outcome == "fail":
                failed.append(f"{line}: {check.violations} of {check.compared} do not")
            elif check.outcome == "inconclusive":
                unsure.append(f"{line}: nothing to tell by ({check.compared} looked at)")
    if failed:
        return "fail", failed + unsure
    return ("inconclusive", unsure) if unsure else ("pass", [])


def missing(baseline: Trial, trial: Trial, spec: ScenarioSpec) -> list[str]:
    """Return what the matrix demands of a scenario and its trials do not have."""
    lines = []
    if baseline.faults:
        lines.append("baseline: faults were injected")
    demanded = [(fault.id, fault.kind, fault.objectives) for fault in spec.faults]
    injected = [(fault.id, fault.kind, fault.objectives) for fault in trial.faults]
    lines += [
        f"{fault.id}: demanded by the matrix and not injected, or held against other objectives"
        for fault in spec.faults
        if (fault.id, fault.kind, fault.objectives) not in injected
    ]
    lines += [
        f"{one[0]}: injected and not in the matrix" for one in injected if one not in demanded
    ]
    for name, one, asked in (
        ("baseline", baseline, baseline_checks(spec)),
        ("trial", trial, list(spec.checks)),
    ):
        made = [
            (check.id, check.about, dict(check.parameters))
            for check in one.checks
            if check.source == "operations"
        ]
        lines += [
            f"{name}: check {check.id} {check.about} is demanded by the matrix and was not made"
            for check in asked
            if (check.id, check.about, dict(check.parameters)) not in made
        ]
        queried = {(check.id, check.sql) for check in one.checks if check.source == "database"}
        lines += [
            f"{name}: query {query} is demanded by the matrix and was not asked as written there"
            for query in spec.queries
            if (name == "trial" or query not in ONLY_WITH_FAULTS)
            and (query, QUERIES[query].sql) not in queried
        ]
        if one.effects.sql != EFFECTS_SQL:
            lines.append(f"{name}: effects were not asked as the matrix has it")
    return lines


def summarise(scenarios: Sequence[Scenario]) -> Summary:
    """Return the counts; overall only where there are scenarios and all of them passed."""
    passed = sum(scenario.status == "pass" for scenario in scenarios)
    return Summary(
        total_scenarios=len(scenarios),
        passed_scenarios=passed,
        failed_scenarios=len(scenarios) - passed,
        overall_passed=bool(scenarios) and passed == len(scenarios),
        inconclusive_scenarios=sum(scenario.status == "inconclusive" for scenario in scenarios),
    )


def differences(
    scenarios: Sequence[Scenario],
    summary: Summary,
    matrix: Mapping[str, ScenarioSpec] | None = None,
) -> list[Difference]:
    """Return every statement of an artifact that does not follow from what it carries.

    Args:
        scenarios: Of the artifact.
        summary: Likewise.
        matrix: What is demanded of each scenario; None demands nothing.
    """
    found: list[Difference] = []
    for number, scenario in enumerate(scenarios):
        where = f"$.scenarios[{number}]"
        for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
            try:
                found += _trial_differences(f"{where}.{name}", trial)
            except ValueError as error:
                found.append(Difference(f"{where}.{name}", str(error), "operations with a meaning"))
        if matrix is not None:
            found += _matrix_differences(where, scenario, matrix.get(scenario.id))
        status, reasons = judge_scenario(scenario.baseline, scenario.trial)
        passed = passed_titles(scenario.trial)
        lasted = seconds(scenario.baseline, scenario.trial)
        found += _unequal(f"{where}.status", scenario.status, status)
        found += _unequal(f"{where}.reasons", scenario.reasons, reasons)
        found += _unequal(f"{where}.checks", scenario.checks, passed)
        found += _unequal(f"{where}.duration_seconds", scenario.duration_seconds, lasted)
    return found + _unequal("$.summary", summary, summarise(scenarios))


def _matrix_differences(
    where: str, scenario: Scenario, spec: ScenarioSpec | None
) -> list[Difference]:
    if spec is None:
        return [Difference(f"{where}.id", scenario.id, "a scenario of the matrix")]
    lines = missing(scenario.baseline, scenario.trial, spec)
    return [Difference(where, line, "what the matrix demands") for line in lines]


def passed_titles(trial: Trial) -> list[str]:
    """Return what held with the faults injected, each sentence once."""
    titles = [
        f"{check.about}: {check.title}" if check.about else check.title
        for check in trial.checks
        if check.outcome == "pass"
    ]
    return list(dict.fromkeys(titles))


def seconds(baseline: Trial, trial: Trial) -> float:
    """Return how long both trials took, 3 decimals and never 0."""
    return max(0.001, round((baseline.duration_us + trial.duration_us) / 1_000_000, 3))


def _trial_differences(where: str, trial: Trial) -> list[Difference]:
    follows = derive(trial)
    found = _unequal(f"{where}.duration_us", trial.duration_us, follows.duration_us)
    found += _unequal(f"{where}.phases", trial.phases, follows.phases)
    for number, (fault, expected) in enumerate(zip(trial.faults, follows.recoveries, strict=True)):
        found += _unequal(f"{where}.faults[{number}].recovery", fault.recovery, expected)
    for number, (check, expected_check) in enumerate(
        zip(trial.checks, follows.checks, strict=True)
    ):
        found += _unequal(f"{where}.checks[{number}]", check, expected_check)
    return found


def _unequal(where: str, seen: object, expected: object) -> list[Difference]:
    return [] if seen == expected else [Difference(where, seen, expected)]
