"""A disk that can be full: a tmpfs of a size, which only we and what we start can see.

It is mounted in a mount namespace of our own, so that it is gone with the last of our processes,
however they end.
"""

import ctypes
import os
import sys
import tempfile
import threading
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_apart = threading.local()


class NoDiskError(Exception):
    """This machine does not let us mount one; the message says why."""


class BoundedDisk:
    """A tmpfs, mounted until `remove`; made and used from one thread and what it starts.

    Args:
        size_bytes: How much it holds.

    Attributes:
        path: Its folder.

    Raises:
        NoDiskError: It cannot be mounted.
    """

    def __init__(self, size_bytes: int) -> None:
        if _LIBC is None:
            raise NoDiskError(f"a tmpfs of our own needs Linux, and this is {sys.platform}")
        if not getattr(_apart, "done", False):
            _call("unshare", _LIBC.unshare(_CLONE_NEWNS))
            # What we mount is no affair of the rest of the machine.
            flags = _MS_REC | _MS_PRIVATE
            _call("mount", _LIBC.mount(b"none", b"/", None, flags, None))
            _apart.done = True
        self.path = Path(tempfile.mkdtemp(prefix="stressproof-disk-"))
        options = f"size={size_bytes},mode=0711".encode()
        try:
            mounted = _LIBC.mount(b"tmpfs", os.fsencode(self.path), b"tmpfs", 0, options)
            _call("mount", mounted)
        except NoDiskError:
            self.path.rmdir()
            raise

    def remove(self) -> None:
        """Unmount it with all that it holds."""
        if _LIBC is not None:
            _LIBC.umount2(os.fsencode(self.path), _MNT_DETACH)
        self.path.rmdir()


def _call(name: str, result: int) -> None:
    if result != 0:
        why = os.strerror(ctypes.get_errno()).lower()
        raise NoDiskError(f"{name}: {why}; it takes root, or CAP_SYS_ADMIN")
