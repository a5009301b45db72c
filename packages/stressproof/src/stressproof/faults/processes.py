"""Processes to break: found by their parents, named so that a recycled pid is never hit."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from disposable_postgres.processes import state_of, tree_of
from stressproof.errors import RunError

_POLL_S = 0.005
_START_FIELD = 19  # of /proc/PID/stat, counted from the state letter: start time in clock ticks


class ProcessRef(Struct, frozen=True):
    """A process at one time: a number that is given out again differs in its start.

    Attributes:
        pid: Its number.
        start_ticks: When it started, in clock ticks since boot.
    """

    pid: int
    start_ticks: int


def refer(pid: int) -> ProcessRef | None:
    """Return a lasting reference to a process, None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessRef(pid, int(fields[_START_FIELD]))


def lives(process: ProcessRef) -> bool:
    """Return whether that very process is still there; a zombie is not."""
    return refer(process.pid) == process and state_of(process.pid) not in {"Z", "X", None}


def send(processes: Sequence[ProcessRef], number: signal.Signals) -> int:
    """Signal those that still live and return how many were."""
    count = 0
    for process in processes:
        if refer(process.pid) == process:
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue
            count += 1
    return count


def command_line(pid: int) -> str:
    """Return a process's command, empty where it is gone or a kernel thread."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def workers_of(master: int) -> list[ProcessRef]:
    """Return the worker processes of a Python service: its children that run its interpreter.

    The resource tracker of `multiprocessing` is no worker, and neither is anything else that the
    service runs (its database, say).
    """
    interpreter = _program(master)
    found = []
    for pid in tree_of(master)[1:]:
        if _program(pid) == interpreter and "resource_tracker" not in command_line(pid):
            reference = refer(pid)
            if reference is not None:
                found.append(reference)
    return found


def _program(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return f"gone {pid}"


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float) -> None:
    """Wait until something holds.

    Raises:
        RunError: It does not within the time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RunError(
                f"{what}: not within {timeout_s:g} s",
                hint="The machine may be too busy for this schedule.",
            )
        time.sleep(_POLL_S)
