"""A wall clock that somebody sets."""

import time

NS = 1_000_000_000


class SteppingClock:
    """The machine's wall clock, which somebody sets some seconds from now."""

    def __init__(self, *steps_s: tuple[float, float]) -> None:
        self._begun_ns = time.monotonic_ns()
        self._steps = steps_s

    def __call__(self) -> int:
        """Return what it reads."""
        since_s = (time.monotonic_ns() - self._begun_ns) / NS
        moved_s = sum(by_s for after_s, by_s in self._steps if since_s >= after_s)
        return time.time_ns() + round(moved_s * NS)
