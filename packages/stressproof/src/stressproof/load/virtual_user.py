"""A virtual user: one request at a time, judged and counted, however it travels.

`Connection` (HTTP/1.1) and `StreamUser` (HTTP/2) are the two ways. Both turn bytes into answers;
what an answer means is decided here.
"""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic_ns
from typing import Any, Protocol

from stressproof.flow.answer import Answer
from stressproof.load.composing import Message
from stressproof.load.connector import Connector
from stressproof.load.recorder import FINE_US, LiveRow, Phases
from stressproof.load.redirects import FOLLOWED, REDIRECTS, LeadsAwayError, place_of
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.samples import ErrorSample, Samples
from stressproof.workload.checks import NO_HEADERS, Checks


class Task(Protocol):
    """What an iteration is: a `PreparedEndpoint`, or a flow."""

    @property
    def index(self) -> int:
        """Where it is counted."""


class LoopUser(Protocol):
    """What a loop sees of its users, who run one iteration at a time.

    Attributes:
        number: Which user this is, from 0.
        idle: Whether the user has stopped.
        source: The user's iterations from here on; it ends where there are none.
        refused: Whether the iteration that ended last came to nothing, so that the next must wait.
        refusals: How often in a row that was so.
    """

    number: int
    idle: bool
    source: Iterator[Task]
    refused: bool
    refusals: int

    def begin(self, task: Any, row: LiveRow, intended_ns: int, now_ns: int, /) -> None:
        """Begin an iteration."""

    def wake(self) -> None:
        """End a pause between iterations."""

    def close(self) -> None:
        """Let go of what carries requests; nothing may be under way."""


class Engine:
    """What all virtual users of a worker share.

    Attributes:
        loop: The event loop.
        connector: Opens connections.
        phases: Where first-byte times go.
        samples: Where a few failures are kept.
        users: All of them.
    """

    __slots__ = ("connector", "loop", "phases", "samples", "users")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connector: Connector,
        phases: Phases,
        samples: Samples,
    ) -> None:
        self.loop = loop
        self.connector = connector
        self.phases = phases
        self.samples = samples
        self.users: list[VirtualUser] = []


