"""What the users of one scenario share in a worker."""

from collections.abc import Callable
from typing import NamedTuple

from stressproof.errors import StressproofError
from stressproof.load.flow_modules import FlowModules
from stressproof.load.recorder import NEVER_NS, SETUP, Cursor, LiveHistogram, LiveRow, Recorder
from stressproof.load.steps import StepRegistry
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import RowsOf
from stressproof.load.virtual_user import Engine, MakeUser
from stressproof.workload.data import Data, first_user
from stressproof.workload.order import word
from stressproof.workload.scenarios import Scenario
from stressproof.workload.workload import Workload


class Shared(NamedTuple):
    """What all scenarios of a worker share.

    Attributes:
        workload: What the round is to do.
        worker: This worker's number.
        workers: How many there are.
        engine: What requests share.
        make_user: Makes what carries requests.
        recorder: Where all is counted.
        lateness: Where it is recorded how late arrivals were sent.
        data: Rows of tables.
        unique: Values that no other request has.
        registry: Numbers the requests of flows.
        modules: Where flows are.
        refuse: Called with what makes the round impossible.
    """

    workload: Workload
    worker: int
    workers: int
    engine: Engine
    make_user: MakeUser
    recorder: Recorder
    lateness: LiveHistogram
    data: Data
    unique: UniqueValues
    registry: StepRegistry
    modules: FlowModules
    refuse: Callable[[StressproofError], None]


class ScenarioContext:
    """What the users of one scenario share in a worker: numbers, and places to count.

    Args:
        shared: What all scenarios share.
        number: Its position in the workload.

    Attributes:
        scenario: It.
        arrivals: Where the first request of a flow is counted in an open loop, by when it was due;
            None in a closed one.
        steps: Where the other requests of flows are counted, and hops of redirects.
        setup: The same for what users are set up with.
        keeps_cookies: Whether cookies of answers are kept.
        unique: Values that no other request has.
        registry: Numbers the requests of flows.
        modules: Where flows are.
        refuse: Called with what makes the round impossible.
        seed: What randomness of its users follows from.
        end_ns: When no iteration begins any more.
    """

    def __init__(self, shared: Shared, number: int) -> None:
        workload = shared.workload
        self.scenario: Scenario = workload.scenarios[number]
        closed_loop = self.scenario.executor.closed_loop
        recorder = shared.recorder
        self.arrivals = None if closed_loop else recorder.cursor(closed_loop=False)
        self.steps = recorder.cursor(closed_loop=closed_loop)
        self.setup = recorder.cursor(closed_loop=closed_loop, second=SETUP)
        self.keeps_cookies = self.scenario.cookies
        self.unique = shared.unique
        self.registry = shared.registry
        self.modules = shared.modules
        self.refuse = shared.refuse
        self.seed = f"{workload.seed}/{self.scenario.name}/{workload.round_number}"
        self.end_ns = NEVER_NS
        self._number = number
        self._data = shared.data
        self._iteration = shared.worker
        self._worker, self._workers = shared.worker, shared.workers
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
        return RowsOf(self._data, self._number, iteration, user)

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
        left_us = -((now_ns - self.end_ns) // 1000)  # rounded up: not to wake just before the end
        return max(min(pause_us, left_us), 0)

    def step_row(self, cursor: Cursor, index: int, at_ns: int) -> LiveRow:
        """Return the row of a step that is sent, having counted it."""
        if at_ns >= cursor.turn_ns:
            cursor.turn(at_ns)
        row = cursor.rows[index] or cursor.open_row(index, at_ns)
        row.started += 1
        return row
