"""Where faults are injected: a service and what it depends on, all of it started to be broken.

A suite builds its own: it knows what its service needs. Everything in it is our child, so that
everything is disposable and nothing of it outlives us.
"""

import contextlib
import shutil
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.active import ActiveFaults
from stressproof.faults.service_process import ServiceProcess, tail_of

_HEAL_TIMEOUT_S = 60.0
_HEAL_POLL_S = 0.02
_LEAST_FREE_BYTES = 2**30


class HaltedError(RunError):
    """A trial was stopped from outside; the reason is told elsewhere."""


class Testbed(ABC):
    """Everything that a scenario needs, for as long as it is entered.

    Args:
        active: The list of active faults; what a dead injector left is undone first.
        workers: Processes of the service.
        seed: Of the proxy.
        say: Told what happens, for people.
        halt: Set by whoever wants all trials to stop.

    Attributes:
        service: The service under test, once entered.
        host: Where it listens.
        port: Likewise.
    """

    def __init__(
        self,
        active: ActiveFaults,
        *,
        workers: int = 2,
        seed: int = 0,
        say: Callable[[str], None] = lambda _: None,
        halt: threading.Event | None = None,
    ) -> None:
        self.active = active
        self.workers = workers
        self.seed = seed
        self.say = say
        self.halt = threading.Event() if halt is None else halt
        self.service: ServiceProcess[Any]
        self.host, self.port = "127.0.0.1", 0
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """Base URL of the service."""
        return f"http://{self.host}:{self.port}"

    @property
    def proxy_path(self) -> str:
        """Where proxies stand, for evidence; empty where there is none."""
        return ""

    @property
    def postgres_binary(self) -> Path | None:
        """The program of its database server, None where it has none."""
        return None

    def logs(self) -> Mapping[str, Path]:
        """Return the logs that explain a failure, by whose they are."""
        return {"service": self.service.log}

    def last_words(self) -> Iterator[str]:
        """Yield the ends of the logs, for people."""
        for name, log in self.logs().items():
            yield f"The end of what {name} said:"
            yield tail_of(log)

    def why_not(self, fault: FaultSpec) -> str:
        """Return why a fault cannot be injected on this machine, empty where it can."""
        del fault
        return ""

    def service_environment(self) -> Mapping[str, str]:
        """Return the environment in which a token that the service lends is found."""
        return {}

    @abstractmethod
    def start(self, stack: contextlib.ExitStack) -> None:
        """Start everything, and leave on the stack how it is stopped.

        Raises:
            RunError: Something does not start.
        """

    @abstractmethod
    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Ask the database directly, past the service and the proxy.

        Raises:
            RunError: It does not answer, or cannot be asked this.
        """

    def __enter__(self) -> Self:
        for fault in self.active.undo_left_behind():
            self.say(f"undone: {fault.kind}, left behind by process {fault.injector.pid}")
        try:
            self.start(self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def demand_service(self) -> None:
        """Make sure that going on proves something.

        Raises:
            HaltedError: Somebody wants all trials to stop.
            RunError: The service ended by itself, or the disk is about to be full.
        """
        self.demand_sane()
        self.service.demand_running()

    def demand_sane(self) -> None:
        """Stop where somebody wants all trials to, or the machine's disk is about to be full.

        Raises:
            HaltedError: Somebody does.
            RunError: It is.
        """
        if self.halt.is_set():
            raise HaltedError("stopped, because the run cannot be completed any more")
        place = tempfile.gettempdir()
        free = shutil.disk_usage(place).free
        if free < _LEAST_FREE_BYTES:
            raise RunError(
                f"{place} has {free / 2**20:.0f} MiB left, expected 1024 at least",
                hint="Make room: a disk that fills up breaks more than was meant to be broken.",
            )

    def is_healed(self) -> bool:
        """Return whether a fresh direct connection gets an answer."""
        try:
            self.query("SELECT 1")
        except RunError:
            return False
        return True

    def wait_healed(self) -> int:
        """Wait until what the service depends on is healed; return when (monotonic ns).

        Raises:
            RunError: It is not within a minute.
        """
        deadline = time.monotonic() + _HEAL_TIMEOUT_S
        while not self.is_healed():
            if time.monotonic() > deadline:
                raise RunError(
                    "what the service depends on does not answer after healing",
                    hint="The testbed is stopped; nothing of it is left behind.",
                )
            time.sleep(_HEAL_POLL_S)
        return time.monotonic_ns()
