"""Servers and clients that the proxy sits between, with real sockets."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import PostgresServer
from stressproof.errors import RunError
from stressproof.faults.active import ActiveFaults

HANG_S = 20.0


class EchoServer:
    """Sends back what it gets; remembers how each connection ended."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.endings: list[str] = []
        self._ended = threading.Condition()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            ending = "eof"
            try:
                while data := connection.recv(65_536):
                    connection.sendall(data)
                connection.sendall(b"bye")
            except OSError as error:
                ending = type(error).__name__
        with self._ended:
            self.endings.append(ending)
            self._ended.notify_all()

    def wait_endings(self, count: int) -> list[str]:
        """Return how connections ended, once so many have."""
        with self._ended:
            assert self._ended.wait_for(lambda: len(self.endings) >= count, HANG_S)
            return list(self.endings)

    def close(self) -> None:
        """Stop listening; connections end with their clients."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    """Yield a running echo server."""
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Yield a disposable server with one table of effects; it may be killed and comes back."""
    with PostgresServer.start() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE effect (key int, note text)")
        yield server


@pytest.fixture
def active(tmp_path: Path) -> Iterator[ActiveFaults]:
    """Yield a list of active faults of this test's own, whose watchdog ends with it."""
    faults = ActiveFaults(tmp_path / "active")
    yield faults
    for path in (tmp_path / "active").glob("*.json"):
        with contextlib.suppress(RunError):
            faults.remove(path.stem)
