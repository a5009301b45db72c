"""The parent's side of one round: what workers report, added up to what was measured."""

import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stressproof.errors import RunError, TargetError, UsageError
from stressproof.evidence.measurements import Row
from stressproof.exits import Exit
from stressproof.load.discovered_steps import DiscoveredSteps
from stressproof.load.messages import (
    Go,
    Progress,
    Ready,
    Refused,
    Stop,
    Token,
    decode_from_worker,
)
from stressproof.load.recorder import RAMP, SETUP, TAIL
from stressproof.load.result import (
    PhaseTimes,
    RoundResult,
    StopFlag,
    Tick,
    WorkerLostError,
    connections_of,
    files_of,
    round_health,
)
from stressproof.load.row_aggregator import RowAggregator
from stressproof.load.samples import ErrorSample
from stressproof.load.steps import Step
from stressproof.load.tokens import TokenKeeper
from stressproof.load.worker_pool import WorkerHandle, WorkerPool
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM, Histogram
from stressproof.workload.flows import Flow
from stressproof.workload.workload import Workload

_READY_S = 60.0  # a worker that has not said a word by then never will
_LEAD_NS = 30_000_000  # from the order to begin to the beginning, so that all have heard it
_POLL_S = 0.05
_STOP_S = 5.0  # after an order to stop, a worker that still runs is ended
_SLACK_S = 30.0  # likewise after the last request should have timed out
_READ_BYTES = 1 << 20
_SAMPLES = 40
_WORTH_KEEPING_S = 10  # of a round that turns out to be impossible
_LOOK_FOR_MEMORY = "look for a full memory, then run again"

Settled = Callable[[int, Sequence[Row], Sequence[Step]], None]
"""Told of a second, the rows before it that are new and can gain no more, and the known steps."""


class Observers(NamedTuple):
    """Who watches a round, and may end it.

    Attributes:
        on_tick: Called about once a second.
        on_settled: Called with rows that are complete.
        stop: Ends the round early when it is set.
    """

    on_tick: Callable[[Tick], None] | None
    on_settled: Settled | None
    stop: StopFlag


def _longest_us(workload: Workload) -> int:
    """Return how long a round can take from its window's beginning."""
    return max(
        one.start_us
        + one.executor.duration_us
        + one.graceful_stop_us
        + max(workload.timeout_of(one), *(workload.timeout_of(one, r) for r in one.requests), 0)
        for one in workload.scenarios
    )


