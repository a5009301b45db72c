"""Each request and each flow of a workload once, with what was asked and answered.

Everything but the connections is what runs under load: the same users, steps, patterns, checks.
"""

import gc
import re
import sys
import time
import warnings
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from stressproof.config.records import FLOW
from stressproof.errors import StressproofError
from stressproof.flow.answer import Answer
from stressproof.load.client import Client, RequestError
from stressproof.load.composing import Message
from stressproof.load.connector import Connector
from stressproof.load.flow_modules import FlowModules
from stressproof.load.http1 import CHECKED_BODY_BYTES
from stressproof.load.iterations import IterationRunner
from stressproof.load.recorder import LiveHistogram, LiveRow, Recorder
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.samples import Samples
from stressproof.load.scenario_context import ScenarioContext, Shared
from stressproof.load.steps import StepRegistry
from stressproof.load.tasks import PreparedFlow, PreparedRequest, prepare_flow, prepare_varying
from stressproof.load.tokens import authorised
from stressproof.load.unique_values import UniqueValues
from stressproof.load.virtual_user import Engine, VirtualUser
from stressproof.workload.data import Data
from stressproof.workload.flows import Flow
from stressproof.workload.redaction import Redactor
from stressproof.workload.workload import Workload

_LONGEST_PAUSE_S = 1.0  # think time is for load; who polls gets a moment all the same
_SHOWN_CHARS = 4096
_SET_COOKIE = b"set-cookie"  # for what looks whether there may be one
_CREATED_AT = re.compile(
    r"coroutine '(?P<what>[^']+)'.*File \"(?P<file>[^\"]+)\", line (?P<line>\d+)", re.DOTALL
)


class Exchange(Struct, frozen=True):
    """One question and its answer, without secrets.

    Attributes:
        name: Of the request.
        sent: Request line, headers and body as they were sent (HTTP/1.1), cut short; empty for
            HTTP/2, whose headers are no text.
        status: None where no whole answer came.
        headers: Of the answer, by name in lower case.
        body: Of the answer, cut short.
        failure: How it ended, as it is counted; None for well.
        took_us: From the attempt to connect to the last byte.
    """

    name: str
    sent: str
    status: int | None
    headers: dict[str, str]
    body: str
    failure: str | None
    took_us: int


class Tried(Struct, frozen=True):
    """One item of a workload, run once.

    Attributes:
        scenario: Which asks it.
        name: Of the request; of a flow with ``flow:`` before it.
        outcome: ``ok``, or how it ended.
        detail: Why, with the flow's own line; empty where it ended well.
        exchanges: What was asked and answered, a setup's before the first.
        unawaited: Calls of the flow that were never awaited, ``flows.py:7: User.get``.
    """

    scenario: str
    name: str
    outcome: str
    detail: str
    exchanges: tuple[Exchange, ...]
    unawaited: tuple[str, ...] = ()


class _Clock:
    """Stands in for an event loop: what is to be called later is called when it is its turn."""

    def __init__(self) -> None:
        self.later: deque[tuple[float, Callable[..., object]]] = deque()

    def call_later(self, delay: float, callback: Callable[..., object], *_: Any) -> "_Handle":
        """Keep what is to be called."""
        self.later.append((delay, callback))
        return _Handle()


class _Handle:
    def cancel(self) -> None:
        """Nothing is ever cancelled here."""


class _Asker(VirtualUser):
    """Sends what it is given by the generator's client, when it is told to."""

    __slots__ = ("client", "exchanges", "message", "redactor")

    client: Client
    redactor: Redactor
    exchanges: list[Exchange]

    def begin(
        self,
        endpoint: PreparedEndpoint,
        row: LiveRow,
        intended_ns: int,
        now_ns: int,
        message: Message | None = None,
    ) -> None:
        """Keep a request."""
        self.endpoint = endpoint
        self._row = row
        self._intended_ns = self.started_ns = self._sent_ns = now_ns
        self.message = message
        del intended_ns

    def perform(self) -> None:
        """Send it, judge the answer, and tell who asked."""
        endpoint, message = self.endpoint, self.message
        if endpoint is None or message is None:
            return
        began_ns = time.monotonic_ns()
        try:
            got = self.client.send(
                message, timeout_s=endpoint.timeout_ns / 1e9, bodyless=endpoint.bodyless
            )
        except RequestError as error:
            self._keep(endpoint, message, None, error.outcome, began_ns)
            self._fail(error.outcome, str(error), time.monotonic_ns())
            return
        kept = got.body[:CHECKED_BODY_BYTES]
        self.answer = Answer(
            got.status, kept, len(got.body), _SET_COOKIE, lambda _: list(got.fields)
        )
        self._judge(endpoint, got.status, kept, len(got.body))
        self._keep(endpoint, message, self.answer, self.failure, began_ns, got.body)
        now_ns = time.monotonic_ns()
        self._count(now_ns)
        self._released(self, now_ns)
        self.answer = None

    def _drop(self) -> None:
        """Nothing is kept open."""

    def _keep(
        self,
        endpoint: PreparedEndpoint,
        message: Message,
        answer: Answer | None,
        failure: str | None,
        began_ns: int,
        body: bytes = b"",
    ) -> None:
        sent = message.decode(errors="replace") if isinstance(message, bytes) else ""
        headers = {} if answer is None else dict(answer.headers)
        self.exchanges.append(
            Exchange(
                name=endpoint.name,
                sent=_cut("\n".join(map(self.redactor.clean, sent.splitlines()))),
                status=None if answer is None else answer.status,
                headers={name: self.redactor.clean(value) for name, value in headers.items()},
                body=_cut(self.redactor.clean(body.decode(errors="replace"))),
                failure=failure,
                took_us=(time.monotonic_ns() - began_ns) // 1000,
            )
        )


