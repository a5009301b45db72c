"""The list of what holds right now, on disk and with a watchdog, so that nothing is left behind.

Most faults end with the process that made them: a lock with its connection, the proxy with its
parent. A stopped process does not, nor a server that a command stopped. Each entry says how it is
undone: its injector does that in the end, the watchdog once the injector is gone or the time is up,
and the next start where both were killed.
"""

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from stressproof.errors import RunError
from stressproof.evidence.writing import write_atomic
from stressproof.faults.refusal import demand_no_refusal
from stressproof.faults.undo import Undo, carry_out
from stressproof.faults.watch import Watch
from stressproof.processes import ProcessRef, lives, refer

_SUFFIX = ".json"


class ActiveFault(Struct, frozen=True):
    """One fault that holds, or one process that must not outlive its maker.

    Attributes:
        id: Unique.
        kind: Which.
        injector: The process that made it.
        undo: What undoes it without that process.
    """

    id: str
    kind: str
    injector: ProcessRef
    undo: Undo


def default_path(environment: Mapping[str, str]) -> Path:
    """Return where the list lies: a folder in the user's state folder."""
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "stressproof" / "active_faults"


class ActiveFaults:
    """The list in a folder, a file for each entry; each is on disk before anything is done.

    A watchdog runs as long as anything is listed. May be used by several threads.

    Args:
        folder: Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._watch = Watch()

    def read(self) -> list[ActiveFault]:
        """Return what is listed.

        Raises:
            RunError: An entry is there and cannot be understood.
        """
        return [_read(path) for path in self._entries()]

    def add(self, kind: str, undo: Undo, *, within_s: float | None = None) -> str:
        """List something before it is done, and return its name in the list.

        Args:
            kind: Which, as a part of a file's name.
            undo: What undoes it without us; empty where it ends with us.
            within_s: After which the watchdog does so even if we live; None for never.

        Raises:
            UsageError: Nothing may be broken on this machine.
            RunError: It cannot be watched over.
        """
        demand_no_refusal(os.environ)
        ours = refer(os.getpid())
        if ours is None:
            raise RunError("our own process cannot be found in /proc", hint="This needs Linux.")
        identity = f"{kind}-{os.getpid()}-{secrets.token_hex(4)}"
        entry = ActiveFault(identity, kind, ours, undo)
        write_atomic(self._path(identity), msgspec.json.encode(entry) + b"\n", mode=0o600)
        try:
            with self._guard:
                self._watch.hold(self._path(identity), undo, within_s)
        except BaseException:
            self._path(identity).unlink(missing_ok=True)
            raise
        return identity

    def remove(self, identity: str) -> None:
        """Take something off the list, after it was undone; harmless where it is not on it.

        Raises:
            RunError: The watchdog undid it before, since its time was up.
        """
        path = self._path(identity)
        with self._guard:
            in_time = self._watch.release(path)
        path.unlink(missing_ok=True)
        if not in_time:
            raise RunError(
                f"{identity} was undone by its watchdog, as it outlived its time",
                hint="The injector hung, or the machine slept; nothing is left, inject again.",
            )

    def undo_left_behind(self) -> list[ActiveFault]:
        """Undo what injectors that are gone left, and return it.

        Raises:
            RunError: Something cannot be undone, or not be understood; it stays on the list.
        """
        with self._locked():
            left = [fault for fault in self.read() if not lives(fault.injector)]
            for fault in left:
                failures = carry_out(fault.undo)
                if failures:
                    raise RunError(
                        f"{fault.kind}, left behind by process {fault.injector.pid}, cannot be "
                        f"undone: {'; '.join(failures)}",
                        hint=f"Undo it by hand, then remove {self._path(fault.id)}.",
                    )
                self._path(fault.id).unlink(missing_ok=True)
            return left

    def _path(self, identity: str) -> Path:
        return self._folder / f"{identity}{_SUFFIX}"

    def _entries(self) -> list[Path]:
        # A file that is being written has a name that begins with a dot.
        return sorted(path for path in self._folder.glob(f"*{_SUFFIX}") if path.name[0] != ".")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold a lock on the folder: what two undo at once, one might undo after it was redone."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _read(path: Path) -> ActiveFault:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ActiveFault)
    except (OSError, ValueError) as error:
        raise RunError(
            f"the list of active faults cannot be read: {path}: {error}",
            hint="Look whether processes are stopped (state T), then remove the file.",
        ) from error
