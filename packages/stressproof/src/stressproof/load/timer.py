"""A timer of microseconds on an event loop whose own timers step in milliseconds."""

import ctypes
import os
import sys
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from time import monotonic_ns

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_NS_PER_S = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("it_interval", _TimeSpec), ("it_value", _TimeSpec))


class Timer:
    """Calls back once, at or after a moment of the monotonic clock.

    On Linux a timerfd wakes the loop; elsewhere the loop's own timer does, a millisecond coarse.
    Either way a callback must look at the clock before it acts.
    """

    def __init__(self, loop: AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: TimerHandle | None = None
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create")
            self._spec = _TimerSpec()
            self._reference = ctypes.byref(self._spec)
            loop.add_reader(self._fd, self._ring)

    def at(self, when_ns: int) -> None:
        """Arm the timer, replacing what it was armed for."""
        if self._fd < 0:
            if self._handle is not None:
                self._handle.cancel()
            delay_s = max(when_ns - monotonic_ns(), 0) / _NS_PER_S
            self._handle = self._loop.call_later(delay_s, self._callback)
            return
        value = self._spec.it_value
        # Zero would disarm it; a moment in the past rings at once.
        value.tv_sec, value.tv_nsec = divmod(max(when_ns, 1), _NS_PER_S)
        if self._libc.timerfd_settime(self._fd, _ABSOLUTE, self._reference, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Disarm and release the timer."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed anew since the loop saw it
        self._callback()
