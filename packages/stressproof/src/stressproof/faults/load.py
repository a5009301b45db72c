"""Load at an open rate with a history: what was asked, how it ended, and asked again if unknown.

It runs in a thread of its own with its own event loop, beside whoever injects. Requests are due at
intended times whatever the answers do, so that an outage shows as waiting and not as silence.
"""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stressproof.errors import RunError
from stressproof.failures.answer_class import AnswerClass
from stressproof.failures.artifact import CodeRecord, Operations
from stressproof.failures.history import COLUMNS, ORIGINS, Code, Origin, parse_code
from stressproof.faults.client import Answer, Client, NoAnswerError
from stressproof.workload.order import WeightedOrder
from stressproof.workload.pacers import constant

_OUTSTANDING = 2000
_RETRY_DELAYS_S = (1.0, 2.0, 4.0)
_RETRY_SPREAD = 0.5
_SETTLE_DELAY_S = 0.05
_SETTLE_BATCH = 12
_TOO_MANY = 429
_ANSWER_S = 10.0
_LONGEST_US = 24 * 3600 * 1_000_000


class Request(Struct, frozen=True):
    """One request of the load.

    Attributes:
        kind: What it is, in evidence.
        method: Of HTTP.
        path: Likewise.
        headers: With its bearer token.
        body: As bytes.
        key: The effect asked for; 0 for none. Requests with a key are repeated when unknown.
        read: Turns an answer into a code.
        timeout_s: After which it is given up, None for the load's.
    """

    kind: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    key: int
    read: Callable[[Answer], str]
    timeout_s: float | None = None


class Done(Struct, frozen=True):
    """One request that ended, on the monotonic clock.

    Attributes:
        request: What was asked.
        intended_ns: When it was due.
        ended_ns: When it ended.
        code: How.
        attempt: Which attempt at its effect, from 1.
        origin: Why it was asked.
        answer: What came, without its body; None where nothing did.
    """

    request: Request
    intended_ns: int
    ended_ns: int
    code: Code
    attempt: int
    origin: Origin
    answer: Answer | None


Mix = Sequence[tuple[int, Callable[[], Request]]]
"""Weights and makers of requests."""

Makers = Mapping[str, Callable[[], Request]]
"""What makes the requests of each kind of the load."""

Classify = Callable[[str, int, str], AnswerClass]
"""What an answer means, by kind of request, status and note."""


