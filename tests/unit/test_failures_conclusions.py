"""Checks, witnesses and verdicts: what passes, what fails, and what cannot be told."""

from typing import Any

import pytest
from msgspec.structs import replace

from failure_codes import record
from protocol_failures import CHAIN_UNBROKEN, FI_002, FI_003, FI_004, FORGERIES
from stressproof.evidence.failure import (
    CheckResult,
    InjectedFault,
    Recovery,
    RecoveryObjectives,
    Witness,
)
from stressproof.failures.artifact import EffectCounts, Operations, Scenario, Trial
from stressproof.failures.check_kind import CheckInput
from stressproof.failures.checks import CHECKS, check_spec, outcome
from stressproof.failures.conclusions import (
    Contradiction,
    answered,
    completed,
    contradictions,
    judge_scenario,
    passed_titles,
    pending,
    seconds,
    summarise,
    took_effect,
)
from stressproof.failures.history import COLUMNS, EFFECT_COLUMNS, ORIGINS, read
from stressproof.failures.spec import ScenarioSpec
from stressproof.report.offenders import offender_lines

pytestmark = pytest.mark.gate

S = 1_000_000
Row = tuple[int, int, str, str, int, int]


def operations(*rows: Row) -> Operations:
    """Return operations from (start, duration, kind, code, key, attempt)."""
    kinds, codes = sorted({row[2] for row in rows}), sorted({row[3] for row in rows})
    return Operations(
        kinds=kinds,
        codes=list(map(record, codes)),
        columns=COLUMNS,
        rows=[
            [a, b, kinds.index(k), codes.index(c), key, n, ORIGINS.index("retry") if n > 1 else 0]
            for a, b, k, c, key, n in rows
        ],
    )


FAULT = InjectedFault(
    id="blackhole",
    kind="timeout",
    target="proxy",
    parameters={},
    requested_us=S,
    effective_us=S,
    removed_us=2 * S,
    healed_us=2 * S,
    watched_us=5 * S,
    witnesses=[Witness(name="bytes held", before=0, during=10, needs=1)],
    objectives=RecoveryObjectives(
        rto_service_us=S,
        window_us=S,
        window_operations=2,
        slow_us=S,
        bad_ppm=0,
    ),
    recovery=Recovery(None, None, None, None, 0),
)


SPEC = replace(FI_002, invariants=(replace(CHAIN_UNBROKEN, at_least=3),))


def run(check: str, rows: list[Row], effects: dict[int, int], **parameters: Any) -> str:
    """Return the outcome of one check over a history."""
    about = parameters.pop("about", None)
    steady_us = parameters.pop("steady_us", 0)
    given = CHECKS[check].complete(parameters)
    history = read(operations(*rows))
    found = CHECKS[check].count(CheckInput(history, effects, about, given, steady_us))
    return outcome(*found, sometimes=CHECKS[check].sometimes)


GATE_OK: Row = (0, 5, "gate", "200", 1, 1)
GATE_LOST: Row = (1, 5, "gate", "timeout", 2, 1)
GATE_REFUSED: Row = (2, 5, "gate", "409", 3, 1)


@pytest.mark.parametrize(
    ("check", "rows", "effects", "expected"),
    [
        ("acknowledged_durable", [GATE_OK], {1: 1}, "pass"),
        ("acknowledged_durable", [GATE_OK], {1: 0}, "fail"),
        ("acknowledged_durable", [GATE_OK], {}, "fail"),
        ("acknowledged_durable", [GATE_LOST], {2: 0}, "inconclusive"),
        ("no_double_effect", [GATE_LOST], {2: 1}, "pass"),
        ("no_double_effect", [GATE_LOST], {2: 2}, "fail"),
        ("failed_absent", [GATE_REFUSED], {3: 0}, "pass"),
        ("failed_absent", [GATE_REFUSED], {3: 1}, "fail"),
        ("failed_absent", [GATE_LOST], {2: 1}, "pass"),
        ("every_key_read", [GATE_OK], {1: 1}, "pass"),
        ("every_key_read", [GATE_OK], {}, "fail"),
        ("every_key_read", [GATE_OK], {1: 1, 9: 1}, "fail"),
        ("unknown", [GATE_OK], {1: 1}, "inconclusive"),
        ("unknown", [GATE_OK, GATE_LOST], {1: 1, 2: 0}, "pass"),
        ("retried", [GATE_LOST], {2: 0}, "inconclusive"),
        ("retried", [GATE_LOST, (3, 5, "gate", "200", 2, 2)], {2: 1}, "pass"),
        ("undisturbed", [GATE_OK], {1: 1}, "pass"),
        ("undisturbed", [GATE_LOST], {2: 1}, "fail"),
    ],
)  # fmt: skip
def test_effects_must_agree_with_their_history(
    check: str, rows: list[Row], effects: dict[int, int], expected: str
) -> None:
    """Acknowledged is there, refused is not, unknown may be, nothing is there twice."""
    if check in {"unknown", "retried"}:
        assert run("happens", rows, effects, codes=(check,)) == expected
    else:
        assert run(check, rows, effects) == expected


