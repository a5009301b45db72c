"""Users who wait for every answer are busy all the time, and no more than all the time.

The sum of all latencies is the number of users times the time they were there (Little, Operations
Research 9, 1961): no less, or requests were left out or latencies shortened, and no more.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.evidence.stress import StressArtifact
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, Prose, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.executor import executor_of, user_time_us
from stressproof.verify.stress.shares import Share, busy, greatest_us, shares_of, there
from stressproof.workload.executors import (
    ClosedExecutor,
    ConstantVus,
    RampingVus,
    SharedIterations,
)

_LEFT_OUT = "Requests were left out, or latencies shortened; capture again."
_BUSY_PERCENT = 99  # what the generator's own time between two requests of a user may cost
_LONGEST_DELAY_US = 250_000  # of a generator's loop that excuses what users lack
_LATE = "The generator was late, or requests were left out: capture on a machine with less to do."
_LONGEST_PAUSE_US = 100_000  # of a user whose connection could not be opened
_UNOPENED = ("connect", "tls", "protocol", "reset")


class _Measured(NamedTuple):
    """A round whose users are judged.

    Attributes:
        where: Its JSON path.
        delay_us: The longest that its generator says to have been late.
        judgement: Told what comes out.
    """

    where: str
    delay_us: int
    judgement: Judgement

    def lacks(self, lacking_us: int, users: int, seen: Prose, expected: Prose) -> None:
        """What users lack is their generator's delay: up to a quarter of a second each, excused.

        A generator that says it was later than that excuses nothing, and is not called a forger's.
        """
        if lacking_us <= users * min(self.delay_us, _LONGEST_DELAY_US):
            self.judgement.passed()
        elif lacking_us <= users * self.delay_us:
            self.judgement.inconclusive(self.where, seen, expected, _LATE)
        else:
            self.judgement.fail(self.where, seen, expected)


def _rounds(
    artifact: StressArtifact, judgement: Judgement
) -> Iterator[tuple[RunMeasurements, _Measured]]:
    for place, (run, said) in enumerate(
        zip(artifact.measurements.runs, artifact.runs, strict=False)
    ):
        where = f"measurements.runs[{place}]"
        yield run, _Measured(where, said.generator.loop_delay_max_us, judgement)


def _longest_us(share: Share) -> int:
    """Return the longest that a user may have been at one iteration, with the pause after it."""
    rows: list[Row | RampRow] = [*share.rows, *share.ramp]
    return _pause_us(share) + max((row.corrected.max_us or 0 for row in rows), default=0)


def _pause_us(share: Share) -> int:
    """Return the longest pause between two iterations of a user."""
    pauses = (share.scenario.think, share.scenario.pace)
    return max((span.most_us for span in pauses if span is not None), default=0)


@rule(
    "stress.users-busy",
    clause="evidence.md, The load that was reached",
    title="The users were busy all the time (Little's law from below)",
    remedy=_LEFT_OUT,
    level=Level.RECOMPUTED,
)
def users_busy(case: StressCase, judgement: Judgement) -> None:
    """Σ time of iterations and pauses ≥ users for the window - what they began before it.

    At its beginning each is in one iteration of the ramp at most, or in a pause. Users who share
    iterations have nothing to do once none is left.
    """
    artifact = case.carried_out(judgement)
    if artifact is None:
        return
    alone = len(artifact.workload.scenarios) == 1  # a round lasts as long as its last scenario
    for run, measured in _rounds(artifact, judgement):
        for share in shares_of(artifact.workload, run):
            made = executor_of(share.scenario)
            if isinstance(made, ConstantVus | RampingVus):
                least_us = user_time_us(made)[0] * _BUSY_PERCENT // 100
                least_us -= _begun_before(made, share)
                _busy(least_us, made.max_users, share, measured)
            elif isinstance(made, SharedIterations) and alone:
                busy_us = min(run.elapsed_us, made.duration_us) - _longest_us(share)
                users = min(made.users, made.iterations)
                least_us = users * max(busy_us, 0) * _BUSY_PERCENT // 100
                _busy(least_us, users, share, measured)
    if not judgement.compared:
        judgement.skip("only users who go on to the end are busy all the time")


def _busy(least_us: int, users: int, share: Share, measured: _Measured) -> None:
    there_us, iterations = there(share)
    least_us -= _unopened(share.rows) + iterations
    measured.lacks(
        least_us - there_us,
        users,
        prose(f"iterations and pauses of {there_us / SECOND_US:.1f} s in sum"),
        prose(f"at least {least_us / SECOND_US:.1f} s, of {users} users"),
    )


def _begun_before(made: ClosedExecutor, share: Share) -> int:
    """Return how long users can have been in what they began before the window, in sum."""
    scenario = share.scenario
    if scenario.think or scenario.pace or scenario.setup or scenario.start_us:
        return made.max_users * _longest_us(share)
    return greatest_us(share.ramp, made.max_users)


@rule(
    "stress.users-throughout",
    clause="evidence.md, The load that was reached",
    title="The users were busy in every stretch of a round, ramp included, and not beyond it",
    remedy=_LEFT_OUT,
    level=Level.RECOMPUTED,
)
def users_throughout(case: StressCase, judgement: Judgement) -> None:
    """Σ time of what began in any stretch is its users' time, but for one iteration of each.

    So no outage was left out, and no second was filled with another's requests.
    """
    artifact = case.carried_out(judgement)
    if artifact is None:
        return
    step_us = artifact.measurements.resolution_seconds * SECOND_US
    for run, measured in _rounds(artifact, judgement):
        for share in shares_of(artifact.workload, run):
            made = executor_of(share.scenario)
            if not isinstance(made, ConstantVus):
                continue
            begun_us = round(share.scenario.start_us)
            ended_us = min(begun_us + made.duration_us, run.elapsed_us)
            _stretches(made, share, _steps(share, begun_us, ended_us, step_us), measured)
            if ended_us == begun_us + made.duration_us and not share.scenario.setup:
                _ramp(made, share, measured)
    if not judgement.compared:
        judgement.skip("only users who go on to the end are busy all the time")


def _steps(share: Share, begun_us: int, ended_us: int, step_us: int) -> list[tuple[int, int]]:
    """Return (length, time of what began in it) of each step of a scenario's window."""
    there_us: dict[int, int] = {}
    for row in share.rows:
        there_us[row.second] = there_us.get(row.second, 0) + row.corrected.sum_us + row.pause_us
    lengths = {
        second: min((second * SECOND_US) + step_us, ended_us) - max(second * SECOND_US, begun_us)
        for second in sorted(there_us)
    }
    return [(max(length, 0), there_us[second]) for second, length in lengths.items()]


