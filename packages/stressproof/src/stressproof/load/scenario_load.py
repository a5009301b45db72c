"""One scenario in one worker: its users and the loop that has them begin."""

import asyncio
from collections.abc import Callable, Iterator

from stressproof.errors import StressproofError
from stressproof.load.closed_loop import ClosedLoop
from stressproof.load.composing import compose_request
from stressproof.load.iterations import IterationRunner
from stressproof.load.open_loop import OpenLoop
from stressproof.load.recorder import NEVER_NS, Cursor
from stressproof.load.requests import PreparedEndpoint, endless, prepare_request
from stressproof.load.scenario_context import ScenarioContext, Shared
from stressproof.load.tasks import PreparedFlow, PreparedRequest, prepare_flow, prepare_varying
from stressproof.load.virtual_user import Engine, LoopUser, MakeLoopUser, Task
from stressproof.workload.executors import ConstantArrivalRate, RampingArrivalRate
from stressproof.workload.flows import Flow
from stressproof.workload.order import WeightedOrder
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import Target
from stressproof.workload.templates import NEW
from stressproof.workload.workload import Workload

SETUPS_AT_ONCE = 16
"""Users that are set up at a time, over all workers."""


def is_plain(scenario: Scenario, workload: Workload) -> bool:
    """Return whether a scenario's requests are the same for all its users, one an iteration.

    Its users then are what carries requests, with nothing between them and the loop.
    """
    headers = workload.target.headers
    own = set(NEW)
    return not (
        scenario.flows
        or scenario.setup
        or scenario.think
        or scenario.pace
        or scenario.cookies
        or any(one.redirects or not own.issuperset(one.placeholders) for one in scenario.requests)
        or any("." in value and "{{" in value for value in headers.values())
    )


