"""Processes to break and to stop: found by their parents, named so that no recycled pid is hit."""

import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from stressproof.errors import RunError

_POLL_S = 0.005
_PROC = Path("/proc")
# Fields of /proc/PID/stat from the state letter on, as proc(5) orders them.
_STATE, _PARENT, _SESSION, _START = 0, 1, 3, 19


class ProcessRef(NamedTuple):
    """A process at one time: a number that is given out again differs in its start.

    Attributes:
        pid: Its number.
        start_ticks: When it started, in clock ticks since boot.
    """

    pid: int
    start_ticks: int


def _stat(pid: int) -> list[str] | None:
    """Return the fields of ``/proc/PID/stat`` from the state letter on, None where it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command may hold spaces and brackets; the fields begin after its last bracket.
    return text[text.rindex(")") + 2 :].split()


def _everything() -> dict[int, list[str]]:
    """Return the fields of every process that can be seen."""
    numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return {pid: fields for pid in numbers if (fields := _stat(pid)) is not None}


def state_of(pid: int) -> str | None:
    """Return a process's state letter (``R``, ``S``, ``T``, ``Z`` …), None where it is gone."""
    fields = _stat(pid)
    return None if fields is None else fields[_STATE]


def refer(pid: int) -> ProcessRef | None:
    """Return a lasting reference to a process, None where it is gone."""
    fields = _stat(pid)
    return None if fields is None else ProcessRef(pid, int(fields[_START]))


def below(root: int) -> list[ProcessRef]:
    """Return the living processes that descend from one, or are in the session that it leads.

    The session finds orphans, whose parent ended before they did; descent finds those that lead a
    session of their own, as each backend of PostgreSQL does.
    """
    everything = _everything()
    children: dict[int, list[int]] = {}
    for pid, fields in everything.items():
        children.setdefault(int(fields[_PARENT]), []).append(pid)
    led = [pid for pid, fields in everything.items() if int(fields[_SESSION]) == root]
    found: dict[int, ProcessRef] = {}
    waiting = [pid for pid in [*children.get(root, []), *led] if pid != root]
    while waiting:
        pid = waiting.pop()
        fields = everything[pid]
        if pid not in found and fields[_STATE] not in {"Z", "X"}:
            found[pid] = ProcessRef(pid, int(fields[_START]))
            waiting += children.get(pid, [])
    return list(found.values())


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
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def workers_of(master: int, pattern: str = "") -> list[ProcessRef]:
    """Return the worker processes of a service, of all that descends from it.

    Args:
        master: What was started.
        pattern: A regex of a worker's command line. Where it is empty, workers run the program of
            their master; the resource tracker of `multiprocessing` is none, and neither is anything
            else that the service runs (its database, say).
    """
    if pattern:
        return [one for one in below(master) if re.search(pattern, command_line(one.pid))]
    program = _program(master)
    return [
        one
        for one in below(master)
        if _program(one.pid) == program and "resource_tracker" not in command_line(one.pid)
    ]


def _program(pid: int) -> str:
    try:
        return str((_PROC / str(pid) / "exe").readlink())
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