def test_nothing_looked_at_proves_nothing() -> None:
    """Every check over an empty history is inconclusive, none passes."""
    empty = CheckInput([], {}, None, {})
    outcomes = {outcome(*kind.count(empty), sometimes=kind.sometimes) for kind in CHECKS.values()}
    assert outcomes == {"inconclusive"}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["200", "409", "409"], "pass"),
        (["200", "200", "409"], "fail"),
        (["409", "409"], "fail"),
        (["timeout", "409"], "pass"),
        (["timeout", "200", "200"], "fail"),
    ],
)
def test_race_has_exactly_one_winner(codes: list[str], expected: str) -> None:
    """None at all is wrong too, unless an unknown ending may hide the winner."""
    rows = [(n, 5, "consume", code, 1, n + 1) for n, code in enumerate(codes)]
    assert run("one_wins", rows, {1: 1}) == expected


def test_a_race_of_too_few_is_none() -> None:
    """Who runs alone always wins: fewer than are demanded are not looked at."""
    rows = [(n, 5, "consume", "409" if n else "200", 1, 1) for n in range(3)]
    assert run("one_wins", rows, {1: 1}, attempts=3) == "pass"
    assert run("one_wins", rows, {1: 1}, attempts=4) == "inconclusive"
    assert run("one_wins", rows[:1], {1: 1}) == "inconclusive"


@pytest.mark.parametrize(("spec", "races"), [(FI_002, 5), (FI_003, 5), (FI_004, 4)])
def test_each_race_is_demanded(spec: ScenarioSpec, races: int) -> None:
    """A check each: a race that was not run leaves its own check without data."""
    checks = [check for check in spec.checks if check.id == "one_wins"]
    assert len(checks) == races
    for left_out in range(races):
        rows: list[Row] = []
        for at, check in enumerate(checks):
            for n in range(int(check.parameters["attempts"]) if at != left_out else 0):
                code = "409" if n else check.parameters["winner"][0].rstrip("*")
                key = len(rows) if check.parameters.get("together") else at
                rows.append((len(rows), 5, check.parameters["of"][0], code, key + 1, 1))
        found = [run(check.id, rows, {}, **check.parameters) for check in checks]
        assert found == ["inconclusive" if at == left_out else "pass" for at in range(races)]


def test_each_forgery_is_demanded() -> None:
    """One forged token that was never sent leaves its own check without data."""
    checks = [check for check in FI_003.checks if check.id == "only"]
    assert {check.parameters["of"] for check in checks} == {(f"tamper_{one}",) for one in FORGERIES}
    rows: list[Row] = [(n, 5, f"tamper_{one}", "401", 0, 1) for n, one in enumerate(FORGERIES[1:])]
    found = [run(check.id, rows, {}, **check.parameters) for check in checks]
    assert found == ["inconclusive", *["pass"] * (len(FORGERIES) - 1)]


def test_limit_counts_only_what_lies_wholly_inside_a_window() -> None:
    """Six accepted within a second break a limit of five; spread over two windows they do not."""
    burst = [(n * 10, 5, "gate", "200", n + 1, 1) for n in range(6)]
    assert run("at_most", burst, {}, limit=5, within_us=1000) == "fail"
    assert run("at_most", burst, {}, limit=6, within_us=1000) == "pass"
    spread = [(n * 300, 5, "gate", "200", n + 1, 1) for n in range(6)]
    assert run("at_most", spread, {}, limit=5, within_us=1000) == "pass"


