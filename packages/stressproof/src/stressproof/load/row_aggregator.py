"""Adds up what workers report, and writes a round's rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from stressproof.evidence.measurements import Latency, RampRow, Row
from stressproof.load.flow_outcomes import INTERRUPTED
from stressproof.load.packed import PackedRows, pack
from stressproof.load.recorder import RAMP, SETUP, TAIL, RowDelta
from stressproof.measure.histogram import Histogram

_GOOD = frozenset({"ok", INTERRUPTED})


class RowSum:
    """One endpoint in one step of time, over all that is added."""

    __slots__ = (
        "corrected",
        "dropped",
        "late",
        "outcomes",
        "pause_us",
        "requests",
        "started",
        "think_us",
        "uncorrected",
    )

    def __init__(self) -> None:
        self.started = self.late = self.dropped = 0
        self.think_us = self.requests = self.pause_us = 0
        self.outcomes: dict[str, int] = {}
        self.corrected = Histogram()
        self.uncorrected = Histogram()

    def add(self, delta: RowDelta | Row) -> None:
        """Add what one worker counted, or a part of the step."""
        self.started += delta.started
        self.late += delta.late
        self.dropped += delta.dropped
        self.think_us += delta.think_us
        self.requests += delta.requests
        self.pause_us += delta.pause_us
        for outcome, count in delta.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        delta.corrected.add_to(self.corrected)
        if delta.uncorrected is not None:
            delta.uncorrected.add_to(self.uncorrected)

    def row(self, second: int, endpoint: int, *, closed_loop: bool) -> Row:
        """Return it as a row."""
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
            think_us=self.think_us,
            requests=self.requests,
            pause_us=self.pause_us,
        )

    def outside(self, endpoint: int) -> RampRow:
        """Return it as what is in no second of the window."""
        return RampRow(
            endpoint=endpoint,
            started=self.started,
            dropped=self.dropped,
            outcomes=dict(sorted(self.outcomes.items())),
            corrected=Latency.of(self.corrected),
            think_us=self.think_us,
            requests=self.requests,
            pause_us=self.pause_us,
        )


class RowAggregator:
    """A round's rows while it runs.

    A second that can gain nothing more is kept as a few hundred bytes, so that a long round does
    not fill memory with histograms.

    Args:
        closed_loops: Of each endpoint, whether corrected and uncorrected latency are the same.
        flows: Which of them are flows, whose times are no request's.

    Attributes:
        completed: Measured requests that have ended.
        failed: Those of them that ended badly, by kind.
        first_ns: The first measured start on the monotonic clock, 0 before any.
        last_ns: The last completion of a measured request, 0 before any.
        last_second: The last second that anything was reported of, `RAMP` before any.
        all: Corrected latencies of all measured requests.
        recent: Those that were added since `take_recent`.
    """

    def __init__(self, closed_loops: Sequence[bool], flows: Iterable[int] = ()) -> None:
        self._closed_loops = list(closed_loops)
        self._flows = frozenset(flows)
        self._open: dict[tuple[int, int], RowSum] = {}
        self._packed: dict[tuple[int, int], bytes] = {}
        self._outside: dict[int, dict[int, RowSum]] = {SETUP: {}, RAMP: {}, TAIL: {}}
        self.completed = 0
        self.failed: Counter[str] = Counter()
        self.first_ns = self.last_ns = 0
        self.last_second = RAMP
        self.all = Histogram()
        self.recent = Histogram()

    def open_endpoint(self, *, closed_loop: bool) -> int:
        """Make room for one more endpoint; return its number."""
        self._closed_loops.append(closed_loop)
        return len(self._closed_loops) - 1

    def add(self, deltas: Iterable[tuple[int, RowDelta]]) -> None:
        """Add what a worker reports, each with its endpoint's number here."""
        for endpoint, delta in deltas:
            outside = self._outside.get(delta.second)
            if outside is not None:
                outside.setdefault(endpoint, RowSum()).add(delta)
                continue
            self._sum(delta.second, endpoint).add(delta)
            if delta.first_ns:
                self.first_ns = min(self.first_ns or delta.first_ns, delta.first_ns)
            self.last_second = max(self.last_second, delta.second)
            if endpoint in self._flows:
                continue
            self.last_ns = max(self.last_ns, delta.last_ns)
            self.completed += sum(delta.outcomes.values())
            for outcome, count in delta.outcomes.items():
                if outcome not in _GOOD:
                    self.failed[outcome] += count
            delta.corrected.add_to(self.all)
            delta.corrected.add_to(self.recent)

    def close_before(self, second: int) -> None:
        """Pack the rows of seconds before this one: no worker will add to them."""
        for key in [key for key in self._open if key[0] < second]:
            closed_loop = self._closed_loops[key[1]]
            self._packed[key] = pack(self._open.pop(key).row(*key, closed_loop=closed_loop))

    def take_recent(self) -> Histogram:
        """Return the corrected latencies added since the last call."""
        recent, self.recent = self.recent, Histogram()
        return recent

    def rows(self, seconds: Iterable[int], order: Sequence[int]) -> PackedRows:
        """Return every endpoint in every one of the seconds, the empty ones too.

        Args:
            seconds: Which.
            order: The number here of each endpoint, in the order that they are written.
        """
        self.close_before(2**62)
        return self.closed_rows(seconds, order)

    def closed_rows(self, seconds: Iterable[int], order: Sequence[int]) -> PackedRows:
        """Return every endpoint in seconds that were closed before, the empty ones too."""
        return PackedRows(
            (place, self._packed.get((second, number)) or self._empty(second, number))
            for second in seconds
            for place, number in enumerate(order)
        )

    def outside(self, second: int, order: Sequence[int]) -> list[RampRow]:
        """Return what each endpoint was asked in `SETUP`, `RAMP` or `TAIL`.

        Of setup and tail nothing is returned where there was none.
        """
        counts = self._outside[second]
        if not counts and second != RAMP:
            return []
        return [counts.get(number, RowSum()).outside(place) for place, number in enumerate(order)]

    def _sum(self, second: int, endpoint: int) -> RowSum:
        key = (second, endpoint)
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = RowSum()
        return found

    def _empty(self, second: int, endpoint: int) -> bytes:
        return empty_row(second, closed_loop=self._closed_loops[endpoint])


@lru_cache(4096)
def empty_row(second: int, *, closed_loop: bool) -> bytes:
    """Return a second in which an endpoint was not asked, packed."""
    return pack(RowSum().row(second, 0, closed_loop=closed_loop))
