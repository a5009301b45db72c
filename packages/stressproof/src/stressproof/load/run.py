"""One round: start the workers together, add up what they report, hand back what was measured."""

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stressproof.errors import RunError, UsageError
from stressproof.evidence.measurements import Row
from stressproof.load.addresses import resolve, tls_context
from stressproof.load.messages import Go, Job, Progress, Ready, Stop, decode_from_worker
from stressproof.load.requests import UniqueValues, prepare
from stressproof.load.result import (
    PhaseTimes,
    RoundResult,
    StopFlag,
    Tick,
    WorkerLostError,
    connections_of,
    round_health,
)
from stressproof.load.row_aggregator import RowAggregator
from stressproof.load.worker_pool import WorkerHandle, WorkerPool
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM, Histogram
from stressproof.workload.auth import OAuth2Auth
from stressproof.workload.executors import Executor
from stressproof.workload.rates import US_PER_S
from stressproof.workload.workload import Workload

if TYPE_CHECKING:
    from stressproof.load.samples import ErrorSample

__all__ = ["RoundResult", "StopFlag", "Tick", "WorkerLostError", "run_round"]

MAX_WORKERS = 64
MAX_WORKER_RATE = 200_000
"""Arrivals a second that a worker can at least count, if not send."""

_READY_S = 60.0  # a worker that has not started by then never will
_LEAD_NS = 30_000_000  # from the order to begin to the beginning, so that all have heard it
_POLL_S = 0.05
_STOP_S = 5.0  # after an order to stop, a worker that still runs is ended
_SLACK_S = 30.0  # likewise after the last request should have timed out
_READ_BYTES = 1 << 20
_SAMPLES = 40
_SPARE_FILES = 64


