"""What a capture writes can be read again: rows as fine as the bytes allow, and no coarser."""

import itertools
import math
from dataclasses import replace

import msgspec
import pytest
from forgeries.honest import ENDPOINTS, Plan, artifact
from forgeries.judging import judge

from stressproof.capture.fitting import coarser, fitted
from stressproof.evidence.encoding import encode
from stressproof.evidence.json_text import MAX_BYTES
from stressproof.evidence.measurements import Measurements
from stressproof.evidence.resolution import (
    MAX_ROUND_RESULTS,
    MAX_ROWS,
    RESOLUTIONS_S,
    finest_resolution_s,
    most_bytes_in,
)
from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit
from stressproof.workload.limits import MAX_DURATION_US

REQUIRED = (ENDPOINTS[1], ENDPOINTS[5], ENDPOINTS[6])
LARGE = Plan(duration_s=2_200, users=40, rate_per_user=3.3, endpoints=REQUIRED, closed_loop=False)
"""As many rows as a plan may ask for, and so many different latencies that they outgrow a file."""

pytestmark = pytest.mark.gate


def coarsened(made: StressArtifact, step_s: int) -> StressArtifact:
    """The same evidence in rows of more seconds, whether it needs them or not."""
    runs = [
        msgspec.structs.replace(run, rows=list(coarser(run.rows, step_s)))
        for run in made.measurements.runs
    ]
    return msgspec.structs.replace(made, measurements=Measurements(step_s, runs))


def test_every_window_has_a_step_that_leaves_few_enough_rows() -> None:
    """From a second to the longest window, for as many figures as a capture may ask."""
    longest_s = MAX_DURATION_US // 1_000_000
    assert RESOLUTIONS_S[0] == 1
    assert RESOLUTIONS_S[-1] == longest_s
    for finer, step in itertools.pairwise(RESOLUTIONS_S):
        assert step % finer == 0
    for duration_s in (1, 30, 3_600, 86_401, longest_s):
        for figures in (1, 21, 600, MAX_ROUND_RESULTS):
            step = finest_resolution_s(duration_s, 1, figures)
            assert math.ceil(duration_s / step) * figures <= MAX_ROWS
            place = RESOLUTIONS_S.index(step)
            for finer in RESOLUTIONS_S[:place]:
                assert math.ceil(duration_s / finer) * figures > MAX_ROWS


@pytest.mark.parametrize("closed_loop", [True, False])
def test_coarser_rows_are_those_that_a_coarser_capture_writes(*, closed_loop: bool) -> None:
    """Adding up loses nothing, in one step or in several, and at an end that is no whole row."""
    plan = Plan(rounds=1, duration_s=127, closed_loop=closed_loop, failures=0.1)
    fine = artifact(plan).measurements.runs[0].rows
    tens = artifact(replace(plan, resolution_s=10)).measurements.runs[0].rows
    minutes = artifact(replace(plan, resolution_s=60)).measurements.runs[0].rows
    assert list(coarser(fine, 10)) == list(tens)
    assert list(coarser(fine, 60)) == list(minutes)
    assert list(coarser(coarser(fine, 10), 60)) == list(minutes)


def test_a_small_capture_is_left_as_it_is() -> None:
    """Rows of a second, where they fit."""
    made = artifact()
    assert fitted(made) == made


@pytest.mark.slow
def test_a_capture_that_outgrows_a_file_is_written_in_coarser_rows_and_passes() -> None:
    """What would be refused as too large is read, verified, and has the same figures."""
    made = artifact(LARGE)
    whole = encode(made)
    assert len(whole) > MAX_BYTES
    fits = fitted(made)
    raw = encode(fits)
    assert len(raw) <= MAX_BYTES
    assert fits.measurements.resolution_seconds == 10
    assert msgspec.structs.replace(fits, measurements=made.measurements) == made
    assert most_bytes_in(fits.measurements, len(raw), 1) >= len(whole)
    verdict = judge(raw)
    assert [(result.rule, result.findings) for result in verdict.blocking] == []
    assert verdict.exit_code is Exit.PASS


@pytest.mark.parametrize("step_s", RESOLUTIONS_S[1:])
def test_rows_coarser_than_needed_are_refused(step_s: int) -> None:
    """A second that was too slow could hide among others."""
    verdict = judge(encode(coarsened(artifact(), step_s)))
    assert [result.rule for result in verdict.blocking] == ["stress.continuity"]
    assert verdict.exit_code is Exit.EVIDENCE
