"""Which connections a worker holds: how many, how many each worker, and who goes when it is full.

A connection that waits for its client (for a first byte, or for the rest of a request's head)
costs nothing to refuse: where room is needed, the one that has waited longest is closed. Only where
every connection waits for an answer of ours is a further one refused.
"""

import resource
import time
from collections.abc import Callable
from typing import Final, Protocol

from enforcement.api import metrics
from enforcement.api.counters import HEARTBEAT_NS, READY, CounterFile, Slot
from enforcement.logs import Log

# What a worker opens beside connections: database, journal, counters, and refusals under way.
RESERVED_DESCRIPTORS: Final = 64
LOG_EVERY_S: Final = 5.0
_ALIVE_NS: Final = 1_000_000_000


class Evictable(Protocol):
    """A connection that can be closed to make room."""

    def evict(self) -> None:
        """Close at once."""
        ...


def room_for(wanted: int, pool_size: int) -> int:
    """Return how many connections a process may hold, and see that it may open as many files.

    Args:
        wanted: By the settings.
        pool_size: Connections to the database.
    """
    reserved = RESERVED_DESCRIPTORS + 2 * pool_size
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + reserved
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, soft - reserved))


class Connections:
    """The connections of one worker.

    Args:
        most: How many it may hold.
        counters: Of all workers; shows how many each of them holds.
        number: Of this worker.
        slot: Its counters.
        log: Of this worker.
    """

    def __init__(self, most: int, counters: CounterFile, number: int, slot: Slot, log: Log) -> None:
        self.most = most
        self._counters = counters
        self._others = [other for other in range(counters.slots) if other != number]
        self._word = counters.layout.offset(metrics.OPEN_CONNECTIONS)
        self._slot = slot
        self._log = log
        self._open = 0
        # In the order in which they began to wait.
        self._never_asked: dict[Evictable, None] = {}
        self._between_requests: dict[Evictable, None] = {}
        self._told_at: dict[str, float] = {}
        slot.set(metrics.OPEN_CONNECTIONS, 0)  # the worker before this one left its own

    def opened(self) -> None:
        """Count a connection that was accepted."""
        self._open += 1
        self._slot.set(metrics.OPEN_CONNECTIONS, self._open)

    def closed(self, connection: Evictable | None = None) -> None:
        """Count a connection that is gone."""
        self._open -= 1
        self._slot.set(metrics.OPEN_CONNECTIONS, self._open)
        if connection is not None:
            self.busy(connection)

    def admit(self, connection: Evictable) -> bool:
        """Take a new connection in, in another's place if need be; False where there is none."""
        if self._open > self.most and not self._make_room():
            self._slot.add(metrics.REFUSED_CONNECTIONS, ("full",))
            self._tell("connections_full", self._log.error)
            return False
        self._never_asked[connection] = None
        return True

    def is_overfull(self) -> bool:
        """Say whether even telling why is too much."""
        return self._open > self.most + RESERVED_DESCRIPTORS // 2

    def waits(self, connection: Evictable) -> None:
        """Note that a connection was answered and may ask again."""
        self._between_requests[connection] = None

    def busy(self, connection: Evictable) -> None:
        """Note that a connection has asked."""
        self._never_asked.pop(connection, None)
        self._between_requests.pop(connection, None)

    def is_crowded(self) -> bool:
        """Say whether another worker that lives holds fewer connections than this one."""
        now_ns = time.monotonic_ns()
        read = self._counters.read
        return any(
            read(other, self._word) < self._open
            and read(other, READY) == 1
            and now_ns - read(other, HEARTBEAT_NS) < _ALIVE_NS
            for other in self._others
        )

    def _make_room(self) -> bool:
        for waiting in (self._never_asked, self._between_requests):
            if waiting:
                connection = next(iter(waiting))
                del waiting[connection]
                connection.evict()
                self._slot.add(metrics.REFUSED_CONNECTIONS, ("evicted",))
                self._tell("connections_evicted", self._log.warning)
                return True
        return False

    def _tell(self, event: str, write: Callable[..., None]) -> None:
        """Log what happens to many connections at once now and then, not for each."""
        now = time.monotonic()
        if now - self._told_at.get(event, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._told_at[event] = now
            write(event, open=self._open, most=self.most)