class Load:
    """A running load; start it, let time pass, stop it, read its history.

    Args:
        host: Of the service, loopback.
        port: Likewise.
        mix: What is asked, by weight.
        classify: What answers mean.
        rate_per_s: Arrivals a second.
        seed: Of the mix's order.
        timeout_s: Of one request.
    """

    def __init__(
        self,
        host: str,
        port: int,
        mix: Mix,
        *,
        classify: Classify,
        rate_per_s: int,
        seed: int,
        timeout_s: float,
    ) -> None:
        self._client = Client(host, port)
        self._mix = mix
        self._classify = classify
        self._rate = rate_per_s
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311  # spreads repetitions, no secret
        self._timeout_s = timeout_s
        self._longest_s = timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pacers: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=self._run, name="fault-load", daemon=True)
        self._attempts: dict[int, int] = {}
        self._under_way: dict[object, int] = {}
        self._next_due_ns: dict[int, int] = {}
        self._sendings = itertools.count()
        self._open: dict[int, Request] = {}
        self._failure: BaseException | None = None
        self._arriving = False
        self.history: list[Done] = []
        self.started_ns = 0

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()
        self._ready.wait()
        self.check()

    def check(self) -> None:
        """Say so if the load itself broke.

        Raises:
            RunError: It did.
        """
        if self._failure is not None:
            raise RunError(
                f"the load broke: {type(self._failure).__name__}: {self._failure}",
                hint="A broken load proves nothing; lower the rate if it was too many requests.",
            ) from self._failure

    def burst(self, requests: Sequence[Request], *, timeout_s: float = 60.0) -> list[Done]:
        """Send requests at the same moment and return how each ended, in order of ending.

        Raises:
            RunError: The load broke, or they did not end in time.
        """
        loop = self._loop
        if loop is None:
            raise RunError("the load does not run")
        patience_s = max((one.timeout_s or self._timeout_s for one in requests), default=0.0)
        future = asyncio.run_coroutine_threadsafe(self._burst(requests), loop)
        try:
            return future.result(patience_s + timeout_s)
        except TimeoutError as error:
            raise RunError(f"{len(requests)} requests at once did not end") from error

    def in_turn(self, requests: Iterable[Request]) -> None:
        """Send requests one after the other, each once the one before it has ended.

        Raises:
            RunError: The load broke, or one did not end in time.
        """
        for request in requests:
            self.burst([request])

    @property
    def outstanding_ns(self) -> list[int]:
        """When what is under way was due, on the monotonic clock."""
        return list(self._under_way.values())

    def is_done_with(self, before_ns: int) -> bool:
        """Return whether everything that was due before a time has ended."""
        # An arrival that is due and that a busy machine has not started yet is not done with.
        waiting = [*self.outstanding_ns, *list(self._next_due_ns.values())]
        return not any(due_ns < before_ns for due_ns in waiting)

    def stream(self, mix: Mix, rate_per_s: int) -> Callable[[], None]:
        """Send more, at a rate of its own, until the function that is returned is called."""
        loop = self._loop
        if loop is None:
            raise RunError("the load does not run")
        pacer = asyncio.run_coroutine_threadsafe(self._open_stream(mix, rate_per_s), loop).result(
            _ANSWER_S
        )

        def stop() -> None:
            loop.call_soon_threadsafe(pacer.cancel)

        return stop

    def settle(self, timeout_s: float) -> list[int]:
        """Stop arrivals, repeat what is unknown until it is known; return keys that stay open.

        Raises:
            RunError: The load broke.
        """
        self._arriving = False
        loop = self._loop
        if loop is None:
            raise RunError("the load does not run")
        future = asyncio.run_coroutine_threadsafe(self._settle(timeout_s), loop)
        future.result(timeout_s + 2 * self._longest_s)
        self.check()
        return sorted(self._open)

    def stop(self) -> None:
        """End everything; harmless where it does not run."""
        self._arriving = False
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stopping.set)
            self._thread.join(4 * self._timeout_s)

    def operations(self) -> Operations:
        """Return the history as evidence, times counted from the start."""
        history = sorted(self.history, key=lambda done: (done.intended_ns, done.ended_ns))
        kinds = sorted({done.request.kind for done in history})
        codes = sorted({(done.code.name, done.code.answer_class) for done in history})
        kind_at = {name: place for place, name in enumerate(kinds)}
        code_at = {code: place for place, code in enumerate(codes)}
        rows = [
            [
                max(0, done.intended_ns - self.started_ns) // 1000,
                (done.ended_ns - done.intended_ns) // 1000,
                kind_at[done.request.kind],
                code_at[done.code.name, done.code.answer_class],
                done.request.key,
                done.attempt,
                ORIGINS.index(done.origin),
            ]
            for done in history
        ]
        records = [CodeRecord(*code) for code in codes]
        return Operations(kinds=kinds, codes=records, columns=COLUMNS, rows=rows)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  # reported by check()
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._arriving = True
        self.started_ns = time.monotonic_ns()
        self._ready.set()
        self._start_stream(self._mix, self._rate, self.started_ns, "scheduled")
        await self._stopping.wait()
        for pacer in self._pacers:
            pacer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._pacers, *self._tasks, return_exceptions=True)
        await self._client.close()

    def _start_stream(
        self, mix: Mix, rate_per_s: int, begin_ns: int, origin: Origin
    ) -> "asyncio.Task[None]":
        pacer = asyncio.ensure_future(self._pace(mix, rate_per_s, begin_ns, origin))
        self._pacers.append(pacer)
        pacer.add_done_callback(self._note_failure)
        return pacer

    async def _open_stream(self, mix: Mix, rate_per_s: int) -> "asyncio.Task[None]":
        return self._start_stream(mix, rate_per_s, time.monotonic_ns(), "fault")

    async def _pace(self, mix: Mix, rate_per_s: int, begin_ns: int, origin: Origin) -> None:
        """Start a request whenever one is due, in the order of the weights.

        Every run through the weights holds exactly what they say: drawn one by one, a short fault
        could by chance miss a kind.
        """
        stream = next(self._sendings)
        try:
            await self._arrive(mix, rate_per_s, begin_ns, stream, origin)
        finally:
            self._next_due_ns.pop(stream, None)

    async def _arrive(
        self, mix: Mix, rate_per_s: int, begin_ns: int, stream: int, origin: Origin
    ) -> None:
        """Start each request when it is due; the next one's time stands in `_next_due_ns`."""
        pacer = constant(rate_per_s, _LONGEST_US)
        order = WeightedOrder([weight for weight, _ in mix], self._seed)
        for number, place in enumerate(order):
            due_us = pacer.due_us(number)
            if due_us is None:
                self._failure = RunError(f"a load is not made for more than {_LONGEST_US} us")
                return
            due_ns = begin_ns + due_us * 1000
            self._next_due_ns[stream] = due_ns
            wait_s = (due_ns - time.monotonic_ns()) / 1e9
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if not self._arriving:
                continue
            if len(self._tasks) >= _OUTSTANDING:
                self._failure = RunError(f"{_OUTSTANDING} requests are under way")
                return
            self._launch(mix[place][1](), due_ns, origin)

    def _launch(self, request: Request, due_ns: int, origin: Origin, delay_s: float = 0.0) -> None:
        task = asyncio.ensure_future(self._send_later(request, due_ns, origin, delay_s))
        self._tasks.add(task)
        if not delay_s:
            self._under_way[task] = due_ns
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way.pop(task, None)
        self._note_failure(task)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()

    async def _send_later(
        self, request: Request, due_ns: int, origin: Origin, delay_s: float
    ) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
            if request.key not in self._open:
                return
            due_ns = time.monotonic_ns()
        done = await self._send(request, due_ns, origin)
        # A fallback is an answer, which a caller acts upon; it is asked again in the end only.
        # Repeating each at once would be a storm of our own making, just when service is back.
        unanswered = done.code.answer_class != "degraded"
        if request.key in self._open and unanswered and done.attempt <= len(_RETRY_DELAYS_S):
            spread = self._rng.uniform(1 - _RETRY_SPREAD, 1 + _RETRY_SPREAD)
            self._launch(request, 0, "retry", _RETRY_DELAYS_S[done.attempt - 1] * spread)

    async def _send(self, request: Request, due_ns: int, origin: Origin) -> Done:
        """Send once, note how it ended, and remember what stays unknown."""
        attempt = self._attempts.get(request.key, 0) + 1 if request.key else 1
        if request.key:
            self._attempts[request.key] = attempt
        answer: Answer | None = None
        sending = next(self._sendings)
        self._under_way[sending] = due_ns
        timeout_s = request.timeout_s or self._timeout_s
        self._longest_s = max(self._longest_s, timeout_s)
        try:
            answer = await self._client.request(
                request.method,
                request.path,
                headers=request.headers,
                body=request.body,
                timeout_s=timeout_s,
            )
            name = request.read(answer)
        except NoAnswerError as error:
            name = error.code
        finally:
            del self._under_way[sending]
        parsed = parse_code(name)
        if parsed is None:
            raise RunError(f"a request of kind {request.kind} ended with no known code: {name!r}")
        code = Code(name, *parsed, self._classify(request.kind, *parsed))
        done = Done(request, due_ns, time.monotonic_ns(), code, attempt, origin, _light(answer))
        self.history.append(done)
        if request.key and code.ending == "unknown":
            self._open[request.key] = request
        elif code.ending == "ok" or (code.healthy and code.status != _TOO_MANY):
            # A refusal after an unknown attempt explains it: the effect is there already.
            self._open.pop(request.key, None)
        return done

    async def _burst(self, requests: Sequence[Request]) -> list[Done]:
        # Who must open a connection first is late, and whoever had one would win every race.
        await self._client.preconnect(len(requests), timeout_s=self._timeout_s)
        now = time.monotonic_ns()
        done: list[Done] = []

        async def one(request: Request) -> None:
            done.append(await self._send(request, now, "fault"))

        await asyncio.gather(*(one(request) for request in requests))
        return done

    async def _settle(self, timeout_s: float) -> None:
        """Repeat open requests, some at a time, until none is open or time is up."""
        deadline = time.monotonic() + timeout_s
        while self._tasks and time.monotonic() < deadline and not self._open:
            await asyncio.wait(set(self._tasks), timeout=0.1)
        while self._open and time.monotonic() < deadline:
            batch = list(self._open.values())[:_SETTLE_BATCH]
            await asyncio.gather(*(self._send(one, time.monotonic_ns(), "settle") for one in batch))
            if self._open:
                await asyncio.sleep(_SETTLE_DELAY_S)
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(set(self._tasks), timeout=0.1)


def _light(answer: Answer | None) -> Answer | None:
    """Return an answer as it is remembered: a history of bodies would fill the memory."""
    return answer and replace(answer, body=b"")
