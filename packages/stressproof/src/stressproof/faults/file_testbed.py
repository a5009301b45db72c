"""Where a file's failures are injected: what its ``[testbed]`` says, all of it started for that.

Everything that the file starts is our child and disposable. Each database has a fault proxy before
it, in the path of the baseline too; what is started is told of the proxy's address alone.
"""

import contextlib
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from stressproof.config.failures.testbed import demand_attachable
from stressproof.config.failures.testbed_plan import (
    PORT,
    SECRET,
    ProcessPlan,
    ProxyPlan,
    TestbedPlan,
)
from stressproof.errors import RunError, UsageError
from stressproof.failures.loopback import require_loopback
from stressproof.failures.spec import FaultSpec
from stressproof.faults import readiness
from stressproof.faults.file_requests import EffectNumbers, FileRequests
from stressproof.faults.injectors.bed import Running
from stressproof.faults.permissions import NOTHING_MORE, Permissions
from stressproof.faults.proxy.addresses import parse_upstream
from stressproof.faults.proxy.control import ProxyControl
from stressproof.faults.proxy.faults import Switchable
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.service_process import ServiceProcess
from stressproof.faults.testbed import Testbed
from stressproof.load.client import Answer, Client, RequestError
from stressproof.programs import program
from stressproof.workload.target import Target, origin_of
from stressproof.workload.templates import Place, Template

if TYPE_CHECKING:
    from stressproof.faults.proxy.toxics import Protocol
    from stressproof.faults.testbed_database import TestbedDatabase

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
"""What a process is given of our environment, beside what the file passes on."""

_SECRET_BYTES = 32
_ASK_S = 10.0


