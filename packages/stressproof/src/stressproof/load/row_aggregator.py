"""Adds up what workers report, and writes a round's rows."""

from collections.abc import Iterable

from stressproof.evidence.measurements import Latency, RampRow, Row
from stressproof.load.packed import PackedRows, pack
from stressproof.load.recorder import RAMP, TAIL, RowDelta
from stressproof.measure.histogram import Histogram

_NOTHING = Latency(n=0, sum_us=0, min_us=None, max_us=None, buckets=[])


class _Sum:
    """One endpoint in one second, over all workers."""

    __slots__ = ("corrected", "dropped", "late", "outcomes", "started", "uncorrected")

    def __init__(self) -> None:
        self.started = self.late = self.dropped = 0
        self.outcomes: dict[str, int] = {}
        self.corrected = Histogram()
        self.uncorrected = Histogram()

    def add(self, delta: RowDelta) -> None:
        self.started += delta.started
        self.late += delta.late
        self.dropped += delta.dropped
        for outcome, count in delta.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        delta.corrected.add_to(self.corrected)
        if delta.uncorrected is not None:
            delta.uncorrected.add_to(self.uncorrected)

    def row(self, second: int, endpoint: int, *, closed_loop: bool) -> Row:
        return Row(
            endpoint=endpoint,
            second=second,
            intended=self.started + self.dropped,
            started=self.started,
            late=self.late,
            dropped=self.dropped,
            outcomes=dict(sorted(self.outcomes.items())),
            corrected=Latency.of(self.corrected),
            uncorrected=None if closed_loop else Latency.of(self.uncorrected),
        )


class RowAggregator:
    """A round's rows while it runs.

    A second that can gain nothing more is kept as a few hundred bytes, so that a long round does
    not fill memory with histograms.

    Args:
        endpoints: How many endpoints there are.
        closed_loop: Whether corrected and uncorrected latency are the same.

    Attributes:
        completed: Measured requests that have ended.
        failed: Those of them that ended badly.
        first_ns: The first measured start on the monotonic clock, 0 before any.
        last_ns: The last measured completion, 0 before any.
        last_second: The last second that anything was reported of, `RAMP` before any.
        all: Corrected latencies of all measured requests.
        recent: Those that were added since `take_recent`.
    """

    def __init__(self, endpoints: int, *, closed_loop: bool) -> None:
        self._endpoints = endpoints
        self._closed_loop = closed_loop
        self._open: dict[tuple[int, int], _Sum] = {}
        self._packed: dict[tuple[int, int], bytes] = {}
        self._ramp, self._tail = ([_Sum() for _ in range(endpoints)] for _ in range(2))
        self.completed = self.failed = 0
        self.first_ns = self.last_ns = 0
        self.last_second = RAMP
        self.all = Histogram()
        self.recent = Histogram()

    def add(self, deltas: Iterable[RowDelta]) -> None:
        """Add what a worker reports."""
        for delta in deltas:
            if delta.second in {RAMP, TAIL}:
                outside = self._ramp if delta.second == RAMP else self._tail
                outside[delta.endpoint].add(delta)
                continue
            self._sum(delta.second, delta.endpoint).add(delta)
            ended = sum(delta.outcomes.values())
            self.completed += ended
            self.failed += ended - delta.outcomes.get("ok", 0)
            delta.corrected.add_to(self.all)
            delta.corrected.add_to(self.recent)
            if delta.first_ns:
                self.first_ns = min(self.first_ns or delta.first_ns, delta.first_ns)
            self.last_second = max(self.last_second, delta.second)
            self.last_ns = max(self.last_ns, delta.last_ns)

    def close_before(self, second: int) -> None:
        """Pack the rows of seconds before this one: no worker will add to them."""
        for key in [key for key in self._open if key[0] < second]:
            self._packed[key] = pack(self._open.pop(key).row(*key, closed_loop=self._closed_loop))

    def take_recent(self) -> Histogram:
        """Return the corrected latencies added since the last call."""
        recent, self.recent = self.recent, Histogram()
        return recent

    def rows(self, seconds: Iterable[int]) -> PackedRows:
        """Return every endpoint in every one of the seconds, the empty ones too."""
        self.close_before(2**62)
        return self.closed_rows(seconds)

    def closed_rows(self, seconds: Iterable[int]) -> PackedRows:
        """Return every endpoint in seconds that were closed before, the empty ones too."""
        return PackedRows(
            self._packed.get((second, endpoint)) or pack(self._empty(second, endpoint))
            for second in seconds
            for endpoint in range(self._endpoints)
        )

    def ramp(self) -> list[RampRow]:
        """Return what each endpoint was asked during the ramp."""
        return self._outside(self._ramp)

    def tail(self) -> list[RampRow]:
        """Return what each endpoint was asked after the window, by what began within it."""
        return self._outside(self._tail)

    def _outside(self, counts: list[_Sum]) -> list[RampRow]:
        return [
            RampRow(
                endpoint=endpoint,
                started=count.started,
                dropped=count.dropped,
                outcomes=dict(sorted(count.outcomes.items())),
                corrected=Latency.of(count.corrected),
            )
            for endpoint, count in enumerate(counts)
        ]

    def _sum(self, second: int, endpoint: int) -> _Sum:
        key = (second, endpoint)
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = _Sum()
        return found

    def _empty(self, second: int, endpoint: int) -> Row:
        return Row(
            endpoint=endpoint,
            second=second,
            intended=0,
            started=0,
            late=0,
            dropped=0,
            outcomes={},
            corrected=_NOTHING,
            uncorrected=None if self._closed_loop else _NOTHING,
        )
