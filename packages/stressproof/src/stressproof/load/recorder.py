"""Counts requests as they end, by endpoint and second of their intended start.

Nothing here grows with the run: once a second what was counted is drained into deltas, and a row
lives only until its second has passed and its last request has ended.
"""

from collections import defaultdict
from itertools import chain

from msgspec import Struct

from stressproof.evidence.measurements import Latency
from stressproof.measure import buckets

RAMP = -1
"""The second of all that was intended before the measured window."""

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
    """

    __slots__ = (
        "corrected",
        "dropped",
        "endpoint",
        "failures",
        "fine",
        "first_ns",
        "last_ns",
        "late",
        "ok",
        "pending",
        "second",
        "started",
        "uncorrected",
    )

    def __init__(self, second: int, endpoint: int, *, closed_loop: bool) -> None:
        self.second = second
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
        )
        self.pending += self.started - sum(outcomes.values())
        self.started = self.late = self.dropped = self.ok = 0
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


class Recorder:
    """The rows of now, and those of before with requests still under way.

    Args:
        endpoints: How many endpoints there are.
        resolution_s: Seconds a row covers.
        closed_loop: Whether corrected and uncorrected latency are the same.

    Attributes:
        rows: The row of each endpoint in the present second, None until it is needed.
        turn_ns: When the present second ends; callers call `turn` before recording past it.
        measured_ns: When the measured window begins.
        phases: Where the time of measured and other requests goes.
    """

    def __init__(self, endpoints: int, resolution_s: int, *, closed_loop: bool) -> None:
        self._endpoints = endpoints
        self._resolution_s = resolution_s
        self._closed_loop = closed_loop
        self._live: list[LiveRow] = []
        self._draining: list[LiveRow] = []
        self._step = 1
        self._second = RAMP
        self.rows: list[LiveRow | None] = [None] * endpoints
        self.phases = Phases()
        self.measured_ns = NEVER_NS
        self.turn_ns = NEVER_NS

    @property
    def second(self) -> int:
        """The present second of the measured window, `RAMP` before it."""
        return self._second

    def begin(self, measured_ns: int) -> None:
        """Set when the measured window begins; until then everything belongs to the ramp."""
        self.measured_ns = self.turn_ns = measured_ns

    def turn(self, now_ns: int) -> None:
        """Move on to the second that ``now_ns`` lies in."""
        elapsed_s = (now_ns - self.measured_ns) // _NS_PER_S
        self._second = elapsed_s // self._resolution_s * self._resolution_s
        ends_s = self._second + self._resolution_s
        self.turn_ns = self.measured_ns + ends_s * _NS_PER_S
        self.rows = [None] * self._endpoints

    def open_row(self, endpoint: int, now_ns: int) -> LiveRow:
        """Return a new row for an endpoint in the present second, whose first request starts."""
        row = LiveRow(self._second, endpoint, closed_loop=self._closed_loop)
        row.first_ns = now_ns
        self.rows[endpoint] = row
        self._live.append(row)
        return row

    def open_from(self) -> int:
        """Return the lowest second that may still gain something."""
        return min((row.second for row in chain(self._live, self._draining)), default=self._second)

    def start_draining(self, steps: int) -> None:
        """Set about draining all rows in about so many steps, unless that is still under way.

        Thousands of rows at once would hold up every request.
        """
        if not self._draining:
            self._draining, self._live = self._live, []
            self._step = len(self._draining) // steps + 1

    def drain_step(self) -> list[RowDelta]:
        """Drain some rows, and let go of those that can gain no more."""
        now, self._draining = self._draining[: self._step], self._draining[self._step :]
        return self._drain(now)

    def drain_all(self) -> list[RowDelta]:
        """Drain every row at once."""
        rows, self._draining, self._live = [*self._draining, *self._live], [], []
        return self._drain(rows)

    def _drain(self, rows: list[LiveRow]) -> list[RowDelta]:
        deltas = []
        for row in rows:
            delta = row.drain()
            if delta is not None:
                deltas.append(delta)
            if row.second == self._second or row.pending:
                self._live.append(row)
        return deltas
