"""Everything that a round is to do, as one value."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.auth import secrets_of
from stressproof.workload.executors import Executor
from stressproof.workload.flows import Flow
from stressproof.workload.order import order_seed
from stressproof.workload.redaction import Redactor
from stressproof.workload.requests import Request, demand_timeout
from stressproof.workload.scenarios import Scenario
from stressproof.workload.tables import Table
from stressproof.workload.target import Target

MAX_ITEMS = 10_000
MAX_SCENARIOS = 64


class Workload(Struct, frozen=True):
    """Everything that a round needs to know.

    Attributes:
        target: The service under load.
        scenarios: At least one; they run beside one another.
        tables: Data that placeholders and flows take from.
        timeout_us: After this a request is given up and counted as a timeout, where neither it nor
            its scenario has a time of its own.
        seed: Decides the order of items, think times and what ``random`` tables give.
        folder: Absolute; what the files of flows are relative to. Empty where there are none.
        round_number: Which round of the capture it is, from 0: rows of ``unique`` tables that an
            earlier round had are not had again.
    """

    target: Target
    scenarios: tuple[Scenario, ...]
    tables: tuple[Table, ...] = ()
    timeout_us: int = 30_000_000
    seed: int = 0
    folder: str = ""
    round_number: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.scenarios) <= MAX_SCENARIOS:
            raise UsageError(
                f"the workload has {len(self.scenarios)} scenarios, expected 1 to {MAX_SCENARIOS}",
                hint="name at least one",
            )
        if len(self.items) > MAX_ITEMS:
            raise UsageError(
                f"the workload has {len(self.items)} requests and flows, expected at most "
                f"{MAX_ITEMS}",
                hint="vary one request by a table instead",
            )
        for what, names in (
            ("scenario", [one.name for one in self.scenarios]),
            ("table", [one.name for one in self.tables]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise UsageError(f"the {what} {twice.pop()} is there twice", hint="rename one")
        demand_timeout("the workload", self.timeout_us)

    @classmethod
    def of(
        cls, target: Target, requests: Sequence[Request], executor: Executor, **settings: Any
    ) -> "Workload":
        """Return a workload of requests alone, in one scenario."""
        return cls(target, (Scenario(executor, tuple(requests)),), **settings)

    @property
    def items(self) -> tuple[Request | Flow, ...]:
        """What iterations are, scenario after scenario: rows refer to them by position.

        The requests that flows turn out to make come after them, sorted by scenario, flow and name.
        """
        return tuple(item for scenario in self.scenarios for item in scenario.items)

    @property
    def ramp_us(self) -> int:
        """How long a round takes before its window: the longest ramp."""
        return max(one.executor.ramp_us for one in self.scenarios)

    @property
    def duration_us(self) -> int:
        """How long a round's window is: until the last scenario's ends."""
        return max(one.start_us + one.executor.duration_us for one in self.scenarios)

    @property
    def ends_early(self) -> bool:
        """Whether a round ends when its iterations are done, however long that takes."""
        return all(one.executor.iterations is not None for one in self.scenarios)

    def order_seed(self, scenario: int, worker: int = 0) -> int:
        """Return the seed of the order in which a worker takes a scenario's items."""
        return order_seed(self.seed, scenario, worker)

    def timeout_of(self, scenario: Scenario, request: Request | None = None) -> int:
        """Return when a request, or one of a flow without a time of its own, is given up, in µs."""
        own = request.timeout_us if request else scenario.timeout_us
        return self.timeout_us if own is None else own

    def redactor(self) -> Redactor:
        """Return what cleans text of every secret that its requests carry."""
        headers = [self.target.headers]
        for scenario in self.scenarios:
            headers.append(scenario.steps.headers)
            for request in scenario.requests:
                headers += [request.headers, *request.rotate]
        return Redactor(headers, secrets_of(self.target.auth))
