"""Counts requests as they end, by endpoint and second of their intended start.

Nothing here grows with the run: once a second what was counted is drained into deltas, and a row
lives only until its second has passed and its last request has ended.
"""

from collections import defaultdict
from itertools import chain

from msgspec import Struct

from stressproof.evidence.measurements import Latency
from stressproof.measure import buckets

SETUP = -2
"""The second of all that users are set up with, before any load."""

RAMP = -1
"""The second of all that was intended before the measured window."""

TAIL = 2**40
"""The second of all that was sent after it, by iterations that had begun within it."""

FINE_US = 2 * buckets.SUB_BUCKETS
"""Below this every microsecond has a bucket of its own."""

NEVER_NS = 2**63

_NS_PER_S = 1_000_000_000


class RowDelta(Struct, frozen=True, array_like=True):
    """What one endpoint's second gained since it was drained last."""

    second: int
    endpoint: int
    started: int
    late: int
    dropped: int
    outcomes: dict[str, int]
    corrected: Latency
    uncorrected: Latency | None
    first_ns: int
    last_ns: int
    think_us: int = 0
    requests: int = 0
    pause_us: int = 0


class LiveHistogram:
    """The fastest way to count microseconds: almost all of them are one dictionary increment.

    Below `FINE_US` a bucket is its value, so sum and extremes follow from the counts; what lies
    above keeps its remainder and extremes beside them.
    """

    __slots__ = ("_max_us", "_min_us", "_rest_us", "counts")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.clear()

    def clear(self) -> None:
        """Forget everything; `counts` stays the same object."""
        self.counts.clear()
        self._rest_us = 0
        self._min_us = NEVER_NS
        self._max_us = 0

    def record(self, us: int) -> None:
        """Count a duration in microseconds, of any size."""
        if us < FINE_US:
            self.counts[us] += 1
            return
        us = min(us, buckets.MAX_US)
        bucket = buckets.index(us)
        self.counts[bucket] += 1
        self._rest_us += us - buckets.lowest(bucket)
        self._min_us = min(self._min_us, us)
        self._max_us = max(self._max_us, us)

    def drain(self) -> Latency:
        """Return what was counted, and forget it."""
        ordered = sorted(self.counts.items())
        if not ordered:
            return Latency(n=0, sum_us=0, min_us=None, max_us=None, buckets=[])
        first, last = ordered[0][0], ordered[-1][0]
        delta = Latency(
            n=sum(count for _, count in ordered),
            sum_us=self._rest_us + sum(buckets.lowest(at) * count for at, count in ordered),
            min_us=first if first < FINE_US else self._min_us,
            max_us=last if last < FINE_US else self._max_us,
            buckets=[number for pair in ordered for number in pair],
        )
        self.clear()
        return delta


class LiveRow:
    """One endpoint in one second, while requests of it are under way.

    Attributes:
        fine: Counts of corrected latencies below `FINE_US`, for whoever is in a hurry.
        first_ns: When the first request was started, 0 before.
        last_ns: When the last one ended, 0 before.
        pending: Requests that were under way when the row was drained last.
        cursor: Who may still start requests in it.
        think_us: How long users paused within its runs of a flow.
        pause_us: How long they paused after its iterations.
        requests: What its runs of a flow asked.
    """

    __slots__ = (
        "corrected",
        "cursor",
        "dropped",
        "endpoint",
        "failures",
        "fine",
        "first_ns",
        "last_ns",
        "late",
        "ok",
        "pause_us",
        "pending",
        "requests",
        "second",
        "started",
        "think_us",
        "uncorrected",
    )

    def __init__(self, cursor: "Cursor", endpoint: int, *, closed_loop: bool) -> None:
        self.cursor = cursor
        self.second = cursor.second
        self.endpoint = endpoint
        self.started = 0
        self.late = 0
        self.dropped = 0
        self.ok = 0
        self.failures: dict[str, int] = {}
        self.corrected = LiveHistogram()
        self.fine = self.corrected.counts
        self.uncorrected = None if closed_loop else LiveHistogram()
        self.first_ns = 0
        self.last_ns = 0
        self.pending = 0
        self.think_us = self.requests = self.pause_us = 0

    def fail(self, outcome: str) -> None:
        """Count a request that ended badly."""
        self.failures[outcome] = self.failures.get(outcome, 0) + 1

    def drain(self) -> RowDelta | None:
        """Return what was counted since last time, None where nothing was."""
        outcomes = dict(self.failures)
        if self.ok:
            outcomes["ok"] = self.ok
        if not (self.started or self.dropped or outcomes):
            return None
        delta = RowDelta(
            second=self.second,
            endpoint=self.endpoint,
            started=self.started,
            late=self.late,
            dropped=self.dropped,
            outcomes=outcomes,
            corrected=self.corrected.drain(),
            uncorrected=self.uncorrected.drain() if self.uncorrected is not None else None,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            think_us=self.think_us,
            requests=self.requests,
            pause_us=self.pause_us,
        )
        self.pending += self.started - sum(outcomes.values())
        self.started = self.late = self.dropped = self.ok = 0
        self.think_us = self.requests = self.pause_us = 0
        self.failures = {}
        return delta


