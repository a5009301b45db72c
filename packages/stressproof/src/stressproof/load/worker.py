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
from pathlib import Path
from time import monotonic_ns
from typing import Any

import uvloop

from stressproof.errors import StressproofError
from stressproof.load.connection import Connection
from stressproof.load.connector import Connector
from stressproof.load.flow_modules import FlowModules
from stressproof.load.messages import (
    Done,
    Frames,
    FromWorker,
    Go,
    Job,
    Progress,
    Ready,
    Refused,
    Stop,
    Token,
    ToWorker,
    decode_to_worker,
    frame,
)
from stressproof.load.recorder import Recorder
from stressproof.load.samples import Samples
from stressproof.load.scenario_context import Shared
from stressproof.load.scenario_load import ScenarioLoad
from stressproof.load.self_monitor import SelfMonitor
from stressproof.load.steps import StepRegistry
from stressproof.load.stream_user import LinkPool, StreamUser
from stressproof.load.timer import Timer
from stressproof.load.unique_values import UniqueValues
from stressproof.load.virtual_user import Engine, MakeUser
from stressproof.workload.data import Data
from stressproof.workload.target import with_token

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

    def drain(self) -> list[ToWorker]:
        """Return the orders that have come meanwhile."""
        received = list(self._received)
        self._received.clear()
        return received

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
        workload = job.workload
        loop = asyncio.get_running_loop()
        self._channel = channel
        self._workload = workload
        self._monitor = SelfMonitor()
        self._recorder = Recorder(len(workload.items), job.resolution_s)
        self._samples = Samples(workload.redactor())
        self._connector = Connector(
            loop, workload.target, job.addresses, self._recorder.phases, job.worker
        )
        self._engine = Engine(loop, self._connector, self._recorder.phases, self._samples)
        self._links = LinkPool(self._engine)
        make_user: MakeUser = Connection
        if workload.target.http2:
            make_user = partial(StreamUser, pool=self._links)
        self._registry = StepRegistry(len(workload.items), self._recorder.open_endpoint)
        self._modules = FlowModules(Path(workload.folder))
        shared = Shared(
            workload=workload,
            worker=job.worker,
            workers=job.workers,
            engine=self._engine,
            make_user=make_user,
            recorder=self._recorder,
            lateness=self._monitor.delay,
            data=Data(workload),
            unique=UniqueValues(job.worker, job.workers),
            registry=self._registry,
            modules=self._modules,
            refuse=self._refuse,
        )
        self._loads = [ScenarioLoad(shared, number) for number in range(len(workload.scenarios))]
        self._timer = Timer(loop, self._beat)
        self._ended = loop.create_future()
        self._next_sweep_ns = self._next_report_ns = self._next_beat_ns = 0
        self._give_up_ns = 0
        self._refused = self._stopped = self._monitoring = False

    async def set_up(self) -> None:
        """Set users up before any load.

        Raises:
            TargetError: One could not be.
        """
        sweeping = asyncio.ensure_future(self._sweep_while_setting_up())
        try:
            await asyncio.gather(*(load.set_up() for load in self._loads))
        finally:
            sweeping.cancel()
            for load in self._loads:
                load.set_up_is_over()
        # What exists now lives to the end; the collector need not look at it again. It looks before
        # the worker is ready: from the order to begin to the beginning is less time than it takes.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_ALLOCATIONS, 20, 20)

    async def _sweep_while_setting_up(self) -> None:
        while True:
            await asyncio.sleep(_LONGEST_SWEEP_NS / 1e9)
            self._sweep(monotonic_ns())
            self._report(final=False)
            self._obey()

    async def run(self, start_ns: int) -> Done:
        """Run from a moment of the monotonic clock until the last request has ended."""
        self._start_ns = start_ns
        self._measured_ns = start_ns + self._workload.ramp_us * 1000
        for load in self._loads:
            load.plan(self._measured_ns, self._measured_ns + self._workload.duration_us * 1000)
        # Whoever looks at whole seconds finds the report of each complete.
        self._next_report_ns = start_ns + _REPORT_NS - _REPORT_AHEAD_NS
        self._next_beat_ns = start_ns
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
            files=self._modules.used(),
        )

    def _refuse(self, error: StressproofError) -> None:
        """Tell what makes the round impossible, and begin nothing more."""
        if not self._refused:
            self._refused = True
            self._channel.send(Refused(error.exit_code, error.message, error.hint))
            for load in self._loads:
                load.finish()

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
        for load in self._loads:
            load.heartbeat(now_ns)
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + self._sweep_ns
            self._sweep(now_ns)
        self._report_some(now_ns)
        self._obey()
        if self._stopped:
            self._interrupt(now_ns)
        if all(load.done for load in self._loads):
            self._timer.close()
            for load in self._loads:
                load.close()
            self._links.close()
            self._ended.set_result(None)
            return
        # Beats that were missed are not made up for: the delay recorded says they were.
        self._next_beat_ns = max(self._next_beat_ns + _BEAT_NS, now_ns)
        self._timer.at(self._next_beat_ns)

    @property
    def _sweep_ns(self) -> int:
        """How often it is looked for what has waited too long."""
        shortest_ns = min(
            (user.endpoint.timeout_ns for user in self._engine.users if user.endpoint),
            default=_LONGEST_SWEEP_NS * _SWEEPS_PER_TIMEOUT,
        )
        return min(shortest_ns // _SWEEPS_PER_TIMEOUT, _LONGEST_SWEEP_NS)

    def _sweep(self, now_ns: int) -> None:
        """Give up every request that its user would not wait for any longer."""
        for user in self._engine.users:
            endpoint = user.endpoint
            if endpoint is not None and user.started_ns + endpoint.timeout_ns <= now_ns:
                waited_s = endpoint.timeout_ns / 1e9
                user.give_up("timeout", f"no answer within {waited_s:g} s", now_ns)

    def _obey(self) -> None:
        """Do what the parent has said meanwhile."""
        for message in self._channel.drain():
            if isinstance(message, Stop):
                self._stopped = True
            elif isinstance(message, Token):
                self.authorise(message)

    def authorise(self, token: Token) -> None:
        """Ask with another token from now on."""
        target = with_token(self._workload.target, token.value)
        self._samples.hide(token.value)
        for load in self._loads:
            load.aim(target)

    def _interrupt(self, now_ns: int) -> None:
        for load in self._loads:
            load.finish()
        self._give_up_ns = self._give_up_ns or now_ns + _GRACE_NS
        if now_ns >= self._give_up_ns:
            for load in self._loads:
                load.interrupt(now_ns)
            for user in self._engine.users:
                if user.endpoint is not None:
                    user.give_up("interrupted", "the run was stopped", now_ns)

    def _report_some(self, now_ns: int) -> None:
        if now_ns >= self._next_report_ns:
            self._next_report_ns += _REPORT_NS
            self._recorder.start_draining(_DRAIN_STEPS)
        self._report(final=False)

    def _report(self, *, final: bool) -> None:
        rows = self._recorder.drain_all() if final else self._recorder.drain_step()
        samples, steps = self._samples.drain(), self._registry.drain()
        if rows or samples or steps or final:
            self._channel.send(Progress(rows, samples, self._recorder.open_from(), steps))


async def _work(inbox: int, outbox: int) -> None:
    asyncio.get_running_loop().set_exception_handler(_die_of_bugs)
    channel = Channel(inbox)
    await channel.open(outbox)
    job = await channel.receive()
    if isinstance(job, Job):
        try:
            worker = Worker(job, channel)
            await worker.set_up()
        except StressproofError as error:
            channel.send(Refused(error.exit_code, error.message, error.hint))
        else:
            channel.send(Ready())
            while isinstance(order := await channel.receive(), Token):
                worker.authorise(order)
            if isinstance(order, Go):
                channel.send(await worker.run(order.start_ns))
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
