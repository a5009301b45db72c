"""What stands while failures are injected, as ``[testbed]`` says it: values for whoever starts it.

Texts keep their placeholders: ``{{port}}``, ``{{workers}}`` and ``{{scratch}}`` of the process
itself, ``{{NAME.url}}``,
``{{NAME.address}}``, ``{{NAME.host}}`` and ``{{NAME.port}}`` of whatever stands, as the service is
to reach it (of a database, its proxy), and ``{{secret.NAME}}``.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from stressproof.errors import UsageError
from stressproof.failures.spec import TargetKind
from stressproof.workload.templates import placeholders

ADDRESS = frozenset({"url", "address", "host", "port"})
"""What a text may ask of anything that stands."""

PORT = "port"
WORKERS = "workers"
SCRATCH = "scratch"
OF_A_PROCESS = (PORT, WORKERS, SCRATCH)
"""What a text of a process may ask of the process itself."""

SECRET = "secret"  # noqa: S105  # a word before the names of secrets


class ReadyPlan(Struct, frozen=True, kw_only=True):
    """When a process is ready: one of these, or once its port takes connections.

    Attributes:
        http: A path that answers 2xx.
        log: A regex that a line of its output matches.
        run: A command that ends with 0.
        within_us: After which it is an error.
    """

    http: str = ""
    log: str = ""
    run: tuple[str, ...] = ()
    within_us: int


class PostgresPlan(Struct, frozen=True, kw_only=True):
    """A database.

    Attributes:
        load: SQL files of the project.
        settings: Of the server.
        disk_bytes: Size of the tmpfs that its data is on, 0 for none.
        database: Its name.
        dsn: Of one that runs already; empty where one is started.
    """

    load: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}
    disk_bytes: int = 0
    database: str
    dsn: str = ""


class ProcessPlan(Struct, frozen=True, kw_only=True):
    """A process.

    Attributes:
        run: The command.
        env: Its environment, beside what every process is given.
        cwd: A folder of the project.
        ready: When it is.
        workers: How many children do its work, 0 where nobody says.
        worker: A regex of a worker's command line; empty for its parent's program.
        stop: The signal that ends it, without ``SIG``.
        stop_within_us: After which it is killed.
    """

    run: tuple[str, ...]
    env: Mapping[str, str] = {}
    cwd: str = "."
    ready: ReadyPlan
    workers: int = 0
    worker: str = ""
    stop: str = "TERM"
    stop_within_us: int

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything of it that may hold placeholders."""
        return (*self.run, *self.env.values(), *self.ready.run)


class ProxyPlan(Struct, frozen=True, kw_only=True):
    """A proxy.

    Attributes:
        upstream: ``host:port``, an address of the testbed, or ``https://host[:port]``; empty where
            it runs already.
        protocol: ``tcp``, ``postgres`` or ``http``.
        control: ``host:port`` of the API of one that runs already; empty where one is started.
        name: What it is called there.
    """

    upstream: str = ""
    protocol: str = "tcp"
    control: str = ""
    name: str


class ContainerPlan(Struct, frozen=True, kw_only=True):
    """A container that runs already, as its program knows it."""

    name: str
    program: str


class TestbedPlan(Struct, frozen=True, kw_only=True):
    """Everything that stands.

    Attributes:
        target: The process that the load talks to; empty where it is attached.
        url: Where an attached service answers; empty where one is started.
        secrets: Names of texts that are random for each run.
        pass_env: Variables of our environment that processes are given.
        testbeds: How many may stand at once.
        postgres: By name, as are those below.
        order: Names of what is started, each after what it needs.
    """

    target: str = ""
    url: str = ""
    secrets: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    testbeds: int = 1
    postgres: Mapping[str, PostgresPlan] = {}
    process: Mapping[str, ProcessPlan] = {}
    proxy: Mapping[str, ProxyPlan] = {}
    container: Mapping[str, ContainerPlan] = {}
    order: tuple[str, ...] = ()

    @property
    def attach(self) -> bool:
        """Whether all of it runs already: nothing is started, and nothing stopped."""
        return bool(self.url)

    @property
    def target_kinds(self) -> dict[str, TargetKind]:
        """What faults may hit, by name, and what it is to them."""
        return {
            **dict.fromkeys(self.postgres, "postgres"),
            **dict.fromkeys(self.process, "process"),
            **{name: proxied(one.protocol) for name, one in self.proxy.items()},
            **dict.fromkeys(self.container, "container"),
        }

    @property
    def started(self) -> set[str]:
        """Names of what is started for it, and so is disposable."""
        running = {name for name, one in self.postgres.items() if one.dsn}
        return {*self.postgres, *self.process, *self.proxy} - running

    def with_workers(self, workers: int) -> "TestbedPlan":
        """Return it with so many workers of the target.

        Raises:
            UsageError: The file does not leave their number open.
        """
        target = self.process.get(self.target)
        if target is None or not any(WORKERS in placeholders(one) for one in target.texts):
            raise UsageError(
                "how many workers the service has is the file's to say",
                hint="Write {{workers}} into run or env of its process, or leave --workers out.",
            )
        return replace(
            self, process={**self.process, self.target: replace(target, workers=workers)}
        )

    def texts(self, name: str) -> tuple[str, ...]:
        """Return what of something may hold placeholders."""
        if name in self.process:
            return self.process[name].texts
        return (self.proxy[name].upstream,) if name in self.proxy else ()

    def needs(self, name: str) -> Iterator[str]:
        """Yield what must stand before something can start."""
        for text in self.texts(name):
            for one in placeholders(text):
                other, dot, _ = one.partition(".")
                if dot and other != SECRET:
                    yield other


def proxied(protocol: str) -> TargetKind:
    """Return what a proxy is to faults."""
    if protocol == "http":
        return "proxy:http"
    return "proxy:postgres" if protocol == "postgres" else "proxy"
