"""Where a file's failures are injected: what its ``[testbed]`` says, all of it started for that.

Everything that the file starts is our child and disposable. Each database has a fault proxy before
it, in the path of the baseline too; what is started is told of the proxy's address alone.
"""

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from stressproof.config.failures.testbed import demand_attachable
from stressproof.config.failures.testbed_plan import ProxyPlan, TestbedPlan
from stressproof.errors import RunError, UsageError
from stressproof.failures.spec import FaultSpec
from stressproof.faults import readiness
from stressproof.faults.active import ActiveFaults
from stressproof.faults.file_requests import EffectNumbers, FileRequests
from stressproof.faults.injectors.bed import Running
from stressproof.faults.permissions import NOTHING_MORE, Permissions
from stressproof.faults.places import LOOPBACK, Places
from stressproof.faults.planned_process import planned_process
from stressproof.faults.project_testbed import ProjectTestbed
from stressproof.faults.proxy.addresses import parse_upstream
from stressproof.faults.proxy.control import ProxyControl
from stressproof.faults.proxy.faults import Switchable
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.service_process import ServiceProcess, tail_of
from stressproof.workload.target import origin_of

if TYPE_CHECKING:
    from stressproof.faults.proxy.toxics import Protocol
    from stressproof.faults.testbed_database import TestbedDatabase

_HEAL_TIMEOUT_S = 60.0
_HEAL_POLL_S = 0.02
_LEAST_FREE_BYTES = 2**30


class HaltedError(RunError):
    """A trial was stopped from outside; the reason is told elsewhere."""


