"""One worker process: takes a job from its standard input, reports on its standard output.

Run as ``python -m stressproof.load.worker`` by `stressproof.load.run` alone.
"""

import asyncio
import gc
import os
import resource
import signal
import traceback
from collections import deque
from functools import partial
from time import monotonic_ns
from typing import Any

import uvloop

from stressproof.load.closed_loop import ClosedLoop
from stressproof.load.connection import Connection
from stressproof.load.connector import Connector
from stressproof.load.messages import (
    Done,
    Frames,
    FromWorker,
    Go,
    Job,
    Progress,
    Ready,
    Stop,
    ToWorker,
    decode_to_worker,
    frame,
)
from stressproof.load.open_loop import OpenLoop
from stressproof.load.recorder import Recorder
from stressproof.load.requests import UniqueValues, prepare
from stressproof.load.samples import Samples
from stressproof.load.self_monitor import SelfMonitor
from stressproof.load.stream_user import LinkPool, StreamUser
from stressproof.load.timer import Timer
from stressproof.load.virtual_user import Engine, MakeUser
from stressproof.workload.executors import ConstantArrivalRate, RampingArrivalRate
from stressproof.workload.order import WeightedOrder

_BEAT_NS = 10_000_000
_REPORT_NS = 1_000_000_000
_REPORT_AHEAD_NS = 400_000_000
_DRAIN_STEPS = 30  # beats over which a second's rows are reported
_SWEEPS_PER_TIMEOUT = 100
_LONGEST_SWEEP_NS = 100_000_000
_GRACE_NS = 300_000_000  # what answers under way get after an interruption
_READ_BYTES = 65_536
_SPARE_FILES = 64
_GC_ALLOCATIONS = 50_000
_EXIT_BUG = 70


