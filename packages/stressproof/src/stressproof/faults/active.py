"""The list of faults that hold right now, on disk, so that no crash of ours leaves one behind.

Most faults end with the process that made them: the proxy with its parent, a lock with its
connection. A stopped process does not. Each entry says how to undo it; what a dead injector left
is undone at the next start.
"""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from stressproof.errors import RunError
from stressproof.evidence.writing import write_atomic
from stressproof.processes import ProcessRef, lives, refer, send

Undo = Literal["continue", "ends_with_injector"]


class ActiveFault(Struct, frozen=True):
    """One fault that holds.

    Attributes:
        id: Of the injection, unique while it lasts.
        kind: Which injector.
        injector: The process that made it.
        undo: ``continue``: the processes below are stopped and need SIGCONT;
            ``ends_with_injector``: nothing is left once the injector is gone.
        processes: That it hit.
    """

    id: str
    kind: str
    injector: ProcessRef
    undo: Undo
    processes: list[ProcessRef]


def default_path(environment: Mapping[str, str]) -> Path:
    """Return where the list lies: in the user's state folder."""
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "stressproof" / "active_faults.json"


class ActiveFaults:
    """The list at a path; every change is on disk before it is acted upon.

    Args:
        path: Of the JSON file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[ActiveFault]:
        """Return what is listed.

        Raises:
            RunError: The file is there and cannot be understood.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[ActiveFault])
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise RunError(
                f"the list of active faults cannot be read: {self._path}: {error}",
                hint="Look whether processes are stopped (state T), then remove the file.",
            ) from error

    def add(
        self, identity: str, kind: str, *, undo: Undo, processes: list[ProcessRef] | None = None
    ) -> None:
        """List a fault, before it is made."""
        ours = refer(os.getpid())
        if ours is None:
            raise RunError("our own process cannot be found in /proc", hint="This needs Linux.")
        with self._locked():
            kept = [fault for fault in self.read() if fault.id != identity]
            self._write([*kept, ActiveFault(identity, kind, ours, undo, processes or [])])

    def remove(self, identity: str) -> None:
        """Take a fault off the list, after it was undone; harmless where it is not on it."""
        with self._locked():
            listed = self.read()
            kept = [fault for fault in listed if fault.id != identity]
            if kept != listed:
                self._write(kept)

    def undo_left_behind(self) -> list[ActiveFault]:
        """Undo what injectors that are gone left, and return it."""
        with self._locked():
            listed = self.read()
            left = [fault for fault in listed if not lives(fault.injector)]
            for fault in left:
                if fault.undo == "continue":
                    send(fault.processes, signal.SIGCONT)
            if left:
                self._write([fault for fault in listed if fault not in left])
            return left

    def _write(self, faults: list[ActiveFault]) -> None:
        write_atomic(
            self._path, (json.dumps(msgspec.to_builtins(faults), indent=1) + "\n").encode()
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold a lock beside the file, so that two injectors do not lose each other's entries."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(
            self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
