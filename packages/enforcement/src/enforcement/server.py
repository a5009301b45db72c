"""The parent process: owns the listening socket, the counter file and the workers.

It answers no request itself. It starts the workers, replaces those that die or fall silent, and
stops them: first asking, then, when the time to drain is over, by force. Should the parent die
without a chance to do so, the kernel kills every worker (``PR_SET_PDEATHSIG``).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from enforcement.api import counters, metrics
from enforcement.api.counters import PID, READY, CounterFile
from enforcement.api.paths import ROUTES
from enforcement.api.worker_config import WorkerConfig
from enforcement.exits import CommandError, Exit
from enforcement.logs import Log

TICK_S: Final = 0.1
STARTUP_S: Final = 60.0
KILL_GRACE_S: Final = 2.0
MAX_EARLY_DEATHS: Final = 5
EARLY_DEATH_S: Final = 3.0
BACKLOG: Final = 1024
_NS: Final = 1_000_000_000


class StopRequest:
    """Remembers SIGINT, SIGTERM and SIGHUP; the second one means: now."""

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.event = threading.Event()

    def install(self) -> None:
        """Take over these signals."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signals.append(number)
        self.event.set()

    @property
    def requested(self) -> bool:
        """Say whether a stop was asked for."""
        return bool(self.signals)

    @property
    def urgent(self) -> bool:
        """Say whether it was asked for twice."""
        return len(self.signals) > 1


class Worker:
    """One worker process and the slot it holds."""

    def __init__(self, process: subprocess.Popen[bytes], slot: int) -> None:
        self.process = process
        self.slot = slot
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def is_alive(self) -> bool:
        """Say whether it runs; a stopped process still does."""
        return self.process.poll() is None

    def age_s(self) -> float:
        """Return how long ago it was started."""
        return time.monotonic() - self.started_at