class Channel(asyncio.Protocol):
    """The two pipes to the parent; its end is an order to stop."""

    def __init__(self, inbox: int) -> None:
        self._inbox = inbox
        self._frames = Frames()
        self._received: deque[ToWorker] = deque()
        self._wake = asyncio.Event()
        self._out: asyncio.WriteTransport | None = None
        self.flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, outbox: int) -> None:
        """Attach both pipes to the loop."""
        loop = asyncio.get_running_loop()
        self._out, _ = await loop.connect_write_pipe(lambda: self, os.fdopen(outbox, "wb", 0))
        loop.add_reader(self._inbox, self._readable)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Note that everything written has left, or that nobody is there to read it."""
        if not self.flushed.done():
            self.flushed.set_result(None)

    def send(self, message: FromWorker) -> None:
        """Send a message; it waits in memory where the parent is slow."""
        if self._out is not None and not self._out.is_closing():
            self._out.write(frame(message))

    async def receive(self) -> ToWorker:
        """Return the next order."""
        while not self._received:
            self._wake.clear()
            await self._wake.wait()
        return self._received.popleft()

    def stopped(self) -> bool:
        """Return whether an order to stop has come."""
        return any(isinstance(message, Stop) for message in self._received)

    async def close(self) -> None:
        """Wait until everything written has left."""
        asyncio.get_running_loop().remove_reader(self._inbox)
        if self._out is not None:
            self._out.close()
            await self.flushed

    def _readable(self) -> None:
        data = os.read(self._inbox, _READ_BYTES)
        if not data:
            asyncio.get_running_loop().remove_reader(self._inbox)
            self._received.append(Stop())
        self._received.extend(decode_to_worker(body) for body in self._frames.feed(data))
        self._wake.set()


class Worker:
    """One worker's part of a round.

    Args:
        job: What to do.
        channel: Where to report.
    """

    def __init__(self, job: Job, channel: Channel) -> None:
        workload, executor = job.workload, job.workload.scenarios[0].executor
        loop = asyncio.get_running_loop()
        self._channel = channel
        self._workload = workload
        self._monitor = SelfMonitor()
        self._recorder = Recorder(len(workload.items), job.resolution_s)
        cursor = self._recorder.cursor(closed_loop=executor.closed_loop)
        self._samples = Samples(workload.redactor())
        self._connector = Connector(
            loop, workload.target, job.addresses, self._recorder.phases, job.worker
        )
        engine = Engine(loop, self._connector, self._recorder.phases, self._samples)
        prepared = prepare(workload, UniqueValues(job.worker, job.workers))
        weights = job.workload.scenarios[0].weights
        order = map(
            prepared.__getitem__, WeightedOrder(weights, workload.order_seed(0, job.worker))
        )
        self._links = LinkPool(engine)
        make_user: MakeUser = Connection
        if workload.target.http2:
            make_user = partial(StreamUser, pool=self._links)
        self._load: ClosedLoop | OpenLoop
        if isinstance(executor, ConstantArrivalRate | RampingArrivalRate):
            self._load = OpenLoop(
                executor,
                engine,
                make_user,
                cursor,
                order,
                job.worker,
                job.workers,
                workload.timeout_us * 1000,
                self._monitor.delay,
            )
        else:
            self._load = ClosedLoop(
                executor, engine, make_user, cursor, order, job.worker, job.workers
            )
        self._timer = Timer(loop, self._beat)
        self._ended = loop.create_future()
        self._timeout_ns = workload.timeout_us * 1000
        self._sweep_ns = min(self._timeout_ns // _SWEEPS_PER_TIMEOUT, _LONGEST_SWEEP_NS)
        self._next_sweep_ns = self._next_report_ns = self._next_beat_ns = 0
        self._give_up_ns = 0
        self._started = self._monitoring = False

    async def run(self, start_ns: int) -> Done:
        """Run from a moment of the monotonic clock until the last request has ended."""
        self._start_ns = start_ns
        self._measured_ns = start_ns + self._workload.scenarios[0].executor.ramp_us * 1000
        self._recorder.begin(
            self._measured_ns,
            self._measured_ns + self._workload.scenarios[0].executor.duration_us * 1000,
        )
        # Whoever looks at whole seconds finds the report of each complete.
        self._next_report_ns = start_ns + _REPORT_NS - _REPORT_AHEAD_NS
        self._next_beat_ns = start_ns
        # What exists now lives to the end; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_ALLOCATIONS, 20, 20)
        self._timer.at(start_ns)
        await self._ended
        phases, connector = self._recorder.phases, self._connector
        self._report(final=True)
        return Done(
            health=self._monitor.report(connector.file_limit_hits, connector.port_limit_hits),
            connect=phases.connect.drain(),
            tls=phases.tls.drain(),
            first_byte=phases.first_byte.drain(),
            last_second=self._recorder.last_second,
            opened=dict(connector.opened),
            resumed=connector.resumed,
        )

    def _beat(self) -> None:
        """Everything that is done by the clock; its own delay is the loop's."""
        now_ns = monotonic_ns()
        if now_ns < self._next_beat_ns:
            self._timer.at(self._next_beat_ns)
            return
        if not self._monitoring and now_ns >= self._measured_ns:
            self._monitoring = True
            self._monitor.begin()
        self._monitor.delay.record((now_ns - self._next_beat_ns) // 1000)
        if not self._started:
            self._started = True
            self._load.start(self._start_ns)
        self._load.heartbeat(now_ns)
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + self._sweep_ns
            self._sweep(now_ns)
        self._report_some(now_ns)
        if self._channel.stopped():
            self._interrupt(now_ns)
        if self._load.done:
            self._timer.close()
            self._load.close()
            self._links.close()
            self._ended.set_result(None)
            return
        # Beats that were missed are not made up for: the delay recorded says they were.
        self._next_beat_ns = max(self._next_beat_ns + _BEAT_NS, now_ns)
        self._timer.at(self._next_beat_ns)

    def _sweep(self, now_ns: int) -> None:
        """Give up every request that its user would not wait for any longer."""
        oldest_ns = now_ns - self._timeout_ns
        for user in self._load.users:
            if user.endpoint is not None and user.started_ns <= oldest_ns:
                user.give_up(
                    "timeout", f"no answer within {self._workload.timeout_us / 1e6:g} s", now_ns
                )

    def _interrupt(self, now_ns: int) -> None:
        self._load.finish()
        self._give_up_ns = self._give_up_ns or now_ns + _GRACE_NS
        if now_ns >= self._give_up_ns:
            for user in self._load.users:
                if user.endpoint is not None:
                    user.give_up("interrupted", "the run was stopped", now_ns)

    def _report_some(self, now_ns: int) -> None:
        if now_ns >= self._next_report_ns:
            self._next_report_ns += _REPORT_NS
            self._recorder.start_draining(_DRAIN_STEPS)
        self._report(final=False)

    def _report(self, *, final: bool) -> None:
        rows = self._recorder.drain_all() if final else self._recorder.drain_step()
        samples = self._samples.drain()
        if rows or samples or final:
            self._channel.send(Progress(rows, samples, self._recorder.open_from()))


async def _work(inbox: int, outbox: int) -> None:
    asyncio.get_running_loop().set_exception_handler(_die_of_bugs)
    channel = Channel(inbox)
    await channel.open(outbox)
    job = await channel.receive()
    if isinstance(job, Job):
        worker = Worker(job, channel)
        channel.send(Ready())
        go = await channel.receive()
        if isinstance(go, Go):
            channel.send(await worker.run(go.start_ns))
    await channel.close()


def _die_of_bugs(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End the process for an exception that nobody handled: half a generator measures nothing.

    Errors of sockets and of TLS come by here too, after their connection has been told of them.
    """
    error = context.get("exception")
    if isinstance(error, Exception) and not isinstance(error, OSError):
        traceback.print_exception(error)
        os._exit(_EXIT_BUG)


def _raise_file_limit() -> None:
    """Allow as many connections as the system allows anybody."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Work for the parent at the other end of the standard streams."""
    # The terminal's Ctrl-C reaches everybody; the parent decides, and tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _raise_file_limit()
    outbox = os.dup(1)
    os.dup2(2, 1)  # a stray print must not end up among the frames
    uvloop.run(_work(0, outbox))


if __name__ == "__main__":
    main()
