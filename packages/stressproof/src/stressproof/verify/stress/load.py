"""The load: what the executor promises was asked, in the order of the seed, and was reached."""

from collections.abc import Iterator
from functools import lru_cache
from math import gcd

import msgspec

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RunMeasurements
from stressproof.evidence.workload import ScenarioRecord, WorkloadRecord
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.verify.stress.executor import executor_of, user_time_us
from stressproof.verify.stress.shares import Share, busy, shares_of, there
from stressproof.workload.executors import (
    ConstantArrivalRate,
    Executor,
    PerVuIterations,
    RampingArrivalRate,
    SharedIterations,
    most_iterations,
)
from stressproof.workload.limits import MAX_WORKERS
from stressproof.workload.order import MAX_PASS, WeightedOrder, order_seed, pass_length

_IMPOSSIBLE = "The generator does not work like that; capture again instead of editing."
_MORE_LOAD = (
    "Ask for more users, or for a rate at which as many requests are under way as the floor says."
)

REACHED_PERCENT = 90
"""Of the floor of users; honest rounds of ten users reach 9.97 to 9.99 beside four busy loops."""

RATE_REACHED_PERCENT = 99


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
    for number, record in enumerate(artifact.workload.scenarios):
        _executor(record, f"workload.scenarios[{number}]", judgement)
    names = [record.name for record in artifact.workload.scenarios]
    judgement.check(
        len(set(names)) == len(names), "workload.scenarios", names, prose("every name once")
    )
    seen, most = artifact.workload.workers, min(artifact.workload.max_users, MAX_WORKERS)
    judgement.check(1 <= seen <= most, "workload.workers", seen, prose(f"1 to {most}"))
    workers = artifact.generator.workers
    judgement.check(workers == seen, "generator.workers", workers, seen)


def _executor(record: ScenarioRecord, where: str, judgement: Judgement) -> None:
    made = executor_of(record)
    if made is None:
        judgement.fail(f"{where}.executor", record.executor, prose("one of the six, as it takes"))
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
        judgement.check(seen == wanted, f"{where}.{name}", seen, wanted)
    paused = record.think is not None or record.pace is not None
    judgement.check(
        made.closed_loop or not paused, f"{where}.think", paused, prose("no pause beside a rate")
    )


@rule(
    "stress.load-reached",
    clause="protocol 8; evidence.md, The load that was reached "
    "(requirements min_concurrent_users, users_of_any_executor)",
    title="As many requests were under way as the floor of users asks, in every round",
    remedy=_MORE_LOAD,
    level=Level.RECOMPUTED,
)
def load_reached(case: StressCase, judgement: Judgement) -> None:
    """Σ time of iterations ÷ window is at least nine tenths of the floor, pauses included.

    Where the profile is asked for by value, its endpoints alone count: others are extra work. Of
    open executors, whose load is their rate, nearly all arrivals were sent.
    """
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    asked = case.requirements
    wanted = {(one.method, one.path) for one in asked.profile_endpoints}
    listed = enumerate(artifact.workload.endpoints)
    own = {at for at, one in listed if not wanted or (one.method, one.path) in wanted}
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}]"
        there_us = window_us = 0
        for every in shares_of(artifact.workload, run):
            rows = [row for row in every.rows if row.endpoint in own]
            share = msgspec.structs.replace(every, rows=rows)
            if share.scenario.closed_loop or asked.users_of_any_executor:
                there_us += there(share)[0]
                window_us = max(window_us, _window_us(share, run))
            else:
                _rate_reached(share, where, judgement)
        if window_us:
            floor = asked.min_concurrent_users
            judgement.check(
                there_us * 100 >= REACHED_PERCENT * floor * window_us,
                where,
                prose(f"{there_us / window_us:.3f} users busy on average"),
                prose(f"at least {floor * REACHED_PERCENT / 100:g}, for {floor} users"),
            )


def _window_us(share: Share, run: RunMeasurements) -> int:
    window_us = round(share.scenario.duration_seconds * SECOND_US)
    if share.scenario.iterations is None:
        return window_us
    return min(run.elapsed_us, window_us) or window_us


def _rate_reached(share: Share, where: str, judgement: Judgement) -> None:
    asked = sum(row.intended for row in share.rows)
    sent = sum(row.started for row in share.rows)
    judgement.check(
        sent * 100 >= RATE_REACHED_PERCENT * asked,
        where,
        prose(f"{sent} of {asked} arrivals sent"),
        prose(f"at least {RATE_REACHED_PERCENT} % of the rate"),
    )


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
    endpoints = artifact.workload.endpoints
    if not endpoints or any(each.weight < 1 for each in endpoints if each.kind != "step"):
        judgement.skip("stress.endpoint-definitions judges the weights")
        return
    for place, run in enumerate(artifact.measurements.runs):
        for share in shares_of(artifact.workload, run):
            for number, (seen, least, most) in zip(
                share.items, _counts(artifact.workload, share), strict=False
            ):
                judgement.check(
                    least <= seen <= most,
                    f"measurements.runs[{place}]",
                    prose(f"{seen} iterations of endpoint {number}"),
                    prose(f"{least}" if least == most else f"{least} to {most}"),
                )


