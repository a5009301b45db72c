"""Time, as the measurements allow it: round clocks, elapsed time, concurrency, timeouts."""

from stressproof.evidence.level import Level
from stressproof.evidence.workload import WorkloadRecord
from stressproof.verify.case import instant
from stressproof.verify.instants import ROUNDING_US, SECOND_US
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.verify.stress.shares import Share, busy, shares_of

_IMPOSSIBLE = "No service and no generator can produce these figures; capture again."
_EDGE_US = 10_000  # the clock is read every ten milliseconds
_TIMEOUT_SLACK_US = SECOND_US
_LEFT_OUT_LEAST_US = 30 * SECOND_US  # shorter is what a busy machine needs to start a round
_PREFLIGHT_PAUSE_MS = 250  # at most, after an attempt that failed


@rule(
    "stress.round-clock",
    clause="evidence.md, Time",
    title="Each round's times agree with its elapsed time and with its neighbours",
    remedy="Times are written by the capture; capture again instead of editing them.",
    level=Level.RECOMPUTED,
)
def round_clock(case: StressCase, judgement: Judgement) -> None:
    """Start + elapsed = end ≤ captured, and ramp and pause lie between: all of one clock."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    workload = artifact.workload
    between = round((workload.ramp_seconds + workload.pause_seconds) * SECOND_US)
    before = instant(artifact.started_at)
    least_gap = round(workload.ramp_seconds * SECOND_US)
    for place, run in enumerate(artifact.runs):
        where = f"runs[{place}]"
        start, end, captured = (
            instant(run.started_at),
            instant(run.ended_at),
            instant(run.captured_at),
        )
        if start is None or end is None or captured is None:
            continue  # stress.timestamps says so
        took = end - start
        elapsed = round(run.elapsed_seconds * SECOND_US)
        judgement.check(
            abs(took - elapsed) <= ROUNDING_US,
            f"{where}.ended_at",
            prose(f"{took / SECOND_US:.3f} s after started_at"),
            prose(f"{run.elapsed_seconds} s, its elapsed time"),
        )
        judgement.check(
            end <= captured,
            f"{where}.captured_at",
            run.captured_at,
            prose(f"not before ended_at, {run.ended_at}"),
        )
        if before is not None:
            judgement.check(
                start - before >= least_gap - ROUNDING_US,
                f"{where}.started_at",
                prose(f"{(start - before) / SECOND_US:.3f} s after what came before"),
                prose(f"at least {least_gap / SECOND_US:g} s of ramp and pause"),
            )
        before, least_gap = end, between


@rule(
    "stress.left-out",
    clause="protocol 6; evidence.md, Time",
    title="Before, between and after the rounds there was no time for another one",
    remedy="A round was left out, or the machine stood still; capture again.",
    level=Level.RECOMPUTED,
)
def left_out(case: StressCase, judgement: Judgement) -> None:
    """Ramp, pause and preflight fill the time that no round does, but for less than one."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    workload, runtime = artifact.workload, artifact.runtime
    ramp_us, pause_us = (
        round(each * SECOND_US) for each in (workload.ramp_seconds, workload.pause_seconds)
    )
    window_us = round(workload.duration_seconds * SECOND_US)
    round_us = max(ramp_us + window_us, _LEFT_OUT_LEAST_US)
    # A round ends with its last answer, but for flows, which may go on.
    after_us = max(one.graceful_stop_us for one in workload.scenarios)
    after_us += workload.timeout_us if after_us else 0
    preflight_ms = sum(
        check.latency_ms + (0 if check.ok else _PREFLIGHT_PAUSE_MS)
        for check in artifact.preflight.checks
    )
    began = [instant(artifact.started_at), instant(runtime.before.probed_at)]
    before = max((time for time in began if time is not None), default=None)
    filled_us = round(preflight_ms * 1_000)
    # A setup is a project's own code, and takes as long as it likes.
    set_up = any(one.setup for one in workload.scenarios)
    for place, run in enumerate(artifact.runs):
        if not set_up:
            where = f"runs[{place}].started_at"
            start = instant(run.started_at)
            _no_round_in(before, start, filled_us + ramp_us, round_us, where, judgement)
        before, filled_us = instant(run.ended_at), pause_us + after_us
    if artifact.runs and runtime.after is not None:
        asked = instant(runtime.after.probed_at)
        where = "runtime.after.probed_at"
        _no_round_in(before, asked, after_us, round_us, where, judgement)