def test_limit_before_a_crash_is_not_blamed_for_what_comes_after() -> None:
    """About a fault, only what began before the end of its watch counts."""
    burst = [(n * 10, 5, "gate", "200", n + 1, 1) for n in range(5)]
    burst += [(6 * S + n, 5, "gate", "200", n + 100, 1) for n in range(9)]
    common: dict[str, Any] = {"limit": 5, "within_us": S}
    assert run("at_most", burst, {}, about=FAULT, **common) == "pass"
    assert run("at_most", burst, {}, **common) == "fail"


def test_answers_under_the_fault_are_held_against_patterns() -> None:
    """Only what began under the fault counts, and only after the settling time."""
    rows: list[Row] = [
        (0, 5, "gate", "200/ALLOW", 1, 1),
        (S, 5, "gate", "200/ALLOW", 2, 1),
        (S + 100, 5, "gate", "200/failsafe:DENY:gate_timeout", 3, 1),
        (2 * S, 5, "gate", "200/ALLOW", 4, 1),
    ]
    codes = ("200/failsafe:DENY:*",)
    assert run("only", rows, {}, about=FAULT, codes=codes) == "fail"
    assert run("only", rows, {}, about=FAULT, codes=codes, settle_us=50) == "pass"
    assert run("only", rows, {}, about=FAULT, codes=codes, of=("x",)) == "inconclusive"


def test_quiet_ones_are_compared_with_themselves_before() -> None:
    """A quantile may grow by the factor allowed, or to the floor, and no further."""
    rows: list[Row] = [(n, 100, "other", "200", 0, 1) for n in range(20)]
    rows += [(S + n, 250, "other", "200", 0, 1) for n in range(20)]
    common: dict[str, Any] = {"about": FAULT, "steady_us": S}
    assert run("no_slower", rows, {}, factor_ppm=2 * S, **common) == "fail"
    assert run("no_slower", rows, {}, factor_ppm=3 * S, **common) == "pass"
    assert run("no_slower", rows, {}, factor_ppm=S, floor_us=250, **common) == "pass"
    assert run("no_slower", rows[20:], {}, **common) == "inconclusive"


