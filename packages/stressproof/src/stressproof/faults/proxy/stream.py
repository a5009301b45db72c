"""One direction of one proxied connection: what came in, what may leave, and when."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from stressproof.faults.proxy.toxics import Bandwidth, Latency, LimitData, Slicer, SlowClose

QUEUE_LIMIT = 256 * 1024
"""Bytes queued in one direction before its source is read no further.

Delay times rate is capped by it: 250 ms of latency lets 1 MiB/s through, as a window of TCP would.
"""

_TICK_S = 0.005
# So many writes, and everybody else has a turn: links, and whoever commands the proxy.
_PIECES_A_TURN = 64
_US = 1_000_000

Ending = Literal["end", "close", "reset"]
"""How a stream ends: no more bytes this way; both sockets closed orderly; RST to both."""


class Tally(Struct):
    """What one direction did, over all connections; all of it only grows, but ``held``.

    Attributes:
        received: Bytes read from the source.
        forwarded: Bytes written to the sink.
        held: Bytes in queues now.
        held_back: Bytes that a timeout toxic kept from leaving.
        held_max: The most there were at once.
        delayed: Chunks that a latency toxic delayed.
        delay_sum_us: How long, measured when they left.
        delay_min_us: The shortest; null where there were none.
        delay_max_us: The longest.
        pieces: Pieces written under a slicer.
        throttled: Times that a bandwidth toxic made a chunk wait.
        closed_slowly: Ends of streams that a slow_close toxic made wait.
        limited: Links that a limit_data toxic closed.
    """

    received: int = 0
    forwarded: int = 0
    held: int = 0
    held_back: int = 0
    held_max: int = 0
    delayed: int = 0
    delay_sum_us: int = 0
    delay_min_us: int | None = None
    delay_max_us: int = 0
    pieces: int = 0
    throttled: int = 0
    closed_slowly: int = 0
    limited: int = 0

    def delay(self, us: int) -> None:
        """Count one delayed chunk."""
        self.delayed += 1
        self.delay_sum_us += us
        self.delay_min_us = us if self.delay_min_us is None else min(self.delay_min_us, us)
        self.delay_max_us = max(self.delay_max_us, us)


class Rules(Struct, frozen=True):
    """The toxics that shape one direction; the default shapes nothing."""

    latency: Latency | None = None
    bandwidth: Bandwidth | None = None
    slicer: Slicer | None = None
    slow_close: SlowClose | None = None
    limit: LimitData | None = None
    hold: bool = False


class _Chunk(Struct):
    """Bytes on their way, or how the stream ends.

    Attributes:
        data: The bytes; none where it is the end.
        arrived: When they came, by the loop's clock.
        due: When a latency toxic lets them go.
        not_before: When a toxic of their protocol lets them go.
        offset: How many of them have left.
        ending: How the stream ends, where it does.
    """

    data: bytes
    arrived: float
    due: float
    not_before: float = 0.0
    offset: int = 0
    ending: Ending | None = None


class Stream:
    """A queue between a source that can be paused and a sink that can be slow.

    Args:
        rules: What shapes it at first.
        tally: Where it counts.
        rng: For jitter and piece sizes; its own, so that connections do not disturb each other.
        on_end: Called with how the stream ended, once all before it has left.
    """

    def __init__(
        self, rules: Rules, tally: Tally, rng: random.Random, on_end: Callable[[Ending], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._rules = rules
        self._tally = tally
        self._rng = rng
        self._on_end = on_end
        self._queue: deque[_Chunk] = deque()
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
        self._source: asyncio.Transport | None = None
        self._sink: asyncio.Transport | None = None
        self._sink_full = False
        self._source_paused = False
        self._blocked = False
        self._stopped = False
        self._passed = 0
        self._next_piece = 0.0
        self._tokens = 0.0
        self._tokens_at = self._loop.time()
        self._latest_due = 0.0
        self._over = False

    def attach(
        self, *, source: asyncio.Transport | None = None, sink: asyncio.Transport | None = None
    ) -> None:
        """Say where bytes come from or go to, once each is connected."""
        self._source = source or self._source
        self._sink = sink or self._sink
        self._release()

    def receive(self, data: bytes, *, not_before: float = 0.0) -> None:
        """Queue bytes from the source; those of a stream that is over are dropped.

        Args:
            data: Some.
            not_before: When they may leave at the earliest, by the loop's clock.
        """
        if self._over:
            return
        self._queued += len(data)
        self._tally.held += len(data)
        self._tally.held_back += len(data) * self._rules.hold
        self._tally.held_max = max(self._tally.held_max, self._tally.held)
        now = self._loop.time()
        self._queue.append(_Chunk(data, now, self._due(now), not_before))
        self._release()
        self._regulate_source()

    def end(self, ending: Ending = "end") -> None:
        """Queue the end of the stream: it is delayed and held like the bytes before it.

        A reset may follow an orderly end, as it may in TCP.
        """
        if self._over:
            return
        now = self._loop.time()
        self._queue.append(_Chunk(b"", now, self._due(now), ending=ending))
        if ending == "end" and self._rules.slow_close is not None:
            self._tally.closed_slowly += 1
        self._release()

    def block_source(self, blocked: bool) -> None:  # noqa: FBT001  # a state, not an option
        """Read the source no further, though there is room here: its bytes wait elsewhere."""
        self._blocked = blocked and not self._over
        self._regulate_source()

    def stop(self) -> None:
        """Let nothing leave any more, whatever the rules say; ends and resets wait too."""
        self._stopped = True
        self._cancel_timer()

    def hurry(self) -> None:
        """Let go what a toxic of the bytes' protocol made wait."""
        for chunk in self._queue:
            chunk.not_before = 0.0
        self._cancel_timer()
        self._release()

    def switch(self, rules: Rules) -> None:
        """Apply other rules, to what is queued too: a healed network delivers at once."""
        if rules.latency is None:
            for chunk in self._queue:
                chunk.due = chunk.arrived
            self._latest_due = 0.0
        if rules.bandwidth != self._rules.bandwidth:
            self._tokens, self._tokens_at = 0.0, self._loop.time()
        if rules.limit != self._rules.limit:
            self._passed = 0
        if rules.hold and not self._rules.hold:
            self._tally.held_back += self._queued
        self._rules = rules
        self._next_piece = 0.0
        self._cancel_timer()
        self._release()

    def sink_full(self, full: bool) -> None:  # noqa: FBT001  # the transport's own callback pair
        """Stop or go on writing, as the sink's transport asks."""
        self._sink_full = full
        if not full:
            self._release()

    def discard(self) -> None:
        """Forget what is queued; nothing more will leave. Its source is read on, to its end."""
        self._over = True
        self._tally.held -= self._queued
        self._queued = 0
        self._queue.clear()
        self._cancel_timer()
        self._blocked = False
        self._regulate_source()

    @property
    def queued(self) -> int:
        """Bytes waiting."""
        return self._queued

    def _due(self, now: float) -> float:
        latency = self._rules.latency
        if latency is None:
            return now
        jitter = self._rng.uniform(-latency.jitter_us, latency.jitter_us)
        due = now + max(0.0, latency.latency_us + jitter) / _US
        # TCP keeps order, so a chunk with a short delay waits for the one before it.
        self._latest_due = max(self._latest_due, due)
        return self._latest_due

    def _release(self) -> None:
        """Write what is due and allowed; come back for the rest."""
        pieces = 0
        while self._queue and self._timer is None and not self._waits_for_others():
            if self._sink is None or self._sink.is_closing():
                return
            chunk, now = self._queue[0], self._loop.time()
            if pieces == _PIECES_A_TURN:
                self._timer = self._loop.call_later(0, self._timer_fired)
                break
            wait_until, size = self._allowed(chunk, now)
            if wait_until > now:
                self._timer = self._loop.call_at(wait_until, self._timer_fired)
                break
            if chunk.ending is not None:
                self._queue.popleft()
                self._on_end(chunk.ending)
                continue
            if size:
                self._write(chunk, size, now)
                pieces += 1
            if self._limit_reached():
                return
        self._regulate_source()

    def _waits_for_others(self) -> bool:
        return self._rules.hold or self._sink_full or self._stopped

    def _limit_reached(self) -> bool:
        """Close the link where a limit_data toxic lets no more bytes pass."""
        limit = self._rules.limit
        if limit is None or self._over or self._passed < limit.bytes:
            return False
        self._tally.limited += 1
        self._on_end("close")
        return True

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_fired(self) -> None:
        self._timer = None
        self._release()

    def _allowed(self, chunk: _Chunk, now: float) -> tuple[float, int]:
        """Return until when the chunk must wait, and how many of its bytes may leave then."""
        size = len(chunk.data) - chunk.offset
        due = max(chunk.due, chunk.not_before)
        if chunk.ending == "end" and self._rules.slow_close is not None:
            due = max(due, chunk.arrived + self._rules.slow_close.delay_us / _US)
        if due > now or chunk.ending is not None:
            return due, size
        if self._rules.limit is not None:
            size = min(size, max(0, self._rules.limit.bytes - self._passed))
        slicer, bandwidth = self._rules.slicer, self._rules.bandwidth
        if slicer is not None:
            if self._next_piece > now:
                return self._next_piece, size
            spread = self._rng.randint(-slicer.variation_bytes, slicer.variation_bytes)
            size = min(size, max(1, slicer.average_bytes + spread))
        if bandwidth is not None:
            rate = bandwidth.bytes_per_second
            burst = max(1.0, rate * 4 * _TICK_S)
            self._tokens = min(burst, self._tokens + (now - self._tokens_at) * rate)
            self._tokens_at = now
            if self._tokens < 1:
                self._tally.throttled += 1
                return now + max(_TICK_S, 1 / rate), size
            size = min(size, int(self._tokens))
            self._tokens -= size
        return due, size

    def _write(self, chunk: _Chunk, size: int, now: float) -> None:
        sink = self._sink
        if sink is None:
            return
        whole = chunk.offset == 0 and size == len(chunk.data)
        piece = chunk.data if whole else chunk.data[chunk.offset : chunk.offset + size]
        chunk.offset += size
        self._queued -= size
        self._tally.held -= size
        self._tally.forwarded += size
        self._passed += size
        if self._rules.slicer is not None:
            self._tally.pieces += 1
            self._next_piece = now + self._rules.slicer.delay_us / _US
        if chunk.offset == len(chunk.data):
            self._queue.popleft()
            if self._rules.latency is not None:
                self._tally.delay(round((now - chunk.arrived) * _US))
        # Last, because a full sink calls back into this stream.
        sink.write(piece)

    def _regulate_source(self) -> None:
        """Pause or resume the source, by what waits: a full queue until half of it has left."""
        full = self._queued >= (QUEUE_LIMIT // 2 if self._source_paused else QUEUE_LIMIT)
        pause = full or self._blocked
        if pause == self._source_paused or self._source is None or self._source.is_closing():
            return
        self._source_paused = pause
        if pause:
            self._source.pause_reading()
        else:
            self._source.resume_reading()