class Round:
    """The parent's side of one round."""

    def __init__(
        self,
        workload: Workload,
        pool: WorkerPool,
        observers: Observers,
        resolution_s: int,
        keeper: TokenKeeper | None,
    ) -> None:
        self._workload = workload
        self._pool = pool
        self._observers = observers
        self._stop = observers.stop
        self._keeper = keeper
        self._settled_s = 0
        self._resolution_s = resolution_s
        items = workload.items
        self._aggregator = RowAggregator(
            [
                scenario.executor.closed_loop
                for scenario in workload.scenarios
                for _ in scenario.items
            ],
            [number for number, item in enumerate(items) if isinstance(item, Flow)],
        )
        self._steps = DiscoveredSteps(workload, self._aggregator)
        self._samples: list[ErrorSample] = []
        self._start_ns = time.monotonic_ns()  # until all workers are ready
        self._ramp_s = workload.ramp_us / 1e6
        self._longest_s = self._ramp_s + _longest_us(workload) / 1e6 + _SLACK_S
        self._ready_by_s = time.monotonic() + _READY_S
        self._ticks = 0
        self._ticked_at_s = 0.0
        self._ticked_requests = 0
        self._stopped_s: float | None = None
        self._broke = False

    def run(self) -> RoundResult:
        """Run it from the first order to the last message."""
        while not all(handle.ready for handle in self._pool.handles):
            self._listen()
            self._renew_token()
            if self._stop.is_set():
                return self._result()
            if time.monotonic() > self._ready_by_s:
                raise RunError(
                    f"the workers were not ready within {_READY_S:g} s",
                    hint="the machine may be overloaded; try again with fewer --workers",
                )
        self._start_ns = time.monotonic_ns() + _LEAD_NS
        self._pool.send(Go(self._start_ns))
        while not (self._over or self._stop.at_once):
            self._listen()
            self._renew_token()
            elapsed_s = (time.monotonic_ns() - self._start_ns) / 1e9
            if elapsed_s >= self._ticks + 1:
                self._ticks = int(elapsed_s)
                self._tick(elapsed_s)
            self._watch_the_clock(elapsed_s)
        return self._result()

    def _watch_the_clock(self, elapsed_s: float) -> None:
        if self._stop.is_set() and self._stopped_s is None:
            self._stopped_s = elapsed_s
            self._pool.send(Stop())
        if elapsed_s > self._longest_s or (
            self._stopped_s is not None and elapsed_s > self._stopped_s + _STOP_S
        ):
            hung = next(one.number for one in self._pool.handles if one.done is None)
            raise self._lost(f"worker {hung} does not end")

    def _listen(self) -> None:
        """Take in what workers have to say, for a moment at most."""
        for key, _ in self._pool.selector.select(_POLL_S):
            handle: WorkerHandle = key.data
            stream = handle.process.stdout
            data = b"" if stream is None else stream.read1(_READ_BYTES)  # type: ignore[attr-defined]
            if data:
                for body in handle.frames.feed(data):
                    self._take(handle, body)
            else:
                self._pool.selector.unregister(key.fileobj)
                if handle.done is None:
                    raise self._lost(self._describe_exit(handle))

    def _take(self, handle: WorkerHandle, body: bytes) -> None:
        message = decode_from_worker(body)
        if isinstance(message, Ready):
            handle.ready = True
        elif isinstance(message, Progress):
            self._ready_by_s = time.monotonic() + _READY_S  # it lives, and sets its users up
            self._steps.discover(handle.number, message.steps)
            self._aggregator.add(
                (self._steps.number(handle.number, delta.endpoint), delta) for delta in message.rows
            )
            self._samples += message.samples
            handle.open_from = message.open_from
            self._settle(min(one.open_from for one in self._pool.handles))
        elif isinstance(message, Refused):
            self._refuse(message)
        else:
            handle.done = message

    def _refuse(self, refused: Refused) -> None:
        """End the round over what a worker says is impossible; keep what was measured for long."""
        if self._aggregator.last_second >= _WORTH_KEEPING_S:
            raise self._lost(refused.message, refused.hint)
        kind = TargetError if refused.exit_code == Exit.TARGET else UsageError
        raise kind(refused.message, hint=refused.hint)

    def _renew_token(self) -> None:
        """Pass a new token on to all workers; of an attempt that failed keep why."""
        while self._keeper is not None and not self._keeper.renewed.empty():
            renewed = self._keeper.renewed.get()
            if isinstance(renewed, TargetError):
                self._samples.append(
                    ErrorSample("token", "token", self._aggregator.last_second, None, str(renewed))
                )
            else:
                self._pool.send(Token(renewed.value))

    def _settle(self, open_from: int) -> None:
        """Close the seconds that nothing can be added to, and hand their rows on."""
        self._aggregator.close_before(open_from)
        step_s = self._resolution_s
        whole = min(open_from, self._aggregator.last_second + step_s) // step_s * step_s
        on_settled = self._observers.on_settled
        if on_settled is None or whole <= self._settled_s:
            return
        order = range(len(self._workload.items) + len(self._steps))
        rows = self._aggregator.closed_rows(range(self._settled_s, whole, step_s), order)
        self._settled_s = whole
        on_settled(whole, rows, self._steps.records())

    def _describe_exit(self, handle: WorkerHandle) -> str:
        try:
            code = handle.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            code = None
        how = "fell silent" if code is None else f"ended with {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
        tail = handle.stderr_tail()
        return f"worker {handle.number} {how}" + (f": {tail}" if tail else "")

    def _lost(self, what: str, hint: str = _LOOK_FOR_MEMORY) -> WorkerLostError:
        self._broke = True
        return WorkerLostError(
            f"the load generator broke: {what}",
            hint=f"what was measured until then is kept; {hint}",
            partial=self._result(),
        )

    def _tick(self, elapsed_s: float) -> None:
        recent = self._aggregator.take_recent()
        on_tick = self._observers.on_tick
        if on_tick is None:
            return
        requests = self._aggregator.completed
        p50_us, p95_us, p99_us = recent.quantiles((P50_PPM, P95_PPM, P99_PPM))
        on_tick(
            Tick(
                elapsed_s=elapsed_s,
                ramping=elapsed_s < self._ramp_s,
                requests=requests,
                failures=dict(self._aggregator.failed),
                rps=(requests - self._ticked_requests) / (elapsed_s - self._ticked_at_s),
                p50_us=p50_us,
                p95_us=p95_us,
                p99_us=p99_us,
            )
        )
        self._ticked_at_s, self._ticked_requests = elapsed_s, requests

    def _result(self) -> RoundResult:
        aggregator, items = self._aggregator, len(self._workload.items)
        first_ns = self._start_ns + self._workload.ramp_us * 1000
        last_ns = max(aggregator.last_ns, first_ns, self._window_end_ns)
        order = [*range(items), *self._steps.sorted_numbers()]
        rows = aggregator.rows(self._seconds(), order)
        done = [handle.done for handle in self._pool.handles if handle.done is not None]
        delay = Histogram()
        phases = PhaseTimes(Histogram(), Histogram(), Histogram())
        for one in done:
            one.health.delay.add_to(delay)
            one.connect.add_to(phases.connect)
            one.tls.add_to(phases.tls)
            one.first_byte.add_to(phases.first_byte)
        return RoundResult(
            started_ns=first_ns,
            elapsed_us=(last_ns - first_ns) // 1000,
            rows=rows,
            ramp=aggregator.outside(RAMP, order),
            health=round_health(done, delay, rows, items, aggregator.all.mean_us),
            errors_sample=self._samples[:_SAMPLES],
            connections=connections_of(done, self._workload.target.protocol),
            phases=phases,
            loop_delay_p50_us=delay.quantile(P50_PPM) or 0,
            interrupted=self._stop.is_set(),
            resolution_s=self._resolution_s,
            steps=self._steps.sorted_records(),
            tail=aggregator.outside(TAIL, order),
            setup=aggregator.outside(SETUP, order),
            files=files_of(done),
        )

    @property
    def _over(self) -> bool:
        """Whether all workers are done and the window is, in which nothing more may be due."""
        return self._pool.done and time.monotonic_ns() >= self._window_end_ns

    @property
    def _window_end_ns(self) -> int:
        """When the measured window ends, which a round outlasts only while answers are outstanding.

        One that was broken off and an executor of iterations end with their last request: 0.
        """
        workload = self._workload
        if workload.ends_early or self._cut_short:
            return 0
        return self._start_ns + (workload.ramp_us + workload.duration_us) * 1000

    @property
    def _cut_short(self) -> bool:
        """Whether the round was stopped or broke before its end."""
        return self._broke or self._stop.is_set()

    def _seconds(self) -> range:
        """Return the seconds of the window: all that were asked for, or all that began."""
        whole = -(-self._workload.duration_us // 1_000_000)
        if self._cut_short or self._workload.ends_early:
            begun = [handle.done.last_second for handle in self._pool.handles if handle.done]
            last = max([*begun, self._aggregator.last_second], default=-1)
            whole = min(whole, last + self._resolution_s)
        return range(0, whole, self._resolution_s)