@lru_cache(maxsize=8)
def _order(weights: tuple[int, ...], seed: int) -> WeightedOrder:
    """Return an order, which every round has anew."""
    return WeightedOrder(weights, seed)


def _counts(workload: WorkloadRecord, share: Share) -> Iterator[tuple[int, int, int]]:
    """Yield (asked, least, most) of each item of a scenario, ramp and drops included."""
    asked = dict.fromkeys(share.items, 0)
    for ramp in share.ramp:
        asked[ramp.endpoint] += ramp.started + ramp.dropped
    for row in share.rows:
        asked[row.endpoint] += row.intended
    weights = [workload.endpoints[number].weight for number in share.items]
    if not weights or pass_length(weights) > MAX_PASS:
        return  # stress.endpoint-definitions judges the weights
    total, workers = sum(asked.values()), workload.workers
    if workers == 1:
        order = _order(tuple(weights), order_seed(workload.seed, share.place))
        for seen, wanted in zip(asked.values(), order.counts(total), strict=True):
            yield seen, wanted, wanted
        return
    divisor, whole = gcd(*weights), sum(weights)
    for seen, weight in zip(asked.values(), weights, strict=True):
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
    artifact = case.carried_out(judgement)
    if artifact is None:
        return
    step_us = artifact.measurements.resolution_seconds * SECOND_US
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}]"
        for share in shares_of(artifact.workload, run):
            made = executor_of(share.scenario)
            if isinstance(made, ConstantArrivalRate | RampingArrivalRate):
                _arrivals(made, share, step_us, where, judgement)
            elif isinstance(made, SharedIterations | PerVuIterations):
                _iterations(made, share, run, where, judgement)
    if not judgement.compared:
        judgement.skip("users who wait ask as often as they are answered")


def _arrivals(
    made: ConstantArrivalRate | RampingArrivalRate,
    share: Share,
    step_us: int,
    where: str,
    judgement: Judgement,
) -> None:
    ramp, window = made.rate_pacers()
    seen = sum(row.started + row.dropped for row in share.ramp)
    judgement.check(seen == ramp.total, f"{where}.ramp", prose(f"{seen} arrivals"), ramp.total)
    came: dict[int, int] = {}
    for row in share.rows:
        came[row.second] = came.get(row.second, 0) + row.intended
    for second, count in came.items():
        begin_us = second * SECOND_US - share.scenario.start_us
        due = window.due(begin_us + step_us - 1) - window.due(begin_us - 1)
        judgement.check(count == due, where, prose(f"{count} arrivals in second {second}"), due)


def _iterations(
    made: SharedIterations | PerVuIterations,
    share: Share,
    run: RunMeasurements,
    where: str,
    judgement: Judgement,
) -> None:
    most = most_iterations(made)
    seen = sum(row.started for row in share.rows)
    early = run.elapsed_us < share.scenario.start_us + made.duration_us
    judgement.check(
        seen == most if early else seen <= (most or 0),
        where,
        prose(f"{seen} iterations"),
        prose(f"{most}" if early else f"at most {most}"),
    )


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
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, run in enumerate(artifact.measurements.runs):
        for share in shares_of(artifact.workload, run):
            made = executor_of(share.scenario)
            if made is not None:
                _ramp(made, share, f"measurements.runs[{place}].ramp", judgement)
    if not judgement.compared:
        judgement.skip(UNSOUND)


def _ramp(made: Executor, share: Share, where: str, judgement: Judgement) -> None:
    users = made.max_users
    waited_us, requests = busy(share.ramp, closed=True)
    if not made.ramp_us:
        judgement.check(requests == 0, where, prose(f"{requests} iterations"), prose("no ramp"))
        return
    longest_us = max((row.corrected.max_us or 0 for row in share.ramp), default=0)
    most_us = users * (made.ramp_us + longest_us)
    if not isinstance(made, ConstantArrivalRate | RampingArrivalRate):
        # A user more than the line shows comes at the beginning of each step.
        most_us = user_time_us(made)[1] + made.ramp_us + users * longest_us
    judgement.check(
        waited_us <= most_us + requests,
        where,
        prose(f"{requests} iterations that took {waited_us / SECOND_US:.1f} s in sum"),
        prose(f"at most {most_us / SECOND_US:.1f} s in {made.ramp_us / SECOND_US:g} s of ramp"),
    )


RULES = (executor, load_reached, endpoint_counts, arrivals, ramp)
