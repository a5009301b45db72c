"""The executor that an artifact records, as the value that ran: what it promises can be told."""

from stressproof.errors import UsageError
from stressproof.evidence.workload import ScenarioRecord
from stressproof.workload.executors import (
    EXECUTORS,
    ClosedExecutor,
    Executor,
    RampingVus,
    Stage,
    make_executor,
)

_US_PER_S = 1_000_000


def _us(seconds: float) -> int:
    return round(seconds * _US_PER_S)


def executor_of(record: ScenarioRecord) -> Executor | None:
    """Return the executor of a scenario; None where there is none of this name or with this.

    Facts of the record that the executor does not take (a rate beside users, say) are compared by
    `stressproof.verify.stress.load.executor`.
    """
    if record.executor not in EXECUTORS:
        return None
    stages = tuple(Stage(_us(stage.duration_seconds), stage.target) for stage in record.stages)
    facts = {
        "users": record.users,
        "max_users": record.max_users,
        "rate": record.rate or 0,
        "time_unit_us": record.time_unit_us or 0,
        "iterations": record.iterations or 0,
        "stages": stages,
        "duration_us": _us(record.duration_seconds),
        "ramp_us": _us(record.ramp_seconds),
    }
    try:
        return make_executor(record.executor, facts)
    except UsageError:
        return None


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
