"""The dead man's switch: a process that undoes faults when whoever made them is gone, or hangs.

It reads lines of JSON from stdin and answers each, ``{"number": N, "answer": …}``:
``{"number": N, "hold": ENTRY, "undo": …, "within_s": …}`` before a fault is made (``held``),
``{"number": N, "release": ENTRY}`` after it was undone (``released``, or ``undone`` where its time
was up before). ENTRY is the fault's file in the list on disk, which goes
once the fault is undone. Once stdin ends, or its parent, everything held is undone.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from stressproof.faults.undo import Undo, carry_out, resume

_LOOK_S = 0.5
# What is to be started again may not be startable yet.
_AGAIN_AFTER_S = (1.0, 3.0, 10.0)


class _Held(NamedTuple):
    """A fault, and when its time is up (monotonic), None for never."""

    undo: Undo
    until: float | None


class Watchdog:
    """Holds what others tell it to hold."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._held: dict[str, _Held] = {}
        self._unread = b""

    def watch(self) -> None:
        """Serve until whoever started us is gone, then undo what is left."""
        while os.getppid() == self._parent:
            ready, _, _ = select.select([sys.stdin.fileno()], [], [], self._pause_s())
            if ready:
                data = os.read(sys.stdin.fileno(), 65_536)
                if not data:
                    break
                *lines, self._unread = (self._unread + data).split(b"\n")
                for line in lines:
                    self._answer(json.loads(line))
            now = time.monotonic()
            late = [entry for entry, held in self._held.items() if held.until and held.until <= now]
            self._undo(late, "outlived its time")
        # The last first: what was started before it may be what an undo needs.
        self._undo(list(reversed(self._held)), "was left behind")

    def _pause_s(self) -> float:
        due = min((held.until for held in self._held.values() if held.until), default=None)
        return _LOOK_S if due is None else max(0.0, min(_LOOK_S, due - time.monotonic()))

    def _answer(self, said: dict[str, Any]) -> None:
        if "hold" in said:
            within = said["within_s"]
            until = None if within is None else time.monotonic() + within
            self._held[said["hold"]] = _Held(said["undo"], until)
            answer = "held"
        else:
            answer = "undone" if self._held.pop(said["release"], None) is None else "released"
        # Whoever asked may be gone: then the end of stdin says so, and what is held is undone.
        with contextlib.suppress(OSError):
            line = json.dumps({"number": said["number"], "answer": answer})
            os.write(sys.stdout.fileno(), line.encode() + b"\n")

    def _undo(self, entries: list[str], why: str) -> None:
        """Undo some of what is held; what is frozen goes on first, and does not wait for others."""
        undone = {entry: self._held.pop(entry).undo for entry in entries}
        for undo in undone.values():
            resume(undo)
        for entry, undo in undone.items():
            failures = carry_out(undo, again_after_s=_AGAIN_AFTER_S)
            name = Path(entry).stem
            for failure in failures:
                _say(f"{name} {why} and cannot be undone: {failure}")
            if not failures:
                Path(entry).unlink(missing_ok=True)
                _say(f"{name} {why}; undone")


def _say(text: str) -> None:
    # Nobody may be there to read it.
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), f"watchdog: {text}\n".encode())


def main() -> None:
    """Watch; signals that are meant for whoever started us end nothing here."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    Watchdog().watch()


if __name__ == "__main__":
    main()
