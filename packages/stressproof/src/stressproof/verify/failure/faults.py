"""The faults: those that were asked for, and what proves that each took effect."""

from stressproof.evidence.failure import InjectedFault, Witness
from stressproof.evidence.level import Level
from stressproof.failures.artifact import Scenario
from stressproof.failures.conclusions import took_effect
from stressproof.failures.fault_kinds import demanded_witnesses, is_spent
from stressproof.failures.spec import FaultSpec, ScenarioSpec
from stressproof.quantities import count_of
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.differences import differences
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, prose, rule

WITNESSED_MAX = 2**40
"""By how much anything that a witness counts can grow while a fault lasts."""

_CLAUSE = "evidence.md, Failure evidence"
_OTHER_SPEC = "Inject again: the spec in the evidence says what had to be injected."
_SLACK_US = SECOND_US // 2
_CLOCK_US = 1000


@rule(
    "failure.faults",
    clause=_CLAUSE,
    title="Every fault that was asked for was injected, in order, and its recovery watched",
    remedy=_OTHER_SPEC,
    level=Level.RECOMPUTED,
)
def faults(case: FailureCase, judgement: Judgement) -> None:
    """Ids and kinds are the spec's; a fault that cannot be injected here is inconclusive."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    unsupported = {each.fault for each in case.artifact.stage.unsupported}
    for place, scenario in case.judged:
        spec = scenario.spec
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
            prose(count_of(len(scenario.baseline.faults), "fault")),
            prose("none: a baseline has no fault"),
        )
        _lengths(scenario, spec, where, judgement)


def _lengths(scenario: Scenario, spec: ScenarioSpec, where: str, judgement: Judgement) -> None:
    """Every fault began after steady load, was judged by our objectives and watched long enough."""
    asked = {fault.id: fault for fault in spec.faults}
    free_us = spec.steady_us  # until then the load is steady, and then the fault before is watched
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
        judgement.check(
            fault.requested_us >= free_us - _SLACK_US,
            f"{at}.requested_us",
            fault.requested_us,
            prose(f"not before {free_us} µs, when steady load or the fault before had ended"),
        )
        free_us = fault.watched_us


def _ascending(fault: InjectedFault) -> bool:
    times = (
        fault.requested_us,
        fault.effective_us,
        fault.removed_us,
        fault.healed_us,
        fault.watched_us,
    )
    return list(times) == sorted(times) and fault.effective_us < fault.healed_us


@rule(
    "failure.fault-parameters",
    clause=_CLAUSE,
    title="Every fault was injected into what was named, as hard and as long as asked",
    remedy=_OTHER_SPEC,
    level=Level.RECOMPUTED,
)
def fault_parameters(case: FailureCase, judgement: Judgement) -> None:
    """Target and parameters are the spec's; a fault lasts its time, or until it is spent."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        asked = {fault.id: fault for fault in one.spec.faults}
        for number, fault in enumerate(one.trial.faults):
            if fault.id in asked:
                _as_asked(fault, asked[fault.id], f"{one.where}.faults[{number}]", judgement)


def _as_asked(fault: InjectedFault, spec: FaultSpec, where: str, judgement: Judgement) -> None:
    judgement.check(fault.target == spec.target, f"{where}.target", fault.target, spec.target)
    judgement.passed()
    for path, seen, expected in differences(
        fault.parameters, spec.parameters, f"{where}.parameters"
    ):
        judgement.fail(path, seen, expected)
    lasted_us = fault.removed_us - fault.effective_us
    least_us = 1 if is_spent(spec, _grown(fault)) else spec.lasts_us - _CLOCK_US
    judgement.check(
        lasted_us >= least_us,
        f"{where}.removed_us",
        prose(f"{lasted_us} µs after it took effect"),
        prose(f"at least {least_us} µs"),
    )


def _grown(fault: InjectedFault) -> list[int]:
    return [witness.during - witness.before for witness in fault.witnesses]


@rule(
    "failure.witnesses",
    clause=_CLAUSE,
    title="Every fault has a witness that it took effect",
    remedy="Without a witness nothing was proven; inject again.",
    level=Level.RECOMPUTED,
)
def witnesses(case: FailureCase, judgement: Judgement) -> None:
    """The witnesses of its kind, each needing as much, and each shows that it took effect."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for place, scenario in case.judged:
        demanded = {one.id: demanded_witnesses(one) for one in scenario.spec.faults}
        for number, fault in enumerate(scenario.trial.faults):
            where = f"scenarios[{place}].trial.faults[{number}].witnesses"
            if not fault.witnesses:
                judgement.inconclusive(
                    where, prose(f"no witness of {fault.id}"), prose("one or more")
                )
            asked = demanded.get(fault.id, ())
            names = [witness.name for witness in fault.witnesses]
            judgement.check(
                not names or names == [each.name for each in asked],
                where,
                names,
                [each.name for each in asked],
            )
            for witness, each in zip(fault.witnesses, asked, strict=False):
                judgement.check(
                    witness.needs >= each.needs,
                    f"{where}.needs",
                    prose(f"{witness.name}: {witness.needs}"),
                    prose(f"at least {each.needs}"),
                )
            for witness in fault.witnesses:
                _shows(witness, where, judgement)


def _shows(witness: Witness, where: str, judgement: Judgement) -> None:
    """It grew by what it needs, and by no more than there can be."""
    grown = witness.during - witness.before
    judgement.check(
        grown <= WITNESSED_MAX,
        where,
        prose(f"{witness.name}: {grown} more"),
        prose(f"at most {WITNESSED_MAX}"),
    )
    if took_effect(witness):
        judgement.passed()
    else:
        judgement.inconclusive(
            where,
            prose(f"{witness.name}: {witness.before} to {witness.during}"),
            prose(f"{witness.needs} more at least"),
        )


RULES = (faults, fault_parameters, witnesses)
