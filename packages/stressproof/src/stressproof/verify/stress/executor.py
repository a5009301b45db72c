"""The executor that an artifact records, as the value that ran: what it promises can be told."""

from collections.abc import Callable

from stressproof.errors import UsageError
from stressproof.evidence.stress import ScenarioRecord
from stressproof.workload.executors import (
    ClosedExecutor,
    ConstantArrivalRate,
    ConstantVus,
    Executor,
    PerVuIterations,
    RampingArrivalRate,
    RampingVus,
    SharedIterations,
    Stage,
)

_US_PER_S = 1_000_000


def _us(seconds: float) -> int:
    return round(seconds * _US_PER_S)


def executor_of(record: ScenarioRecord) -> Executor | None:
    """Return the executor of a scenario; None where there is none of this name or with this.

    Facts of the record that the executor does not take (a rate beside users, say) are compared by
    `stressproof.verify.stress.load.executor`.
    """
    made = _MAKE.get(record.executor)
    stages = tuple(Stage(_us(stage.duration_seconds), stage.target) for stage in record.stages)
    try:
        return (
            None
            if made is None
            else made(record, stages, _us(record.duration_seconds), _us(record.ramp_seconds))
        )
    except UsageError:
        return None


_Stages = tuple[Stage, ...]

_MAKE: dict[str, Callable[[ScenarioRecord, _Stages, int, int], Executor]] = {
    "constant-vus": lambda r, _, duration, ramp: ConstantVus(r.users, duration, ramp),
    "ramping-vus": lambda r, stages, _, ramp: RampingVus(r.users, stages, ramp),
    "shared-iterations": lambda r, _, duration, __: SharedIterations(
        r.users, r.iterations or 0, duration
    ),
    "per-vu-iterations": lambda r, _, duration, __: PerVuIterations(
        r.users, r.iterations or 0, duration
    ),
    "constant-arrival-rate": lambda r, _, duration, ramp: ConstantArrivalRate(
        r.rate or 0, duration, r.max_users, ramp, r.time_unit_us or 0
    ),
    "ramping-arrival-rate": lambda r, stages, _, ramp: RampingArrivalRate(
        r.rate or 0, stages, r.max_users, ramp, r.time_unit_us or 0
    ),
}


def user_time_us(executor: ClosedExecutor) -> tuple[int, int]:
    """Return the least user-microseconds of the window, and the most of the ramp.

    Users come and go in whole ones, so a line between two levels may hold one less than it shows.
    """
    ramp_us = executor.users * executor.ramp_us // 2
    if not isinstance(executor, RampingVus):
        return executor.users * executor.duration_us, ramp_us
    level, window_us = executor.users, 0
    for stage in executor.stages:
        slack_us = 0 if stage.target == level else stage.duration_us
        window_us += (level + stage.target) * stage.duration_us // 2 - slack_us
        level = stage.target
    return max(window_us, 0), ramp_us