def test_errors_after_the_recovery_objective_fail() -> None:
    """Before it they are the fault's; after it they are the service's."""
    early: Row = (2 * S + S // 2, 5, "gate", "503", 1, 1)
    late: Row = (3 * S + 1, 5, "gate", "503", 2, 1)
    good: Row = (3 * S + 2, 5, "gate", "200", 3, 1)
    assert run("healthy_after_recovery", [early, good], {}, about=FAULT) == "pass"
    assert run("healthy_after_recovery", [early, late, good], {}, about=FAULT) == "fail"
    assert run("healthy_after_recovery", [early], {}, about=FAULT) == "inconclusive"


def check(name: str, about: str = "", codes: tuple[str, ...] = ()) -> CheckResult:
    """Return a check as it is before anything was looked at."""
    return pending(check_spec(name, about, {"codes": codes} if codes else {}))


def trial(
    rows: list[Row], effects: dict[int, int], faults: list[InjectedFault], *names: CheckResult
) -> Trial:
    """Return a trial with everything in it derived."""
    raw = Trial(
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:00:05+00:00",
        duration_us=0,
        operations=operations(*rows),
        effects=EffectCounts(columns=EFFECT_COLUMNS, rows=[[k, n] for k, n in effects.items()]),
        faults=faults,
        phases=[],
        checks=list(names),
        log=[],
    )
    return completed(raw, SPEC)


STEADY: list[Row] = [(n * 100_000, 5000, "gate", "200", n + 1, 1) for n in range(10)]
DURING: list[Row] = [(S + n * 100_000, 5000, "gate", "timeout", n + 11, 1) for n in range(10)]
AFTER: list[Row] = [(2 * S + n * 100_000, 5000, "gate", "200", n + 21, 1) for n in range(30)]
EFFECTS = dict.fromkeys([*range(1, 11), *range(21, 51)], 1) | dict.fromkeys(range(11, 21), 0)
CHECKED = [
    check("acknowledged_durable"),
    check("no_double_effect"),
    check("recovered", about="blackhole"),
    check("happens", codes=("unknown",)),
    answered(CHAIN_UNBROKEN, 3, 0),
]


def good_trials() -> tuple[Trial, Trial]:
    """Return a baseline and a trial that pass."""
    calm = check("undisturbed")
    baseline = trial(STEADY, dict.fromkeys(range(1, 11), 1), [], calm, *CHECKED[:2], CHECKED[4])
    return baseline, trial(STEADY + DURING + AFTER, EFFECTS, [FAULT], *CHECKED)


def test_scenario_with_witness_and_all_checks_holding_passes() -> None:
    """The reference for everything below."""
    assert judge_scenario(*good_trials()) == ("pass", [])


def test_without_a_witness_nothing_is_concluded() -> None:
    """A fault that did not bite, or that nobody looked at, is inconclusive and never a pass."""
    baseline, faulty = good_trials()
    for witnesses in ([], [Witness(name="bytes held", before=5, during=5, needs=1)]):
        hollow = replace(faulty, faults=[replace(faulty.faults[0], witnesses=witnesses)])
        status, reasons = judge_scenario(baseline, hollow)
        assert status == "inconclusive"
        assert "blackhole" in reasons[0]
    assert judge_scenario(baseline, replace(faulty, faults=[]))[0] == "inconclusive"


def test_every_witness_must_hold() -> None:
    """One that holds does not stand in for one that does not."""
    baseline, faulty = good_trials()
    second = Witness(name="nothing completed", before=0, during=0, needs=1)
    both = replace(faulty.faults[0], witnesses=[*faulty.faults[0].witnesses, second])
    assert judge_scenario(baseline, replace(faulty, faults=[both]))[0] == "inconclusive"


def test_an_invariant_that_looked_at_too_little_is_inconclusive() -> None:
    """Fewer things than it must compare prove nothing; a wrong one among them is wrong."""
    few, wrong = answered(CHAIN_UNBROKEN, 2, 0), answered(CHAIN_UNBROKEN, 2, 1)
    assert trial(STEADY, {}, [], few).checks[0].outcome == "inconclusive"
    assert trial(STEADY, {}, [], wrong).checks[0].outcome == "fail"
    of_effects = replace(SPEC, invariants=(CHAIN_UNBROKEN,))
    for compared, expected in ((9, "inconclusive"), (10, "pass")):
        found = completed(trial(STEADY, {}, [], answered(CHAIN_UNBROKEN, compared, 0)), of_effects)
        assert found.checks[0].outcome == expected


def test_violation_fails_even_where_the_witness_is_missing() -> None:
    """A lost write is a lost write, whatever broke."""
    baseline, _ = good_trials()
    lost = trial(STEADY + DURING + AFTER, EFFECTS | {1: 0}, [FAULT], *CHECKED)
    status, reasons = judge_scenario(
        baseline, replace(lost, faults=[replace(lost.faults[0], witnesses=[])])
    )
    assert status == "fail"
    assert "acknowledged_durable" in reasons[0]


def test_baseline_that_fails_fails_the_scenario() -> None:
    """What is wrong without a fault is wrong."""
    _, faulty = good_trials()
    bad = trial(STEADY, dict.fromkeys(range(1, 11), 2), [], *CHECKED[:2])
    assert judge_scenario(bad, faulty)[0] == "fail"


def test_sometimes_that_never_happened_is_inconclusive() -> None:
    """No unknown ending means that reconciling one was not tested."""
    baseline, _ = good_trials()
    calm = trial(
        STEADY + AFTER,
        dict.fromkeys([*range(1, 11), *range(21, 51)], 1),
        [FAULT],
        check("happens", codes=("unknown",)),
    )
    assert judge_scenario(baseline, calm)[0] == "inconclusive"


def contradicted(one: Scenario) -> list[Contradiction]:
    """Return what does not follow in an artifact of one scenario."""
    return contradictions([one], summarise([one]))


def scenario() -> Scenario:
    """Return a whole scenario, consistent with itself."""
    baseline, faulty = good_trials()
    return Scenario(
        id="X-001",
        status="pass",
        duration_seconds=seconds(baseline, faulty),
        checks=passed_titles(faulty),
        evidence_refs=["#/scenarios/0"],
        command="x",
        result_tail="",
        spec=SPEC,
        seed=1,
        reasons=[],
        baseline=baseline,
        trial=faulty,
    )


def test_consistent_scenario_has_no_contradictions() -> None:
    """What the maker derives, the verifier derives."""
    one = scenario()
    assert contradicted(one) == []


def test_what_a_failed_check_found_wrong_is_named() -> None:
    """Each by the attempts at it and what is there; what is about all of them names none."""
    rows: list[Row] = [
        *STEADY,
        (S, 7 * S, "pay", "timeout", 11, 1),
        (9 * S, 5, "pay", "200", 11, 2),
    ]
    checks = [
        check("acknowledged_durable"),
        check("no_double_effect"),
        check("undisturbed"),
        check("recovered", about="blackhole"),
        answered(CHAIN_UNBROKEN, 3, 1),
    ]
    effects = dict.fromkeys(range(1, 11), 1) | {2: 0, 3: 0, 4: 0, 11: 2}
    one = replace(scenario(), trial=trial(rows, effects, [FAULT], *checks))
    assert {found.outcome for found in one.trial.checks} == {"fail"}
    assert list(offender_lines(one)) == [
        "trial: acknowledged_durable: e.g. effect 2 at 0.10 s (gate 200 x 1), found 0 times",
        "trial: acknowledged_durable: e.g. effect 3 at 0.20 s (gate 200 x 1), found 0 times",
        (
            "trial: no_double_effect: e.g. effect 11 at 1.00 s (pay timeout x 1, pay 200 x 1), "
            "found 2 times"
        ),
        "trial: undisturbed: e.g. pay at 1.00 s: timeout (unknown) after 7.00 s",
    ]
    assert list(offender_lines(scenario())) == []


def _edit_check(one: Scenario) -> Scenario:
    trial_of = one.trial
    edited = [replace(trial_of.checks[0], violations=0, compared=99), *trial_of.checks[1:]]
    return replace(one, trial=replace(trial_of, checks=edited))


def _edit_recovery(one: Scenario) -> Scenario:
    fault = one.trial.faults[0]
    nicer = replace(fault, recovery=replace(fault.recovery, rto_service_us=1))
    return replace(one, trial=replace(one.trial, faults=[nicer]))


def _drop_effects(one: Scenario) -> Scenario:
    effects = replace(one.trial.effects, rows=one.trial.effects.rows[1:])
    return replace(one, trial=replace(one.trial, effects=effects))


def _forget_a_timeout(one: Scenario) -> Scenario:
    rows = [row for row in one.trial.operations.rows if row[4] != 11]
    return replace(
        one, trial=replace(one.trial, operations=replace(one.trial.operations, rows=rows))
    )


def _raise_phase(one: Scenario) -> Scenario:
    phases = [replace(one.trial.phases[0], ok=99), *one.trial.phases[1:]]
    return replace(one, trial=replace(one.trial, phases=phases))


def _unhook_witness(one: Scenario) -> Scenario:
    return replace(one, trial=replace(one.trial, faults=[replace(FAULT, witnesses=[])]))


def _unordered_times(one: Scenario) -> Scenario:
    return replace(one, trial=replace(one.trial, faults=[replace(FAULT, healed_us=1)]))


@pytest.mark.parametrize(
    "edit",
    [
        _edit_check,
        _edit_recovery,
        _drop_effects,
        _forget_a_timeout,
        _raise_phase,
        _unhook_witness,
        _unordered_times,
        lambda one: replace(one, status="inconclusive"),
        lambda one: replace(one, reasons=["none"]),
        lambda one: replace(one, checks=[*one.checks, "All is well"]),
        lambda one: replace(one, duration_seconds=one.duration_seconds + 0.001),
        lambda one: replace(one, trial=replace(one.trial, duration_us=1)),
    ],
)
def test_every_edit_shows(edit: Any) -> None:
    """A figure, a verdict or a witness that was edited no longer follows from the rest."""
    edited = edit(scenario())
    assert contradicted(edited) != []


def test_summary_of_nothing_is_no_pass() -> None:
    """No scenario is not all scenarios."""
    assert not summarise([]).overall_passed


def test_a_fault_takes_effect_by_growth_of_its_witness() -> None:
    """A count that was there before proves nothing."""
    assert took_effect(Witness(name="x", before=5, during=6, needs=1))
    assert not took_effect(Witness(name="x", before=6, during=6, needs=1))
    assert not took_effect(Witness(name="x", before=6, during=5, needs=1))
