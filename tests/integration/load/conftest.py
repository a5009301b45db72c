"""A scripted HTTP server in a thread, and authorities that vouch for it."""

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import threading
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stressproof.load.run import RoundResult, run_round
from stressproof.measure.histogram import Histogram
from stressproof.workload.executors import Executor, SharedIterations
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload
from tls_authorities import Authority

JSON = b'{"parity_ok": true, "items": []}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(JSON), JSON)


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at_ns: int
    connection: int


Respond = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def answering(data: bytes) -> Respond:
    """Return a script that answers everything with the same bytes."""

    async def respond(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return respond


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST."""
    sock: Any = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class Service:
    """A server that keeps what it was asked, and answers as it is told."""

    respond: Respond
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    idle_s: float | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(30)

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def stop(self) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
        with warnings.catch_warnings():
            # Here, where what asyncio left behind is known for what it is (see below).
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls, backlog=1024)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    async def _shut(self) -> None:
        self._server.close()
        # Who was just accepted becomes a task of ours first: cancelled sooner, it would not close.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(others, timeout=0.02)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        number = self.connections
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await self._serve(reader, writer, number)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return
        finally:
            self.open_now -= 1
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        while not writer.is_closing():
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle_s)
            line, *lines = head[:-4].decode("latin-1").split("\r\n")
            method, path, _ = line.split(" ")
            headers = {k.lower(): v for k, v in (one.split(": ", 1) for one in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, body, time.monotonic_ns(), number)
            self.asked.append(asked)
            await self.respond(asked, writer)


class Bench:
    """What a test needs to put a scripted server under load."""

    OK = OK
    reset = staticmethod(reset)
    answering = staticmethod(answering)

    def __init__(self) -> None:
        self.services: list[Service] = []

    def serve(self, respond: Respond | bytes = OK, **settings: Any) -> Service:
        """Start a server that answers everything with some bytes, or as a script says."""
        script = answering(respond) if isinstance(respond, bytes) else respond
        self.services.append(Service(script, **settings))
        return self.services[-1]

    @staticmethod
    def wait_until(condition: Callable[[], object]) -> None:
        """Wait for something that must come true."""
        for _ in range(1200):
            if condition():
                return
            time.sleep(0.05)
        pytest.fail("it never came true")

    @staticmethod
    def target(service: Service, headers: dict[str, str], **settings: Any) -> Target:
        """Return a server as a target with headers."""
        return Target(service.url, headers, **settings)

    def run(
        self,
        target: Service | Target | str,
        executor: Executor,
        *endpoints: Request,
        timeout_s: float = 10.0,
        **settings: Any,
    ) -> RoundResult:
        """Run one round against a server."""
        if isinstance(target, Service):
            target = target.url
        if isinstance(target, str):
            target = Target(target)
        asked = endpoints or (Request("/", "GET", "/"),)
        workload = Workload.of(target, asked, executor, timeout_us=round(timeout_s * 1e6))
        return run_round(workload, **settings)

    def once(self, target: Service | Target | str, *endpoints: Request, **settings: Any) -> Any:
        """Send twenty requests through two users."""
        return self.run(target, SharedIterations(2, 20, 20_000_000), *endpoints, **settings)

    @staticmethod
    def outcomes(result: RoundResult, endpoint: int | None = None) -> dict[str, int]:
        """Return how a round's requests ended."""
        counts: Counter[str] = Counter()
        for row in result.rows:
            if endpoint is None or row.endpoint == endpoint:
                counts.update(row.outcomes)
        return dict(counts)

    @staticmethod
    def latency(result: RoundResult, *, corrected: bool = True) -> Histogram:
        """Return a round's latencies."""
        histogram = Histogram()
        for row in result.rows:
            latency = row.corrected if corrected else row.uncorrected
            assert latency is not None
            latency.add_to(histogram)
        return histogram

    @staticmethod
    def demand_consistency(result: RoundResult) -> None:
        """Assert what holds for every round, whatever happened in it."""
        for row in result.rows:
            assert row.intended == row.started + row.dropped
            assert row.started == sum(row.outcomes.values()) == row.corrected.n
            assert row.late <= row.started
            if row.uncorrected is not None:
                assert row.uncorrected.n == row.corrected.n
                assert row.uncorrected.sum_us <= row.corrected.sum_us
            if row.corrected.n:
                assert row.corrected.min_us is not None
                assert row.corrected.min_us >= 0
        assert 0 < result.started_ns <= time.monotonic_ns() - result.elapsed_us * 1000


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority whose certificate lies in a file."""
    return Authority.make(tmp_path)


@pytest.fixture
def server_context(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS, for 127.0.0.1 and staging.example."""
    return authority.server_context(tmp_path)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Servers and rounds; the servers end with the test."""
    one = Bench()
    yield one
    for service in one.services:
        service.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let asyncio's streams leave accepted connections behind, as they do in Python 3.11.

    A connection whose client is gone before its handler has begun stays open on the bench's own
    side until it is collected; the generator under test runs on uvloop, whose transports are not
    meant here.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(
                pytest.mark.filterwarnings(
                    "ignore:unclosed transport <_SelectorSocketTransport:ResourceWarning"
                )
            )