class VirtualUser:
    """Sends one request at a time, and counts how it ended.

    Args:
        number: Which user this is, from 0.
        engine: What it shares with others.
        released: Called with the user and the time whenever a request has ended.

    Attributes:
        answer: While `released` is called, what came to who wants answers; None where it is the
            `PreparedEndpoint.answer` once more, or there is none.
        endpoint: Whose request is under way, None while idle.
        failure: How the last request ended that ended badly, until somebody forgets it.
        started_ns: When that was sent, or the opening of a connection for it began.
        refused: Whether the request that ended last found no connection.
        refusals: How often in a row no connection could be opened.
        source: The user's requests from here on; it ends where there are none.
        idle: Whether the user has stopped.
        place: Path and query of the request under way, where its redirects are followed.
    """

    __slots__ = (
        "_engine",
        "_fine_first_bytes",
        "_first_ns",
        "_intended_ns",
        "_released",
        "_row",
        "_sent_ns",
        "answer",
        "endpoint",
        "failure",
        "idle",
        "number",
        "place",
        "refusals",
        "refused",
        "source",
        "started_ns",
    )

    _row: LiveRow
    source: Iterator[Task]

    def __init__(
        self, number: int, engine: Engine, released: Callable[["VirtualUser", int], None]
    ) -> None:
        self.number = number
        self.answer: Answer | None = None
        self.endpoint: PreparedEndpoint | None = None
        self.failure: str | None = None
        self.place = ""
        self.started_ns = 0
        self.refused = False
        self.refusals = 0
        self.idle = True
        self._engine = engine
        self._released = released
        self._fine_first_bytes = engine.phases.first_byte.counts
        self._intended_ns = self._sent_ns = self._first_ns = 0
        engine.users.append(self)

    def begin(
        self,
        endpoint: PreparedEndpoint,
        row: LiveRow,
        intended_ns: int,
        now_ns: int,
        message: Message | None = None,
    ) -> None:
        """Send a request, through a new connection where there is none.

        Args:
            endpoint: How it is judged.
            row: Where it is counted.
            intended_ns: When it was due.
            now_ns: What time it is.
            message: What is sent, the endpoint's next where it is None.
        """
        raise NotImplementedError

    def give_up(self, outcome: str, detail: str, now_ns: int) -> None:
        """End the request under way, counted at the time that was waited for it."""
        self._fail(outcome, detail, now_ns)

    def close(self) -> None:
        """Let go of the connection; nothing may be under way."""
        self._drop()

    def wake(self) -> None:
        """End a pause between iterations; who only sends requests has none."""

    def _drop(self) -> None:
        """Give up what carries the request: nothing of it reaches a later one."""
        raise NotImplementedError

    def _judge(self, endpoint: PreparedEndpoint, status: int, body: bytes, body_bytes: int) -> bool:
        """Count how a whole answer reads; return whether it is as expected.

        Args:
            endpoint: What was asked.
            status: Of the answer.
            body: What was kept of it.
            body_bytes: Its whole length.
        """
        if status not in endpoint.expected:
            detail = f"answer {status}, {body[:120]!r}"
            if endpoint.hop is not None and status in FOLLOWED and self.answer is not None:
                try:
                    place_of(self.answer, self._engine.connector.origin, self.place)
                except LeadsAwayError as error:
                    detail = str(error)
                else:
                    self._row.ok += 1
                    return False  # its answer is none that could be accepted once more
            outcome = "redirect" if status in REDIRECTS else f"status_{status}"
            self._row.fail(outcome)
            self.failure = outcome
            self._sample(outcome, endpoint, status, detail)
            return False
        check = endpoint.check
        if check is None or body == check.good or self._holds(endpoint, check, body, body_bytes):
            self._row.ok += 1
            return True
        return False

    def _holds(
        self, endpoint: PreparedEndpoint, check: Checks, body: bytes, body_bytes: int
    ) -> bool:
        answer = self.answer
        headers = answer.headers if check.reads_headers and answer is not None else NO_HEADERS
        reason = check(body, headers, body_bytes)
        if reason is None:
            return True
        self._row.fail("body_check")
        self.failure = "body_check"
        self._sample("body_check", endpoint, None, f"{reason}; it begins {body[:120]!r}")
        return False

    def _count(self, now_ns: int) -> None:
        """Count the times of the request under way, whose whole answer is here."""
        row = self._row
        us = (now_ns - self._intended_ns) // 1000
        if us < FINE_US:
            row.fine[us] += 1
        else:
            row.corrected.record(us)
        if row.uncorrected is not None:
            row.uncorrected.record((now_ns - self.started_ns) // 1000)
        row.last_ns = now_ns
        if self._first_ns or self._sent_ns != self._intended_ns:
            us = ((self._first_ns or now_ns) - self._sent_ns) // 1000
            self._first_ns = 0
        if us < FINE_US:
            self._fine_first_bytes[us] += 1
        else:
            self._engine.phases.first_byte.record(us)
        self.endpoint = None

    def _fail(self, outcome: str, detail: str, now_ns: int) -> None:
        endpoint, row = self.endpoint, self._row
        if endpoint is None:
            return
        row.fail(outcome)
        self.failure = outcome
        row.corrected.record((now_ns - self._intended_ns) // 1000)
        if row.uncorrected is not None:
            row.uncorrected.record((now_ns - self.started_ns) // 1000)
        row.last_ns = now_ns
        self._sample(outcome, endpoint, None, detail)
        self._first_ns = 0
        self.endpoint = None
        self._drop()
        self._released(self, now_ns)

    def _refuse(self, outcome: str, detail: str) -> None:
        """End the request under way: no connection could be opened for it."""
        self.refused = True
        self.refusals += 1
        self._fail(outcome, detail, monotonic_ns())

    def _sample(
        self, outcome: str, endpoint: PreparedEndpoint, status: int | None, detail: str
    ) -> None:
        samples = self._engine.samples
        if samples.wants(outcome, endpoint.name):
            samples.add(ErrorSample(outcome, endpoint.name, self._row.second, status, detail))


MakeUser = Callable[[int, Engine, Callable[[VirtualUser, int], None]], VirtualUser]
"""Makes a virtual user: `Connection`, or a `StreamUser` of a pool."""

MakeLoopUser = Callable[[int, Engine, Callable[[LoopUser, int], None]], LoopUser]
"""Makes what a loop sees: the same, or who runs iterations on one."""
