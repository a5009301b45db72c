"""Ctrl-C while things are broken: the first ends the run, and no other breaks the undoing."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def one_interrupt(say: Callable[[str], None]) -> Iterator[None]:
    """Let one SIGINT raise `KeyboardInterrupt`; whoever is impatient is told what is going on.

    In other threads than the main one nothing changes, as signals are not theirs; neither where it
    is ignored (nohup).
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield
        return
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        del number, frame
        if came:
            say("undoing what holds and keeping what was concluded; a moment, please")
            return
        came = True
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, interrupt)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
