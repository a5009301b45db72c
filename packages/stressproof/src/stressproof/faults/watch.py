"""The handle of the watchdog, which runs as long as there is something that it may have to undo."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stressproof.errors import RunError
from stressproof.faults.coprocess import Coprocess
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
        self._process: Coprocess | None = None
        self._held: dict[Path, _Held] = {}

    def hold(self, entry: Path, undo: Undo, within_s: float | None) -> None:
        """Have something undone should we be gone, or should its time be up.

        Args:
            entry: Its file in the list, which goes with it.
            undo: What undoes it.
            within_s: Its time, None for any.

        Raises:
            RunError: There is no watchdog, so nothing may be done.
        """
        process = self._process
        if process is None or not process.is_running():
            process = self._start()
        until = None if within_s is None else time.monotonic() + within_s
        self._held[entry] = _Held(undo, until)
        try:
            _tell_to_hold(process, entry, self._held[entry])
        except BaseException:
            self.release(entry)  # it may hold what nobody will do now
            raise

    def release(self, entry: Path) -> bool:
        """Say that something was undone; return whether that was in time.

        A watchdog that was killed holds nothing any more, and is not missed now.
        """
        if entry not in self._held:
            return True
        del self._held[entry]
        in_time = True
        if self._process is not None:
            with contextlib.suppress(RunError):
                in_time = _tell(self._process, {"release": str(entry.absolute())}) == "released"
        if not self._held:
            self._end()
        return in_time

    def _start(self) -> Coprocess:
        """Start one that holds what is held, in place of one that is gone."""
        self._end()
        self._process = process = Coprocess(
            "the watchdog",
            ["stressproof.faults.watchdog"],
            gone="Without one nothing is broken",
            # Whatever ends us by our group, a terminal's Ctrl-C say, must not end it.
            start_new_session=True,
        )
        for entry, held in self._held.items():
            _tell_to_hold(process, entry, held)
        return process

    def _end(self) -> None:
        """Let it end, once it holds nothing or is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.end(_END_TIMEOUT_S)


def _tell_to_hold(process: Coprocess, entry: Path, held: _Held) -> None:
    left_s = None if held.until is None else max(0.0, held.until - time.monotonic())
    _tell(process, {"hold": str(entry.absolute()), "undo": held.undo, "within_s": left_s})


def _tell(process: Coprocess, what: Mapping[str, object]) -> str:
    answer: str = process.ask(what, _ANSWER_TIMEOUT_S)["answer"]
    return answer
