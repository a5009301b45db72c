"""Progress of long work, on stderr: redrawn on a terminal, plain lines every so often elsewhere."""

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_INTERVAL_S = 10.0
_REDRAWS_PER_S = 4


class Progress:
    """Shows phases and, within one, the latest state.

    Args:
        stream: Where to; normally stderr, since stdout is for results.
        clock: Monotonic seconds.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._clock = clock
        self._live: Live | None = None
        self._said_at = -PLAIN_INTERVAL_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._settle()

    def phase(self, text: str) -> None:
        """Say that something begins or is done; always a line of its own."""
        with contextlib.suppress(OSError):  # a terminal that is gone must not end what it watched
            self._settle()
            self._console.print(Text(text))
        self._said_at = self._clock()

    def state(self, text: str) -> None:
        """Show the latest state: over the one before on a terminal, else at most every 10 s."""
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(
                    console=self._console, refresh_per_second=_REDRAWS_PER_S, transient=True
                )
                self._live.start()
            with contextlib.suppress(OSError):
                self._live.update(Text(text))
        elif self._clock() - self._said_at >= PLAIN_INTERVAL_S:
            with contextlib.suppress(OSError):
                self._console.print(Text(text))
            self._said_at = self._clock()

    def _settle(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