def _stretches(
    made: ConstantVus,
    share: Share,
    steps: list[tuple[int, int]],
    measured: _Measured,
) -> None:
    """No stretch of steps falls short of its users' time, or goes beyond it (Kadane's sums)."""
    one_each_us = greatest_us((*share.rows, *share.ramp), made.users)
    one_each_us += made.users * _pause_us(share)
    iterations = sum(row.started for row in share.rows)
    short_us = beyond_us = most_short_us = most_beyond_us = 0
    for length_us, there_us in steps:
        wanted_us = made.users * length_us
        short_us = max(short_us + wanted_us * _BUSY_PERCENT // 100 - there_us, 0)
        beyond_us = max(beyond_us + there_us - wanted_us, 0)
        most_short_us = max(most_short_us, short_us)
        most_beyond_us = max(most_beyond_us, beyond_us)
    measured.lacks(
        most_short_us - one_each_us - _unopened(share.rows) - iterations,
        made.users,
        prose(f"a stretch that lacks {most_short_us / SECOND_US:.1f} s of its users' time"),
        prose(f"at most {one_each_us / SECOND_US:.1f} s, of an iteration each"),
    )
    measured.judgement.check(
        most_beyond_us <= one_each_us,
        measured.where,
        prose(f"a stretch with {most_beyond_us / SECOND_US:.1f} s more than its users' time"),
        prose(f"at most {one_each_us / SECOND_US:.1f} s, of an iteration each"),
    )


def _ramp(made: ConstantVus, share: Share, measured: _Measured) -> None:
    """What users began in the ramp took them to its end at least.

    How late the generator was in it is not measured; whatever is lacking may be that.
    """
    there_us, iterations = busy(share.ramp, closed=True)
    there_us += sum(row.pause_us for row in share.ramp)
    least_us = user_time_us(made)[1] * _BUSY_PERCENT // 100
    least_us -= made.users * _LONGEST_DELAY_US + _unopened(share.ramp) + iterations
    if there_us >= least_us:
        measured.judgement.passed()
    else:
        measured.judgement.inconclusive(
            f"{measured.where}.ramp",
            prose(f"iterations and pauses of {there_us / SECOND_US:.1f} s in sum"),
            prose(f"at least {least_us / SECOND_US:.1f} s, of {made.users} users who come"),
            _LATE,
        )


def _unopened(rows: Iterable[Row | RampRow]) -> int:
    """Return how long users can have paused because nothing came of their connection."""
    counts = (row.outcomes.get(kind, 0) for row in rows for kind in _UNOPENED)
    return sum(counts) * _LONGEST_PAUSE_US


RULES = (users_busy, users_throughout)