class Supervisor:
    """Keeps as many workers serving as were asked for.

    Args:
        worker_config: Of any worker; its slot is filled in.
        listener: Bound; the workers listen on it.
        counter_path: Is created here.
        stop: Asked between all steps.
        database_restarts: Says how often the database was restarted.
    """

    def __init__(
        self,
        worker_config: WorkerConfig,
        listener: socket.socket,
        counter_path: Path,
        stop: StopRequest,
        *,
        database_restarts: Callable[[], int],
    ) -> None:
        layout = metrics.layout(ROUTES)
        counters.create(counter_path, worker_config.settings.workers, layout)
        self._counters = CounterFile(counter_path, worker_config.settings.workers, layout)
        self._worker_config = worker_config
        self._listener = listener
        self._stop = stop
        self._database_restarts = database_restarts
        self._restarts_word = layout.offset(metrics.DATABASE_RESTARTS)
        self._workers: list[Worker] = []
        self._early_deaths = 0
        self._log = Log("parent")

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until a stop is asked for.

        Args:
            on_ready: Called once, when every worker answers requests.

        Raises:
            CommandError: Workers do not start, or keep dying.
        """
        try:
            self._listen()
            for slot in range(self._worker_config.settings.workers):
                self._workers.append(self._start(slot))
            if self._await_ready():
                on_ready()
            while not self._stop.event.wait(TICK_S):
                self._replace_lost()
                # No worker writes this word, so it may stand in the slot of any.
                self._counters.write(0, self._restarts_word, self._database_restarts())
        finally:
            self._shut_down()
            self._counters.close()

    def _listen(self) -> None:
        """Listen only now: before, a client would have hung instead of being refused.

        Raises:
            CommandError: Somebody else took the port since it was bound.
        """
        try:
            self._listener.listen(BACKLOG)
        except OSError as error:
            host, port = self._listener.getsockname()[:2]
            raise port_taken(host, port, error) from error

    def _start(self, slot: int) -> Worker:
        """Start a worker; what it must know goes through a pipe, so no secret shows in ps."""
        for word in (PID, READY, counters.HEARTBEAT_NS):
            self._counters.write(slot, word, 0)
        read_fd, write_fd = os.pipe()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, read_fd)
            worker_config = msgspec.structs.replace(
                self._worker_config, slot=slot, listener_fd=self._listener.fileno()
            )
            process = subprocess.Popen(
                [sys.executable, "-m", "enforcement.api.worker", str(read_fd)],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                pass_fds=(read_fd, self._listener.fileno()),
                # Ctrl-C reaches the parent alone, which then asks the workers in its own order.
                start_new_session=True,
            )
            # A worker that dies at once leaves a pipe without a reader; its exit is seen later.
            with contextlib.suppress(BrokenPipeError), os.fdopen(write_fd, "wb") as pipe:
                pipe.write(msgspec.json.encode(worker_config))
        self._counters.write(slot, PID, process.pid)
        return Worker(process, slot)

    def _is_ready(self, worker: Worker) -> bool:
        return self._counters.read(worker.slot, READY) == 1

    def _await_ready(self) -> bool:
        """Wait for all workers; return False when asked to stop meanwhile."""
        deadline = time.monotonic() + STARTUP_S
        while not all(self._is_ready(worker) for worker in self._workers):
            if self._stop.event.wait(TICK_S / 4):
                return False
            dead = [worker for worker in self._workers if not worker.is_alive()]
            if dead:
                raise CommandError(
                    Exit.RUN,
                    f"a worker ended with {dead[0].process.returncode} before it could serve",
                    hint="The lines above say why.",
                )
            if time.monotonic() > deadline:
                raise CommandError(
                    Exit.RUN,
                    f"the workers were not ready within {STARTUP_S:.0f} s",
                    hint="The machine may be overloaded; fewer --workers start sooner.",
                )
        return True

    def _replace_lost(self) -> None:
        for index, worker in enumerate(self._workers):
            fault = self._fault(worker)
            if fault is None:
                continue
            self._log.warning("worker_lost", pid=worker.pid, slot=worker.slot, fault=fault)
            worker.process.kill()
            worker.process.wait()
            self._count_death(worker)
            self._workers[index] = self._start(worker.slot)
            self._counters.slot(worker.slot).add(metrics.WORKER_RESTARTS)
            self._log.warning("worker_started", pid=self._workers[index].pid, slot=worker.slot)

    def _fault(self, worker: Worker) -> str | None:
        """Return why a worker must be replaced, or None."""
        if not worker.is_alive():
            return f"exit {worker.process.returncode}"
        if not self._is_ready(worker):
            return "never ready" if worker.age_s() > STARTUP_S else None
        silence_ns = self._counters.silence_ns(worker.slot)
        if silence_ns > self._worker_config.settings.worker_timeout_seconds * _NS:
            return f"silent for {silence_ns / _NS:.1f} s"
        return None

    def _count_death(self, worker: Worker) -> None:
        """Give up on workers that never live long: a restart would not help the next either.

        Raises:
            CommandError: Too many died young, one after the other.
        """
        if worker.age_s() > EARLY_DEATH_S and self._is_ready(worker):
            self._early_deaths = 0
            return
        self._early_deaths += 1
        if self._early_deaths > MAX_EARLY_DEATHS:
            raise CommandError(
                Exit.RUN,
                f"{self._early_deaths} workers in a row died right after their start",
                hint="The lines above say why.",
            )

    def _shut_down(self) -> None:
        """Ask every worker to finish what it has, then end those that do not.

        The socket listens until its last holder lets go, and each worker first takes what waits
        there: so new connections are answered or refused, and never left hanging.
        """
        self._listener.close()
        for worker in self._workers:
            worker.process.terminate()
        # Workers cancel what is left when the drain is over and need a moment to say so.
        deadline = time.monotonic() + self._worker_config.settings.drain_seconds + KILL_GRACE_S
        while any(worker.is_alive() for worker in self._workers):
            if time.monotonic() > deadline or self._stop.urgent:
                break
            for worker in self._workers:
                if self._fault(worker) is not None:
                    worker.process.kill()
            time.sleep(TICK_S / 4)
        for worker in self._workers:
            if worker.is_alive():
                self._log.warning("worker_killed", pid=worker.pid, slot=worker.slot)
                worker.process.kill()
            worker.process.wait()


@contextlib.contextmanager
def bind(host: str, port: int) -> Iterator[socket.socket]:
    """Bind the listening socket; the workers listen on it, so nobody connects too early.

    Raises:
        CommandError: The address is unknown, or the port taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CommandError(
            Exit.USAGE,
            f"cannot listen on {host!r}: {error.strerror or error}",
            hint="Give an address of this machine with --host, such as 127.0.0.1.",
        ) from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise port_taken(host, port, error) from error
        yield listener


def port_taken(host: str, port: int, error: OSError) -> CommandError:
    """Say that an address cannot be listened on."""
    return CommandError(
        Exit.USAGE,
        f"cannot listen on {host}:{port}: {error.strerror}",
        hint="Stop what listens there, or take another port with --port (0: a free one).",
    )
