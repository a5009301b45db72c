"""The load: what the executor promises was asked, in the order of the seed, and was reached.

Users who wait for every answer are busy all the time, so the sum of all latencies is the number of
users times the time they were there (Little, Operations Research 9, 1961): no less, or requests
were left out or latencies shortened, and no more.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import gcd

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.evidence.stress import StressArtifact, WorkloadRecord
from stressproof.measure.buckets import highest
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.verify.stress.executor import executor_of, user_time_us
from stressproof.workload.executors import (
    ConstantArrivalRate,
    ConstantVus,
    PerVuIterations,
    RampingArrivalRate,
    RampingVus,
    SharedIterations,
)
from stressproof.workload.limits import MAX_WORKERS
from stressproof.workload.order import MAX_PASS, WeightedOrder, pass_length

_IMPOSSIBLE = "The generator does not work like that; capture again instead of editing."
_MORE_LOAD = (
    "Ask for more users, or for a rate at which as many requests are under way as the floor says."
)

REACHED_PERCENT = 90
"""Of the floor of users; honest rounds of ten users reach 9.97 to 9.99 beside four busy loops."""

RATE_REACHED_PERCENT = 99

_BUSY_PERCENT = 99  # what the generator's own time between two requests of a user may cost
_LONGEST_PAUSE_US = 100_000  # of a user whose connection could not be opened
_LONGEST_DELAY_US = 250_000  # of a generator's loop that is believed
_UNOPENED = ("connect", "tls", "protocol", "reset")


def _open(workload: WorkloadRecord) -> bool:
    return not workload.closed_loop


def _waited(rows: Sequence[Row | RampRow], *, closed: bool) -> tuple[int, int]:
    """Return the time in µs that requests were under way, and how many they were."""
    total_us = requests = 0
    for row in rows:
        uncorrected = None if closed else getattr(row, "uncorrected", None)
        latency = row.corrected if uncorrected is None else uncorrected
        total_us += latency.sum_us
        requests += latency.n
    return total_us, requests


def _longest_us(run: RunMeasurements) -> int:
    latencies = [row.corrected for row in run.rows] + [row.corrected for row in run.ramp]
    return max((latency.max_us or 0 for latency in latencies), default=0)


@rule(
    "stress.executor",
    clause="evidence.md, The stress artifact",
    title="The executor is one that exists, with what it needs and nothing else",
    remedy=_IMPOSSIBLE,
    level=Level.RECOMPUTED,
)
def executor(case: StressCase, judgement: Judgement) -> None:
    """Name, loop, users, rate, stages, iterations and times fit together."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    record, made = artifact.workload, executor_of(artifact.workload)
    if made is None:
        judgement.fail("workload.executor", record.executor, prose("one of the six, as it takes"))
        return
    for name, seen, wanted in (
        ("closed_loop", record.closed_loop, made.closed_loop),
        ("users", record.users, made.users),
        ("max_users", record.max_users, made.max_users),
        ("rate", record.rate, made.rate),
        ("time_unit_us", record.time_unit_us, made.time_unit_us),
        ("rate_per_second", record.rate_per_second, made.rate_per_second),
        ("iterations", record.iterations, made.iterations),
        ("stages", len(record.stages), len(made.stages)),
        ("duration_seconds", round(record.duration_seconds * SECOND_US), made.duration_us),
        ("ramp_seconds", round(record.ramp_seconds * SECOND_US), made.ramp_us),
    ):
        judgement.check(seen == wanted, f"workload.{name}", seen, wanted)
    most = min(made.max_users, MAX_WORKERS)
    judgement.check(
        1 <= record.workers <= most, "workload.workers", record.workers, prose(f"1 to {most}")
    )
    workers = artifact.generator.workers
    judgement.check(workers == record.workers, "generator.workers", workers, record.workers)


@rule(
    "stress.load-reached",
    clause="protocol 8; evidence.md, The load that was reached "
    "(requirements min_concurrent_users, users_of_any_executor)",
    title="As many requests were under way as the floor of users asks, in every round",
    remedy=_MORE_LOAD,
    level=Level.RECOMPUTED,
)
def load_reached(case: StressCase, judgement: Judgement) -> None:
    """Σ latency ÷ window is at least nine tenths of the floor: named users are not enough.

    Where the profile is asked for by value, its endpoints alone count: others are extra work.
    """
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    workload, floor = artifact.workload, case.requirements.min_concurrent_users
    by_users = workload.closed_loop or case.requirements.users_of_any_executor
    places = _of_the_profile(case, artifact)
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}]"
        if not by_users:
            asked = sum(row.intended for row in run.rows)
            sent = sum(row.started for row in run.rows)
            judgement.check(
                sent * 100 >= RATE_REACHED_PERCENT * asked,
                where,
                prose(f"{sent} of {asked} arrivals sent"),
                prose(f"at least {RATE_REACHED_PERCENT} % of the rate"),
            )
            continue
        own = [row for row in run.rows if places is None or row.endpoint in places]
        waited_us, _ = _waited(own, closed=workload.closed_loop)
        window_us = round(workload.duration_seconds * SECOND_US)
        if workload.iterations is not None:
            window_us = min(run.elapsed_us, window_us) or window_us
        judgement.check(
            waited_us * 100 >= REACHED_PERCENT * floor * window_us,
            where,
            prose(f"{waited_us / max(window_us, 1):.3f} requests under way on average"),
            prose(f"at least {floor * REACHED_PERCENT / 100:g}, for {floor} users"),
        )


