"""From operations, effects and witnesses to verdicts: the same functions for maker and verifier."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stressproof.evidence.failure import (
    CheckResult,
    Conclusion,
    InjectedFault,
    PhaseCount,
    Recovery,
    Witness,
)
from stressproof.failures.artifact import Scenario, Summary, Trial
from stressproof.failures.check_kind import CheckInput, ended_as, is_any
from stressproof.failures.checks import CHECKS, outcome
from stressproof.failures.history import (
    EFFECT_COLUMNS,
    FaultWindow,
    Operation,
    count_phases,
    read,
    recovery,
)
from stressproof.failures.spec import CheckSpec, Invariant, ScenarioSpec

_TAIL_LINES = 10
_TAIL_CHARACTERS = 4000


class Contradiction(Struct, frozen=True):
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


def window_of(fault: InjectedFault) -> FaultWindow:
    """Return a fault's times."""
    return FaultWindow(fault.id, fault.effective_us, fault.healed_us, fault.watched_us)


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


def effects_among(operations: Iterable[Operation], invariant: Invariant) -> int:
    """Return how many effects an invariant must have looked at, one thing each."""
    return len(
        {
            one.key
            for one in operations
            if one.key and is_any(one.kind, invariant.of) and ended_as(one.code, invariant.codes)
        }
    )


def least_compared(operations: Iterable[Operation], invariant: Invariant) -> int:
    """Return how many things an invariant must have compared for anything to follow."""
    if invariant.at_least == "effects":
        return effects_among(operations, invariant)
    return invariant.at_least


class Evidence(Struct, frozen=True):
    """What the checks of a trial are counted over.

    Attributes:
        spec: What was asked for.
        operations: In order of their start.
        effects: Key to how often its effect was found.
        faults: With their recovery.
    """

    spec: ScenarioSpec
    operations: Sequence[Operation]
    effects: dict[int, int]
    faults: Sequence[InjectedFault]

    def check(self, stated: CheckResult) -> CheckResult:
        """Return a check as it follows; what an invariant counted can only be consistent.

        Raises:
            ValueError: There is no such check, fault or invariant, or a parameter is none of it.
        """
        if stated.source == "invariant":
            return self._invariant(stated)
        given = self.given(stated)
        kind = CHECKS[stated.id]
        compared, violations = kind.count(given)
        return replace(
            stated,
            title=kind.says,
            compared=compared,
            violations=violations,
            outcome=outcome(compared, violations, sometimes=kind.sometimes),
        )

    def given(self, stated: CheckResult) -> CheckInput:
        """Return what a check looks at.

        Raises:
            ValueError: There is no such check or fault.
        """
        if stated.id not in CHECKS:
            raise ValueError(f"there is no check {stated.id!r} over operations")
        about = [fault for fault in self.faults if fault.id == stated.about]
        if stated.about and not about:
            raise ValueError(f"there is no fault {stated.about!r} for check {stated.id!r}")
        return CheckInput(
            self.operations,
            self.effects,
            about[0] if about else None,
            stated.parameters,
            self.spec.steady_us,
        )

    def _invariant(self, stated: CheckResult) -> CheckResult:
        for invariant in self.spec.invariants:
            if invariant.id == stated.id:
                least = least_compared(self.operations, invariant)
                return replace(
                    stated,
                    title=invariant.title,
                    outcome=outcome(stated.compared, stated.violations, at_least=least),
                )
        raise ValueError(f"there is no invariant {stated.id!r}")


class Derived(Struct, frozen=True):
    """What follows from a trial's operations, effects and fault times."""

    duration_us: int
    phases: list[PhaseCount]
    recoveries: list[Recovery]
    checks: list[CheckResult]


def derive(trial: Trial, spec: ScenarioSpec) -> Derived:
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
    evidence = Evidence(spec, operations, effects, faults)
    return Derived(
        duration_us=until - first,
        phases=count_phases(operations, windows, until),
        recoveries=recoveries,
        checks=[evidence.check(check) for check in trial.checks],
    )


def pending(spec: CheckSpec) -> CheckResult:
    """Return a check over operations before it was made."""
    return CheckResult(
        id=spec.id,
        about=spec.about,
        title=CHECKS[spec.id].says,
        source="operations",
        parameters=dict(spec.parameters),
        compared=0,
        violations=0,
        outcome="inconclusive",
    )


