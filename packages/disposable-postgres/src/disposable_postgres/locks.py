"""Locks on folders, held by whoever has the descriptor: us, and every process that inherits it.

The kernel keeps them (`flock`), so they end with their last holder however that ends, and they are
seen across PID namespaces that share a folder, where process numbers mean nothing.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Self


class FolderLock:
    """One lock, taken; a child that inherits ``descriptor`` holds it too.

    Attributes:
        descriptor: Of the lock file; closed on exec unless it is passed on.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock at a path, whose file is made where there is none; None if it is held.

        Raises:
            OSError: The file cannot be opened.
        """
        return cls._lock(path, os.O_CREAT)

    @classmethod
    def take_left(cls, path: Path) -> Self | None:
        """Take a lock that somebody made and let go; None if it is held or was never made."""
        try:
            return cls._lock(path, 0)
        except OSError:
            return None

    @classmethod
    def _lock(cls, path: Path, create: int) -> Self | None:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | create
        lock = cls(os.open(path, flags, 0o600))
        try:
            fcntl.flock(lock.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.release()
            return None
        except BaseException:
            lock.release()
            raise
        return lock

    def release(self) -> None:
        """Let go of our part of it; harmless the second time."""
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1