def _of_the_profile(case: StressCase, artifact: StressArtifact) -> set[int] | None:
    """Return where the workload has the profile's endpoints, None where no profile is asked for."""
    wanted = {(one.method, one.path) for one in case.requirements.profile_endpoints}
    endpoints = enumerate(artifact.workload.endpoints)
    return {at for at, one in endpoints if (one.method, one.path) in wanted} if wanted else None


@rule(
    "stress.users-busy",
    clause="evidence.md, The load that was reached",
    title="The users were busy all the time (Little's law from below)",
    remedy="Requests were left out, or latencies shortened; capture again.",
    level=Level.RECOMPUTED,
)
def users_busy(case: StressCase, judgement: Judgement) -> None:
    """Σ latency ≥ users for the window - what they may have waited for, or paused, beside it.

    At its beginning each waits for one answer of the ramp at most; after failed connections they
    pause. Users who share iterations wait for nothing once there are none left.
    """
    artifact = case.computable
    made = None if artifact is None else executor_of(artifact.workload)
    if artifact is None or made is None:
        judgement.skip(UNSOUND)
        return
    if isinstance(made, ConstantArrivalRate | RampingArrivalRate | PerVuIterations):
        judgement.skip("only users who go on to the end are busy all the time")
        return
    for place, (run, said) in enumerate(
        zip(artifact.measurements.runs, artifact.runs, strict=False)
    ):
        waited_us, requests = _waited(run.rows, closed=True)
        unopened = sum(row.outcomes.get(kind, 0) for row in run.rows for kind in _UNOPENED)
        delay_us = min(said.generator.loop_delay_max_us, _LONGEST_DELAY_US)
        least_us = _busy_us(made, run) * _BUSY_PERCENT // 100 - made.max_users * delay_us
        least_us -= unopened * _LONGEST_PAUSE_US + requests
        judgement.check(
            waited_us >= least_us,
            f"measurements.runs[{place}]",
            prose(f"requests that took {waited_us / SECOND_US:.1f} s in sum"),
            prose(f"at least {least_us / SECOND_US:.1f} s, of {made.max_users} users"),
        )


def _busy_us(made: ConstantVus | RampingVus | SharedIterations, run: RunMeasurements) -> int:
    """Return the user-microseconds of a window that are surely of requests that began in it."""
    if isinstance(made, SharedIterations):
        users = min(made.users, made.iterations)
        return users * max(min(run.elapsed_us, made.duration_us) - _longest_us(run), 0)
    return user_time_us(made)[0] - _longest_of_each(run.ramp, made.max_users)


def _longest_of_each(ramp: Sequence[RampRow], users: int) -> int:
    """Return what as many requests as there are users took at most, of a ramp's."""
    held: Counter[int] = Counter()
    for row in ramp:
        for bucket, count in zip(
            row.corrected.buckets[::2], row.corrected.buckets[1::2], strict=True
        ):
            held[bucket] += count
    took_us = 0
    for bucket in sorted(held, reverse=True):
        some = min(held[bucket], users)
        took_us += some * highest(bucket)
        users -= some
    return took_us


