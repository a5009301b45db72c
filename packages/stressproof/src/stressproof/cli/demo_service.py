"""The enforcement service as a child process: started for a demo, and surely stopped after it."""

import ctypes
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from stressproof.errors import RunError

READY = re.compile(r"serving on (?P<url>https?://\S+)")
_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 30.0
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask the kernel to end the service should we be killed: it must not outlive a demo."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class DemoService:
    """`enforcement serve` on a free port, with an embedded database of its own.

    Args:
        folder: Where its state, database and log lie.
        workers: Service processes.

    Attributes:
        url: Where it listens, once entered.
        log: Everything it said.
    """

    def __init__(self, folder: Path, *, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.log = folder / "service.log"

    def environment(self) -> dict[str, str]:
        """Return the environment in which its credentials are found."""
        return {**os.environ, "XDG_STATE_HOME": str(self._folder / "state")}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, "-m", "enforcement", "serve"),
            *("--host", "127.0.0.1", "--port", "0", "--workers", str(self._workers)),
            *("--data-dir", str(self._folder / "data")),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment(),
                # A session of its own: Ctrl-C is ours, and we stop it once evidence is kept.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # no threads run yet
            )
        try:
            self.url = self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it with everything that it started; harmless where it is not running."""
        process = self._process
        if process is None:
            return
        self._process = None
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                # It has its own session, so the group is its workers and its database's parent.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _wait_ready(self) -> str:
        process = self._process
        if process is None or process.stdout is None:
            raise RunError("the service was not started")
        deadline = time.monotonic() + _START_TIMEOUT_S
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(timeout=0.5):
                    continue
                chunk = os.read(process.stdout.fileno(), 65_536)
                said += chunk
                ready = READY.search(said.decode(errors="replace"))
                if ready:
                    return ready["url"]
                if not chunk:
                    break
        raise RunError(
            "the enforcement service did not start", hint=f"Its log is {self.log}:\n{self._tail()}"
        )

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-10:])
