"""One database of a testbed: a server of our own or one that was given up, behind a fault proxy."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stressproof.config.failures.testbed_plan import PostgresPlan
from stressproof.errors import RunError, UsageError
from stressproof.evidence.project_files import project_file
from stressproof.extras import extra
from stressproof.faults.injectors.disposable import require_disposable
from stressproof.faults.proxy.process import ProxyProcess

with extra("postgres", "a testbed with a PostgreSQL database"):
    import psycopg

    from disposable_postgres import (
        PostgresError,
        PostgresServer,
        find_binaries,
        without_libpq_variables,
    )

if TYPE_CHECKING:
    from psycopg import Connection

_DEFAULT_PORT = 5432


class TestbedDatabase:
    """A running database, for as long as the stack that it was started on.

    Args:
        name: As the file has it.
        plan: What the file says of it.
        folder: Of the project; scripts are relative to it.
        seed: Of its proxy.
        stack: Takes how it is stopped.
        proxied: Whether a proxy is put before it; nobody would reach it by one otherwise.

    Attributes:
        name: As the file has it.
        server: Where it is ours, None for one that runs already.
        proxy: Before it; whoever is under test reaches it in no other way.
        dsn: Direct, as its superuser or as the file says.
        why_no_disk: Why it has no bounded disk although it should; else empty.

    Raises:
        UsageError: A script is not there, or a database that was not given up is named.
        RunError: It does not start, or a script fails.
    """

    def __init__(
        self,
        name: str,
        plan: PostgresPlan,
        *,
        folder: Path,
        seed: int,
        stack: contextlib.ExitStack,
        proxied: bool,
    ) -> None:
        # Our own connections are not to be led elsewhere by them.
        stack.enter_context(without_libpq_variables())
        self.name = name
        self.server: PostgresServer | None = None
        self.why_no_disk = ""
        self._database = plan.database
        if plan.dsn:
            self.dsn = plan.dsn
        else:
            self.server = self._start(plan, stack)
            self.dsn = self.server.dsn(self._database)
        require_disposable(self.dsn, started_by_us=self.server is not None)
        for path in plan.load:
            self._load(folder, path)
        self.proxy = ProxyProcess(self._upstream(), seed=seed, protocol="postgres")
        if proxied:
            stack.enter_context(self.proxy)

    @property
    def program(self) -> Path | None:
        """The program of its server, None where that is not ours."""
        return None if self.server is None else find_binaries().program("postgres")

    @property
    def url(self) -> str:
        """How whoever is under test reaches it: through the proxy."""
        parts = psycopg.conninfo.conninfo_to_dict(self.dsn)
        credentials = ":".join(
            quote(str(parts[key]), safe="") for key in ("user", "password") if parts.get(key)
        )
        at = "@" if credentials else ""
        database = quote(str(parts.get("dbname") or ""), safe="")
        return f"postgresql://{credentials}{at}{self.proxy.host}:{self.proxy.port}/{database}"

    def connect(self) -> "Connection[tuple[Any, ...]]":
        """Return a direct connection in autocommit, past the proxy.

        Raises:
            RunError: It does not answer.
        """
        try:
            return psycopg.connect(
                self.dsn, autocommit=True, connect_timeout=5, application_name="stressproof-check"
            )
        except psycopg.Error as error:
            raise RunError(
                f"the database {self.name} cannot be reached directly: {error}"
            ) from error

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Ask it directly.

        Raises:
            RunError: It does not answer, or cannot be asked this.
        """
        with self.connect() as connection:
            try:
                return connection.execute(sql.encode(), parameters).fetchall()
            except psycopg.Error as error:
                raise RunError(
                    f"the database {self.name} cannot be asked: {error}",
                    hint=f"What was asked: {' '.join(sql.split())[:300]}",
                ) from error

    def _start(self, plan: PostgresPlan, stack: contextlib.ExitStack) -> PostgresServer:
        try:
            server = self._server(plan)
            stack.callback(server.stop)
            server.create_database(self._database)
        except PostgresError as error:
            raise RunError(
                f"the database {self.name} does not start: {error.message}", hint=error.hint
            ) from error
        return server

    def _server(self, plan: PostgresPlan) -> PostgresServer:
        """Start a server, without its bounded disk where this machine allows none."""
        if plan.disk_bytes:
            try:
                return PostgresServer.start(settings=plan.settings, disk=plan.disk_bytes)
            except PostgresError as error:
                self.why_no_disk = error.message
        return PostgresServer.start(settings=plan.settings)

    def _load(self, folder: Path, path: str) -> None:
        try:
            script = project_file(folder, path).read_bytes()
        except OSError as error:
            raise UsageError(
                f"{path}, which {self.name} is to load, cannot be read: {error.strerror}",
                hint="Name an SQL file beside stressproof.toml.",
            ) from error
        try:
            with self.connect() as connection:
                connection.execute(script)
        except psycopg.Error as error:
            line = _line_of(script, error)
            raise RunError(
                f"{path}{line} does not load into {self.name}: {error}",
                hint="It is run as SQL: psql's own commands (\\i, \\copy, COPY … FROM stdin) are "
                "not known.",
            ) from error

    def _upstream(self) -> tuple[str, int]:
        if self.server is not None:
            return self.server.host, self.server.port
        parts = psycopg.conninfo.conninfo_to_dict(self.dsn)
        host = str(parts.get("hostaddr") or parts.get("host") or "")
        if host.startswith(("/", "@")):
            raise UsageError(
                f"{self.name} is reached by a socket in {host}, which no proxy can stand before",
                hint="Name 127.0.0.1 and its port in the DSN.",
            )
        return host, int(parts.get("port") or _DEFAULT_PORT)


def _line_of(script: bytes, error: psycopg.Error) -> str:
    position = error.diag.statement_position
    if position is None:
        return ""
    before = script.decode(errors="replace")[: int(position) - 1]
    return f", line {before.count(chr(10)) + 1},"
