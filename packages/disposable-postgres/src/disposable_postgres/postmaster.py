"""What ``postmaster.pid`` tells of a data directory, and whether it is still true.

A process number alone proves nothing: after a crash another process may have been given it, and in
another PID namespace it is somebody else's. Layout of the file: PostgreSQL's
``src/include/utils/pidfile.h``.
"""

from pathlib import Path

from disposable_postgres.processes import started_at, state_of

_PID, _STARTED, _SHARED_MEMORY, _STATUS = 0, 2, 6, 7  # lines, from 0
_SLACK_S = 60.0
_SHM_ID, _SHM_ATTACHED = 1, 6  # columns of /proc/sysvipc/shm


class StatusFile:
    """``postmaster.pid`` of a data directory, as it is at the moment of each question.

    Args:
        data: The data directory.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = data / "postmaster.pid"

    def lines(self) -> list[str]:
        """Return its lines, none where it is not there; the second is a path in any encoding."""
        try:
            return self._path.read_text(errors="surrogateescape").splitlines()
        except OSError:
            return []

    def is_ready(self, pid: int) -> bool:
        """Return whether the server with a process number says that it takes connections."""
        lines = self.lines()
        return (
            len(lines) > _STATUS and lines[_STATUS].strip() == "ready" and lines[_PID] == str(pid)
        )

    def pid(self) -> int | None:
        """Return the number in it, None where there is none."""
        lines = self.lines()
        return int(lines[_PID]) if lines and lines[_PID].isdigit() else None

    def running(self) -> int | None:
        """Return the process number of the server that wrote it, None where that has ended.

        It is a process called postgres, in this data directory, and no younger than the file.
        """
        pid = self.pid()
        if pid is None or state_of(pid) in {None, "Z", "X"}:
            return None
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            folder = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:
            return None  # another account's, so no server of this directory, or just gone
        if not name.startswith("postgres") or folder != self._data.resolve():
            return None
        return None if self._is_older_than(pid) else pid

    def _is_older_than(self, pid: int) -> bool:
        lines, started = self.lines(), started_at(pid)
        if started is None or len(lines) <= _STARTED or not lines[_STARTED].isdigit():
            return False
        return started > int(lines[_STARTED]) + _SLACK_S

    def remove_stale(self) -> None:
        """Remove it where its number is now another process: that keeps a server from starting.

        Where the number is nobody's the server removes the file itself. Whoever is still attached
        to the shared memory that it names is a server that cannot be seen from here.
        """
        pid = self.pid()
        if pid is None or state_of(pid) is None or self.running() or self._has_attached():
            return
        self._path.unlink(missing_ok=True)

    def _has_attached(self) -> bool:
        lines = self.lines()
        words = lines[_SHARED_MEMORY].split() if len(lines) > _SHARED_MEMORY else []
        try:
            table = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        except OSError:
            return False
        rows = [line.split() for line in table]
        return any(
            row[_SHM_ID] == words[-1] and int(row[_SHM_ATTACHED]) > 0 for row in rows if words
        )