@rule(
    "stress.endpoint-counts",
    clause="evidence.md, The stress artifact",
    title="Each endpoint was asked as often as seed and weights say",
    remedy=_IMPOSSIBLE,
    level=Level.RECOMPUTED,
)
def endpoint_counts(case: StressCase, judgement: Judgement) -> None:
    """Exactly with one worker, within one pass of the weights for each worker otherwise."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    weights = [endpoint.weight for endpoint in artifact.workload.endpoints]
    if not weights or min(weights) < 1 or pass_length(weights) > MAX_PASS:
        judgement.skip("stress.endpoint-definitions judges the weights")
        return
    order = WeightedOrder(weights, artifact.workload.seed)
    for place, run in enumerate(artifact.measurements.runs):
        asked = _asked(run, len(weights))
        for number, (seen, least, most) in enumerate(_shares(artifact, order, weights, asked)):
            judgement.check(
                least <= seen <= most,
                f"measurements.runs[{place}]",
                prose(f"{seen} requests to endpoint {number}"),
                prose(f"{least}" if least == most else f"{least} to {most}"),
            )


def _asked(run: RunMeasurements, endpoints: int) -> list[int]:
    """Return how often each endpoint came up in a round, ramp and drops included."""
    asked = [0] * endpoints
    for ramp in run.ramp:
        if ramp.endpoint < endpoints:
            asked[ramp.endpoint] += ramp.started + ramp.dropped
    for row in run.rows:
        if row.endpoint < endpoints:
            asked[row.endpoint] += row.intended
    return asked


def _shares(
    artifact: StressArtifact, order: WeightedOrder, weights: list[int], asked: list[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield (asked, least, most) of each endpoint."""
    total, workers = sum(asked), artifact.workload.workers
    if workers == 1:
        for seen, wanted in zip(asked, order.counts(total), strict=True):
            yield seen, wanted, wanted
        return
    divisor, whole = gcd(*weights), sum(weights)
    for seen, weight in zip(asked, weights, strict=True):
        slack = workers * (weight // divisor)
        yield seen, max(total * weight // whole - slack, 0), total * weight // whole + slack + 1


@rule(
    "stress.arrivals",
    clause="evidence.md, The stress artifact",
    title="Arrivals and iterations are as many as the executor asks for, second by second",
    remedy=_IMPOSSIBLE,
    level=Level.RECOMPUTED,
)
def arrivals(case: StressCase, judgement: Judgement) -> None:
    """An open executor's arrivals follow from its rate; iterations are never more than asked."""
    artifact = case.computable
    made = None if artifact is None else executor_of(artifact.workload)
    if artifact is None or made is None:
        judgement.skip(UNSOUND)
        return
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}]"
        if isinstance(made, ConstantArrivalRate | RampingArrivalRate):
            ramp, window = made.rate_pacers()
            seen = sum(row.started + row.dropped for row in run.ramp)
            judgement.check(
                seen == ramp.total, f"{where}.ramp", prose(f"{seen} arrivals"), ramp.total
            )
            step_us = artifact.measurements.resolution_seconds * SECOND_US
            for second, came in _by_second(run).items():
                begin_us = second * SECOND_US
                due = window.due(begin_us + step_us - 1) - window.due(begin_us - 1)
                judgement.check(
                    came == due, where, prose(f"{came} arrivals in second {second}"), due
                )
        elif isinstance(made, SharedIterations | PerVuIterations):
            most = made.iterations
            if isinstance(made, PerVuIterations):
                most *= made.users
            seen = sum(row.started for row in run.rows)
            early = run.elapsed_us < made.duration_us
            judgement.check(
                seen == most if early else seen <= most,
                where,
                prose(f"{seen} iterations"),
                prose(f"{most}" if early else f"at most {most}"),
            )
    if not judgement.compared:
        judgement.skip("users who wait ask as often as they are answered")


def _by_second(run: RunMeasurements) -> dict[int, int]:
    came: dict[int, int] = {}
    for row in run.rows:
        came[row.second] = came.get(row.second, 0) + row.intended
    return came


@rule(
    "stress.ramp",
    clause="evidence.md, Time",
    title="The ramp holds no more than it has time for, and nothing where there is none",
    remedy=_IMPOSSIBLE,
    level=Level.RECOMPUTED,
)
def ramp(case: StressCase, judgement: Judgement) -> None:
    """Users climb in a straight line: half of them on average, and one answer each beyond it."""
    artifact = case.computable
    made = None if artifact is None else executor_of(artifact.workload)
    if artifact is None or made is None:
        judgement.skip(UNSOUND)
        return
    users = made.max_users
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}].ramp"
        waited_us, requests = _waited(run.ramp, closed=True)
        if not made.ramp_us:
            judgement.check(requests == 0, where, prose(f"{requests} requests"), prose("no ramp"))
            continue
        longest_us = max((row.corrected.max_us or 0 for row in run.ramp), default=0)
        most_us = users * (made.ramp_us + longest_us)
        if not isinstance(made, ConstantArrivalRate | RampingArrivalRate):
            # A user more than the line shows comes at the beginning of each step.
            most_us = user_time_us(made)[1] + made.ramp_us + users * longest_us
        judgement.check(
            waited_us <= most_us + requests,
            where,
            prose(f"{requests} requests that took {waited_us / SECOND_US:.1f} s in sum"),
            prose(f"at most {most_us / SECOND_US:.1f} s in {made.ramp_us / SECOND_US:g} s of ramp"),
        )


RULES = (executor, load_reached, users_busy, endpoint_counts, arrivals, ramp)
