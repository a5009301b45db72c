"""What the users of one scenario share in a worker."""

from collections.abc import Callable

from stressproof.errors import StressproofError
from stressproof.load.flow_modules import FlowModules
from stressproof.load.recorder import NEVER_NS, Cursor, LiveRow
from stressproof.load.steps import StepRegistry
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import RowsOf
from stressproof.workload.data import Data, first_user
from stressproof.workload.order import word
from stressproof.workload.scenarios import Scenario
from stressproof.workload.workload import Workload


class ScenarioContext:
    """One scenario's data, numbers and places to count.

    Args:
        workload: Of which it is one.
        number: Its position there.
        worker: This worker's number.
        workers: How many there are.
        steps: Where the requests of flows are counted, and hops of redirects.
        setup: The same for what users are set up with.
        data: Rows of tables.
        unique: Values that no other request has.
        registry: Numbers the requests of flows.
        modules: Where flows are.
        refuse: Called with what makes the round impossible.

    Attributes:
        scenario: It.
        number: Its position in the workload.
        steps: Where the requests of flows are counted, and hops of redirects.
        setup: The same for what users are set up with.
        keeps_cookies: Whether cookies of answers are kept.
        unique: Values that no other request has.
        registry: Numbers the requests of flows.
        modules: Where flows are.
        refuse: Called with what makes the round impossible.
        seed: What randomness of its users follows from.
        end_ns: When no iteration begins any more.
    """

    def __init__(
        self,
        workload: Workload,
        number: int,
        worker: int,
        workers: int,
        *,
        steps: Cursor,
        setup: Cursor,
        data: Data,
        unique: UniqueValues,
        registry: StepRegistry,
        modules: FlowModules,
        refuse: Callable[[StressproofError], None],
    ) -> None:
        self.scenario: Scenario = workload.scenarios[number]
        self.number = number
        self.steps = steps
        self.setup = setup
        self.keeps_cookies = self.scenario.cookies
        self.unique = unique
        self.registry = registry
        self.modules = modules
        self.refuse = refuse
        self.seed = f"{workload.seed}/{self.scenario.name}/{workload.round_number}"
        self.end_ns = NEVER_NS
        self._data = data
        self._iteration = worker
        self._worker, self._workers = worker, workers
        self._first_user = first_user(workload, number)
        self._pause_seed = workload.order_seed(number)

    def user_number(self, local: int) -> int:
        """Return the number in the round of this worker's user number ``local``."""
        return self._first_user + local * self._workers + self._worker

    def next_iteration(self) -> int:
        """Return a number that no other iteration of the scenario has."""
        number = self._iteration
        self._iteration += self._workers
        return number

    def rows(self, iteration: int, user: int) -> RowsOf:
        """Return the rows that an iteration has."""
        return RowsOf(self._data, self.number, iteration, user)

    def setup_rows(self, user: int) -> RowsOf:
        """Return the rows that a user is set up with."""
        return self.rows(user - self._first_user, user)

    def pause_us(self, iteration: int, began_ns: int, now_ns: int) -> int:
        """Return how long a user pauses after an iteration; never past the scenario's end."""
        span = self.scenario.think or self.scenario.pace
        if span is None:
            return 0
        width = span.most_us - span.least_us + 1
        pause_us = span.least_us + word(self._pause_seed, iteration) % width
        if self.scenario.pace is not None:
            pause_us -= (now_ns - began_ns) // 1000
        return max(min(pause_us, (self.end_ns - now_ns) // 1000), 0)

    def step_row(self, cursor: Cursor, index: int, at_ns: int) -> LiveRow:
        """Return the row of a step that is sent, having counted it."""
        if at_ns >= cursor.turn_ns:
            cursor.turn(at_ns)
        row = cursor.rows[index] or cursor.open_row(index, at_ns)
        row.started += 1
        return row
