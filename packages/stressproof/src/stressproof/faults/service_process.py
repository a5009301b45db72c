"""A service as our child process: started, waited for, and stopped with all that it started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Self, TypeVar

from stressproof.errors import RunError, UsageError
from stressproof.faults.active import ActiveFaults
from stressproof.faults.undo import Undo
from stressproof.processes import ProcessRef, below, lives, refer, send, wait_for

ReadyT = TypeVar("ReadyT")

_POLL_S = 0.02
_KILL_TIMEOUT_S = 10.0
_READY_WITHIN_BYTES = 1 << 20
_TAIL_LINES = 12
_TAIL_COLUMNS = 300
_PR_SET_PDEATHSIG = 1
# Loaded here and not between fork and exec, where little is safe to do.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServiceProcess(Generic[ReadyT]):
    """Runs a command until it is stopped; usable as a context manager.

    It leads a session of its own, so that Ctrl-C at a terminal is ours and it is stopped once
    evidence is kept, and the kernel asks it to end should we be killed. The kernel goes by the
    *thread* that starts it: that one must live as long as the service. What does not end when it is
    asked to, or was orphaned, is ended by a watchdog.

    Args:
        name: What it is, for messages.
        command: Program and arguments.
        environment: All of its environment; nothing is added.
        ready: Told what it has said since its start, in whole lines; returns None until it serves.
        log: Takes what it says, on stdout and stderr.
        awaited: What says that it serves, for messages.
        active: Where it is listed while it runs, for the watchdog; None for nobody's.
        folder: Its working directory, ours if None.
        start_timeout_s: How long it may take to be ready.
        stop_signal: Asks it to end.
        stop_timeout_s: How long it may take to end, before it is killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready: Callable[[str], ReadyT | None],
        *,
        log: Path,
        awaited: str = "",
        active: ActiveFaults | None = None,
        folder: Path | None = None,
        start_timeout_s: float = 180.0,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_s: float = 30.0,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._ready = ready
        self._awaited = f", waiting for {awaited}" if awaited else ""
        self._folder = folder
        self._start_timeout_s = start_timeout_s
        self._stop_signal = stop_signal
        self._stop_timeout_s = stop_timeout_s
        self._active = active
        self._listed = ""
        self._said_from = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process number.

        Raises:
            RunError: It was not started.
        """
        if self._process is None:
            raise RunError(f"{self.name} was not started")
        return self._process.pid

    def start(self) -> ReadyT:
        """Start it, and return what says that it is ready; once it was ended, start it again.

        Raises:
            UsageError: There is no such program, or no such folder.
            RunError: It ended, or was not ready in time; it is stopped, and the end of its log is
                in the hint.
        """
        # A file and no pipe: whoever goes on talking never waits for a reader.
        with self.log.open("ab") as log:
            self._said_from = log.tell()
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    cwd=self._folder,
                    start_new_session=True,
                    preexec_fn=_DieWithParent(),  # noqa: PLW1509  # two system calls, nothing else
                )
            except OSError as error:
                raise UsageError(
                    f"{self.name} cannot be started: {error.filename or self._command[0]}: "
                    f"{error.strerror}",
                    hint="Name a program that is on this machine.",
                ) from error
        try:
            self._list(self._process.pid)
            return self._wait_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def demand_running(self) -> None:
        """Make sure that it has not ended by itself; whoever stopped it knows.

        Raises:
            RunError: It has; the end of its log is in the hint.
        """
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise self._failed(f"ended by itself ({_describe(code)})")

    def family(self) -> list[ProcessRef]:
        """Return its living processes: itself and everything below it, orphans too."""
        process = self._process
        if process is None:
            return []
        own = refer(process.pid)
        return [*([own] if own and lives(own) else []), *below(process.pid)]

    def is_running(self) -> bool:
        """Return whether what was started lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> list[ProcessRef]:
        """End all of its processes at once, as a crash would; return them once they are gone.

        Raises:
            RunError: One outlived SIGKILL.
        """
        process = self._process
        if process is None:
            return []
        # Stopped first, so that no new child appears between listing and killing.
        os.kill(process.pid, signal.SIGSTOP)
        everyone = self.family()
        send(everyone, signal.SIGKILL)
        process.wait()
        self._process = None
        self._await_gone(everyone)
        self._unlist()
        return everyone

    def stop(self) -> bool:
        """Stop it and everything below it; harmless where it does not run.

        Returns:
            Whether it ended by itself once it was asked, and had not to be killed.
        """
        process, self._process = self._process, None
        if process is None:
            return True
        in_time = True
        started = below(process.pid)
        if process.poll() is None:
            process.send_signal(self._stop_signal)
            try:
                process.wait(self._stop_timeout_s)
            except subprocess.TimeoutExpired:
                in_time = False
                started += below(process.pid)
                process.kill()
                process.wait()
        left = [one for one in {*started, *below(process.pid)} if lives(one)]
        send(left, signal.SIGKILL)
        self._await_gone(left)
        self._unlist()
        return in_time

    def _list(self, pid: int) -> None:
        """Have it ended should we be killed."""
        own = refer(pid)
        if self._active is not None and own is not None:
            self._listed = self._active.add("process", Undo(end=[own]))

    def _unlist(self) -> None:
        """Take it off the list, now that nothing of it is left."""
        if self._active is not None and self._listed:
            self._active.remove(self._listed)
            self._listed = ""

    def _await_gone(self, processes: Sequence[ProcessRef]) -> None:
        wait_for(
            f"what {self.name} started outlived SIGKILL",
            lambda: not any(map(lives, processes)),
            _KILL_TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> ReadyT:
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            code = process.poll()
            if code is not None:
                raise self._failed(f"did not start ({_describe(code)})")
            ready = self._ready(self._said())
            if ready is not None:
                return ready
            if time.monotonic() > deadline:
                raise self._failed(
                    f"was not ready within {self._start_timeout_s:g} s{self._awaited}"
                )
            time.sleep(_POLL_S)

    def _said(self) -> str:
        """Return the lines since its start; half of a port is a port too."""
        with self.log.open("rb") as log:
            log.seek(self._said_from)
            said = log.read(_READY_WITHIN_BYTES).decode(errors="replace")
        return said[: said.rfind("\n") + 1]

    def _failed(self, what: str) -> RunError:
        return RunError(
            f"{self.name} {what}", hint=f"The end of what it said:\n{tail_of(self.log)}"
        )


def tail_of(log: Path) -> str:
    """Return the last lines of a log, for people."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        if lines:
            return "\n".join(f"    {line[:_TAIL_COLUMNS]}" for line in lines)
    return "    (it said nothing)"


class _DieWithParent:
    """Asks the kernel, in the child, to end it with its parent; made in the parent."""

    def __init__(self) -> None:
        self._parent = os.getpid()

    def __call__(self) -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have ended between the fork and the request.
        if os.getppid() != self._parent:
            os._exit(1)


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    known = {one.value: one.name for one in signal.Signals}
    return f"killed by {known.get(-code, f'signal {-code}')}"
