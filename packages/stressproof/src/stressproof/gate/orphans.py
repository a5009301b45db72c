"""What a step leaves behind ends with it, also where it left the step's group and session.

A process that outlives its step could write after the gate has spoken: into the evidence, or into
the decision itself. On Linux the gate adopts what its steps orphan, and ends it.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator

from stressproof.processes import ProcessRef, below, send, state_of

_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PATIENCE_S = 5.0
_POLL_S = 0.01


@contextlib.contextmanager
def no_orphans() -> Iterator[None]:
    """End every process that is left by what runs inside, however it got away."""
    if _LIBC is None:
        yield
        return
    was = ctypes.c_int(0)
    _LIBC.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
    _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = set(below(os.getpid()))
    try:
        yield
    finally:
        _end(before)
        _LIBC.prctl(_SET_CHILD_SUBREAPER, was.value, 0, 0, 0)


def _end(before: set[ProcessRef]) -> None:
    """Kill and reap what was not there before; what it had started becomes ours, so again."""
    deadline = time.monotonic() + _PATIENCE_S
    killed: set[int] = set()
    while time.monotonic() < deadline:
        left = [one for one in below(os.getpid()) if one not in before]
        killed |= {one.pid for one in left}
        send(left, signal.SIGKILL)
        killed -= {pid for pid in killed if _is_reaped(pid)}
        if not left and not killed:
            return
        time.sleep(_POLL_S)


def _is_reaped(pid: int) -> bool:
    """Return whether a killed process is gone for good: reaped here, or never ours to reap."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return state_of(pid) is None
