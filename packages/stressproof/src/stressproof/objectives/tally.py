"""Rows of one selection added up, exactly, and taken out again as a window slides on."""

from collections import deque

from stressproof.evidence.measurements import Latency, Row
from stressproof.measure import buckets
from stressproof.measure.histogram import Histogram
from stressproof.objectives.selection import Selection


class Samples:
    """A histogram that can also forget: counts per bucket, and extremes per step.

    Attributes:
        counts: Values per bucket.
        n: Values.
        sum_us: Their sum.
        min_us: The smallest, None where there are none.
        max_us: The largest, likewise.
    """

    __slots__ = ("counts", "max_us", "min_us", "n", "sum_us")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.n = 0
        self.sum_us = 0
        self.min_us: int | None = None
        self.max_us: int | None = None

    def add(self, other: "Samples", sign: int = 1) -> None:
        """Add other samples, or take them out (sign -1); extremes are left to the caller then."""
        counts = self.counts
        for bucket, count in other.counts.items():
            left = counts.get(bucket, 0) + sign * count
            if left:
                counts[bucket] = left
            else:
                del counts[bucket]
        self.n += sign * other.n
        self.sum_us += sign * other.sum_us
        if sign > 0:
            self.min_us = _least(self.min_us, other.min_us)
            self.max_us = _most(self.max_us, other.max_us)

    def histogram(self) -> Histogram:
        """Return the same as a histogram, sharing the counts."""
        histogram = Histogram()
        histogram.counts = self.counts
        histogram.n = self.n
        histogram.sum_us = self.sum_us
        histogram.min_us = self.min_us
        histogram.max_us = self.max_us
        return histogram

    @classmethod
    def of(cls, latency: Latency) -> "Samples":
        """Return the samples of a row's latency."""
        samples = cls()
        samples.counts = {
            latency.buckets[at]: latency.buckets[at + 1]
            for at in range(0, len(latency.buckets), 2)
            if latency.buckets[at + 1]
        }
        samples.n = sum(samples.counts.values())
        samples.sum_us = latency.sum_us
        samples.min_us = latency.min_us
        samples.max_us = latency.max_us
        return samples

    def extreme(self, keep: int, *, slowest: bool) -> "Samples":
        """Return the ``keep`` fastest or slowest, each at the bound of its bucket on that side.

        So every figure of the result bounds the same figure of any ``keep`` of these samples.
        """
        kept = Samples()
        left = min(keep, self.n)
        for bucket in sorted(self.counts, reverse=slowest):
            if not left:
                break
            take = min(self.counts[bucket], left)
            left -= take
            kept.counts[bucket] = take
            kept.n += take
            bound = (
                min(buckets.highest(bucket), self.max_us or 0)
                if slowest
                else max(buckets.lowest(bucket), self.min_us or 0)
            )
            kept.sum_us += bound * take
            kept.min_us = _least(kept.min_us, bound)
            kept.max_us = _most(kept.max_us, bound)
        return kept


class Tally:
    """What a threshold knows of some rows; pairs are the fewest and the most that it may be.

    Attributes:
        fastest: The latencies at best; the very same object as `slowest` where they are exact.
        slowest: The latencies at worst.
        ambiguous: Rows of which not even the number of selected requests is known, so that
            `fastest` and `slowest` bound nothing.
        completed: Requests of the selected endpoints, whatever their answers.
        succeeded: Selected requests that ended well.
        failed: Selected requests that did not.
        dropped: Arrivals that found no free user.
        intended: Arrivals that the schedule asked for.
        rows: Rows added.
    """

    __slots__ = (
        "ambiguous",
        "completed",
        "dropped",
        "failed",
        "fastest",
        "intended",
        "rows",
        "slowest",
        "succeeded",
    )

    def __init__(self) -> None:
        self.fastest = Samples()
        self.slowest = self.fastest
        self.ambiguous = 0
        self.completed = 0
        self.succeeded = (0, 0)
        self.failed = (0, 0)
        self.dropped = 0
        self.intended = 0
        self.rows = 0

    @property
    def exact(self) -> bool:
        """Whether the latencies are known exactly."""
        return self.fastest is self.slowest

    def add_row(self, row: Row, selection: Selection, *, uncorrected: bool) -> None:
        """Add one row of the selection's endpoints."""
        matched = selection.matched(row)
        ok = matched.pop("ok", (0, 0))
        failed = (
            sum(low for low, _ in matched.values()),
            sum(high for _, high in matched.values()),
        )
        self.succeeded = _pair(self.succeeded, ok)
        self.failed = _pair(self.failed, failed)
        self.completed += sum(row.outcomes.values())
        self.rows += 1
        # A drop or an arrival has no answer, so tags of answers cannot select it.
        if not selection.answers:
            self.dropped += row.dropped
            self.intended += row.intended
        latency = (row.uncorrected or row.corrected) if uncorrected else row.corrected
        self._add_samples(Samples.of(latency), _pair(ok, failed), whole=not selection.answers)

    def _add_samples(self, samples: Samples, selected: tuple[int, int], *, whole: bool) -> None:
        fewest, most = selected
        if whole or fewest == most == samples.n:
            self.fastest.add(samples)
            if not self.exact:
                self.slowest.add(samples)
        elif fewest != most:
            self.ambiguous += 1
        else:
            self._split()
            self.fastest.add(samples.extreme(fewest, slowest=False))
            self.slowest.add(samples.extreme(fewest, slowest=True))

    def _split(self) -> None:
        if self.exact:
            self.slowest = Samples()
            self.slowest.add(self.fastest)

    def add(self, other: "Tally", sign: int = 1) -> None:
        """Add another tally, or take it out (sign -1)."""
        if not other.exact:
            self._split()
        self.fastest.add(other.fastest, sign)
        if not self.exact:
            self.slowest.add(other.slowest, sign)
        self.ambiguous += sign * other.ambiguous
        self.completed += sign * other.completed
        self.failed = _pair(self.failed, other.failed, sign)
        self.succeeded = _pair(self.succeeded, other.succeeded, sign)
        self.dropped += sign * other.dropped
        self.intended += sign * other.intended
        self.rows += sign * other.rows


class SlidingTally:
    """The tally of the last steps, kept as each new one comes in.

    Args:
        steps: How many steps the window holds.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.window: deque[Tally] = deque()
        self.total = Tally()

    def push(self, tally: Tally) -> Tally | None:
        """Add a step; return the window's tally once the window is full, None before."""
        self.window.append(tally)
        self.total.add(tally)
        if len(self.window) > self.steps:
            self.total.add(self.window.popleft(), -1)
            self._extremes()
        return self.total if len(self.window) == self.steps else None

    def _extremes(self) -> None:
        for name in ("fastest",) if self.total.exact else ("fastest", "slowest"):
            total: Samples = getattr(self.total, name)
            total.min_us = total.max_us = None
            for step in self.window:
                samples: Samples = getattr(step, name)
                total.min_us = _least(total.min_us, samples.min_us)
                total.max_us = _most(total.max_us, samples.max_us)


def _pair(one: tuple[int, int], other: tuple[int, int], sign: int = 1) -> tuple[int, int]:
    return one[0] + sign * other[0], one[1] + sign * other[1]


def _least(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)


def _most(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
