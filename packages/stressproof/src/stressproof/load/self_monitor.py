"""The instrument watches itself: CPU, delay of its event loop, garbage collection, memory."""

import gc
import os
import re
import resource
import sys
from pathlib import Path
from time import monotonic_ns, process_time_ns

from msgspec import Struct

from stressproof.evidence.measurements import Latency
from stressproof.load.recorder import LiveHistogram

_HIGH_WATER = re.compile(r"VmHWM:\s+(\d+) kB")


class WorkerHealth(Struct, frozen=True):
    """What one worker says of itself, over the measured window.

    Attributes:
        cpu_busy_ppm: CPU time used, in millionths of one core.
        delay: How late due callbacks and due requests were.
        gc_pause_max_us: The longest garbage collection.
        rss_bytes: Peak resident memory.
        file_limit_hits: Connections that failed for want of file descriptors.
        port_limit_hits: Connections that failed for want of local ports.
    """

    cpu_busy_ppm: int
    delay: Latency
    gc_pause_max_us: int
    rss_bytes: int
    file_limit_hits: int
    port_limit_hits: int


def peak_rss_bytes() -> int:
    """Return the most memory that this process has had resident.

    On Linux ``ru_maxrss`` will not do: a process inherits that of whoever started it.
    """
    high_water = high_water_bytes(os.getpid()) if sys.platform == "linux" else None
    if high_water is not None:
        return high_water
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def high_water_bytes(pid: int) -> int | None:
    """Return the most memory that a process on Linux has had resident; None once it has ended.

    Raises:
        OSError: There is no such process.
    """
    found = _HIGH_WATER.search(
        Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    )
    return None if found is None else int(found[1]) * 1024


class SelfMonitor:
    """Measures this process between `begin` and `report`.

    Attributes:
        delay: How late due callbacks were; others may record to it.
    """

    def __init__(self) -> None:
        self.delay = LiveHistogram()
        self._gc_started_ns = 0
        self._gc_longest_ns = 0
        self._since_ns = 0
        self._cpu_ns = 0

    def begin(self) -> None:
        """Start over: the measured window begins."""
        if not self._since_ns:
            gc.callbacks.append(self._collected)
        self.delay.clear()
        self._gc_longest_ns = 0
        self._since_ns, self._cpu_ns = monotonic_ns(), process_time_ns()

    def report(self, file_limit_hits: int, port_limit_hits: int) -> WorkerHealth:
        """Return what was measured, and stop measuring."""
        cpu_ns = process_time_ns() - self._cpu_ns
        wall_ns = max(monotonic_ns() - self._since_ns, 1)
        began = self._since_ns > 0
        if began:
            gc.callbacks.remove(self._collected)
            self._since_ns = 0
        return WorkerHealth(
            cpu_busy_ppm=cpu_ns * 1_000_000 // wall_ns if began else 0,
            delay=self.delay.drain(),
            gc_pause_max_us=self._gc_longest_ns // 1000,
            rss_bytes=peak_rss_bytes(),
            file_limit_hits=file_limit_hits,
            port_limit_hits=port_limit_hits,
        )

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_started_ns = monotonic_ns()
        else:
            self._gc_longest_ns = max(self._gc_longest_ns, monotonic_ns() - self._gc_started_ns)