class ScenarioLoad:
    """One scenario's part in a worker.

    Args:
        shared: What all scenarios share.
        number: Its position in the workload.

    Attributes:
        loop: Has iterations begin.
        done: Whether nothing is under way and nothing will follow.
    """

    def __init__(self, shared: Shared, number: int) -> None:
        workload = self._workload = shared.workload
        scenario = self._scenario = workload.scenarios[number]
        context = self._context = ScenarioContext(shared, number)
        self._shared = shared
        self._runners: list[IterationRunner] = []
        self._endpoints: list[tuple[PreparedEndpoint, Request]] = []
        plain = is_plain(scenario, workload)
        first = sum(len(one.items) for one in workload.scenarios[:number])
        self._tasks: list[Task] = [
            self._task(first + place, item, plain=plain)
            for place, item in enumerate(scenario.items)
        ]
        self._setup = self._flow(-1, Flow("", scenario.setup)) if scenario.setup else None
        order: Iterator[Task] = map(
            self._tasks.__getitem__,
            WeightedOrder(scenario.weights, workload.order_seed(number, shared.worker)),
        )
        cursor = shared.recorder.cursor(closed_loop=scenario.executor.closed_loop)
        self._cursors = [cursor, context.steps]
        self._cursors += [] if context.arrivals is None else [context.arrivals]
        self.loop = self._loop(order, cursor, shared.make_user if plain else self._make_runner)
        self._start_ns = self._end_ns = self._stop_ns = NEVER_NS
        self._started = self.done = False

    def _loop(
        self, order: Iterator[Task], cursor: Cursor, make_user: MakeLoopUser
    ) -> ClosedLoop | OpenLoop:
        shared, executor = self._shared, self._scenario.executor
        worker, workers, engine = shared.worker, shared.workers, shared.engine
        if isinstance(executor, ConstantArrivalRate | RampingArrivalRate):
            timeout_ns = self._workload.timeout_of(self._scenario) * 1000
            return OpenLoop(
                executor,
                engine,
                make_user,
                cursor,
                order,
                worker,
                workers,
                timeout_ns,
                shared.lateness,
            )
        return ClosedLoop(executor, engine, make_user, cursor, order, worker, workers)

    def plan(self, window_ns: int, end_ns: int) -> None:
        """Set when the round's measured window begins and ends."""
        scenario, executor = self._scenario, self._scenario.executor
        measured_ns = window_ns + scenario.start_us * 1000
        self._start_ns = measured_ns - executor.ramp_us * 1000
        self._end_ns = self._context.end_ns = measured_ns + executor.duration_us * 1000
        self._stop_ns = self._end_ns + scenario.graceful_stop_us * 1000
        for cursor in self._cursors:
            cursor.begin(window_ns, end_ns, measured_ns)

    def heartbeat(self, now_ns: int) -> None:
        """Do what is done by the clock."""
        if self.done:
            return
        if not self._started:
            if now_ns < self._start_ns:
                return
            self._started = True
            self.loop.start(self._start_ns)
        self.loop.heartbeat(now_ns)
        if now_ns >= self._context.steps.turn_ns:
            self._context.steps.turn(now_ns)
        arrivals = self._context.arrivals
        if arrivals is not None and now_ns >= arrivals.turn_ns and self.loop.all_begun(now_ns):
            arrivals.turn(now_ns)
        if now_ns >= self._stop_ns:
            self.interrupt(now_ns)
        if self.loop.done:
            self.done = True
            for cursor in self._cursors:
                cursor.close()

    def finish(self) -> None:
        """Let no further iteration begin."""
        self.loop.finish()
        if not self._started:
            self._started = self.done = True
            for cursor in self._cursors:
                cursor.close()

    def interrupt(self, now_ns: int) -> None:
        """End all flows that are under way."""
        for runner in self._runners:
            runner.interrupt(now_ns)

    def close(self) -> None:
        """Let go of all connections."""
        self.loop.close()

    def aim(self, target: Target) -> None:
        """Ask as somebody else from now on: a token was renewed."""
        for endpoint, request in self._endpoints:
            endpoint.messages = endless(
                compose_request(target, request), self._context.unique, self._context.rows(0, 0)
            )
        for task in (*self._tasks, *([self._setup] if self._setup else [])):
            if isinstance(task, PreparedFlow | PreparedRequest):
                task.aim(target)

    async def set_up(self) -> None:
        """Set all users up, a few at a time.

        Raises:
            TargetError: One could not be.
        """
        setup = self._setup
        if setup is not None:
            waiting = iter(self._runners)
            share = max(SETUPS_AT_ONCE // self._shared.workers, 1)
            await asyncio.gather(*(self._set_up_in_turn(setup, waiting) for _ in range(share)))

    def set_up_is_over(self) -> None:
        """Let go of the place where setups are counted."""
        self._context.setup.close()

    async def _set_up_in_turn(
        self, setup: PreparedFlow, waiting: Iterator[IterationRunner]
    ) -> None:
        for runner in waiting:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def settled(error: StressproofError | None, done: asyncio.Future[None] = done) -> None:
                if done.done():
                    return
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

            runner.set_up(setup, settled)
            await done

    def _task(self, index: int, item: Request | Flow, *, plain: bool) -> Task:
        if isinstance(item, Flow):
            return self._flow(index, item)
        workload, context = self._workload, self._context
        if not plain:
            return prepare_varying(index, item, self._scenario, workload)
        endpoint = prepare_request(index, item, workload.timeout_of(self._scenario, item))
        variants = compose_request(workload.target, item)
        endpoint.messages = endless(variants, context.unique, context.rows(0, 0))
        self._endpoints.append((endpoint, item))
        return endpoint

    def _flow(self, index: int, flow: Flow) -> PreparedFlow:
        shared = self._shared
        return prepare_flow(
            index, flow, self._scenario, self._workload, shared.registry, shared.modules
        )

    def _make_runner(
        self, number: int, engine: Engine, released: Callable[[LoopUser, int], None]
    ) -> LoopUser:
        runner = IterationRunner(
            number, engine, released, context=self._context, make_user=self._shared.make_user
        )
        self._runners.append(runner)
        return runner
