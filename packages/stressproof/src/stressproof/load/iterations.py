"""A user of a scenario: runs one iteration at a time, a declared request or a flow.

A flow is driven by hand: between an answer and the next request lies one `send` into its coroutine,
inside of `data_received`. There is no task, no future and no other turn of the event loop.
"""

from asyncio import TimerHandle
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from time import monotonic_ns
from typing import Any

from stressproof.config.records import FLOW
from stressproof.errors import StressproofError, UsageError
from stressproof.flow.answer import Answer, RequestFailed
from stressproof.flow.asking import Ask, Pause
from stressproof.flow.user import User
from stressproof.load.flow_outcomes import (
    INTERRUPTED,
    close,
    described,
    foreign,
    located,
    not_set_up,
    outcome_of,
)
from stressproof.load.patterns import Call
from stressproof.load.recorder import FINE_US, LiveRow
from stressproof.load.requester import Requester
from stressproof.load.samples import ErrorSample
from stressproof.load.scenario_context import ScenarioContext
from stressproof.load.steps import call_of
from stressproof.load.tasks import PreparedFlow, PreparedRequest
from stressproof.load.virtual_user import Engine, LoopUser, MakeUser, Task

Drive = Coroutine[Any, Any, object]


class IterationRunner:
    """A user of a scenario, as its loop sees one.

    Args:
        number: Which user this is, from 0.
        engine: What requests share.
        released: Called with this and the time whenever an iteration and its pause have ended.
        context: What the scenario's users share.
        make_user: Makes what carries requests.

    Attributes:
        number: Which user this is, from 0.
        idle: Whether the user has stopped.
        source: The user's iterations from here on.
        refused: Whether the last iteration came to nothing, so that the next must wait.
        refusals: How often in a row that was so.
        user: As flows see it.
    """

    __slots__ = (
        "_began_ns",
        "_context",
        "_coroutine",
        "_due_ns",
        "_flow",
        "_intended_ns",
        "_loop",
        "_pause_ns",
        "_released",
        "_requester",
        "_row",
        "_samples",
        "_settled",
        "_think_ns",
        "_timer",
        "_waited",
        "idle",
        "number",
        "refusals",
        "refused",
        "source",
        "user",
    )

    source: Iterator[Task]
    _row: LiveRow

    def __init__(
        self,
        number: int,
        engine: Engine,
        released: Callable[[LoopUser, int], None],
        *,
        context: ScenarioContext,
        make_user: MakeUser,
    ) -> None:
        self.number = number
        self.idle = True
        self.refused = False
        self.refusals = 0
        self.user = User(context.user_number(number), context.seed, context.unique.uuid)
        self._requester = Requester(number, engine, context, make_user, self.user, self._ended)
        self._loop = engine.loop
        self._samples = engine.samples
        self._released = released
        self._context = context
        self._flow: PreparedFlow | None = None
        self._coroutine: Drive | None = None
        self._settled: Callable[[StressproofError | None], None] | None = None
        self._timer: TimerHandle | None = None
        self._began_ns = self._intended_ns = self._due_ns = self._pause_ns = self._think_ns = 0
        self._waited = False

    def begin(
        self, task: PreparedFlow | PreparedRequest, row: LiveRow, intended_ns: int, now_ns: int
    ) -> None:
        """Begin an iteration."""
        context, user = self._context, self.user
        iteration = context.next_iteration()
        if context.scenario.fresh:
            user.forget()
        user.begin(iteration, context.rows(iteration, user.number))
        self._row = row
        self._began_ns, self._intended_ns = now_ns, intended_ns
        if isinstance(task, PreparedRequest):
            self._waited = True
            try:
                self._requester.prepare(task.endpoint, task.step, task.pattern(), Call({}))
            except UsageError as error:
                context.refuse(error)
            else:
                self._requester.send(row, intended_ns, now_ns)
            return
        self._due_ns = intended_ns if context.arrivals is not None else 0
        self._start(task)

    def set_up(
        self, flow: PreparedFlow, settled: Callable[[StressproofError | None], None]
    ) -> None:
        """Run a setup, counted apart, and tell how that ended."""
        self._settled = settled
        self._requester.cursor = self._context.setup
        self.user.begin(0, self._context.setup_rows(self.user.number))
        self._began_ns = self._intended_ns = monotonic_ns()
        self._due_ns = 0
        self._start(flow)

    def wake(self) -> None:
        """End a pause between iterations."""
        if self._timer is not None and self._coroutine is None:
            self._timer.cancel()
            self._resume(monotonic_ns())

    def interrupt(self, now_ns: int) -> None:
        """End a flow whose time is over; what its ``finally`` does is done, unless it asks."""
        coroutine, flow, self._coroutine = self._coroutine, self._flow, None
        if coroutine is None or flow is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._think_ns += now_ns - self._pause_ns
        self._requester.carrier.give_up(INTERRUPTED, "the flow's time was over", now_ns)
        close(coroutine)
        self._end(flow, INTERRUPTED, now_ns)

    def close(self) -> None:
        """Let go of what carries requests; nothing may be under way."""
        self._requester.carrier.close()

    def _start(self, flow: PreparedFlow) -> None:
        self._flow = flow
        self._requester.sent = self._think_ns = 0
        self._waited = False
        self._coroutine = flow.run(self.user)
        self._drive(self._coroutine.send, None)

    def _drive(self, step: Callable[[Any], Any], value: Any) -> None:
        """Resume the flow until it waits for something, or has ended."""
        coroutine, flow = self._coroutine, self._flow
        if coroutine is None or flow is None:
            return
        while True:
            try:
                asked = step(value)
            except StopIteration:
                self._finish(flow, None)
                return
            except BaseException as error:  # noqa: BLE001  # a user's code may raise anything
                self._finish(flow, error)
                return
            try:
                self._take(asked, flow)
            except UsageError as error:
                self._refuse(coroutine, error)
                return
            except Exception as error:  # noqa: BLE001  # what it asked with makes no request
                step, value = coroutine.throw, error
            else:
                return

    def _refuse(self, coroutine: Drive, refusal: UsageError) -> None:
        """End the round over a flow that asks for what nobody could ever do, and say where."""
        self._coroutine = None
        with suppress(BaseException):  # its own line is in the refusal's traceback by then
            coroutine.throw(refusal)
        close(coroutine)
        self._context.refuse(located(refusal, self._context.modules.line_of(refusal)))

    def _take(self, asked: Any, flow: PreparedFlow) -> None:
        """Set about what a flow asks for.

        Raises:
            UsageError: It asks for what nobody could ever do.
            Exception: It asks with values that make no request.
        """
        if type(asked) is Ask:
            prepared = flow.steps.find(asked)
            call = call_of(asked, prepared)
            now_ns = monotonic_ns()
            endpoint, requester = prepared.endpoint, self._requester
            requester.prepare(endpoint, prepared.step, prepared.pattern, call)
            due_ns, self._due_ns = self._due_ns, 0
            arrivals = self._context.arrivals
            if due_ns and arrivals is not None:
                row = self._context.step_row(arrivals, endpoint.index, due_ns)
            else:
                row = self._context.step_row(requester.cursor, endpoint.index, now_ns)
            self._waited = True
            requester.send(row, due_ns or now_ns, now_ns)
        elif type(asked) is Pause:
            self._pause_ns = monotonic_ns()
            self._waited = self._waited or asked.seconds > 0
            self._timer = self._loop.call_later(asked.seconds, self._paused)
        else:
            raise foreign(asked)

    def _paused(self) -> None:
        self._timer = None
        coroutine = self._coroutine
        if coroutine is not None:
            self._think_ns += monotonic_ns() - self._pause_ns
            self._drive(coroutine.send, None)

    def _ended(self, answer: Answer | None, failure: str | None, now_ns: int) -> None:
        """Go on after a request: with the flow that asked it, or to the next iteration."""
        coroutine = self._coroutine
        if coroutine is None:
            if self._flow is None:
                self._rest(now_ns)
            return
        if failure is None:
            self._drive(coroutine.send, answer)
        else:
            name = self._requester.name
            self._drive(coroutine.throw, RequestFailed(name, failure, answer))

    def _finish(self, flow: PreparedFlow, error: BaseException | None) -> None:
        """Judge how a flow ended by itself."""
        self._coroutine = None
        now_ns = monotonic_ns()
        outcome = outcome_of(error, self.user.failed_check)
        detail = ""
        if outcome is not None:
            where = "" if error is None else self._context.modules.line_of(error)
            detail = described(error, self.user.failed_check, where)
            name = f"{FLOW}{flow.name}"
            if self._settled is None and self._samples.wants(outcome, name):
                self._samples.add(ErrorSample(outcome, name, self._row.second, None, detail))
        self._end(flow, outcome, now_ns, detail)

    def _end(self, flow: PreparedFlow, outcome: str | None, now_ns: int, detail: str = "") -> None:
        """Count a run of a flow, and go on."""
        self._flow = None
        if self._settled is not None:
            settled, self._settled = self._settled, None
            self._requester.cursor = self._context.steps
            number = self.user.number
            settled(None if outcome is None else not_set_up(flow.name, number, outcome, detail))
            return
        row = self._row
        us = (now_ns - self._intended_ns) // 1000
        if us < FINE_US:
            row.fine[us] += 1
        else:
            row.corrected.record(us)
        if row.uncorrected is not None:
            row.uncorrected.record((now_ns - self._began_ns) // 1000)
        row.last_ns = now_ns
        row.think_us += self._think_ns // 1000
        row.requests += self._requester.sent
        if outcome is None:
            row.ok += 1
        else:
            row.fail(outcome)
        self._rest(now_ns)

    def _rest(self, now_ns: int) -> None:
        """Pause between iterations, then ask for the next."""
        carrier = self._requester.carrier
        if carrier.refused:
            self.refused, self.refusals = True, carrier.refusals
            carrier.refused = False
        elif not self._waited:  # it would be begun again and again within this very moment
            self.refused = True
            self.refusals += 1
        else:
            self.refusals = 0
        pause_us = self._context.pause_us(self.user.iteration, self._began_ns, now_ns)
        if not pause_us:
            self._released(self, now_ns)
            return
        self._row.pause_us += pause_us
        self._pause_ns = now_ns + pause_us * 1000
        self._timer = self._loop.call_later(pause_us / 1_000_000, self._rested)

    def _rested(self) -> None:
        """Go on, unless the loop's timer, a millisecond coarse, rang early: an iteration more."""
        now_ns = monotonic_ns()
        left_ns = self._pause_ns - now_ns
        if left_ns > 0:
            self._timer = self._loop.call_later(left_ns / 1_000_000_000, self._rested)
        else:
            self._resume(now_ns)

    def _resume(self, now_ns: int) -> None:
        self._timer = None
        self._released(self, now_ns)