class Phases:
    """Where the time of requests goes: opening connections, and waiting for the first byte.

    Attributes:
        connect: TCP connections, from the attempt.
        tls: Handshakes, after the connection.
        first_byte: From the send to the first byte of the answer.
    """

    def __init__(self) -> None:
        self.connect = LiveHistogram()
        self.tls = LiveHistogram()
        self.first_byte = LiveHistogram()


class Cursor:
    """Where in time somebody is who starts requests: the rows of the second that is theirs.

    Arrivals are counted when they are due, what follows them when it is sent. Each has a cursor of
    its own, so that a request of now never turns the page for an arrival of before.

    Args:
        recorder: What keeps the rows.
        second: Where it begins.
        closed_loop: Whether corrected and uncorrected latency are the same.

    Attributes:
        rows: The row of each endpoint in the present second, None until it is needed.
        second: The present second of the measured window, `RAMP` before what is measured of a
            scenario, `TAIL` after the window.
        turn_ns: When the present second ends; callers call `turn` before recording past it.
        last_second: The last second of the window that began here, `RAMP` before it.
    """

    def __init__(self, recorder: "Recorder", second: int, *, closed_loop: bool) -> None:
        self._recorder = recorder
        self._closed_loop = closed_loop
        self._measured_ns = self._end_ns = NEVER_NS
        self.rows: list[LiveRow | None] = [None] * recorder.endpoints
        self.second = second
        self.last_second = RAMP
        self.turn_ns = NEVER_NS

    @property
    def open_from(self) -> int:
        """The lowest second of the window in which something may still be started from here."""
        if self.second >= 0:
            return self.second
        return max(self.turn_ns - self._measured_ns, 0) // _NS_PER_S

    def begin(self, window_ns: int, end_ns: int, measured_ns: int) -> None:
        """Set the round's window, and from when on its scenario is measured: before is its ramp."""
        self._measured_ns = window_ns
        self._end_ns = end_ns
        self.turn_ns = measured_ns

    def turn(self, now_ns: int) -> None:
        """Move on to the second that ``now_ns`` lies in."""
        resolution_s = self._recorder.resolution_s
        if now_ns >= self._end_ns:
            self.second, self.turn_ns = TAIL, NEVER_NS
        else:
            elapsed_s = (now_ns - self._measured_ns) // _NS_PER_S
            self.second = self.last_second = elapsed_s // resolution_s * resolution_s
            self.turn_ns = min(
                self._measured_ns + (self.second + resolution_s) * _NS_PER_S, self._end_ns
            )
        self.rows = [None] * self._recorder.endpoints

    def open_row(self, endpoint: int, now_ns: int) -> LiveRow:
        """Return a new row for an endpoint in the present second, whose first request starts."""
        row = LiveRow(self, endpoint, closed_loop=self._closed_loop)
        row.first_ns = now_ns
        self.rows[endpoint] = row
        self._recorder.live.append(row)
        return row

    def close(self) -> None:
        """Start nothing more: rows here gain only what is under way."""
        self.second, self.turn_ns = TAIL + 1, NEVER_NS


class Recorder:
    """The rows of now, and those of before with requests still under way.

    Args:
        endpoints: How many endpoints there are.
        resolution_s: Seconds a row covers.

    Attributes:
        endpoints: How many endpoints there are.
        resolution_s: Seconds a row covers.
        live: Rows that may gain something and are not being drained.
        phases: Where the time of measured and other requests goes.
    """

    def __init__(self, endpoints: int, resolution_s: int) -> None:
        self.endpoints = endpoints
        self.resolution_s = resolution_s
        self.live: list[LiveRow] = []
        self._draining: list[LiveRow] = []
        self._step = 1
        self._cursors: list[Cursor] = []
        self.phases = Phases()

    def cursor(self, *, closed_loop: bool, second: int = RAMP) -> Cursor:
        """Return another place in time to start requests from."""
        cursor = Cursor(self, second, closed_loop=closed_loop)
        self._cursors.append(cursor)
        return cursor

    def open_endpoint(self) -> None:
        """Make room for one more endpoint, the last."""
        self.endpoints += 1
        for cursor in self._cursors:
            cursor.rows.append(None)

    @property
    def last_second(self) -> int:
        """The last second of the measured window that began, `RAMP` before it."""
        return max(cursor.last_second for cursor in self._cursors)

    def open_from(self) -> int:
        """Return the lowest second that may still gain something."""
        rows = (row.second for row in chain(self.live, self._draining) if row.second >= 0)
        return min(chain(rows, (cursor.open_from for cursor in self._cursors)))

    def start_draining(self, steps: int) -> None:
        """Set about draining all rows in about so many steps, unless that is still under way.

        Thousands of rows at once would hold up every request.
        """
        if not self._draining:
            self._draining, self.live = self.live, []
            self._step = len(self._draining) // steps + 1

    def drain_step(self) -> list[RowDelta]:
        """Drain some rows, and let go of those that can gain no more."""
        now, self._draining = self._draining[: self._step], self._draining[self._step :]
        return self._drain(now)

    def drain_all(self) -> list[RowDelta]:
        """Drain every row at once."""
        rows, self._draining, self.live = [*self._draining, *self.live], [], []
        return self._drain(rows)

    def _drain(self, rows: list[LiveRow]) -> list[RowDelta]:
        deltas = []
        for row in rows:
            delta = row.drain()
            if delta is not None:
                deltas.append(delta)
            if row.second == row.cursor.second or row.pending:
                self.live.append(row)
        return deltas
