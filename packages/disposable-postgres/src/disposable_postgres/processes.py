"""The processes of a server, found by their parents.

Every PostgreSQL backend is the leader of its own session, so a signal to the process group reaches
the postmaster alone; whoever wants them all walks the tree.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

_POLL_S = 0.005
_PR_SET_PDEATHSIG = 1
# Loaded here and not between fork and exec, where little is safe to do.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_START_FIELD = 19  # of /proc/PID/stat, counted from the state letter: clock ticks since boot


def _stat(pid: int) -> list[str] | None:
    """Return the fields of ``/proc/PID/stat`` from the state letter on, None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command may hold spaces and brackets; the fields begin after its last bracket.
    return text[text.rindex(")") + 2 :].split()


def state_of(pid: int) -> str | None:
    """Return a process's state letter (``R``, ``S``, ``T``, ``Z`` …), None where it is gone."""
    found = _stat(pid)
    return found[0] if found else None


def started_at(pid: int) -> float | None:
    """Return when a process started, in seconds since the epoch, None where it is gone."""
    found = _stat(pid)
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    booted = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), None)
    if found is None or booted is None:
        return None
    return booted + int(found[_START_FIELD]) / os.sysconf("SC_CLK_TCK")


def tree_of(root: int) -> list[int]:
    """Return a process and all its descendants that live, the root first; empty if it is gone."""
    children: dict[int, list[int]] = {}
    states: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        found = _stat(int(entry.name)) if entry.name.isdigit() else None
        if found is not None:
            states[int(entry.name)] = found[0]
            children.setdefault(int(found[1]), []).append(int(entry.name))
    order: list[int] = []
    waiting = [root] if states.get(root, "Z") != "Z" else []
    while waiting:
        pid = waiting.pop()
        order.append(pid)
        waiting += [child for child in children.get(pid, []) if states[child] != "Z"]
    return order


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each process that still lives."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_for_states(pids: Iterable[int], states: str, timeout_s: float) -> bool:
    """Wait until each process is in one of some states (or gone); return whether all came to it."""
    deadline = time.monotonic() + timeout_s
    waiting = list(pids)
    while True:
        waiting = [pid for pid in waiting if (state_of(pid) or states[0]) not in states]
        if not waiting:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)


def wait_until_gone(pids: Iterable[int], timeout_s: float) -> bool:
    """Wait until each process is gone or a zombie of somebody else's; return whether all are."""
    return wait_for_states(pids, "Z", timeout_s)


def die_with_parent() -> None:
    """Ask the kernel for SIGINT when the thread that starts us ends; for ``preexec_fn``.

    To a postmaster that is a fast shutdown.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
