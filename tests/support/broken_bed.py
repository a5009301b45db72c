"""A testbed of real parts for injectors alone, and faults as a scenario would have them."""

import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from disposable_postgres import PostgresServer, connect
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.failures.parameters import S
from stressproof.failures.sendings import batches_of
from stressproof.failures.spec import FaultSpec, Send, TargetKind, WitnessSpec
from stressproof.faults.injectors.bed import Running
from stressproof.faults.load import Request
from stressproof.faults.places import free_port
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.readiness import by_tcp
from stressproof.faults.service_process import ServiceProcess

MASTER = """
    import multiprocessing, os, signal, socket, sys, threading, time

    def work():
        time.sleep(600)

    def serve(listener):
        while True:
            connection, _ = listener.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
            connection.close()

    if __name__ == "__main__":
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        context = multiprocessing.get_context("spawn")
        workers = []
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            while True:
                workers = [one for one in workers if one.is_alive()]
                while len(workers) < 2:
                    workers.append(context.Process(target=work, daemon=True))
                    workers[-1].start()
                time.sleep(0.05)
        finally:
            for one in workers:
                one.kill()
"""
"""A master with two workers, which replaces those that die and answers on its port."""


def fault(
    kind: str,
    target_kind: TargetKind = "callers",
    *,
    lasts_us: int = S,
    send: Sequence[Send] = (),
    witnesses: Sequence[WitnessSpec] = (),
    **given: Any,
) -> FaultSpec:
    """Return a fault of a kind that hits ``it``, with the parameters that are not given."""
    return FaultSpec(
        id=f"the_{kind}",
        kind=kind,
        lasts_us=lasts_us,
        target="" if target_kind == "callers" else "it",
        target_kind=target_kind,
        parameters=FAULT_KINDS[kind].complete(given),
        send=tuple(send),
        witnesses=tuple(witnesses),
    )


class BrokenDatabase:
    """A database of a test: ours, or one that runs already where no server is named."""

    why_no_disk = ""

    def __init__(
        self, dsn: str, server: PostgresServer | None = None, proxy: ProxyProcess | None = None
    ) -> None:
        self.dsn = dsn
        self.server = server
        self._proxy = proxy

    @property
    def proxy(self) -> ProxyProcess:
        """The one before it."""
        assert self._proxy is not None
        return self._proxy

    def query(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Ask it directly."""
        with connect(self.dsn, autocommit=True) as connection:
            return connection.execute(sql.encode(), parameters or None).fetchall()


class NumberedRequests:
    """Requests of any kind, the number of the effect in their path; two rows of any table."""

    def __init__(self, read: Callable[[Any], str] = lambda answer: str(answer.status)) -> None:
        self._read = read
        self._effects = 0
        self.rows = ["unsigned", "expired"]

    def make(self, kind: str) -> Request:
        """Return the next request of a kind."""
        self._effects += 1
        path = f"/{kind}/{self._effects}"
        return Request(kind, "GET", path, {}, b"", self._effects, self._read)

    def batches(self, fault: FaultSpec) -> list[Callable[[], list[Request]]]:
        """Return what makes each batch that a fault sends, when it is its turn."""
        return [partial(self._batch, one) for one in batches_of(fault, ())]

    def _batch(self, batch: Sequence[tuple[str, Send]]) -> list[Request]:
        return [
            request
            for kind, one in batch
            for request in (
                [self.make(kind)] * one.times
                if one.same
                else [self.make(kind) for _ in range(one.times)]
            )
        ]

    def mix(self, fault: FaultSpec) -> list[tuple[int, Callable[[], Request]]]:
        """Return what a fault sends beside the load, by weight."""
        return [(one.times, partial(self.make, one.request)) for one in fault.send]

    def of_rows(self, fault: FaultSpec) -> list[Request]:
        """Return a request for each row."""
        return [self.make(f"{one.request}_{row}") for row in self.rows for one in fault.send]

    def text(self, text: str) -> str:
        """Return a text with what it refers to."""
        return text.replace("{{hot.key}}", "1")


class BrokenBed:
    """A testbed of which each part is called ``it``."""

    attached = False

    def __init__(
        self,
        folder: Path,
        *,
        database: BrokenDatabase | None = None,
        running: Running | None = None,
        container: tuple[str, str] = ("", ""),
    ) -> None:
        self.folder = folder
        self.requests = NumberedRequests()
        self._database = database
        self._running = running
        self._container = container

    @property
    def project(self) -> object:
        """What faults of a project's own code are handed: all of it."""
        return self

    def database(self, name: str) -> BrokenDatabase:
        """Return its database."""
        assert name == "it"
        assert self._database is not None
        return self._database

    def running(self, name: str) -> Running:
        """Return its process."""
        assert name == "it"
        assert self._running is not None
        return self._running

    def container(self, name: str) -> tuple[str, str]:
        """Return its container."""
        assert name == "it"
        return self._container

    def environment(self) -> Mapping[str, str]:
        """Return what commands are given beside our own environment."""
        return {"OF_THE_BED": "given"}


def service_in(folder: Path, program: str = MASTER, *, stop_timeout_s: float = 20.0) -> Running:
    """Return a process that listens on its first argument, not yet started."""
    path = folder / "service.py"
    path.write_text(textwrap.dedent(program))
    address = ("127.0.0.1", free_port())
    process: ServiceProcess[bool] = ServiceProcess(
        "it",
        [sys.executable, str(path), str(address[1])],
        {},
        by_tcp(*address),
        log=folder / "service.log",
        stop_timeout_s=stop_timeout_s,
    )
    return Running(process, address, workers=2)
