"""One answer for all who ask at once: work done together, never older than the question."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Work that begins after whoever asked has asked, once for all who wait for it.

    However many ask, one piece of work runs at a time.

    Args:
        work: What is asked for.
        spacing_s: From the beginning of one to that of the next, at least.
    """

    def __init__(self, work: Callable[[], Awaitable[T]], *, spacing_s: float = 0.0) -> None:
        self._work = work
        self._spacing_s = spacing_s
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        self._began_at = -spacing_s

    async def ask(self) -> T:
        """Return an answer whose making began after this call; raises what making it raises."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> T:
        async with self._turn:
            pause_s = self._began_at + self._spacing_s - time.monotonic()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            self._next = None  # whoever asks from here on waits for the one after this
            self._began_at = time.monotonic()
            return await self._work()
