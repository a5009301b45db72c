"""A service as our child process: started, waited for, and stopped with all that it started."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from stressproof.errors import RunError, UsageError
from stressproof.processes import below, lives, send, wait_for

_POLL_S = 0.02
_KILL_TIMEOUT_S = 10.0
_READY_WITHIN_BYTES = 1 << 20
_TAIL_LINES = 12
_TAIL_COLUMNS = 300
_PR_SET_PDEATHSIG = 1
# Loaded here and not between fork and exec, where little is safe to do.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServiceProcess:
    """Runs a command until it is stopped; usable as a context manager.

    It leads a session of its own, so that Ctrl-C at a terminal is ours and it is stopped once
    evidence is kept, and the kernel ends it should we be killed. The kernel goes by the *thread*
    that starts it: that one must live as long as the service.

    Args:
        name: What it is, for messages.
        command: Program and arguments.
        environment: All of its environment; nothing is added.
        ready: What it says on stdout, on one line, once it serves.
        log: Takes what it says on stderr; ``log`` with the suffix ``.out`` takes its stdout.
        start_timeout_s: How long it may take to say so.
        stop_timeout_s: How long it may take to end, before it is killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready: str | re.Pattern[str],
        *,
        log: Path,
        start_timeout_s: float = 180.0,
        stop_timeout_s: float = 30.0,
    ) -> None:
        self.name = name
        self.log = log
        self._output = log.with_suffix(".out")
        self._command = list(command)
        self._environment = dict(environment)
        self._ready = re.compile(ready)
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
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

    def start(self) -> re.Match[str]:
        """Start it, and return what matched once it is ready.

        Raises:
            UsageError: There is no such program.
            RunError: It ended, or was not ready in time; it is stopped, and the end of its log is
                in the hint.
        """
        with self.log.open("ab") as log, self._output.open("wb") as output:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    # A file and no pipe: whoever goes on talking never waits for a reader.
                    stdout=output,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                    preexec_fn=_DieWithParent(),  # noqa: PLW1509  # two system calls, nothing else
                )
            except OSError as error:
                raise UsageError(
                    f"{self.name} cannot be started: {self._command[0]}: {error.strerror}",
                    hint="Name a program that is on this machine.",
                ) from error
        try:
            return self._wait_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def demand_running(self) -> None:
        """Make sure that it has not ended by itself.

        Raises:
            RunError: It has; the end of its log is in the hint.
        """
        code = None if self._process is None else self._process.poll()
        if self._process is None or code is not None:
            raise self._failed(f"ended by itself ({_describe(code)})")

    def stop(self) -> None:
        """Stop it and everything below it; harmless where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        started = below(process.pid)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(self._stop_timeout_s)
            except subprocess.TimeoutExpired:
                started += below(process.pid)
                process.kill()
                process.wait()
        left = [one for one in {*started, *below(process.pid)} if lives(one)]
        send(left, signal.SIGKILL)
        wait_for(
            f"what {self.name} started outlived SIGKILL",
            lambda: not any(map(lives, left)),
            _KILL_TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> re.Match[str]:
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            # Asked before the last look: what was said before it ended counts.
            code = process.poll()
            with self._output.open("rb") as output:
                said = output.read(_READY_WITHIN_BYTES).decode(errors="replace")
            # A line is whole once it is ended; half of a port is a port too.
            ready = self._ready.search(said[: said.rfind("\n") + 1])
            if code is not None:
                raise self._failed(f"did not start ({_describe(code)})")
            if ready is not None:
                return ready
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready within {self._start_timeout_s:g} s")
            time.sleep(_POLL_S)

    def _failed(self, what: str) -> RunError:
        return RunError(f"{self.name} {what}", hint=f"The end of {self.log}:\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines of its log, or of its output where the log is empty."""
        for path in (self.log, self._output):
            try:
                lines = path.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            except OSError:
                continue
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


def _describe(code: int | None) -> str:
    if code is None:
        return "it was not started"
    if code >= 0:
        return f"exit code {code}"
    known = {one.value: one.name for one in signal.Signals}
    return f"killed by {known.get(-code, f'signal {-code}')}"
