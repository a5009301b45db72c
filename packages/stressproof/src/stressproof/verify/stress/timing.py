"""When: rounds in order, apart, inside the capture, and the capture recent enough."""

import itertools

from stressproof.verify.case import instant
from stressproof.verify.instants import SECOND_US, parse_instant
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.document import RECAPTURE

_NOT_BY_HAND = "Times are written by the capture; capture again instead of editing them."

CLOCK_SLACK_US = SECOND_US // 2
"""A wall clock that is being corrected while rounds run may differ from them by this much."""


@rule(
    "stress.timestamps",
    clause="protocol 4; protocol 6; gate.md, Age",
    title="Every timestamp is RFC 3339 with an offset",
    remedy=_NOT_BY_HAND,
)
def timestamps(case: StressCase, judgement: Judgement) -> None:
    """Each timestamp that is there can be read."""
    given = [("captured_at", case.declared.captured_at), ("started_at", case.declared.started_at)]
    for place, run in enumerate(case.runs):
        given += [
            (f"runs[{place}].captured_at", run.captured_at),
            (f"runs[{place}].started_at", run.started_at),
            (f"runs[{place}].ended_at", run.ended_at),
        ]
    for where, text in given:
        if text is not None:
            judgement.check(
                parse_instant(text) is not None, where, text, prose("2026-02-25T10:00:00+00:00")
            )


@rule(
    "stress.run-index",
    clause="protocol 6",
    title="Rounds are numbered 1, 2, 3 … in their order",
    remedy=RECAPTURE,
)
def run_index(case: StressCase, judgement: Judgement) -> None:
    """``run_index`` is the position."""
    for place, run in enumerate(case.runs):
        if run.run_index is not None:
            judgement.check(
                run.run_index == place + 1, f"runs[{place}].run_index", run.run_index, place + 1
            )


@rule(
    "stress.run-spacing",
    clause="protocol 6; evidence.md, Time",
    title="Rounds follow each other at least their duration apart",
    remedy=_NOT_BY_HAND,
)
def run_spacing(case: StressCase, judgement: Judgement) -> None:
    """Two rounds' times differ by a round at least, and by a round and a pause at most."""
    duration = shortest_round(case)
    times = case.run_captured_us
    if duration is None or len(times) < 2:  # noqa: PLR2004  # two rounds make one gap
        judgement.skip("fewer than two rounds, or no duration")
        return
    most = _longest_round_us(case) + case.requirements.max_pause_seconds * SECOND_US
    for place, (before, after) in enumerate(itertools.pairwise(times), 1):
        if before is None or after is None:
            continue
        gap = after - before
        where = f"runs[{place}].captured_at"
        seen = prose(f"{gap / SECOND_US:.3f} s after the round before")
        least = duration * SECOND_US - CLOCK_SLACK_US
        judgement.check(gap >= least, where, seen, prose(f"at least {duration} s"))
        judgement.check(gap <= most, where, seen, prose(f"at most {most // SECOND_US} s"))


@rule(
    "stress.capture-window",
    clause="protocol 4; protocol 6",
    title="All rounds lie inside the capture, which ended soon after the last of them",
    remedy=_NOT_BY_HAND,
)
def capture_window(case: StressCase, judgement: Judgement) -> None:
    """``started_at`` ≤ every round ≤ ``captured_at``, the last shortly before it."""
    times = [time for time in case.run_captured_us if time is not None]
    end, duration = case.captured_us, shortest_round(case)
    if not times or end is None:
        judgement.skip("no times to compare")
        return
    for place, time in enumerate(case.run_captured_us):
        if time is not None:
            judgement.check(
                time <= end,
                f"runs[{place}].captured_at",
                case.runs[place].captured_at,
                prose(f"not after captured_at, {case.declared.captured_at}"),
            )
    tail = case.requirements.max_tail_seconds * SECOND_US
    judgement.check(
        end - max(times) <= tail,
        "captured_at",
        prose(f"{(end - max(times)) / SECOND_US:.0f} s after the last round"),
        prose(f"at most {tail // SECOND_US} s"),
    )
    start = instant(case.declared.started_at)
    if start is None or duration is None:
        return
    first = min(times) - duration * SECOND_US
    judgement.check(
        start <= first + CLOCK_SLACK_US,
        "started_at",
        case.declared.started_at,
        prose(f"at least {duration} s before the first round's captured_at"),
    )
    lead = _longest_round_us(case) - duration * SECOND_US + tail
    judgement.check(
        first - start <= lead,
        "started_at",
        prose(f"{(first - start) / SECOND_US:.0f} s before the first round"),
        prose(f"at most {lead // SECOND_US} s"),
    )


def shortest_round(case: StressCase) -> int | None:
    """Return how many seconds a round must have taken, None where its duration is not known.

    An executor of iterations ends with its last one, as long as its rounds say that they took.
    """
    duration: int | None = case.declared.duration_seconds
    artifact = case.artifact
    if duration is None or artifact is None or not artifact.workload.ends_early:
        return duration
    return min([duration, *(int(run.elapsed_seconds) for run in artifact.runs)])


def _longest_round_us(case: StressCase) -> int:
    """Return how long a round may take at most: ramp, duration, and the last answer."""
    ramp, timeout = ramp_and_timeout(case)
    duration = case.declared.duration_seconds or 0
    scenarios = case.artifact.workload.scenarios if case.artifact else []
    # Runs of a flow that are under way at the end get a time of their own.
    last_us = max([round(timeout * SECOND_US), *(one.graceful_stop_us for one in scenarios)])
    return round((duration + ramp) * SECOND_US) + last_us + CLOCK_SLACK_US


def ramp_and_timeout(case: StressCase) -> tuple[int, float]:
    """Return the ramp and the request timeout in seconds, the tool's defaults where not stated."""
    ramp, timeout = case.declared.ramp_up_seconds, case.declared.request_timeout
    asked = case.requirements
    return (
        asked.assumed_ramp_seconds if ramp is None else ramp,
        asked.assumed_timeout_seconds if timeout is None else timeout,
    )


RULES = (timestamps, run_index, run_spacing, capture_window)