def _no_round_in(
    before: int | None,
    after: int | None,
    filled_us: int,
    round_us: int,
    where: str,
    judgement: Judgement,
) -> None:
    """Between two times lies no round beside what filled them."""
    if before is None or after is None:
        return
    idle_us = after - before - filled_us
    if idle_us < round_us:
        judgement.passed()
        return
    judgement.inconclusive(
        where,
        prose(f"{idle_us / SECOND_US:.1f} s before it in which nothing is told"),
        prose(f"less than a round of {round_us / SECOND_US:g} s"),
    )


@rule(
    "stress.elapsed-measured",
    clause="evidence.md, Time",
    title="Elapsed time is what the rows allow",
    remedy=_IMPOSSIBLE,
    level=Level.RECOMPUTED,
)
def elapsed_measured(case: StressCase, judgement: Judgement) -> None:
    """The window that was asked for, longer only while answers were outstanding."""
    artifact = case.carried_out(judgement)
    if artifact is None:
        return
    runs = artifact.measurements.runs
    step_us = artifact.measurements.resolution_seconds * SECOND_US
    workload = artifact.workload
    window_us = round(workload.duration_seconds * SECOND_US)
    for place, run in enumerate(runs):
        busy = [row for row in run.rows if row.started]
        if not busy:
            continue
        last_us = busy[-1].second * SECOND_US
        longest_us = max(row.corrected.max_us or 0 for row in busy)
        # An executor of iterations ends with its last one; every other lasts as long as was asked.
        least_us = last_us if workload.ends_early else window_us
        most_us = max(least_us, min(last_us + step_us, window_us) + longest_us + _EDGE_US)
        judgement.check(
            least_us <= run.elapsed_us <= most_us,
            f"measurements.runs[{place}].elapsed_us",
            run.elapsed_us,
            prose(f"{least_us} to {most_us}: the window, or up to the last answer"),
        )


@rule(
    "stress.concurrency",
    clause="evidence.md, What is possible",
    title="The requests were possible for the users (Little's law, on the measurements)",
    remedy=_IMPOSSIBLE,
    level=Level.RECOMPUTED,
)
def concurrency(case: StressCase, judgement: Judgement) -> None:
    """Users cannot have waited longer in sum than they were there.

    A run of a flow that begins within the window may end after it, for it is not cut off at once:
    one of each user, and none of them lasts longer than the longest.
    """
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, run in enumerate(artifact.measurements.runs):
        for share in shares_of(artifact.workload, run):
            users = max(share.scenario.users, share.scenario.max_users)
            busy_us, iterations = busy(share.rows, closed=share.scenario.closed_loop)
            over_us = _longest_flow_us(artifact.workload, share)
            # A microsecond each for rounding.
            limit_us = users * (run.elapsed_us + over_us) + iterations
            judgement.check(
                busy_us <= limit_us,
                f"measurements.runs[{place}]",
                prose(f"{iterations} iterations that took {busy_us / SECOND_US:.1f} s in sum"),
                prose(f"at most {limit_us / SECOND_US:.1f} s for {users} users"),
            )


def _longest_flow_us(workload: WorkloadRecord, share: Share) -> int:
    """Return how long the longest run of a flow took, 0 where there is none."""
    flows = {number for number in share.items if workload.is_flow(number)}
    return max(
        (row.corrected.max_us or 0 for row in share.rows if row.endpoint in flows), default=0
    )


@rule(
    "stress.timeout-applied",
    clause="evidence.md, Workload",
    title="No request took longer than the timeout that is stated",
    remedy="A timeout that is recorded but not applied hides the worst answers; capture again.",
    level=Level.RECOMPUTED,
)
def timeout_applied(case: StressCase, judgement: Judgement) -> None:
    """The longest time from the send is the timeout at most, with a second for the bookkeeping.

    Each request may have one of its own; a run of a flow has none.
    """
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    workload = artifact.workload
    for place, run in enumerate(artifact.measurements.runs):
        longest: dict[int, int] = {}
        for row in run.rows:
            if row.endpoint < len(workload.endpoints) and not workload.is_flow(row.endpoint):
                timeout_us = workload.timeout_of(row.endpoint)
                latency = row.uncorrected or row.corrected
                longest[timeout_us] = max(longest.get(timeout_us, 0), latency.max_us or 0)
        for timeout_us, longest_us in longest.items():
            judgement.check(
                longest_us <= timeout_us + _TIMEOUT_SLACK_US,
                f"measurements.runs[{place}]",
                prose(f"a request of {longest_us / SECOND_US:.3f} s"),
                prose(f"at most {timeout_us / SECOND_US:g} s"),
            )


RULES = (round_clock, left_out, elapsed_measured, concurrency, timeout_applied)
