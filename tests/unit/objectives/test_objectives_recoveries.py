"""Times to recovery, from the operations of a failure artifact."""

import msgspec
import pytest
from msgspec.structs import replace

from protocol_failures import FI_001
from stressproof.errors import EvidenceError
from stressproof.evidence.clock import ClockRecord
from stressproof.evidence.failure import InjectedFault, Recovery, RecoveryObjectives, Witness
from stressproof.evidence.target import RuntimeProbe, Subject, TargetProbe
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.failures import conclusions
from stressproof.failures.artifact import (
    CodeRecord,
    EffectCounts,
    FailureArtifact,
    Operations,
    Scenario,
    TestbedRecord,
    Trial,
)
from stressproof.failures.history import COLUMNS, EFFECT_COLUMNS
from stressproof.objectives.recoveries import FaultRecovery, recoveries_of

pytestmark = pytest.mark.gate

SECOND_US = 1_000_000
NOTHING = Recovery(None, None, None, None, 0)
CODES = [CodeRecord("200", "ok"), CodeRecord("timeout", "unknown")]
GOALS = RecoveryObjectives(10 * SECOND_US, SECOND_US, 20, 500_000, 10_000)


def make_trial(*, bad_until_us: int, grown: int) -> Trial:
    """Ten seconds of a request every 20 ms, with a fault from second 2 to second 4."""
    rows = [
        [start, 1_000, 0, 1 if 2 * SECOND_US <= start < bad_until_us else 0, 0, 1, 0]
        for start in range(0, 10 * SECOND_US, 20_000)
    ]
    fault = InjectedFault(
        id="cut",
        kind="reset",
        target="database",
        parameters={},
        requested_us=2 * SECOND_US,
        effective_us=2 * SECOND_US,
        removed_us=4 * SECOND_US,
        healed_us=4 * SECOND_US,
        watched_us=10 * SECOND_US,
        witnesses=[Witness("connections reset", 0, grown, 1)],
        objectives=GOALS,
        recovery=NOTHING,
    )
    trial = Trial(
        started_at="2026-02-25T10:00:00+00:00",
        ended_at="2026-02-25T10:00:11+00:00",
        duration_us=0,
        operations=Operations(["gate"], CODES, COLUMNS, rows),
        effects=EffectCounts(EFFECT_COLUMNS, []),
        faults=[fault],
        phases=[],
        checks=[],
        log=[],
    )
    follows = conclusions.derive(trial, FI_001)
    return replace(
        trial,
        duration_us=follows.duration_us,
        phases=follows.phases,
        faults=[replace(fault, recovery=follows.recoveries[0])],
    )


def make_artifact(trial: Trial) -> FailureArtifact:
    """One scenario with this trial; nothing but the recovery is asked of it here."""
    baseline = replace(trial, faults=[])
    baseline = replace(baseline, phases=conclusions.derive(baseline, FI_001).phases)
    scenario = Scenario(
        id="FI-001",
        status="inconclusive",
        duration_seconds=20.0,
        checks=[],
        evidence_refs=[],
        command="stressproof inject",
        result_tail="",
        spec=FI_001,
        seed=1,
        reasons=[],
        baseline=baseline,
        trial=trial,
    )
    probe = RuntimeProbe("", 200, None, None, None, None, None, None, None, None, None)
    target = TargetProbe(None, None, None, None, None, None, None)
    return FailureArtifact(
        schema_version=SCHEMA_VERSION,
        status="complete",
        profile="enforcement_failure_injection",
        runner="staged_failure_injection",
        execution_class="staged",
        started_at="",
        captured_at="",
        clock=ClockRecord(0, []),
        executed_by="a",
        approved_by="b",
        seed=1,
        subject=Subject(None, None),
        target_before=target,
        target_after=None,
        runtime_before=probe,
        runtime_after=None,
        unsafe=[],
        stage=TestbedRecord("stressproof", "0", "3", "linux", 2, 2, "", None, [], []),
        scenarios=[scenario],
        summary=conclusions.summarise([scenario]),
    )


@pytest.mark.parametrize(
    ("bad_until_s", "recovery_us"), [(4, 0), (6, 2 * SECOND_US - 19_999), (10, None)]
)
def test_recovery_is_counted_from_healing(bad_until_s: int, recovery_us: int | None) -> None:
    """The time is that from healing to the first good window, which may never come."""
    artifact = make_artifact(make_trial(bad_until_us=bad_until_s * SECOND_US, grown=3))
    assert recoveries_of(artifact) == [
        FaultRecovery("FI-001", "cut", "reset", recovery_us, witnessed=True)
    ]


def test_a_fault_without_effect_is_not_witnessed() -> None:
    """A witness that did not move proves no fault, so its recovery proves nothing."""
    artifact = make_artifact(make_trial(bad_until_us=4 * SECOND_US, grown=0))
    assert [one.witnessed for one in recoveries_of(artifact)] == [False]


def test_an_edited_recovery_time_is_rejected() -> None:
    """A recovery time that does not follow from the operations is no evidence."""
    honest = make_artifact(make_trial(bad_until_us=6 * SECOND_US, grown=3))
    edited = msgspec.to_builtins(honest)
    edited["scenarios"][0]["trial"]["faults"][0]["recovery"]["rto_service_us"] = 1
    with pytest.raises(EvidenceError, match="recovery"):
        recoveries_of(msgspec.convert(edited, FailureArtifact))
