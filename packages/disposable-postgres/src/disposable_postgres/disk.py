"""A file system of a bounded size for a server's data: what fills it, fills nothing else.

It is a tmpfs that is mounted in a namespace of its own and that no path of the machine leads to:
whoever has its descriptor has it, so it is gone with the last process that does, however that ends.
Nobody needs to be root for it where a user may make namespaces.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from disposable_postgres.account import Account
from disposable_postgres.errors import PostgresError

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_NEW_MOUNTS, _NEW_USER = 0x20000, 0x10000000
_PRIVATE, _RECURSIVE = 1 << 18, 1 << 14


class BoundedDisk:
    """One such file system.

    Args:
        size_bytes: Of it.
        account: Whose it is.

    Attributes:
        descriptor: Of its root; a child that inherits it has the disk too.
        path: Its root, for us and for such a child.

    Raises:
        PostgresError: This machine allows none.
    """

    def __init__(self, size_bytes: int, account: Account) -> None:
        with tempfile.TemporaryDirectory(prefix="epg-disk-") as place:
            self.descriptor = _mounted(place, size_bytes)
        self.path = Path(f"/proc/self/fd/{self.descriptor}")
        account.take(self.path)

    def remove(self) -> None:
        """Let go of it; harmless the second time."""
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1


def _mounted(place: str, size_bytes: int) -> int:
    """Mount in a child, whose namespace vanishes with it, and return a descriptor of the root."""
    if _LIBC is None:
        raise _unsupported("it needs Linux")
    try:
        child = subprocess.Popen(
            ["cat"],  # noqa: S607  # on PATH; it only has to live until it is looked at
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            preexec_fn=_Mount(place, size_bytes),  # noqa: PLW1509  # system calls, and three small files
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _unsupported(str(error)) from error
    try:
        with contextlib.suppress(OSError):
            found = os.open(f"/proc/{child.pid}/root{place}", os.O_RDONLY | os.O_DIRECTORY)
            if os.fstat(found).st_dev != Path(place).stat().st_dev:
                return found
            os.close(found)
    finally:
        child.communicate()
    raise _unsupported(
        os.strerror(child.returncode) if child.returncode > 0 else "nothing is there"
    )


class _Mount:
    """Mounts, between fork and exec; ends the child with the number of an error."""

    def __init__(self, place: str, size_bytes: int) -> None:
        self._place = place.encode()
        self._options = f"size={size_bytes},mode=711".encode()
        self._uid, self._gid = os.geteuid(), os.getegid()

    def __call__(self) -> None:
        if _LIBC is None:
            os._exit(1)
        self._demand(_LIBC.unshare(_NEW_MOUNTS | (_NEW_USER if self._uid else 0)))
        if self._uid:
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"{self._uid} {self._uid} 1"),
                ("gid_map", f"{self._gid} {self._gid} 1"),
            ):
                Path(f"/proc/self/{name}").write_text(text)
        self._demand(_LIBC.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None))
        self._demand(_LIBC.mount(b"tmpfs", self._place, b"tmpfs", 0, self._options))

    def _demand(self, result: int) -> None:
        if result:
            os._exit(ctypes.get_errno())


def _unsupported(why: str) -> PostgresError:
    return PostgresError(
        f"no file system of a bounded size can be had here: {why}",
        hint="Run as root, or where a user may make user and mount namespaces.",
    )