def run_once(workload: Workload) -> list[Tried]:
    """Run each item of a workload once, each as a user of its own who is set up for it.

    Raises:
        UsageError: It cannot be run as it is.
        TargetError: There is no token, or a user could not be set up.
    """
    target, keeper = authorised(workload.target)
    if keeper is not None:
        keeper.close()
    workload = msgspec.structs.replace(workload, target=target)
    trial = Trial(workload, Client(target))
    tried = []
    first = 0
    for number, scenario in enumerate(workload.scenarios):
        tried += [trial.run(number, first + place, place) for place in range(len(scenario.items))]
        first += len(scenario.items)
    return tried


class Trial:
    """Runs one item after another of a workload.

    Args:
        workload: Whose target is authorised already.
        client: What carries requests.
    """

    def __init__(self, workload: Workload, client: Client) -> None:
        self._workload = workload
        self._redactor = workload.redactor()
        self._client = client
        self._clock = _Clock()
        self._recorder = Recorder(len(workload.items), 1)
        loop = cast("AbstractEventLoop", self._clock)
        phases = self._recorder.phases
        self._samples = Samples(self._redactor)
        self._engine = Engine(
            loop, Connector(loop, workload.target, [], phases), phases, self._samples
        )
        self._asker: _Asker | None = None
        self._exchanges: list[Exchange] = []
        self._modules = FlowModules(Path(workload.folder))
        self._shared = Shared(
            workload=workload,
            worker=0,
            workers=1,
            engine=self._engine,
            make_user=self._make_asker,
            recorder=self._recorder,
            lateness=LiveHistogram(),
            data=Data(workload),
            unique=UniqueValues(0, 1),
            registry=StepRegistry(len(workload.items), self._recorder.open_endpoint),
            modules=self._modules,
            refuse=_refuse,
        )

    def name_of(self, number: int, place: int) -> str:
        """Return what evidence calls an item of a scenario."""
        item = self._workload.scenarios[number].items[place]
        return f"{FLOW}{item.name}" if isinstance(item, Flow) else item.name

    def run(self, number: int, index: int, place: int) -> Tried:
        """Run one item of a scenario.

        Args:
            number: Position of the scenario.
            index: Of the item among all.
            place: Of the item in the scenario.

        Raises:
            UsageError: It cannot be run as it is.
            TargetError: Its user could not be set up.
        """
        context = ScenarioContext(self._shared, number)
        scenario, shared = context.scenario, self._shared
        self._exchanges = []
        ended: list[int] = []
        runner = IterationRunner(
            0,
            self._engine,
            lambda _, now_ns: ended.append(now_ns),
            context=context,
            make_user=shared.make_user,
        )
        item, name = scenario.items[place], self.name_of(number, place)
        task: PreparedFlow | PreparedRequest
        with _unawaited() as told:
            if scenario.setup is not None:
                self._set_up(runner, context, scenario.setup)
            if isinstance(item, Flow):
                task = prepare_flow(
                    index, item, scenario, self._workload, shared.registry, self._modules
                )
            else:
                task = prepare_varying(index, item, scenario, self._workload)
            cursor = self._recorder.cursor(closed_loop=True)
            row = cursor.open_row(index, time.monotonic_ns())
            now_ns = time.monotonic_ns()
            runner.begin(task, row, now_ns, now_ns)
            self._go_on_until(lambda: bool(ended))
        outcome = "ok" if row.ok else next(iter(row.failures), "ok")
        details = [one.detail for one in self._samples.drain() if one.endpoint == name]
        return Tried(
            scenario=scenario.name,
            name=name,
            outcome=outcome,
            detail=details[0] if details else "",
            exchanges=tuple(self._exchanges),
            unawaited=tuple(self._modules.shown(*place) for place in told),
        )

    def _set_up(self, runner: IterationRunner, context: ScenarioContext, setup: str) -> None:
        flow = Flow("", setup)
        prepared = prepare_flow(
            -1, flow, context.scenario, self._workload, self._shared.registry, self._modules
        )
        settled: list[StressproofError | None] = []
        runner.set_up(prepared, settled.append)
        self._go_on_until(lambda: bool(settled))
        if settled[0] is not None:
            raise settled[0]

    def _go_on_until(self, over: Callable[[], bool]) -> None:
        while not over():
            if self._asker is not None and self._asker.endpoint is not None:
                self._asker.perform()
            elif self._clock.later:
                delay_s, callback = self._clock.later.popleft()
                time.sleep(min(delay_s, _LONGEST_PAUSE_S))
                callback()
            else:
                return

    def _make_asker(
        self, number: int, engine: Engine, released: Callable[[VirtualUser, int], None]
    ) -> _Asker:
        asker = self._asker = _Asker(number, engine, released)
        asker.client, asker.redactor, asker.exchanges = (
            self._client,
            self._redactor,
            self._exchanges,
        )
        return asker


def _refuse(error: StressproofError) -> None:
    raise error


@contextmanager
def _unawaited() -> Iterator[list[tuple[str, str, int]]]:
    """Find coroutines that nobody awaits: what was called, and the file and line of the call."""
    found: list[tuple[str, str, int]] = []
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(1)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", RuntimeWarning)
            yield found
            gc.collect()
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)
    for one in told:
        match = _CREATED_AT.search(str(one.message))
        if match is not None:
            found.append((match["what"], match["file"], int(match["line"])))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
