"""A wall clock that is set while a capture runs is told as that, and nothing else goes wrong."""

from pathlib import Path

import msgspec
import pytest

from enforcement_suite.suite import SUITE
from fake_target import FakeTarget, as_json
from stepping_clock import SteppingClock
from stressproof import ConstantVus, StopFlag, Verdict, plan_capture
from stressproof.capture.capture import Capture
from stressproof.capture.observer import Observer
from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence.encoding import encode
from stressproof.evidence.reading import read_document
from stressproof.evidence.run_clock import RunClock
from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit
from stressproof.suite import PLAIN
from stressproof.verify.instants import now_us, parse_instant
from stressproof.verify.stress.verifier import STRESS


def captured(target: FakeTarget, folder: Path, clock: RunClock) -> StressArtifact:
    """A real capture of two rounds of two seconds, by that clock."""
    target.answers["/health/live"] = lambda _: as_json(200, {"status": "healthy"})
    plan = plan_capture(
        target.url, PLAIN, profile="health", executor=ConstantVus(users=2, duration_us=2_000_000)
    )
    return Capture(
        msgspec.structs.replace(plan, rounds=2, probes=SUITE.probes),
        credential=None,
        observer=Observer(),
        stop=StopFlag(),
        folder=folder,
        clock=clock,
    ).run()


def rejecting(verdict: Verdict) -> list[tuple[str, object]]:
    """What is called wrong; what a busy machine makes inconclusive is not about clocks."""
    return [(one.rule, one.findings) for one in verdict.blocking if one.exit_code is Exit.EVIDENCE]


def judged(artifact: StressArtifact, folder: Path, **asked: object) -> Verdict:
    """What the verifier says of it, asked for no more than was done."""
    wanted: StressRequirements = msgspec.structs.replace(
        PLAIN.stress_requirements("health"),
        runner=artifact.runner,
        min_rounds=2,
        min_duration_seconds=1,
        min_concurrent_users=1,
        require_identity=True,
        **asked,
    )
    path = folder / "a.json"
    path.write_bytes(encode(artifact))
    return STRESS.verify(read_document(path), wanted, now_us())


@pytest.mark.parametrize("by_s", [-5.0, 30.0, -3600.0])
def test_a_step_is_told_by_its_own_rule_and_no_other(
    target: FakeTarget, tmp_path: Path, by_s: float
) -> None:
    """Nothing is called edited, and the service is not said to have changed."""
    clock = RunClock(SteppingClock((2.5, by_s)))
    artifact = captured(target, tmp_path, clock)
    verdict = judged(artifact, tmp_path, max_artifact_age_hours=24.0)
    assert rejecting(verdict) == []
    [told] = verdict.warnings
    assert told.rule == "stress.clock"
    assert f"the clock stepped by {by_s:+.3f}"[:-1] in told.findings[0].seen
    [step] = artifact.clock.steps
    assert step.by_us == pytest.approx(by_s * 1e6, abs=250_000)


def test_times_agree_with_durations_to_the_microsecond(target: FakeTarget, tmp_path: Path) -> None:
    """Whatever happens to the wall clock: there and back, and onwards in small steps."""
    small = tuple((1 + place / 10, -0.2) for place in range(20))
    clock = RunClock(SteppingClock((1.0, 86_400.0), (3.0, -86_400.0), *small))
    artifact = captured(target, tmp_path, clock)
    for run, measured in zip(artifact.runs, artifact.measurements.runs, strict=True):
        begin, end = parse_instant(run.started_at), parse_instant(run.ended_at)
        assert begin is not None
        assert end is not None
        assert end - begin == measured.elapsed_us
    assert artifact.clock.drift_us == pytest.approx(-4e6, abs=250_000)
    assert len(artifact.clock.steps) >= 2
    verdict = judged(artifact, tmp_path)
    assert rejecting(verdict) == []


def test_a_quiet_clock_is_told_of_nothing(target: FakeTarget, tmp_path: Path) -> None:
    """The machine's own."""
    artifact = captured(target, tmp_path, RunClock())
    assert artifact.clock.steps == []
    verdict = judged(artifact, tmp_path)
    assert (rejecting(verdict), verdict.warnings) == ([], [])


def test_evidence_is_as_old_as_its_older_reading(target: FakeTarget, tmp_path: Path) -> None:
    """A clock that was two days behind and then set right leaves the age in doubt."""
    behind = -2 * 86_400.0
    artifact = captured(target, tmp_path, RunClock(SteppingClock((0.0, behind), (2.0, -behind))))
    verdict = judged(artifact, tmp_path, max_artifact_age_hours=24.0)
    assert rejecting(verdict) == []
    [blocked] = [one for one in verdict.blocking if one.rule == "stress.age"]
    assert "the clock stepped" in blocked.findings[0].seen
