"""Progress of long work, on stderr: redrawn on a terminal, plain lines every so often elsewhere."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from stressproof.report.lines import Line, coloured, folded, is_terminal, lettered, painted

PLAIN_INTERVAL_S = 10.0
_REDRAWS_PER_S = 4
_DUMB = frozenset({"dumb", "unknown"})


class Progress:
    """Shows phases and, within one, the latest state; any thread may tell it.

    Args:
        stream: Where to; normally stderr, since stdout is for results. None is a closed one.
        clock: Monotonic seconds.
    """

    def __init__(
        self, stream: TextIO | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # Colours may be forced into a file, where nothing can be redrawn.
        self._redraws = is_terminal(stream) and os.environ.get("TERM", "") not in _DUMB
        colours = coloured(stream)
        self._console = Console(
            file=stream,
            quiet=stream is None,
            force_terminal=self._redraws or colours,
            no_color=not colours,
            highlight=False,
        )
        self._stream = stream
        self._clock = clock
        self._live: Live | None = None
        self._said_at = -PLAIN_INTERVAL_S
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._settle()

    def phase(self, text: str) -> None:
        """Say that something begins or is done; always a line of its own."""
        with self._lock:
            with contextlib.suppress(OSError):  # a terminal that is gone must not end what it saw
                self._settle()
                width = self._console.width if self._redraws else None
                for line in text.split("\n"):
                    for piece in folded(Line(line), width):
                        self._console.print(Text(piece), soft_wrap=True)
            self._said_at = self._clock()

    def state(self, lines: Sequence[Line]) -> None:
        """Show the latest state: over the one before on a terminal, else at most every 10 s.

        Args:
            lines: A thought each; what is too long for a terminal is cut, elsewhere they are one.
        """
        with self._lock, contextlib.suppress(OSError):
            if self._redraws:
                self._redraw(lines)
            elif self._clock() - self._said_at >= PLAIN_INTERVAL_S:
                told = lettered("  " + "; ".join(map(str, lines)), self._stream)
                self._console.print(Text(told), soft_wrap=True)
                self._said_at = self._clock()

    def _redraw(self, lines: Sequence[Line]) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                refresh_per_second=_REDRAWS_PER_S,
                transient=True,
                redirect_stdout=False,  # results are not ours to move
            )
            self._live.start()
        shown = [
            Text.from_ansi(painted(line, lettered(f"  {line}", self._stream)), no_wrap=True)
            for line in lines
        ]
        for text in shown:
            text.overflow = "ellipsis"
        self._live.update(Group(*shown))

    def _settle(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
