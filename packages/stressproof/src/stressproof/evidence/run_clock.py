"""One clock a run: every wall-clock time of a document follows from one reading of both clocks.

The wall clock may be set while a run lasts, and every duration read from it would then be wrong. So
it is read once, beside the monotonic clock, and everything else is counted from there. How the wall
clock went on is recorded, so that whoever judges the evidence's age knows of it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock

from stressproof.evidence.clock import CLOCK_STEPS_KEPT, STEP_US, ClockRecord, ClockStep

_READINGS = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RunClock:
    """The time of one run, for all of its threads.

    Args:
        wall_ns: The wall clock, in nanoseconds since 1970.
        monotonic_ns: The clock that nobody can set.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._lock = Lock()
        self._steps: list[ClockStep] = []
        self._offset_ns = self._seen_ns = self._known_ns = self._read()

    def now(self) -> str:
        """Return the time in RFC 3339, and see whether the wall clock was set meanwhile."""
        self.observe()
        return self.at(self._monotonic_ns())

    def at(self, monotonic_ns: int) -> str:
        """Return a moment of the monotonic clock in RFC 3339, in UTC."""
        us = (self._offset_ns + monotonic_ns) // 1000
        return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds")

    def observe(self) -> None:
        """See whether the wall clock was set since this was last asked, and remember it."""
        with self._lock:
            self._seen_ns = self._read()
            by_us = (self._seen_ns - self._known_ns) // 1000
            if abs(by_us) <= STEP_US:
                return
            self._known_ns += by_us * 1000
            seen_at = self.at(self._monotonic_ns())
            if len(self._steps) == CLOCK_STEPS_KEPT:  # too many to tell apart
                by_us += self._steps.pop().by_us
            self._steps.append(ClockStep(seen_at, by_us))

    def record(self) -> ClockRecord:
        """Return how the wall clock went on, for the document whose last time was just taken."""
        return ClockRecord((self._seen_ns - self._offset_ns) // 1000, list(self._steps))

    def _read(self) -> int:
        """Return the wall clock's lead over the other, from the quickest of a few readings."""
        readings = []
        for _ in range(_READINGS):
            before_ns = self._monotonic_ns()
            wall_ns = self._wall_ns()
            after_ns = self._monotonic_ns()
            readings.append((after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2))
        return min(readings)[1]
