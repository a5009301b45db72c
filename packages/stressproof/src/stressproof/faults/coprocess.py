"""A process of ours beside this one, asked on its stdin and answering on its stdout.

Both are objects of JSON, one a line.
"""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from stressproof.errors import RunError

_READ_BYTES = 1 << 20


class Coprocess:
    """Starts a module of ours, talks to it, and ends it; not for several threads at once.

    Args:
        name: What it is, for messages.
        argv: The module and its arguments.
        gone: What follows once it is gone, for people.
        options: Of `subprocess.Popen`.

    Raises:
        RunError: It cannot be started.
    """

    def __init__(self, name: str, argv: Sequence[str], *, gone: str, **options: Any) -> None:
        self._name = name
        self._consequence = gone
        self._unread = b""
        self._number = 0
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                **options,
            )
        except OSError as error:
            raise RunError(f"{name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Return whether it has not ended."""
        return self._process.poll() is None

    def ask(self, message: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send it an object, and return what it answers.

        Answers carry the number of what they answer: whoever asked before may have been
        interrupted, by Ctrl-C perhaps, and left the answer unread.

        Raises:
            RunError: It does not answer in time, or is gone.
        """
        self._number += 1
        self._tell(json.dumps({**message, "number": self._number}))
        deadline = time.monotonic() + timeout_s
        while (answer := self._read(deadline)).get("number") != self._number:
            pass
        return answer

    def first_line(self, timeout_s: float) -> dict[str, Any]:
        """Return what it says by itself once it is ready.

        Raises:
            RunError: It says nothing in time, or is gone.
        """
        return self._read(time.monotonic() + timeout_s)

    def _tell(self, line: str) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise self._gone()
        try:
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise self._gone() from error

    def _read(self, deadline: float) -> dict[str, Any]:
        stdout = self._process.stdout
        if stdout is None or stdout.closed:
            raise self._gone()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise RunError(f"{self._name} does not answer", hint="Is the machine busy?")
                chunk = os.read(stdout.fileno(), _READ_BYTES)
                if not chunk:
                    raise self._gone()
                self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self, timeout_s: float) -> None:
        """Let it end, as it does once its stdin has; kill it where it does not in time."""
        process = self._process
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # it is gone, and left a line unread
                process.stdin.close()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _gone(self) -> RunError:
        return RunError(
            f"{self._name} is gone (exit code {self._process.poll()})",
            hint=f"{self._consequence}; what it says of itself is on stderr.",
        )
