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
from pathlib import Path

_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PATIENCE_S = 5.0
_POLL_S = 0.01
_PARENT = 1


@contextlib.contextmanager
def no_orphans() -> Iterator[None]:
    """End every process that is left by what runs inside, however it got away."""
    if _LIBC is None:
        yield
        return
    was = ctypes.c_int(0)
    _LIBC.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
    _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = set(_children())
    try:
        yield
    finally:
        _end(before)
        _LIBC.prctl(_SET_CHILD_SUBREAPER, was.value, 0, 0, 0)


def _end(before: set[int]) -> None:
    """Kill and reap all children that were not there before; theirs become ours, so again."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        left = [pid for pid in _children() if pid not in before]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_POLL_S)


def _children() -> Iterator[int]:
    """Yield the numbers of this process's children."""
    me = str(os.getpid())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The command may hold spaces and brackets; the fields begin after its last bracket.
        if text[text.rindex(")") + 2 :].split()[_PARENT] == me:
            yield int(entry.name)
