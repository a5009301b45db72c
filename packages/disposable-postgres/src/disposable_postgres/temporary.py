"""Temporary folders, and those whose maker was killed before it could remove them."""

import os
import shutil
import tempfile
from pathlib import Path

from disposable_postgres.errors import PostgresError
from disposable_postgres.locks import FolderLock

_LOCK = "lock"


class TemporaryFolder:
    """A folder ``epg-<kind>-…`` that is locked as long as we or a server that we started live.

    Args:
        kind: ``data`` or ``sock``.

    Raises:
        PostgresError: It cannot be made.
    """

    def __init__(self, kind: str) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix=f"epg-{kind}-"))
            # Locked before it has its name: a lock that can be seen and taken has lost its holder.
            unnamed = self.path / f"{_LOCK}.new"
            lock = FolderLock.take(unnamed)
            unnamed.rename(self.path / _LOCK)
        except OSError as error:
            raise PostgresError(
                f"no temporary folder can be made: {error.strerror or error}",
                hint="Set TMPDIR to a folder that this user can write to.",
            ) from error
        if lock is None:
            raise PostgresError(f"somebody else has locked {self.path}")
        self.lock = lock

    def remove(self) -> None:
        """Remove it with all that it holds; harmless the second time."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.release()


def sweep() -> None:
    """Remove folders of ours whose lock nobody holds any more; all others may be in use."""
    try:
        found = list(Path(tempfile.gettempdir()).glob("epg-*-*"))
    except OSError:
        return
    for path in found:
        if path.is_symlink() or not _is_ours(path):
            continue
        lock = FolderLock.take_left(path / _LOCK)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            lock.release()


def _is_ours(path: Path) -> bool:
    """Return whether we may judge a folder; as root some belong to the server's user."""
    try:
        return os.geteuid() in {0, path.stat().st_uid}
    except OSError:
        return False  # another sweep was faster
