"""What injectors touch of a testbed: databases, processes, containers, and what is sent."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Injector
from stressproof.faults.load import Load, Mix, Request
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.service_process import ServiceProcess

if TYPE_CHECKING:
    from disposable_postgres import PostgresServer


class Database(Protocol):
    """A database behind its proxy.

    Attributes:
        dsn: Direct, as its superuser.
        server: Where it is ours, None for one that runs already.
        proxy: Before it.
        why_no_disk: Why it has no bounded disk although it should; else empty.
    """

    dsn: str
    server: "PostgresServer | None"
    proxy: ProxyProcess
    why_no_disk: str

    def query(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Ask it directly."""


class Running(Struct, frozen=True):
    """A process of the testbed.

    Attributes:
        process: What was started.
        address: Where it listens.
        workers: How many children do its work, 0 where nobody says.
        worker: A regex of a worker's command line; empty for its parent's program.
    """

    process: ServiceProcess[Any]
    address: tuple[str, int]
    workers: int = 0
    worker: str = ""


class Requests(Protocol):
    """Makes the requests of the trial that runs."""

    def batches(self, fault: FaultSpec) -> Sequence[Callable[[], Sequence[Request]]]:
        """Return what makes each batch that a fault sends, when it is its turn."""

    def mix(self, fault: FaultSpec) -> Mix:
        """Return what a fault sends beside the load, by weight."""

    def of_rows(self, fault: FaultSpec) -> Sequence[Request]:
        """Return a request for each row of the table that a fault names."""

    def text(self, text: str) -> str:
        """Return a text with what it refers to."""


class Bed(Protocol):
    """A testbed whose parts have names.

    Attributes:
        folder: Of the file; its commands run there.
    """

    folder: Path

    @property
    def attached(self) -> bool:
        """Whether all of it runs already: nothing is started, and nothing stopped."""

    @property
    def project(self) -> object:
        """What faults of a project's own code are handed."""

    @property
    def requests(self) -> Requests:
        """Makes the requests of the trial that runs."""

    def database(self, name: str) -> Database:
        """Return a database."""

    def running(self, name: str) -> Running:
        """Return a process."""

    def container(self, name: str) -> tuple[str, str]:
        """Return a container's name, and the program that knows it."""

    def environment(self) -> Mapping[str, str]:
        """Return what commands are given beside our own environment."""


Maker = Callable[[FaultSpec, Bed, Load], Injector]
"""Makes an injector of a fault on a testbed, with the load that sends what it sends."""


def text_of(fault: FaultSpec, name: str) -> str:
    """Return a parameter that is a text, empty where it was left out."""
    return str(fault.parameters.get(name, ""))


def argv_of(fault: FaultSpec, name: str) -> tuple[str, ...]:
    """Return a parameter that is a command, empty where it was left out."""
    value = fault.parameters.get(name, ())
    return value if isinstance(value, tuple) else ()


def number_of(fault: FaultSpec, name: str) -> int:
    """Return a parameter that is a number.

    Raises:
        UsageError: It is none.
    """
    value = fault.parameters.get(name)
    if not isinstance(value, int):
        raise UsageError(f"{fault.id}: {name} is {value!r}, expected a whole number")
    return value
