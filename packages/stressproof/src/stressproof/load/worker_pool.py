"""The worker processes of a round, as their parent sees them."""

import selectors
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Self

from stressproof.errors import RunError
from stressproof.load.messages import Done, Frames, Job, ToWorker, frame

_STOP_S = 5.0  # a worker whose pipes are closed ends by then, or is ended


class WorkerHandle:
    """One worker process, as seen from here."""

    def __init__(self, job: Job) -> None:
        self.number = job.worker
        self.frames = Frames()
        self.ready = False
        self.open_from = -1
        self.done: Done | None = None
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in end()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stressproof.load.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        self.send(job)

    def send(self, message: ToWorker) -> None:
        """Send an order; a worker that is gone is noticed where its answers are read."""
        stream = self.process.stdin
        if stream is None:
            return
        try:
            stream.write(frame(message))
            stream.flush()
        except BrokenPipeError:
            return

    def stderr_tail(self) -> str:
        """Return the last line that it wrote to its standard error."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def end(self) -> None:
        """End the process if it still runs, and let go of its pipes."""
        if self.done is None and self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


class WorkerPool:
    """All worker processes of a round; none outlives it."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.handles: list[WorkerHandle] = []
        self.selector = selectors.DefaultSelector()
        try:
            for job in jobs:
                handle = WorkerHandle(job)
                self.handles.append(handle)
                if handle.process.stdout is not None:
                    self.selector.register(handle.process.stdout, selectors.EVENT_READ, handle)
        except OSError as error:
            self.close()
            raise RunError(
                f"a worker process could not be started: {error.strerror or error}",
                hint="check the limits on processes and memory",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that still runs."""
        self.selector.close()
        for handle in self.handles:
            handle.end()

    def send(self, message: ToWorker) -> None:
        """Send an order to all."""
        for handle in self.handles:
            handle.send(message)

    @property
    def done(self) -> bool:
        """Whether all have sent their last message."""
        return all(handle.done is not None for handle in self.handles)
