"""The six executors, named as in k6: how load is asked for, as plain values.

A *closed* executor holds a number of users, each of whom sends a request as soon as the one before
has ended; a slow target is asked less. An *open* one holds a rate, whatever the target does.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.limits import (
    MAX_DURATION_US,
    MAX_RAMP_US,
    MAX_RATE,
    MAX_TIME_UNIT_US,
    MAX_USERS,
)
from stressproof.workload.pacers import RatePacer, UserPacer, constant, ramp_up

_US_PER_S = 1_000_000


class Stage(Struct, frozen=True):
    """Reach ``target`` users (or arrivals over the time unit) in a straight line."""

    duration_us: int
    target: int


def _demand(what: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise UsageError(
            f"{what} is {value:,}, expected {lowest:,} to {highest:,}",
            hint=f"choose {what} within that range",
        )


def _demand_stages(stages: tuple[Stage, ...], highest: int) -> None:
    _demand("the number of stages", len(stages), 1, 1000)
    for stage in stages:
        _demand("a stage's duration in µs", stage.duration_us, 1, MAX_DURATION_US)
        _demand("a stage's target", stage.target, 0, highest)
    _demand("the highest target of the stages", max(s.target for s in stages), 1, highest)


def _demand_rate(rate: int, time_unit_us: int, *, at_least: int) -> None:
    _demand("the time unit in µs", time_unit_us, 1, MAX_TIME_UNIT_US)
    if not at_least <= rate <= MAX_RATE * time_unit_us // _US_PER_S:
        raise UsageError(
            f"a rate of {rate * _US_PER_S / time_unit_us:,g}/s "
            + ("sends nothing" if rate == 0 else f"is out of range, expected to {MAX_RATE:,}/s"),
            hint="choose a rate such as 200/s or 1/60s",
        )


class ConstantVus(Struct, frozen=True, tag="constant-vus"):
    """A fixed number of users for a fixed time."""

    users: int
    duration_us: int
    ramp_us: int = 0

    name: ClassVar[str] = "constant-vus"
    closed_loop: ClassVar[bool] = True
    rate: ClassVar[None] = None
    time_unit_us: ClassVar[None] = None
    rate_per_second: ClassVar[None] = None
    iterations: ClassVar[None] = None
    stages: ClassVar[tuple[Stage, ...]] = ()

    def __post_init__(self) -> None:
        _demand("the number of users", self.users, 1, MAX_USERS)
        _demand("the duration in µs", self.duration_us, 1, MAX_DURATION_US)
        _demand("the ramp in µs", self.ramp_us, 0, MAX_RAMP_US)

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return self.users

    def user_pacer(self) -> UserPacer:
        """Return the number of users over time, the ramp first."""
        return UserPacer(0 if self.ramp_us else self.users, [(self.ramp_us, self.users)])


class RampingVus(Struct, frozen=True, tag="ramping-vus"):
    """A number of users that follows stages; the stages are measured, the ramp to them is not."""

    users: int
    stages: tuple[Stage, ...]
    ramp_us: int = 0

    name: ClassVar[str] = "ramping-vus"
    closed_loop: ClassVar[bool] = True
    rate: ClassVar[None] = None
    time_unit_us: ClassVar[None] = None
    rate_per_second: ClassVar[None] = None
    iterations: ClassVar[None] = None

    def __post_init__(self) -> None:
        _demand("the number of users to start with", self.users, 0, MAX_USERS)
        _demand_stages(self.stages, MAX_USERS)
        _demand("the ramp in µs", self.ramp_us, 0, MAX_RAMP_US)

    @property
    def duration_us(self) -> int:
        """The time of all stages together."""
        return sum(stage.duration_us for stage in self.stages)

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return max(self.users, *(stage.target for stage in self.stages))

    def user_pacer(self) -> UserPacer:
        """Return the number of users over time, the ramp first."""
        steps = [(self.ramp_us, self.users), *((s.duration_us, s.target) for s in self.stages)]
        return UserPacer(0 if self.ramp_us else self.users, steps)


class SharedIterations(Struct, frozen=True, tag="shared-iterations"):
    """A fixed number of requests, shared by users as each gets to it."""

    users: int
    iterations: int
    duration_us: int

    name: ClassVar[str] = "shared-iterations"
    closed_loop: ClassVar[bool] = True
    rate: ClassVar[None] = None
    time_unit_us: ClassVar[None] = None
    rate_per_second: ClassVar[None] = None
    stages: ClassVar[tuple[Stage, ...]] = ()
    ramp_us: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _demand("the number of users", self.users, 1, MAX_USERS)
        _demand("the number of iterations", self.iterations, 1, 2**40)
        _demand("the longest duration in µs", self.duration_us, 1, MAX_DURATION_US)

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return self.users

    def user_pacer(self) -> UserPacer:
        """Return the number of users over time."""
        return UserPacer(self.users, [])


class PerVuIterations(Struct, frozen=True, tag="per-vu-iterations"):
    """A fixed number of requests for each user."""

    users: int
    iterations: int
    duration_us: int

    name: ClassVar[str] = "per-vu-iterations"
    closed_loop: ClassVar[bool] = True
    rate: ClassVar[None] = None
    time_unit_us: ClassVar[None] = None
    rate_per_second: ClassVar[None] = None
    stages: ClassVar[tuple[Stage, ...]] = ()
    ramp_us: ClassVar[int] = 0

    def __post_init__(self) -> None:
        _demand("the number of users", self.users, 1, MAX_USERS)
        _demand("the number of iterations", self.iterations, 1, 2**40)
        _demand("the longest duration in µs", self.duration_us, 1, MAX_DURATION_US)

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return self.users

    def user_pacer(self) -> UserPacer:
        """Return the number of users over time."""
        return UserPacer(self.users, [])


class ConstantArrivalRate(Struct, frozen=True, tag="constant-arrival-rate"):
    """``rate`` requests over each time unit, sent by at most ``max_users`` connections."""

    rate: int
    duration_us: int
    max_users: int
    ramp_us: int = 0
    time_unit_us: int = _US_PER_S

    name: ClassVar[str] = "constant-arrival-rate"
    closed_loop: ClassVar[bool] = False
    iterations: ClassVar[None] = None
    stages: ClassVar[tuple[Stage, ...]] = ()

    def __post_init__(self) -> None:
        _demand_rate(self.rate, self.time_unit_us, at_least=1)
        _demand("the duration in µs", self.duration_us, 1, MAX_DURATION_US)
        _demand("the number of connections", self.max_users, 1, MAX_USERS)
        _demand("the ramp in µs", self.ramp_us, 0, MAX_RAMP_US)

    @property
    def rate_per_second(self) -> float:
        """The rate as people read it."""
        return self.rate * _US_PER_S / self.time_unit_us

    @property
    def users(self) -> int:
        """The most connections at any time."""
        return self.max_users

    def rate_pacers(self) -> tuple[RatePacer, RatePacer]:
        """Return the arrivals of the ramp and those of the measured window, each from its start."""
        unit_us = self.time_unit_us
        return (
            ramp_up(self.rate, self.ramp_us, unit_us),
            constant(self.rate, self.duration_us, unit_us),
        )


class RampingArrivalRate(Struct, frozen=True, tag="ramping-arrival-rate"):
    """A rate that follows stages; the stages are measured, the ramp to them is not.

    Rate and targets are over the time unit.
    """

    rate: int
    stages: tuple[Stage, ...]
    max_users: int
    ramp_us: int = 0
    time_unit_us: int = _US_PER_S

    name: ClassVar[str] = "ramping-arrival-rate"
    closed_loop: ClassVar[bool] = False
    iterations: ClassVar[None] = None

    def __post_init__(self) -> None:
        _demand_rate(self.rate, self.time_unit_us, at_least=0)
        _demand_stages(self.stages, MAX_RATE * self.time_unit_us // _US_PER_S)
        _demand("the number of connections", self.max_users, 1, MAX_USERS)
        _demand("the ramp in µs", self.ramp_us, 0, MAX_RAMP_US)

    @property
    def rate_per_second(self) -> float:
        """The rate to start with, as people read it."""
        return self.rate * _US_PER_S / self.time_unit_us

    @property
    def users(self) -> int:
        """The most connections at any time."""
        return self.max_users

    @property
    def duration_us(self) -> int:
        """The time of all stages together."""
        return sum(stage.duration_us for stage in self.stages)

    def rate_pacers(self) -> tuple[RatePacer, RatePacer]:
        """Return the arrivals of the ramp and those of the measured window, each from its start."""
        steps = [(stage.duration_us, stage.target) for stage in self.stages]
        return (
            ramp_up(self.rate, self.ramp_us, self.time_unit_us),
            RatePacer(self.rate, steps, self.time_unit_us),
        )


ClosedExecutor = ConstantVus | RampingVus | SharedIterations | PerVuIterations
OpenExecutor = ConstantArrivalRate | RampingArrivalRate
Executor = ClosedExecutor | OpenExecutor

EXECUTORS: Final[Mapping[str, type[Executor]]] = MappingProxyType(
    {
        made.name: made
        for made in (
            ConstantVus,
            RampingVus,
            ConstantArrivalRate,
            RampingArrivalRate,
            SharedIterations,
            PerVuIterations,
        )
    }
)
"""Every executor by its name, which is k6's."""


