"""A scenario: who comes, when, and what each of them does."""

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.checks import Checks
from stressproof.workload.executors import Executor
from stressproof.workload.flows import Flow, demand_run
from stressproof.workload.limits import MAX_DURATION_US, MAX_GRACEFUL_STOP_US
from stressproof.workload.order import demand_pass
from stressproof.workload.requests import (
    DEFAULT_STATUSES,
    Request,
    demand_redirects,
    demand_statuses,
    demand_timeout,
)
from stressproof.workload.target import demand_headers

DEFAULT = "default"
"""The name of a scenario that nobody named, as in k6."""
GRACEFUL_STOP_US = 30_000_000


class Span(Struct, frozen=True):
    """A time that is drawn evenly from least to most, both included."""

    least_us: int
    most_us: int

    def __post_init__(self) -> None:
        if not 0 <= self.least_us <= self.most_us <= MAX_DURATION_US:
            raise UsageError(
                f"a time from {self.least_us / 1e6:g} s to {self.most_us / 1e6:g} s is none",
                hint="write the shorter one first, such as 1s..3s",
            )


class Steps(Struct, frozen=True):
    """What the requests of flows do where their call does not say otherwise.

    Attributes:
        headers: Sent beside the target's.
        expected_statuses: Any other is a failure.
        checks: What each answer must hold.
    """

    headers: dict[str, str] = {}
    expected_statuses: tuple[int, ...] = DEFAULT_STATUSES
    checks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        demand_headers(self.headers)
        demand_statuses("the requests of flows", self.expected_statuses)
        Checks.of(self.checks)


class Scenario(Struct, frozen=True):
    """One executor with what its iterations are; several run beside one another.

    An iteration is one request or one run of a flow, chosen by weight in one order
    (`stressproof.workload.order`), whose seed is `Workload.order_seed`.

    Attributes:
        executor: How many users or arrivals of iterations, for how long.
        items: What an iteration is: at least one; rows refer to them by `Workload.items`.
        name: Unique in the workload.
        start_us: How long after the round's window its own begins; its ramp ends there. The round's
            window begins where the longest ramp of those that start at once ends.
        think: A user's pause after each iteration (closed executors), None for none.
        pace: The time from one iteration's start to the next one's (closed executors), None for
            none: an iteration that took longer is followed at once.
        fresh: Whether cookies and state are emptied before each iteration.
        cookies: Whether cookies of answers are kept and sent.
        redirects: How many hops a flow's requests follow where a call does not say.
        setup: A coroutine (``flows.py:login``) that each user runs before the ramp, None for none.
        graceful_stop_us: What iterations under way get at the end of the window.
        steps: What a flow's requests send and expect where a call does not say.
        timeout_us: Of a flow's requests where a call does not say, None for the workload's.
    """

    executor: Executor
    items: tuple[Request | Flow, ...]
    name: str = DEFAULT
    start_us: int = 0
    think: Span | None = None
    pace: Span | None = None
    fresh: bool = False
    cookies: bool = False
    redirects: int = 0
    setup: str | None = None
    graceful_stop_us: int = GRACEFUL_STOP_US
    steps: Steps = Steps()
    timeout_us: int | None = None

    def __post_init__(self) -> None:
        name = f"the scenario {self.name}"
        if not self.items:
            raise UsageError(f"{name} asks for nothing", hint="name at least one request or flow")
        if not all(self.weights):
            raise UsageError(
                f"{name} holds a request of weight 0", hint="leave out what should not be asked"
            )
        demand_pass(self.weights)
        if not 0 <= self.start_us <= MAX_DURATION_US:
            raise UsageError(f"{name} starts after {self.start_us} µs", hint="write start = 10s")
        if not 0 <= self.graceful_stop_us <= MAX_GRACEFUL_STOP_US:
            raise UsageError(
                f"{name} gives {self.graceful_stop_us / 1e6:g} s to stop, expected 0 to 3600 s",
                hint="what is under way after that is interrupted",
            )
        demand_redirects(name, self.redirects)
        demand_timeout(name, self.timeout_us)
        self._demand_pauses(name)
        if self.setup is not None:
            demand_run(f"the setup of {name}", self.setup)
            if self.fresh:
                raise UsageError(
                    f"{name} is fresh and has a setup, which would be forgotten at once",
                    hint="log in within the flow, or leave fresh out",
                )

    def _demand_pauses(self, name: str) -> None:
        if self.think is not None and self.pace is not None:
            raise UsageError(f"{name} has both think and pace", hint="leave one out")
        if not self.executor.closed_loop and (self.think or self.pace):
            raise UsageError(
                f"{name} has a rate, and think or pace beside it",
                hint="a rate says when iterations begin; leave think and pace out",
            )

    @property
    def weights(self) -> list[int]:
        """The weight of each item."""
        return [item.weight for item in self.items]

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Those of its items that are flows."""
        return tuple(item for item in self.items if isinstance(item, Flow))

    @property
    def requests(self) -> tuple[Request, ...]:
        """Those of its items that are requests."""
        return tuple(item for item in self.items if isinstance(item, Request))
