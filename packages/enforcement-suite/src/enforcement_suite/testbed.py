"""Where the enforcement service is broken: PostgreSQL, the proxy before it, and the service.

The service reaches its database through the proxy and in no other way, in the baseline too.
"""

import contextlib
import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from disposable_postgres import (
    PostgresError,
    PostgresServer,
    find_binaries,
    without_libpq_variables,
)
from stressproof.errors import RunError
from stressproof.faults.injectors.disposable import require_disposable
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.service_process import ServiceProcess
from stressproof.faults.testbed import Testbed

DATABASE = "enforcement_faults"
READY = re.compile(r"serving on http://[^:/\s]+:(?P<port>\d+)")
_SECRET_BYTES = 48


class EnforcementTestbed(Testbed):
    """The enforcement service on a database of its own, with the fault proxy between them.

    Args:
        *given: As every testbed has them.
        postgres_settings: Server settings; the tests of teeth switch protections off here.
        environment: More of the service's environment; likewise.
        **more: As every testbed has them.

    Attributes:
        postgres: The database server.
        proxy: Between the service and it.
        jwt_secret: With which the service verifies bearer tokens.
        approval_secret: With which it signs approval tokens.
    """

    def __init__(
        self,
        *given: Any,
        postgres_settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self._postgres_settings = dict(postgres_settings or {})
        self._environment = dict(environment or {})
        self.jwt_secret = secrets.token_urlsafe(_SECRET_BYTES)
        self.approval_secret = secrets.token_urlsafe(_SECRET_BYTES)
        self.postgres: PostgresServer
        self.proxy: ProxyProcess
        self._state: Path

    @property
    def dsn(self) -> str:
        """The database, direct, as its superuser."""
        return self.postgres.dsn(DATABASE)

    @property
    def proxy_path(self) -> str:
        """Where the proxy stands, for evidence."""
        return "a process of its own between service and database, in the path of the baseline too"

    @property
    def postgres_binary(self) -> Path | None:
        """The program of the database server."""
        try:
            return Path(str(find_binaries().program("postgres")))
        except PostgresError:
            return None

    def probe_headers(self) -> dict[str, str]:
        """Return a token: the service says what it is to bearers of one.

        Raises:
            RunError: The service has left none.
        """
        try:
            token = json.loads(self._state.read_bytes())["token"]
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"the service has left no token in {self._state}: {error}") from error
        return {"authorization": f"Bearer {token}"}

    def start(self, stack: contextlib.ExitStack) -> None:
        """Start database, proxy and service, in this order.

        Raises:
            RunError: One of them does not start.
        """
        # Neither our own connections nor the service's are to be led elsewhere by them.
        stack.enter_context(without_libpq_variables())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stressproof-")))
        self._start_database(stack)
        upstream = (self.postgres.host, self.postgres.port)
        proxy = ProxyProcess(upstream, seed=self.seed, protocol="postgres")
        self.proxy = stack.enter_context(proxy)
        self.say(f"proxy: port {self.proxy.port} to {self.postgres.port}")
        self.service = ServiceProcess(
            "the service under test",
            [
                *(sys.executable, "-m", "enforcement.cli", "serve"),
                *("--host", self.host, "--port", "0", "--workers", str(self.workers)),
                *("--data-dir", str(folder / "data"), "--migrate"),
            ],
            self._service_environment(folder),
            READY.search,
            log=folder / "service.log",
            active=self.active,
        )
        stack.callback(self.service.stop)
        self.port = int(self.service.start()["port"])
        self._state = folder / "state" / "enforcement" / f"{self.host}_{self.port}.json"
        self.say(f"service: port {self.port}, {self.workers} workers, process {self.service.pid}")

    def _start_database(self, stack: contextlib.ExitStack) -> None:
        try:
            server = PostgresServer.start(settings=self._postgres_settings)
            stack.callback(server.stop)
            server.create_database(DATABASE)
        except PostgresError as error:
            raise RunError(
                f"no database for the faults: {error.message}", hint=error.hint
            ) from error
        self.postgres = server
        require_disposable(self.dsn)
        self.say(f"database: PostgreSQL {server.version} on port {server.port}")

    def _service_environment(self, folder: Path) -> dict[str, str]:
        through_proxy = self.postgres.dsn(DATABASE, host=self.proxy.host, port=self.proxy.port)
        return {
            **{name: value for name, value in os.environ.items() if "ENFORCEMENT" not in name},
            "ENFORCEMENT_DSN": through_proxy,
            "ENFORCEMENT_JWT_SECRET": self.jwt_secret,
            "ENFORCEMENT_APPROVAL_SECRET": self.approval_secret,
            "XDG_STATE_HOME": str(folder / "state"),
            # For its token alone.
            "ENFORCEMENT_SEED": "on",
            "ENFORCEMENT_SEED_DECISIONS": "0",
            **self._environment,
        }

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
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
            )
        except psycopg.Error as error:
            raise RunError(f"the database cannot be reached directly: {error}") from error

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Ask the database directly.

        Raises:
            RunError: It does not answer, or has not what is asked for.
        """
        with self.connect() as connection:
            try:
                return connection.execute(sql.encode(), parameters).fetchall()
            except psycopg.Error as error:
                raise RunError(
                    f"the database cannot be asked: {error}",
                    hint="Is the service's schema another than this query is for?",
                ) from error
