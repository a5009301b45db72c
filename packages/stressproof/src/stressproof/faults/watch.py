"""The handle of the watchdog, which runs as long as there is something that it may have to undo."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from stressproof.errors import RunError
from stressproof.faults.undo import Undo

_ANSWER_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 10.0


class _Held(NamedTuple):
    """What undoes something, and when its time is up (monotonic), None for never."""

    undo: Undo
    until: float | None


class Watch:
    """Starts, tells and ends a watchdog; not for several threads at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._held: dict[Path, _Held] = {}
        self._unread = b""

    def hold(self, entry: Path, undo: Undo, within_s: float | None) -> None:
        """Have something undone should we be gone, or should its time be up.

        Args:
            entry: Its file in the list, which goes with it.
            undo: What undoes it.
            within_s: Its time, None for any.

        Raises:
            RunError: There is no watchdog, so nothing may be done.
        """
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._start()
            for name, held in self._held.items():
                self._tell_to_hold(name, held)
        until = None if within_s is None else time.monotonic() + within_s
        self._tell_to_hold(entry, _Held(undo, until))
        self._held[entry] = _Held(undo, until)

    def release(self, entry: Path) -> bool:
        """Say that something was undone; return whether that was in time.

        A watchdog that was killed holds nothing any more, and is not missed now.
        """
        if entry not in self._held:
            return True
        del self._held[entry]
        answer = "released"
        with contextlib.suppress(RunError):
            answer = self._tell({"release": str(entry.absolute())})
        if not self._held:
            self._end()
        return answer == "released"

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stressproof.faults.watchdog"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Whatever ends us by our group, a terminal's Ctrl-C say, must not end it.
                start_new_session=True,
            )
        except OSError as error:
            raise RunError(f"the watchdog cannot be started: {error}") from error
        self._unread = b""

    def _end(self) -> None:
        """Let it end, once it holds nothing or is gone."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _tell_to_hold(self, entry: Path, held: _Held) -> None:
        left_s = None if held.until is None else max(0.0, held.until - time.monotonic())
        self._tell({"hold": str(entry.absolute()), "undo": held.undo, "within_s": left_s})

    def _tell(self, what: dict[str, object]) -> str:
        process = self._process
        if process is None or process.stdin is None:
            raise self._gone()
        try:
            process.stdin.write(json.dumps(what).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise self._gone() from error
        return self._answer(process, time.monotonic() + _ANSWER_TIMEOUT_S)

    def _answer(self, process: "subprocess.Popen[bytes]", deadline: float) -> str:
        if process.stdout is None:
            raise self._gone()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise RunError("the watchdog does not answer", hint="Is the machine busy?")
                chunk = os.read(process.stdout.fileno(), 4096)
                if not chunk:
                    raise self._gone()
                self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode()

    def _gone(self) -> RunError:
        return RunError(
            "the watchdog is gone, and without one nothing is broken",
            hint="What it says of itself is on stderr. Start again.",
        )
