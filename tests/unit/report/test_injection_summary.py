"""What a finished injection shows on a terminal: what was broken when, and what came of it."""

import msgspec
import pytest

from made_artifacts import write_injection
from stressproof.failures.artifact import FailureArtifact
from stressproof.failures.history import COLUMNS
from stressproof.outcome import Outcome
from stressproof.report.injection_summary import summary

pytestmark = pytest.mark.gate


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> FailureArtifact:
    """An injection of every scenario."""
    path = write_injection(tmp_path_factory.mktemp("made") / "f.json")
    return msgspec.json.decode(path.read_bytes(), type=FailureArtifact)


def test_every_scenario_says_what_came_of_it(artifact: FailureArtifact) -> None:
    """Its verdict, its reasons, each fault with its recovery, and what became of effects."""
    lines = summary(artifact, 80)
    assert str(lines[0]).endswith(
        f"executed by {artifact.executed_by}, to be approved by {artifact.approved_by}"
    )
    heads = [line for line in lines if line.marked and line.outcome is not None]
    assert [line.outcome for line in heads] == [
        {"pass": Outcome.PASS, "fail": Outcome.FAIL}.get(one.status, Outcome.INCONCLUSIVE)
        for one in artifact.scenarios
    ]
    text = "\n".join(map(str, lines))
    for scenario in artifact.scenarios:
        assert scenario.spec.title in text
        for why in scenario.reasons:
            assert f"    {why}" in text
        for fault in scenario.trial.faults:
            assert f"    {fault.id}: held for " in text
    assert text.count("    effects: ") == len(artifact.scenarios)


def test_what_was_broken_stands_below_what_callers_waited(artifact: FailureArtifact) -> None:
    """The band lies under the bars of the same time, and both fit."""
    (scenario, *_) = artifact.scenarios
    trial = scenario.trial
    length_us = 60_000_000
    slow = [
        [at * 1_000_000, 900_000 if 20 <= at < 30 else 1_000, 0, 0, 0, 1, 0] for at in range(60)
    ]
    fault = msgspec.structs.replace(trial.faults[0], effective_us=20_000_000, healed_us=30_000_000)
    operations = msgspec.structs.replace(trial.operations, columns=COLUMNS, rows=slow)
    made = msgspec.structs.replace(
        scenario,
        trial=msgspec.structs.replace(
            trial, duration_us=length_us, operations=operations, faults=[fault]
        ),
    )
    texts = [str(line) for line in summary(msgspec.structs.replace(artifact, scenarios=[made]), 96)]
    (bars,) = [text for text in texts if text.startswith("    p95     ")]
    (band,) = [text for text in texts if text.startswith("    broken  ")]
    assert bars.endswith("  1 ms to 900 ms")
    high = [at for at, letter in enumerate(bars) if letter == "█"]
    assert [at for at, letter in enumerate(band) if letter == "━"] == high
    assert len(high) == 10
    for width in (60, 80, 120):
        assert all(
            len(str(line)) <= width
            for line in summary(artifact, width)
            if "p95  " in str(line) or "broken  " in str(line)
        )