def answered(invariant: Invariant, compared: int, violations: int) -> CheckResult:
    """Return the check that the answer to an invariant makes, before anything follows from it."""
    return CheckResult(
        id=invariant.id,
        about="",
        title=invariant.title,
        source="invariant",
        parameters={},
        compared=compared,
        violations=violations,
        outcome="inconclusive",
    )


def completed(trial: Trial, spec: ScenarioSpec) -> Trial:
    """Return a trial with everything filled in that follows from what it carries.

    Raises:
        ValueError: It carries something that has no meaning.
    """
    follows = derive(trial, spec)
    return replace(
        trial,
        duration_us=follows.duration_us,
        phases=follows.phases,
        checks=follows.checks,
        faults=[
            replace(fault, recovery=one)
            for fault, one in zip(trial.faults, follows.recoveries, strict=True)
        ],
    )


def _demand_order(windows: Sequence[FaultWindow]) -> None:
    position = 0
    names = set()
    for window in windows:
        times = (position, window.effective_us, window.healed_us, window.watched_us)
        if list(times) != sorted(times) or window.id in names:
            raise ValueError(f"the times of fault {window.id!r} are out of order, or it is twice")
        names.add(window.id)
        position = window.watched_us


def judge_scenario(baseline: Trial, trial: Trial) -> tuple[Conclusion, list[str]]:
    """Return a scenario's verdict and every reason against a pass.

    A violated check fails, whatever else holds. Without a failure: a fault without a witness, a
    check that looked at nothing and a *sometimes* that never happened are inconclusive. Whether all
    was checked that should be is another question, and the verifier's.
    """
    failed: list[str] = []
    unsure: list[str] = []
    if not trial.faults:
        unsure.append("no fault was injected")
    for fault in trial.faults:
        if not fault.witnesses:
            unsure.append(f"{fault.id}: no witness")
        unsure += [
            f"{fault.id}: no proof that it took effect: {witness.name} went from "
            f"{witness.before} to {witness.during}, needed {witness.needs} more"
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


def contradictions(scenarios: Sequence[Scenario], summary: Summary) -> list[Contradiction]:
    """Return every statement of an artifact that does not follow from what it carries."""
    found: list[Contradiction] = []
    for number, scenario in enumerate(scenarios):
        where = f"scenarios[{number}]"
        for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
            try:
                found += _trial_contradictions(f"{where}.{name}", trial, scenario.spec)
            except ValueError as error:
                found.append(
                    Contradiction(f"{where}.{name}", str(error), "operations with a meaning")
                )
        status, reasons = judge_scenario(scenario.baseline, scenario.trial)
        passed = passed_titles(scenario.trial)
        lasted = seconds(scenario.baseline, scenario.trial)
        found += _unequal(f"{where}.result_tail", scenario.result_tail, tail(scenario.trial))
        found += _unequal(f"{where}.status", scenario.status, status)
        found += _unequal(f"{where}.reasons", scenario.reasons, reasons)
        found += _unequal(f"{where}.checks", scenario.checks, passed)
        found += _unequal(f"{where}.duration_seconds", scenario.duration_seconds, lasted)
    return found + _unequal("summary", summary, summarise(scenarios))


def passed_titles(trial: Trial) -> list[str]:
    """Return what held with the faults injected, each sentence once."""
    titles = [
        f"{check.about}: {check.title}" if check.about else check.title
        for check in trial.checks
        if check.outcome == "pass"
    ]
    return list(dict.fromkeys(titles))


def tail(trial: Trial) -> str:
    """Return the last lines of a trial's log."""
    return "\n".join(trial.log[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]


def seconds(baseline: Trial, trial: Trial) -> float:
    """Return how long both trials took, 3 decimals and never 0."""
    return max(0.001, round((baseline.duration_us + trial.duration_us) / 1_000_000, 3))


def _trial_contradictions(where: str, trial: Trial, spec: ScenarioSpec) -> list[Contradiction]:
    follows = derive(trial, spec)
    found = _unequal(f"{where}.duration_us", trial.duration_us, follows.duration_us)
    found += _unequal(f"{where}.phases", trial.phases, follows.phases)
    for number, (fault, expected) in enumerate(zip(trial.faults, follows.recoveries, strict=True)):
        found += _unequal(f"{where}.faults[{number}].recovery", fault.recovery, expected)
    for number, (check, expected_check) in enumerate(
        zip(trial.checks, follows.checks, strict=True)
    ):
        found += _unequal(f"{where}.checks[{number}]", check, expected_check)
    return found


def _unequal(where: str, seen: object, expected: object) -> list[Contradiction]:
    return [] if seen == expected else [Contradiction(where, seen, expected)]