def make_executor(name: str, facts: Mapping[str, Any]) -> Executor:
    """Return an executor of the facts that it takes; it does not ask for others.

    Args:
        name: One of `EXECUTORS`.
        facts: By the fields of all executors: ``users``, ``rate``, ``stages`` and so on.

    Raises:
        UsageError: A fact is out of bounds.
    """
    made = EXECUTORS[name]
    return made(**{field: facts[field] for field in made.__struct_fields__})


def most_iterations(executor: Executor) -> int | None:
    """Return how many iterations an executor may begin, its ramp's too; None for any number."""
    if isinstance(executor, SharedIterations):
        return executor.iterations
    if isinstance(executor, PerVuIterations):
        return executor.iterations * executor.users
    if isinstance(executor, ConstantVus | RampingVus):
        return None
    ramp, window = executor.rate_pacers()
    return ramp.total + window.total


def users_at(executor: Executor, at_us: int) -> int:
    """Return how many users there may be at a time; of an open executor the most of all times.

    Args:
        executor: Whose.
        at_us: Since its window began; negative in its ramp.
    """
    if not -executor.ramp_us <= at_us < executor.duration_us:
        return 0
    if isinstance(executor, OpenExecutor):
        return executor.max_users
    return executor.user_pacer().users(at_us + executor.ramp_us)


def rate_at(executor: Executor, at_us: int) -> float | None:
    """Return the arrivals a second that are asked for at a time; None of a closed executor.

    Args:
        executor: Whose.
        at_us: Since its window began; negative in its ramp.
    """
    if not isinstance(executor, OpenExecutor):
        return None
    since_us, level = at_us + executor.ramp_us, 0.0
    if since_us < 0 or at_us >= executor.duration_us:
        return 0.0
    lines = [(one.duration_us, one.target) for one in executor.stages]
    for duration_us, target in [(executor.ramp_us, executor.rate), *lines]:
        if since_us < duration_us:
            level += (target - level) * since_us / duration_us
            break
        since_us -= duration_us
        level = target
    return level * _US_PER_S / executor.time_unit_us