class FileTestbed(Testbed):
    """The testbed of a file; also what ``prepare`` and faults of one's own may touch.

    Args:
        *given: As every testbed has them.
        plan: What the file says.
        folder: Of the file.
        environment: Of our own process.
        permissions: What the operator permits.
        **more: As every testbed has them.

    Attributes:
        plan: What the file says.
        folder: Of the file.
        databases: By name.
        processes: By name; a restarted one is the same object.
        proxies: By name, those before databases among them.
        secrets: By name.
        effects: Of the trial that runs.
        requests: Of the trial that runs, from the end of its preparation on.
    """

    def __init__(
        self,
        *given: Any,
        plan: TestbedPlan,
        folder: Path,
        environment: Mapping[str, str],
        permissions: Permissions = NOTHING_MORE,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self.plan = plan
        self._permissions = permissions
        self.folder = folder
        self.databases: dict[str, TestbedDatabase] = {}
        self.processes: dict[str, ServiceProcess[bool]] = {}
        self.proxies: dict[str, ProxyProcess] = {}
        self.effects = EffectNumbers("none")
        self.requests: FileRequests
        self._inherited = {
            name: environment[name] for name in (*INHERITED, *plan.pass_env) if name in environment
        }
        self.secrets = {name: secrets.token_urlsafe(_SECRET_BYTES) for name in plan.secrets}
        self._ports: dict[str, int] = {}
        self._controls: dict[str, ProxyControl] = {}
        self._logs: Path

    @property
    def attached(self) -> bool:
        """Whether all of it runs already: nothing is started, and nothing stopped."""
        return self.plan.attach

    @property
    def url(self) -> str:
        """Base URL of the target; of an attached one with its path."""
        return self.plan.url if self.attached else super().url

    @property
    def run(self) -> str:
        """What names the effects of the trial that runs."""
        return self.effects.run

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
        """Return the logs of its processes."""
        return {name: process.log for name, process in self.processes.items()}

    def why_not(self, fault: FaultSpec) -> str:
        """Return why a fault cannot be injected on this machine, empty where it can."""
        return self.database(fault.target).why_no_disk if fault.kind == "disk_full" else ""

    def start(self, stack: contextlib.ExitStack) -> None:
        """Start everything, each after what it refers to.

        Raises:
            UsageError: The file names something impossible.
            RunError: Something does not start; what it said last is in the hint.
        """
        self._logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stressproof-")))
        plan = self.plan
        self._ports = {name: free_port() for name in plan.process}
        # What is attached is not started, and so has no order.
        for name in plan.order or (*plan.postgres, *plan.proxy):
            if name in plan.postgres:
                self._start_database(name, stack)
            elif name in plan.proxy:
                self._start_proxy(name, plan.proxy[name], stack)
            else:
                self._start_process(name, plan.process[name], stack)
        if plan.attach:
            demand_attachable(plan.url)
            origin = origin_of(plan.url)
            self.host, self.port = origin.host, origin.port
            self.workers = 1  # at least: nobody says how many there are
        else:
            self.service = self.processes[plan.target]
            self.port = self._ports[plan.target]
            self.workers = plan.process[plan.target].workers or 1

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
        if self.attached:
            return
        self.proxies[name] = database.proxy
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
        upstream = self.text(f"testbed.proxy.{name}", plan.upstream)
        protocol, allowed = cast("Protocol", plan.protocol), self._permissions.upstreams
        proxy = ProxyProcess(
            parse_upstream(upstream, protocol=protocol, allowed=allowed),
            seed=self.seed,
            protocol=protocol,
            allowed=allowed,
        )
        self.proxies[name] = stack.enter_context(proxy)
        self.say(f"{name}: a proxy on port {proxy.port} to {upstream}")

    def _start_process(self, name: str, plan: ProcessPlan, stack: contextlib.ExitStack) -> None:
        where, port = f"testbed.process.{name}", self._ports[name]
        folder = self.folder / plan.cwd

        def argv(given: Sequence[str]) -> list[str]:
            words = [self.text(where, word, of=name) for word in given]
            return [program(words[0]) or words[0], *words[1:]]

        environment = self.environment(name)
        ready = plan.ready
        if ready.http:
            until = readiness.by_http(self.host, port, ready.http)
        elif ready.log:
            until = readiness.by_log(ready.log)
        elif ready.run:
            until = readiness.by_command(argv(ready.run), environment, folder)
        else:
            until = readiness.by_tcp(self.host, port)
        process = ServiceProcess(
            name,
            argv(plan.run),
            environment,
            until,
            log=self._logs / f"{name}.log",
            active=self.active,
            folder=folder,
            start_timeout_s=ready.within_us / 1e6,
            stop_signal=signal.Signals[f"SIG{plan.stop}"],
            stop_timeout_s=plan.stop_within_us / 1e6,
        )
        self.processes[name] = process
        stack.callback(process.stop)
        process.start()
        self.say(f"{name}: process {process.pid}, port {port}")

    def environment(self, name: str = "") -> dict[str, str]:
        """Return the whole environment of a process, or of a command where none is named."""
        own = self.plan.process[name].env if name else {}
        where = f"testbed.process.{name}.env"
        return {
            **self._inherited,
            **{key: self.text(where, value, of=name) for key, value in own.items()},
        }

    def text(self, where: str, text: str, *, of: str = "") -> str:
        """Return a text with ports, addresses and secrets for its braces.

        Args:
            where: It stands, for messages.
            text: With braces.
            of: The process whose own ``{{port}}`` is meant.

        Raises:
            UsageError: One means nothing.
        """
        template = Template.of(text, Place.TEXT)
        values = {name: self._value(name, of) for name in template.needs}
        for name, value in values.items():
            if value is None:
                raise UsageError(f"{where}: {{{{{name}}}}} means nothing here")
        return template.fill(values).decode()

    def _value(self, name: str, of: str) -> str | None:
        table, dot, attribute = name.partition(".")
        if not dot:
            return str(self._ports[of]) if name == PORT and of else None
        if table == SECRET:
            return self.secrets.get(attribute)
        if table in self.databases and attribute == "url":
            return self.databases[table].url
        if table in self.proxies:
            return _address(attribute, self.proxies[table].host, self.proxies[table].port)
        if table in self._ports:
            return _address(attribute, self.host, self._ports[table])
        return None

    def direct(self, name: str) -> str:
        """Return the URL of a process, or one that is given, past every proxy."""
        if name in self._ports:
            return f"http://{self.host}:{self._ports[name]}"
        if name in self.plan.process or "://" not in name:
            raise UsageError(f"{name} is nothing that answers HTTP here")
        require_loopback(origin_of(name).host)
        return name

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Ask the only database directly.

        Raises:
            RunError: It does not answer, or cannot be asked this.
        """
        return self.database().query(sql, parameters)

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
        address = (self.host, self._ports[name])
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
            for name, port in self._ports.items()
            if name != self.plan.target and not self.plan.process[name].ready.log
        )

    # What `prepare` and faults of one's own may touch.

    def effect(self) -> str:
        """Return the text of a new effect, for what is made before it is asked for."""
        return self.effects.new()

    def secret(self, name: str) -> str:
        """Return one of the run's secrets.

        Raises:
            UsageError: The file names none such.
        """
        if name not in self.secrets:
            raise UsageError(
                f"there is no secret {name}", hint=f'Write testbed.secrets = ["{name}"].'
            )
        return self.secrets[name]

    def connect(self, name: str = "") -> Any:
        """Return a connection of psycopg's to a database, direct and in autocommit.

        Raises:
            UsageError: There is no such database.
            RunError: It does not answer.
        """
        return self.database(name).connect()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        expect: Sequence[int] = (200, 201, 204),
    ) -> Answer:
        """Ask the target, and return its answer.

        Raises:
            RunError: It does not answer, or with another status.
        """
        body = None if json is None else msgspec.json.encode(json)
        given = {"content-type": "application/json"} if body is not None else {}
        try:
            answer = Client(Target(self.url), timeout_s=_ASK_S).request(
                method, path, headers={**given, **(headers or {})}, body=body
            )
        except RequestError as error:
            raise RunError(
                f"{self.plan.target} does not answer {method} {path}: {error}"
            ) from error
        if answer.status not in expect:
            raise RunError(
                f"{method} {path} was answered with {answer.status}, expected "
                f"{', '.join(map(str, expect))}: {answer.text[:300]}"
            )
        return answer

    def every_worker(
        self,
        path: str,
        *,
        header: str,
        headers: Mapping[str, str] | None = None,
        within: float = 20.0,
    ) -> None:
        """Ask until each worker of the target has answered: a header tells them apart.

        Which worker takes a new connection is the kernel's affair.

        Raises:
            RunError: They have not within so many seconds.
        """
        deadline = time.monotonic() + within
        seen: set[str] = set()
        while len(seen) < self.workers:
            if time.monotonic() > deadline:
                raise RunError(
                    f"{len(seen)} of {self.workers} workers answered {path} within {within:g} s",
                    hint=f"They are told apart by the header {header}; is it theirs?",
                )
            answer = self.request("GET", path, headers=headers, expect=range(200, 500))
            seen.add(answer.headers.get(header.lower(), ""))

    def pids(self, process: str) -> Sequence[int]:
        """Return the numbers of a process and of what it started."""
        return [one.pid for one in self.running(process).process.family()]


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(attribute: str, host: str, port: int) -> str | None:
    values = {
        "url": f"http://{host}:{port}",
        "address": f"{host}:{port}",
        "host": host,
        "port": str(port),
    }
    return values.get(attribute)