def run_round(
    workload: Workload,
    *,
    workers: int = 1,
    on_tick: Callable[[Tick], None] | None = None,
    on_settled: Callable[[int, Sequence[Row]], None] | None = None,
    stop: StopFlag | None = None,
    resolution_s: int = 1,
) -> RoundResult:
    """Run one round in worker processes, and wait for its end.

    Args:
        workload: What to ask of whom.
        workers: Processes; never more than there are users.
        on_tick: Called about once a second.
        on_settled: Called with a second and all rows before it that it was not called with yet,
            once nothing can be added to them: their requests have ended.
        stop: Ends the round early when it is set.
        resolution_s: Seconds a row covers.

    Raises:
        UsageError: The workload cannot be run as it is.
        TargetError: The target's name cannot be resolved.
        WorkerLostError: A worker died; what was measured is attached.
        RunError: The workers could not be started.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise UsageError(
            f"the number of workers is {workers}, expected 1 to {MAX_WORKERS}",
            hint="one worker for each core is the most that helps",
        )
    _demand_plain(workload)
    rate = _peak_rate(workload.scenarios[0].executor)
    if rate > MAX_WORKER_RATE * workers:
        raise UsageError(
            f"{rate:g} arrivals a second are too many for {workers} worker(s), "
            f"expected at most {MAX_WORKER_RATE:,} each",
            hint="ask for less, or use more --workers",
        )
    workers = min(workers, workload.scenarios[0].executor.max_users)
    prepare(workload, UniqueValues(0, 1))  # placeholders are refused here rather than in a worker
    tls_context(workload.target)  # and so is a file of authorities that cannot be read
    _demand_files(-(-workload.scenarios[0].executor.max_users // workers))
    addresses = resolve(workload.target)
    jobs = [Job(workload, addresses, worker, workers, resolution_s) for worker in range(workers)]
    with WorkerPool(jobs) as worker_pool:
        return _Round(
            workload, worker_pool, on_tick, on_settled, stop or StopFlag(), resolution_s
        ).run()


def _demand_plain(workload: Workload) -> None:
    """Refuse what the generator does not do yet."""
    first = workload.scenarios[0]
    if (
        len(workload.scenarios) > 1
        or first.flows
        or first.setup
        or first.think
        or first.pace
        or first.start_us
        or first.cookies
        or workload.tables
        or isinstance(workload.target.auth, OAuth2Auth)
        or any(one.redirects or one.timeout_us for one in first.requests)
    ):
        raise UsageError(
            "flows, several scenarios, data tables, think times, cookies, redirects and OAuth2 are "
            "not supported by this version",
            hint="leave them out",
        )


def _peak_rate(executor: Executor) -> float:
    if executor.time_unit_us is None:
        return 0.0
    highest = max(executor.rate, *(stage.target for stage in executor.stages), 0)
    return highest * US_PER_S / executor.time_unit_us


def _demand_files(connections: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and connections + _SPARE_FILES > hard:
        raise UsageError(
            f"{connections} connections in one worker need more files than the {hard} allowed",
            hint="raise the hard limit (ulimit -Hn), or use more --workers",
        )


class _Round:
    """The parent's side of one round."""

    def __init__(
        self,
        workload: Workload,
        worker_pool: WorkerPool,
        on_tick: Callable[[Tick], None] | None,
        on_settled: Callable[[int, Sequence[Row]], None] | None,
        stop: StopFlag,
        resolution_s: int,
    ) -> None:
        executor = workload.scenarios[0].executor
        self._workload = workload
        self._pool = worker_pool
        self._on_tick = on_tick
        self._on_settled = on_settled
        self._settled_s = 0
        self._stop = stop
        self._resolution_s = resolution_s
        self._aggregator = RowAggregator(len(workload.items), closed_loop=executor.closed_loop)
        self._samples: list[ErrorSample] = []
        self._start_ns = time.monotonic_ns()  # until all workers are ready
        self._ramp_s = executor.ramp_us / 1e6
        self._longest_s = (
            self._ramp_s + (executor.duration_us + workload.timeout_us) / 1e6 + _SLACK_S
        )
        self._ticks = 0
        self._ticked_at_s = 0.0
        self._ticked_requests = 0
        self._stopped_s: float | None = None
        self._broke = False

    def run(self) -> RoundResult:
        """Run it from the first order to the last message."""
        deadline_s = time.monotonic() + _READY_S
        while not all(handle.ready for handle in self._pool.handles):
            self._listen()
            if self._stop.is_set():
                return self._result()
            if time.monotonic() > deadline_s:
                raise RunError(
                    f"the workers were not ready within {_READY_S:g} s",
                    hint="the machine may be overloaded; try again with fewer --workers",
                )
        self._start_ns = time.monotonic_ns() + _LEAD_NS
        self._pool.send(Go(self._start_ns))
        while not (self._over or self._stop.at_once):
            self._listen()
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
            self._aggregator.add(message.rows)
            self._samples += message.samples
            handle.open_from = message.open_from
            self._settle(min(one.open_from for one in self._pool.handles))
        else:
            handle.done = message

    def _settle(self, open_from: int) -> None:
        """Close the seconds that nothing can be added to, and hand their rows on."""
        self._aggregator.close_before(open_from)
        step_s = self._resolution_s
        whole = min(open_from, self._aggregator.last_second + step_s) // step_s * step_s
        if self._on_settled is None or whole <= self._settled_s:
            return
        rows = self._aggregator.closed_rows(range(self._settled_s, whole, step_s))
        self._settled_s = whole
        self._on_settled(whole, rows)

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

    def _lost(self, what: str) -> WorkerLostError:
        self._broke = True
        return WorkerLostError(
            f"the load generator broke: {what}",
            hint="what was measured until then is kept; look for a full memory, then run again",
            partial=self._result(),
        )

    def _tick(self, elapsed_s: float) -> None:
        recent = self._aggregator.take_recent()
        if self._on_tick is None:
            return
        requests = self._aggregator.completed
        p50_us, p95_us, p99_us = recent.quantiles((P50_PPM, P95_PPM, P99_PPM))
        self._on_tick(
            Tick(
                elapsed_s=elapsed_s,
                ramping=elapsed_s < self._ramp_s,
                requests=requests,
                failures=self._aggregator.failed,
                rps=(requests - self._ticked_requests) / (elapsed_s - self._ticked_at_s),
                p50_us=p50_us,
                p95_us=p95_us,
                p99_us=p99_us,
            )
        )
        self._ticked_at_s, self._ticked_requests = elapsed_s, requests

    def _result(self) -> RoundResult:
        aggregator = self._aggregator
        executor = self._workload.scenarios[0].executor
        first_ns = self._start_ns + executor.ramp_us * 1000
        last_ns = max(aggregator.last_ns, first_ns, self._window_end_ns)
        rows = aggregator.rows(self._seconds())
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
            ramp=aggregator.ramp(),
            health=round_health(done, delay, rows, aggregator.all.quantile(P95_PPM)),
            errors_sample=self._samples[:_SAMPLES],
            connections=connections_of(done, self._workload.target.protocol),
            phases=phases,
            loop_delay_p50_us=delay.quantile(P50_PPM) or 0,
            interrupted=self._stop.is_set(),
            resolution_s=self._resolution_s,
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
        executor = self._workload.scenarios[0].executor
        if executor.iterations is not None or self._cut_short:
            return 0
        return self._start_ns + (executor.ramp_us + executor.duration_us) * 1000

    @property
    def _cut_short(self) -> bool:
        """Whether the round was stopped or broke before its end."""
        return self._broke or self._stop.is_set()

    def _seconds(self) -> range:
        """Return the seconds of the window: all that were asked for, or all that began."""
        executor = self._workload.scenarios[0].executor
        whole = -(-executor.duration_us // 1_000_000)
        if self._cut_short or executor.iterations is not None:
            begun = [handle.done.last_second for handle in self._pool.handles if handle.done]
            last = max([*begun, self._aggregator.last_second], default=-1)
            whole = min(whole, last + self._resolution_s)
        return range(0, whole, self._resolution_s)
