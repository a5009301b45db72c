"""One virtual user's connection: the hot path of the engine.

Between an answer and the next request lie `Connection.data_received`, a look at the last answer
that was found good (the same bytes need no second judgement) or into the table of known header
blocks, one increment of a histogram, and `Connection.begin`. Everything that can be done before the
load is done before it.
"""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic_ns

from stressproof.load.connector import Connector, HandoffProtocol, OpeningError
from stressproof.load.http1 import AnswerReader, Head, HeadCache, MalformedAnswerError
from stressproof.load.recorder import FINE_US, LiveRow, Phases
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.samples import ErrorSample, Samples
from stressproof.workload.checks import Check

_REDIRECTS = range(300, 400)
_NOWHERE = HandoffProtocol()
_ACCEPTED_BYTES = 16_384  # an endpoint's last good answer is kept where it is no longer
_NO_ANSWER = HeadCache(bodyless=False)  # until there is a request, whose own takes its place


class Engine:
    """What all connections of a worker share.

    Attributes:
        loop: The event loop.
        door: Opens connections.
        phases: Where first-byte times go.
        samples: Where a few failures are kept.
    """

    __slots__ = ("connector", "loop", "phases", "samples")

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


class Connection(asyncio.Protocol):
    """Sends one request at a time, and opens itself anew when it must.

    Args:
        number: Which user this is, from 0.
        engine: What it shares with others.
        released: Called with the connection and the time whenever a request has ended.

    Attributes:
        plan: The request under way, None while idle.
        started_ns: When that was sent, or the opening of a connection for it began.
        refused: Whether the request that ended last found no connection.
        refusals: How often in a row no connection could be opened.
        source: The user's requests from here on; it ends where there are none.
        parked: Whether the user has stopped.
    """

    __slots__ = (
        "_engine",
        "_fine_first_bytes",
        "_first_ns",
        "_intended_ns",
        "_opening",
        "_reader",
        "_released",
        "_row",
        "_sent_ns",
        "_transport",
        "_write",
        "idle",
        "number",
        "plan",
        "refusals",
        "refused",
        "source",
        "started_ns",
    )

    _row: LiveRow
    source: Iterator[PreparedEndpoint]

    def __init__(
        self, number: int, engine: Engine, released: Callable[["Connection", int], None]
    ) -> None:
        self.number = number
        self.plan: PreparedEndpoint | None = None
        self.started_ns = 0
        self.refused = False
        self.refusals = 0
        self.idle = True
        self._engine = engine
        self._released = released
        self._fine_first_bytes = engine.phases.first_byte.counts
        self._reader = AnswerReader(_NO_ANSWER)
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._intended_ns = self._sent_ns = self._first_ns = 0

    def begin(self, plan: PreparedEndpoint, row: LiveRow, intended_ns: int, now_ns: int) -> None:
        """Send a request, through a new connection where there is none."""
        self.plan = plan
        self._row = row
        self._intended_ns = intended_ns
        self.started_ns = self._sent_ns = now_ns
        write = self._write
        if write is not None:
            write(next(plan.requests))
        else:
            self._opening = self._engine.loop.create_task(self._open(plan))

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer in; where it completes it, judge, count and move on."""
        now_ns = monotonic_ns()
        plan, reader = self.plan, self._reader
        if plan is None:
            self._drop()  # nobody asked: whatever follows could be taken for an answer
            return
        if data == plan.accepted and reader.fresh:
            self._row.ok += 1
            self._count(now_ns)
            released = self._released
            released(self, now_ns)
            return
        whole = reader.fresh
        reader.known = plan.heads
        try:
            head = reader.feed(data)
        except MalformedAnswerError as error:
            self._fail("protocol", str(error), now_ns)
            return
        if head is not None:
            self._end(head, now_ns, data if whole else None)
        elif not self._first_ns:
            self._first_ns = now_ns

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection for the end of the answer where it may be that."""
        self._transport = self._write = None
        if self.plan is None:
            self._reader.reset()
            return
        now_ns = monotonic_ns()
        begun = not self._reader.fresh
        head = self._reader.end() if exc is None else None
        if head is not None:
            self._end(head, now_ns, None)
            return
        how = "closed" if exc is None else "reset"
        when = "within an answer" if begun else "before an answer"
        self._fail("reset", f"the connection was {how} {when}", now_ns)

    def give_up(self, outcome: str, detail: str, now_ns: int) -> None:
        """End the request under way, counted at the time that was waited for it."""
        self._fail(outcome, detail, now_ns)

    def close(self) -> None:
        """Let go of the connection; nothing may be under way."""
        self._drop()

    def _end(self, head: Head, now_ns: int, data: bytes | None) -> None:
        """Judge and count a whole answer (``data`` where it came in one piece), and move on."""
        plan, row, reader = self.plan, self._row, self._reader
        if plan is None:  # cannot be: both callers looked
            return
        check = plan.check
        if head.status not in plan.expected:
            self._count_bad_status(plan, row, head.status)
        elif check is None or reader.body == check.good or self._holds(plan, check):
            row.ok += 1
            if head.keep_alive and data is not None and len(data) <= _ACCEPTED_BYTES:
                plan.accepted = data
        self._count(now_ns)
        reader.body = b""  # thousands of idle connections would hold as many answers
        if not head.keep_alive:
            self._drop()
        self._released(self, now_ns)

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
        self.plan = None

    def _holds(self, plan: PreparedEndpoint, check: Check) -> bool:
        reader = self._reader
        if reader.body_bytes > len(reader.body):
            reason: str | None = f"{reader.body_bytes} bytes are too many to be checked"
        else:
            reason = check(reader.body)
        if reason is None:
            return True
        self._row.fail("body_check")
        self._sample("body_check", plan, None, f"{reason}; it begins {reader.body[:120]!r}")
        return False

    def _count_bad_status(self, plan: PreparedEndpoint, row: LiveRow, status: int) -> None:
        outcome = "redirect" if status in _REDIRECTS else f"status_{status}"
        row.fail(outcome)
        self._sample(outcome, plan, status, f"answer {status}, {self._reader.body[:120]!r}")

    def _fail(self, outcome: str, detail: str, now_ns: int) -> None:
        plan, row = self.plan, self._row
        if plan is None:
            return
        row.fail(outcome)
        row.corrected.record((now_ns - self._intended_ns) // 1000)
        if row.uncorrected is not None:
            row.uncorrected.record((now_ns - self.started_ns) // 1000)
        row.last_ns = now_ns
        self._sample(outcome, plan, None, detail)
        self._first_ns = 0
        self.plan = None
        self._drop()
        self._released(self, now_ns)

    def _sample(
        self, outcome: str, plan: PreparedEndpoint, status: int | None, detail: str
    ) -> None:
        samples = self._engine.samples
        if samples.wants(outcome, plan.name):
            samples.add(ErrorSample(outcome, plan.name, self._row.second, status, detail))

    def _drop(self) -> None:
        """Give the connection up: nothing of it reaches a later request."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        transport, self._transport, self._write = self._transport, None, None
        if transport is not None:
            transport.set_protocol(_NOWHERE)
            transport.abort()
        self._reader.reset()

    async def _open(self, plan: PreparedEndpoint) -> None:
        try:
            transport = await self._engine.connector.open()
        except OpeningError as error:
            self._opening = None
            self.refused = True
            self.refusals += 1
            self._fail(error.outcome, str(error), monotonic_ns())
            return
        self._opening = None
        self.refusals = 0
        transport.set_protocol(self)
        self._transport, self._write = transport, transport.write
        self._sent_ns = monotonic_ns()
        transport.write(next(plan.requests))
