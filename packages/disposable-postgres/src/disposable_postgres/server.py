"""A PostgreSQL server as a direct child process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import LiteralString, Self

from disposable_postgres import processes
from disposable_postgres.account import Account, server_account, usable_by
from disposable_postgres.binaries import Binaries, find_binaries
from disposable_postgres.cluster import USER, Cluster, clean_environment, describe
from disposable_postgres.connection import connect
from disposable_postgres.disk import BoundedDisk
from disposable_postgres.errors import PostgresError
from disposable_postgres.locks import FolderLock
from disposable_postgres.reasons import reason
from disposable_postgres.temporary import TemporaryFolder, sweep

MARKER = "stressproof.disposable"
_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0
_SIGNAL_TIMEOUT_S = 10.0
_PORT_ATTEMPTS = 5
_POLL_S = 0.01
_LOG_TAIL = 15
# On a bounded disk the log of changes must not take what the data needs.
_SMALL_LOG = {"min_wal_size": "32MB", "max_wal_size": "64MB"}
_SOCKET_LIMIT = 107  # bytes of a Unix socket's path, less the terminator


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A running server; use `start`, and leave it as a context manager or with `stop`.

    Start it from a thread that lives as long as the server should: the death signal that cleans up
    after a killed parent is bound to the thread that forked.

    Attributes:
        host: Always 127.0.0.1.
        port: TCP port.
        data_dir: The folder that holds its data and password.
        socket_dir: Folder of its Unix socket.
        user: The superuser's name.
        password: The superuser's password (scram-sha-256).
        version: Such as ``18.4``.
        disk: The bounded one that its data is on, None where there is none.
    """

    def __init__(
        self,
        *,
        binaries: Binaries,
        account: Account,
        folder: Path,
        port: int,
        settings: Mapping[str, str],
        password: str | None,
        temporary: Sequence[TemporaryFolder],
        disk: BoundedDisk | None = None,
    ) -> None:
        self.host = "127.0.0.1"
        self.user = USER
        self.data_dir = folder
        self._binaries = usable_by(account, binaries)
        self._account = account
        self._temporary = temporary
        self._settings = dict(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self.disk = disk
        self._inherited = [disk.descriptor] if disk else []
        self._cluster = Cluster(folder, self._binaries, account, self._inherited)
        self.password = self._cluster.prepare(password)
        self.socket_dir = temporary[0].path
        account.take(self.socket_dir)
        self.port = port
        self.version = ""
        # A server whose disk is full must still be able to say so.
        self.log_path = (self.socket_dir if disk else self._cluster.data) / "server.log"

    @classmethod
    def start(
        cls,
        data_dir: Path | None = None,
        *,
        port: int = 0,
        binaries: Binaries | None = None,
        settings: Mapping[str, str] | None = None,
        password: str | None = None,
        disk: int = 0,
    ) -> Self:
        """Start a server and wait until it takes connections.

        Args:
            data_dir: Folder to keep data in; used again where it holds a database. None for a
                temporary one that is removed at the stop.
            port: TCP port on 127.0.0.1; 0 for a free one.
            binaries: The programs, those of `find_binaries` if None.
            settings: Server settings by name, over the defaults.
            password: The superuser's password, generated if None.
            disk: Bytes of a file system for its data alone, 0 for none; only without `data_dir`.

        Raises:
            PostgresError: It could not be started; the message ends in what its log says.
        """
        if sys.platform == "win32":
            raise PostgresError(
                "an embedded PostgreSQL needs Linux or macOS, this is Windows",
                hint="Run it in WSL, or give the address of a server of your own.",
            )
        account = server_account()
        sweep()
        with contextlib.ExitStack() as undo:
            temporary = [TemporaryFolder("sock")]
            undo.callback(temporary[0].remove)
            bounded = None
            if disk:
                bounded = BoundedDisk(disk, account)
                undo.callback(bounded.remove)
            elif data_dir is None:
                temporary.append(TemporaryFolder("data"))
                undo.callback(temporary[1].remove)
                # The server's user passes through, and sees its own part only.
                temporary[1].path.chmod(0o711)
            server = cls(
                binaries=binaries or find_binaries(),
                account=account,
                folder=bounded.path if bounded else (data_dir or temporary[1].path).resolve(),
                port=port,
                settings={**(_SMALL_LOG if bounded else {}), **(settings or {})},
                password=password,
                temporary=temporary,
                disk=bounded,
            )
            undo.callback(server.stop)
            server._launch()
            server._mark_disposable("postgres")
            undo.pop_all()
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The postmaster's process number.

        Raises:
            PostgresError: The server is not running.
        """
        return self._running().pid

    def dsn(
        self, dbname: str = "postgres", host: str | None = None, port: int | None = None
    ) -> str:
        """Return a connection string for the superuser; another address leads through a proxy."""
        return (
            f"postgresql://{self.user}:{self.password}@{host or self.host}:{port or self.port}"
            f"/{dbname}"
        )

    def is_running(self) -> bool:
        """Return whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    def processes(self) -> list[int]:
        """Return the postmaster and every process below it."""
        return processes.tree_of(self._process.pid) if self._process else []

    def create_database(self, name: str) -> str:
        """Create a database that may be destroyed at will, and return its connection string.

        Raises:
            PostgresError: It is there already, or the server cannot make it.
        """
        self._execute("CREATE DATABASE {}", name)
        self._mark_disposable(name)
        return self.dsn(name)

    def kill(self) -> None:
        """End every process at once with SIGKILL, as a crash would, and wait until they are gone.

        It is a process crash and not a power loss: what was written to the kernel stays.
        """
        process = self._running()
        # Stopped first, so that no new child appears between listing and killing.
        processes.signal_all([process.pid], signal.SIGSTOP)
        everyone = self.processes()
        processes.signal_all(everyone, signal.SIGKILL)
        process.wait()
        if not processes.wait_until_gone(everyone, _SIGNAL_TIMEOUT_S):
            raise PostgresError(f"processes of the server outlived SIGKILL: {everyone}")

    def freeze(self) -> None:
        """Stop every process with SIGSTOP; returns when each is seen to be stopped."""
        self._running()
        deadline = time.monotonic() + _SIGNAL_TIMEOUT_S
        stopped: list[int] = []
        # Repeated, because a child may be born while the list is made.
        while (everyone := self.processes()) != stopped:
            processes.signal_all(everyone, signal.SIGSTOP)
            if not processes.wait_for_states(everyone, "TZ", deadline - time.monotonic()):
                raise PostgresError(f"processes of the server did not stop: {everyone}")
            stopped = everyone

    def thaw(self) -> None:
        """Let every process go on; harmless where none was stopped."""
        processes.signal_all(self.processes(), signal.SIGCONT)

    def restart(self) -> None:
        """Start again on the same data and port; after a kill the server recovers from its log.

        Raises:
            PostgresError: It does not come up again.
        """
        if self.is_running():
            self._shut_down()
        self._await_port()
        self._launch()

    def stop(self) -> None:
        """Shut down fast, by force after a while; removes what was temporary. May be repeated."""
        if self._process is not None:
            self._shut_down()
        for folder in self._temporary:
            folder.remove()
        if self.disk is not None:
            self.disk.remove()

    def log_tail(self) -> str:
        """Return the last lines of the server's log."""
        with contextlib.suppress(OSError):
            lines = self.log_path.read_text(errors="replace").splitlines()
            return "\n".join(lines[-_LOG_TAIL:])
        return ""

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise PostgresError("the server is not running", hint="Call restart() first.")
        return self._process

    def _await_port(self) -> None:
        """Wait until the port of a server that ended can be bound again."""
        deadline = time.monotonic() + _SIGNAL_TIMEOUT_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    probe.bind((self.host, self.port))
                    return
            time.sleep(_POLL_S)

    def _launch(self) -> None:
        attempts = _PORT_ATTEMPTS if self.port == 0 else 1
        for attempt in range(1, attempts + 1):
            port = self.port or _free_port()
            try:
                self._launch_on(port)
            except PostgresError:
                # Somebody may have taken the port between our look and the server's bind.
                if attempt == attempts or "could not bind" not in self.log_tail():
                    raise
            else:
                self.port = port
                return

    def _launch_on(self, port: int) -> None:
        settings = {
            "listen_addresses": self.host,
            "unix_socket_directories": str(self.socket_dir),
            "port": str(port),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "logging_collector": "off",
            "timezone": "UTC",
            **self._settings,
        }
        if len(f"{self.socket_dir}/.s.PGSQL.{port}") > _SOCKET_LIMIT:
            settings["unix_socket_directories"] = ""
        command = [str(self._binaries.program("postgres")), "-D", str(self._cluster.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        lock = self._cluster.claim()
        try:
            self._run(command, lock)
        finally:
            # Its processes hold it from here on, and nobody else.
            lock.release()
        self._wait_ready()

    def _run(self, command: list[str], lock: FolderLock) -> None:
        locks = [lock, *(folder.lock for folder in self._temporary)]
        with self._open_log() as log:
            try:
                self._process = subprocess.Popen(  # type: ignore[call-overload]  # see Account
                    command,
                    cwd="/",
                    env=clean_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[*(one.descriptor for one in locks), *self._inherited],
                    # Ctrl-C on a terminal is for whoever started us.
                    start_new_session=True,
                    preexec_fn=processes.die_with_parent,  # noqa: PLW1509  # one system call
                    **self._account.popen_arguments(),
                )
            except OSError as error:
                raise PostgresError(
                    f"postgres could not be run: {error}",
                    hint=f"The programs were found at {self._binaries.bin}.",
                ) from error

    @contextlib.contextmanager
    def _open_log(self) -> Iterator[int]:
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._account.take(self.log_path)
            yield descriptor
        finally:
            os.close(descriptor)

    def _wait_ready(self) -> None:
        process = self._process
        if process is None:
            raise PostgresError("the server was not started")
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if self._cluster.status.is_ready(process.pid):
                self.version = self._read_version()
                return
            time.sleep(_POLL_S)
        code = process.poll()
        said = self.log_tail()
        self._shut_down()
        told, remedy = reason(said)
        raise PostgresError(
            f"the server did not start ({describe(code)}){f': {told}' if told else ''}",
            hint=f"{remedy} Its log ends in:\n{said}".strip(),
        )

    def _read_version(self) -> str:
        answer = subprocess.run(
            [str(self._binaries.program("postgres")), "--version"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=clean_environment(),
        )
        words = answer.stdout.split()
        return words[2] if len(words) > 2 else "unknown"  # noqa: PLR2004  # "postgres (PostgreSQL) N"

    def _mark_disposable(self, database: str) -> None:
        """Write into the database that it may be destroyed; faults are injected nowhere else."""
        self._execute("ALTER DATABASE {} SET {} = 'on'", database, MARKER)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        import psycopg  # noqa: PLC0415  # it takes a moment, and nothing else here needs it
        from psycopg import sql  # noqa: PLC0415  # as above

        query = sql.SQL(statement).format(*map(sql.Identifier, names))
        try:
            with connect(self.dsn(), autocommit=True) as connection:
                connection.execute(query)
        except psycopg.Error as error:
            raise PostgresError(
                f"the server does not carry out {statement.format(*names)}: {error}",
                hint=f"Its log ends in:\n{self.log_tail()}",
            ) from error

    def _shut_down(self) -> None:
        process = self._process
        if process is None:
            return
        everyone = self.processes()
        if process.poll() is None:
            processes.signal_all(everyone, signal.SIGCONT)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                processes.signal_all(everyone, signal.SIGKILL)
                process.wait()
        processes.wait_until_gone(everyone, _SIGNAL_TIMEOUT_S)
        self._process = None
