"""When: rounds in order, apart, inside the capture, and the capture recent enough."""

import itertools

from stressproof.verify.case import instant
from stressproof.verify.instants import SECOND_US, parse_instant
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import DeclaredRun
from stressproof.verify.stress.document import RECAPTURE
from stressproof.verify.stress.figures import TOLERANCE

_NOT_BY_HAND = "Times are written by the capture; capture again instead of editing them."

NOISE_S = 1e-6
"""Of a float that was counted in microseconds."""

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
    title="Rounds follow each other, none before the one before it was over",
    remedy=_NOT_BY_HAND,
)
def run_spacing(case: StressCase, judgement: Judgement) -> None:
    """Two rounds' times differ by what the later one took, and by a pause more at most."""
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
        took_s = _least_took_s(case.runs[place], duration)
        least = took_s * SECOND_US - CLOCK_SLACK_US
        judgement.check(gap >= least, where, seen, prose(f"at least {took_s:g} s"))
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
    took_s = _least_took_s(case.runs[0], duration)
    begun = min(times) - round(took_s * SECOND_US)
    judgement.check(
        start <= begun + CLOCK_SLACK_US,
        "started_at",
        case.declared.started_at,
        prose(f"at least {took_s:g} s before the first round's captured_at"),
    )
    first = min(times) - duration * SECOND_US
    lead = _longest_round_us(case) - duration * SECOND_US + tail
    judgement.check(
        first - start <= lead,
        "started_at",
        prose(f"{(first - start) / SECOND_US:.0f} s before the first round"),
        prose(f"at most {lead // SECOND_US} s"),
    )


@rule(
    "stress.run-times",
    clause="protocol 6; evidence.md, Time",
    title="Each round's own times are in order and agree with its elapsed time",
    remedy=_NOT_BY_HAND,
)
def run_times(case: StressCase, judgement: Judgement) -> None:
    """Start + elapsed = end ≤ captured, as far as they are given."""
    if case.is_full:
        judgement.skip("stress.round-clock judges it to the microsecond")
        return
    for place, run in enumerate(case.runs):
        where = f"runs[{place}]"
        start, end = instant(run.started_at), instant(run.ended_at)
        captured = case.run_captured_us[place]
        took_s = run.elapsed_seconds
        if start is not None and end is not None:
            judgement.check(
                start < end, f"{where}.ended_at", run.ended_at, prose("after its start")
            )
            if took_s is not None:
                seen_s = (end - start) / SECOND_US
                judgement.check(
                    abs(seen_s - took_s) <= CLOCK_SLACK_US / SECOND_US,
                    f"{where}.ended_at",
                    prose(f"{seen_s:.3f} s after started_at"),
                    prose(f"{took_s:g} s, its elapsed time"),
                )
        for name, time in (("started_at", start), ("ended_at", end)):
            if time is not None and captured is not None:
                judgement.check(
                    time <= captured + CLOCK_SLACK_US,
                    f"{where}.{name}",
                    getattr(run, name),
                    prose(f"not after captured_at, {run.captured_at}"),
                )


def implied_s(total: int, rate_rps: float) -> tuple[float, float]:
    """Return how long requests at a rate take, and what four decimals of the rate leave open."""
    took_s = total / rate_rps
    return took_s, took_s * min(TOLERANCE / rate_rps, 1.0) + NOISE_S


def elapsed_s(run: DeclaredRun) -> tuple[float | None, float]:
    """Return how long a round took, stated or implied, and what is left open; None for neither."""
    figures = run.results
    if run.elapsed_seconds is not None:
        return run.elapsed_seconds, NOISE_S
    if figures is None or figures.total_requests is None or not figures.throughput_rps:
        return None, 0.0
    return implied_s(figures.total_requests, figures.throughput_rps)


def _least_took_s(run: DeclaredRun, duration_s: int) -> float:
    """Return how long a round took at least: its duration, or longer where it says so."""
    took_s, slack_s = elapsed_s(run)
    return duration_s if took_s is None else max(duration_s, took_s - slack_s)


def shortest_round(case: StressCase) -> int | None:
    """Return how many seconds a round must have taken, None where its duration is not known.

    An executor of iterations ends with its last one, as long as its rounds say that they took. Of a
    capture that was broken off (which `stress.status` refuses) the last round may be of any length.
    """
    if case.broken_off:
        return None
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


RULES = (timestamps, run_index, run_spacing, capture_window, run_times)