class Testbed:
    """What a file says that stands, for as long as it is entered.

    Args:
        active: The list of active faults; what a dead injector left is undone first.
        plan: What the file says.
        folder: Of the file.
        environment: Of our own process.
        permissions: What the operator permits.
        seed: Of its proxies.
        say: Told what happens, for people.
        halt: Set by whoever wants all trials to stop.

    Attributes:
        plan: What the file says.
        folder: Of the file.
        service: The target, once entered, where it is started.
        host: Where it listens, or an attached one.
        port: Likewise.
        workers: Processes of the target, 1 where nobody says how many.
        databases: By name.
        processes: By name; a restarted one is the same object.
        proxies: By name, those before databases among them.
        places: Where all of it is, and texts that refer to it.
        project: What a project's own code is handed.
        effects: Of the trial that runs.
        requests: Of the trial that runs, from the end of its preparation on.
    """

    def __init__(
        self,
        active: ActiveFaults,
        *,
        plan: TestbedPlan,
        folder: Path,
        environment: Mapping[str, str],
        permissions: Permissions = NOTHING_MORE,
        seed: int = 0,
        say: Callable[[str], None] = lambda _: None,
        halt: threading.Event | None = None,
    ) -> None:
        self.active = active
        self.plan = plan
        self.folder = folder
        self.seed = seed
        self.say = say
        self.halt = threading.Event() if halt is None else halt
        self.service: ServiceProcess[Any]
        self.host, self.port = LOOPBACK, 0
        self.workers = 1 if plan.attach else plan.process[plan.target].workers or 1
        self.databases: dict[str, TestbedDatabase] = {}
        self.processes: dict[str, ServiceProcess[bool]] = {}
        self.proxies: dict[str, ProxyProcess] = {}
        self.effects = EffectNumbers("none")
        self.requests: FileRequests
        self.places = Places(plan, environment)
        self.project = ProjectTestbed(self)
        self._permissions = permissions
        self._controls: dict[str, ProxyControl] = {}
        self._logs: Path
        self._stack = contextlib.ExitStack()

    @property
    def attached(self) -> bool:
        """Whether all of it runs already: nothing is started, and nothing stopped."""
        return self.plan.attach

    @property
    def url(self) -> str:
        """Base URL of the target; of an attached one with its path."""
        return self.plan.url if self.attached else f"http://{self.host}:{self.port}"

    @property
    def secrets(self) -> Mapping[str, str]:
        """The run's secrets, by name."""
        return self.places.secrets

    @property
    def proxy_path(self) -> str:
        """Where proxies stand, for evidence."""
        before = ", ".join(sorted([*self.proxies, *self._controls]))
        where = f"before {before}, each a process of its own, in the path of the baseline too"
        return where if before else ""

    @property
    def postgres_binary(self) -> Path | None:
        """The program of its database server, None where it starts none."""
        programs = [one.program for one in self.databases.values() if one.program is not None]
        return next(iter(programs), None)

    def logs(self) -> Mapping[str, Path]:
        """Return the logs that explain a failure, by whose they are."""
        return {name: process.log for name, process in self.processes.items()}

    def last_words(self) -> Iterator[str]:
        """Yield the ends of the logs, for people."""
        for name, log in self.logs().items():
            yield f"The end of what {name} said:"
            yield tail_of(log)

    def why_not(self, fault: FaultSpec) -> str:
        """Return why a fault cannot be injected on this machine, empty where it can."""
        return self.database(fault.target).why_no_disk if fault.kind == "disk_full" else ""

    def __enter__(self) -> Self:
        for fault in self.active.undo_left_behind():
            self.say(f"undone: {fault.kind}, left behind by process {fault.injector.pid}")
        try:
            self._start(self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        """Start everything, each after what it refers to.

        Raises:
            UsageError: The file names something impossible.
            RunError: Something does not start; what it said last is in the hint.
        """
        self._logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stressproof-")))
        plan = self.plan
        self.places.make_room(self._logs)
        # What is attached is not started, and so has no order.
        for name in plan.order or (*plan.postgres, *plan.proxy):
            if name in plan.postgres:
                self._start_database(name, stack)
            elif name in plan.proxy:
                self._start_proxy(name, plan.proxy[name], stack)
            else:
                self._start_process(name, stack)
        if plan.attach:
            demand_attachable(plan.url)
            origin = origin_of(plan.url)
            self.host, self.port = origin.host, origin.port
        else:
            self.service = self.processes[plan.target]
            self.port = self.places.ports[plan.target]

    def _start_database(self, name: str, stack: contextlib.ExitStack) -> None:
        from stressproof.faults.testbed_database import (  # noqa: PLC0415  # needs a driver
            TestbedDatabase,
        )

        database = TestbedDatabase(
            name,
            self.plan.postgres[name],
            folder=self.folder,
            seed=self.seed,
            stack=stack,
            proxied=not self.attached,
        )
        self.databases[name] = database
        if not self.attached:
            self._stand_proxy(name, database.proxy)
        self.places.add_url(name, database.url)
        if self.attached:
            return
        self.say(f"{name}: PostgreSQL, its proxy on port {database.proxy.port}")
        if database.why_no_disk:
            self.say(f"{name}: no bounded disk here: {database.why_no_disk}")

    def switchable(self, fault: FaultSpec) -> Switchable:
        """Return the proxy that a fault is made by."""
        return self._controls.get(fault.target) or self.proxies[fault.target]

    def _start_proxy(self, name: str, plan: ProxyPlan, stack: contextlib.ExitStack) -> None:
        if plan.control:
            self._controls[name] = ProxyControl(plan.control, plan.name)
            self.say(f"{name}: the proxy {plan.name} at {plan.control}")
            return
        upstream = self.places.text(f"testbed.proxy.{name}", plan.upstream)
        protocol, allowed = cast("Protocol", plan.protocol), self._permissions.upstreams
        proxy = ProxyProcess(
            parse_upstream(upstream, protocol=protocol, allowed=allowed),
            seed=self.seed,
            protocol=protocol,
            allowed=allowed,
        )
        self._stand_proxy(name, stack.enter_context(proxy))
        self.say(f"{name}: a proxy on port {proxy.port} to {upstream}")

    def _stand_proxy(self, name: str, proxy: ProxyProcess) -> None:
        self.proxies[name] = proxy
        self.places.add(name, proxy.host, proxy.port)

    def _start_process(self, name: str, stack: contextlib.ExitStack) -> None:
        process = planned_process(
            name,
            self.plan.process[name],
            self.places,
            folder=self.folder,
            log=self._logs / f"{name}.log",
            active=self.active,
        )
        self.processes[name] = process
        stack.callback(process.stop)
        process.start()
        self.say(f"{name}: process {process.pid}, port {self.places.ports[name]}")

    def environment(self) -> Mapping[str, str]:
        """Return the whole environment of a command."""
        return self.places.environment()

    def service_environment(self) -> Mapping[str, str]:
        """Return the environment of the target."""
        return self.places.environment(self.plan.target)

    def database(self, name: str = "") -> "TestbedDatabase":
        """Return a database; the only one where none is named.

        Raises:
            UsageError: There is none of this name.
        """
        found = self.databases.get(name or next(iter(self.databases), ""))
        if found is None:
            known = ", ".join(self.databases) or "none"
            raise UsageError(f"the testbed has no database {name}", hint=f"It has {known}.")
        return found

    def running(self, name: str) -> Running:
        """Return a process.

        Raises:
            UsageError: There is none of this name.
        """
        if name not in self.processes:
            known = ", ".join(self.processes) or "none"
            raise UsageError(f"the testbed has no process {name}", hint=f"It has {known}.")
        plan = self.plan.process[name]
        address = (self.host, self.places.ports[name])
        return Running(self.processes[name], address, plan.workers, plan.worker)

    def container(self, name: str) -> tuple[str, str]:
        """Return a container's name, and the program that knows it."""
        plan = self.plan.container[name]
        return plan.name, plan.program

    def demand_service(self) -> None:
        """Make sure that going on proves something.

        Raises:
            HaltedError: Somebody wants all trials to stop.
            RunError: A process ended by itself.
        """
        self.demand_sane()
        for process in self.processes.values():
            process.demand_running()

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
        """Return whether every database and every process but the target takes connections.

        How long the target needs to be good again is what is measured.
        """
        try:
            for database in self.databases.values():
                database.query("SELECT 1")
        except RunError:
            return False
        return all(
            readiness.by_tcp(self.host, port)("")
            for name, port in self.places.ports.items()
            if name != self.plan.target and not self.plan.process[name].ready.log
        )

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
