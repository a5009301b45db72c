"""Where faults are injected: a database, the proxy before it and the service, all our children.

Everything is started here and stopped here, so everything is disposable. The service reaches its
database through the proxy and in no other way, in the baseline too.
"""

import contextlib
import os
import re
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from disposable_postgres import PostgresError, PostgresServer
from stressproof.errors import RunError
from stressproof.faults.active import ActiveFaults
from stressproof.faults.disposable import require_disposable
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.service_process import ServiceProcess

DATABASE = "enforcement_faults"
READY = re.compile(r"serving on http://(?P<host>[^:/\s]+):(?P<port>\d+)")
_HEAL_TIMEOUT_S = 60.0
_SECRET_BYTES = 48


class HaltedError(RunError):
    """A trial was stopped from outside; the reason is told elsewhere."""


class Testbed:
    """Everything that a scenario needs, for as long as it is entered.

    Args:
        active: The list of active faults; what a dead injector left is undone first.
        workers: Processes of the service.
        seed: Of the proxy.
        postgres_settings: Server settings; the tests of teeth switch protections off here.
        environment: More of the service's environment; likewise.
        say: Told what happens, for people.
        halt: Set by whoever wants all trials to stop.

    Attributes:
        postgres: The database server.
        proxy: Between the service and it.
        host: Of the service.
        port: Likewise.
        master: The service's process.
        jwt_secret: With which the service verifies bearer tokens.
        approval_secret: With which it signs approval tokens.
        log_path: Everything the service said.
        kept: What a scenario prepared long before its turn, by its name.
    """

    def __init__(
        self,
        active: ActiveFaults,
        *,
        workers: int = 2,
        seed: int = 0,
        postgres_settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
        halt: threading.Event | None = None,
    ) -> None:
        self.active = active
        self.halt = threading.Event() if halt is None else halt
        self.workers = workers
        self.say = say
        self._seed = seed
        self._postgres_settings = dict(postgres_settings or {})
        self._environment = dict(environment or {})
        self._stack = contextlib.ExitStack()
        self._process: ServiceProcess | None = None
        self.host, self.port = "127.0.0.1", 0
        self.jwt_secret = secrets.token_urlsafe(_SECRET_BYTES)
        self.approval_secret = secrets.token_urlsafe(_SECRET_BYTES)
        self.kept: dict[str, Any] = {}
        self.postgres: PostgresServer
        self.proxy: ProxyProcess
        self.log_path: Path

    @property
    def master(self) -> int:
        """The service's process number.

        Raises:
            RunError: It does not run.
        """
        if self._process is None:
            raise RunError("the service was not started")
        return self._process.pid

    @property
    def url(self) -> str:
        """Base URL of the service."""
        return f"http://{self.host}:{self.port}"

    @property
    def dsn(self) -> str:
        """The database, direct, as its superuser."""
        return self.postgres.dsn(DATABASE)

    def __enter__(self) -> Self:
        for fault in self.active.undo_left_behind():
            self.say(f"undone: {fault.kind}, left behind by process {fault.injector.pid}")
        try:
            folder = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="stressproof-faults-"))
            )
            self._start_database()
            self._start_proxy()
            self._start_service(folder)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def connect(self, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a direct connection in autocommit, past the service and the proxy.

        Raises:
            RunError: The database does not answer.
        """
        try:
            return psycopg.connect(
                self.dsn,
                autocommit=True,
                connect_timeout=5,
                application_name="stressproof-check",
                **options,
            )
        except psycopg.Error as error:
            raise RunError(f"the database cannot be reached directly: {error}") from error

    def demand_service(self) -> None:
        """Make sure that going on proves something.

        Raises:
            HaltedError: Somebody wants all trials to stop.
            RunError: The service ended by itself.
        """
        if self.halt.is_set():
            raise HaltedError("stopped, because the run cannot be completed any more")
        if self._process is not None:
            self._process.demand_running()

    def wait_healed(self) -> int:
        """Wait until a fresh direct connection gets an answer; return when (monotonic ns).

        Raises:
            RunError: It does not within a minute.
        """
        deadline = time.monotonic() + _HEAL_TIMEOUT_S
        while True:
            try:
                with self.connect() as connection:
                    connection.execute("SELECT 1")
                return time.monotonic_ns()
            except (RunError, psycopg.Error) as error:
                if time.monotonic() > deadline:
                    raise RunError(
                        "the database does not answer after healing",
                        hint="The stage is stopped; nothing of it is left behind.",
                    ) from error
                time.sleep(0.02)

    def _start_database(self) -> None:
        try:
            server = PostgresServer.start(settings=self._postgres_settings)
            self._stack.callback(server.stop)
            server.create_database(DATABASE)
        except PostgresError as error:
            raise RunError(
                f"no database for the faults: {error.message}", hint=error.hint
            ) from error
        self.postgres = server
        require_disposable(self.dsn)
        self.say(f"database: PostgreSQL {server.version} on port {server.port}")

    def _start_proxy(self) -> None:
        self.proxy = self._stack.enter_context(
            ProxyProcess((self.postgres.host, self.postgres.port), seed=self._seed, postgres=True)
        )
        self.say(f"proxy: port {self.proxy.port} to {self.postgres.port}")

    def _start_service(self, folder: Path) -> None:
        self.log_path = folder / "service.log"
        command = [
            *(sys.executable, "-m", "enforcement.cli", "serve", "--host", self.host, "--port", "0"),
            *("--workers", str(self.workers), "--data-dir", str(folder / "data"), "--migrate"),
        ]
        environment = {
            **{name: value for name, value in os.environ.items() if "ENFORCEMENT" not in name},
            "ENFORCEMENT_DSN": self.postgres.dsn(
                DATABASE, host=self.proxy.host, port=self.proxy.port
            ),
            "ENFORCEMENT_JWT_SECRET": self.jwt_secret,
            "ENFORCEMENT_APPROVAL_SECRET": self.approval_secret,
            "XDG_STATE_HOME": str(folder / "state"),
            **self._environment,
        }
        process = ServiceProcess(
            "the service under test", command, environment, READY, log=self.log_path
        )
        self._process = process
        self._stack.callback(process.stop)
        self.port = int(process.start()["port"])
        self.say(f"service: port {self.port}, {self.workers} workers, process {process.pid}")
