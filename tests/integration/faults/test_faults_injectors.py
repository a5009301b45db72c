"""Injectors against a real server and real processes: they bite, they prove it, they heal."""

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import PostgresServer
from stressproof.errors import RunError, UsageError
from stressproof.failures.conclusions import took_effect
from stressproof.faults.active import ActiveFaults
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.database import (
    FreezePostgres,
    HoldLock,
    KillPostgres,
    TerminateBackends,
)
from stressproof.faults.injectors.disposable import require_disposable
from stressproof.faults.injectors.service import KillWorker
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import Down, Latency, ResetPeer, Timeout
from stressproof.processes import lives, refer, state_of, wait_for, workers_of

HANG_S = 20.0


def run(fault: Injector, active: ActiveFaults) -> None:
    """Inject, look, remove twice."""
    fault.inject(active)
    assert [one.kind for one in active.read()] == [fault.kind]
    fault.observe()
    fault.remove()
    fault.remove()
    assert active.read() == []
    assert fault.effective_ns < fault.removed_ns


def test_killed_server_lost_every_process_and_recovers(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Committed rows are there again, and the server's log tells of the crash."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("INSERT INTO effect VALUES (4711, '')")
        before = [refer(pid) for pid in postgres.processes()]
        fault = KillPostgres(postgres)
        fault.inject(active)
        assert not any(lives(one) for one in before if one is not None)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres.dsn(), connect_timeout=2)
        fault.remove()
    with psycopg.connect(postgres.dsn()) as connection:
        assert connection.execute("SELECT 1 FROM effect WHERE key = 4711").fetchone() == (1,)
    killed, recovered = fault.witnesses()
    assert killed.during == killed.needs == len(before)
    assert took_effect(recovered)


def test_frozen_server_has_every_backend_stopped(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """A signal to the process group would reach the postmaster alone, and freeze nothing."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        backend = connection.info.backend_pid
        assert os.getpgid(backend) != os.getpgid(postgres.pid)
        fault = FreezePostgres(postgres)
        fault.inject(active)
        assert state_of(backend) == "T"
        answers: list[tuple[int]] = []
        asking = threading.Thread(
            target=lambda: answers.extend(connection.execute("SELECT 1").fetchall())
        )
        asking.start()
        fault.observe()
        assert answers == []
        fault.remove()
        asking.join(HANG_S)
        assert answers == [(1,)]
    stopped, unanswered = fault.witnesses()
    assert took_effect(stopped)
    assert stopped.during >= 3
    assert took_effect(unanswered)


def test_terminated_sessions_are_those_of_the_application_alone(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Ours and everybody else's live on."""
    victim = psycopg.connect(postgres.dsn(), autocommit=True, application_name="enforcement-1")
    with victim, psycopg.connect(postgres.dsn(), autocommit=True) as other:
        fault = TerminateBackends(postgres.dsn(), "enforcement%")
        run(fault, active)
        with pytest.raises(psycopg.OperationalError):
            victim.execute("SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)
    [witness] = fault.witnesses()
    assert witness.during == 1
    nobody = TerminateBackends(postgres.dsn(), "nobody%")
    run(nobody, active)
    assert not took_effect(nobody.witnesses()[0])


def test_held_lock_is_witnessed_by_who_waits_for_it(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Without anybody waiting it proves nothing; with one, it is released by the undo."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("DELETE FROM effect")
        connection.execute("INSERT INTO effect VALUES (1, '')")
        statement = "SELECT 1 FROM effect WHERE key = %s FOR UPDATE"
        lonely = HoldLock(postgres.dsn(), statement, (1,), what="the row")
        run(lonely, active)
        assert not took_effect(lonely.witnesses()[0])
        fault = HoldLock(postgres.dsn(), statement, (1,), what="the row")
        fault.inject(active)
        waiting = threading.Thread(
            target=lambda: connection.execute("UPDATE effect SET note = 'x' WHERE key = 1")
        )
        waiting.start()
        wait_for("waiting", lambda: fault.observe() or took_effect(fault.witnesses()[0]), HANG_S)
        assert waiting.is_alive()
        fault.remove()
        waiting.join(HANG_S)
        assert not waiting.is_alive()


def test_lock_holder_can_be_killed(postgres: PostgresServer, active: ActiveFaults) -> None:
    """The lock goes with the holder's session, and the undo is still harmless."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        fault = HoldLock(
            postgres.dsn(), "LOCK TABLE effect IN ACCESS EXCLUSIVE MODE", (), what="the table"
        )
        fault.inject(active)
        connection.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("SELECT 1 FROM effect")
        connection.execute("SET lock_timeout = '10s'")
        fault.kill_holder()
        connection.execute("SELECT 1 FROM effect")
        fault.remove()


def test_lock_on_no_row_is_refused(postgres: PostgresServer, active: ActiveFaults) -> None:
    """A lock that locks nothing would be a fault that never bites."""
    fault = HoldLock(
        postgres.dsn(), "SELECT 1 FROM effect WHERE key = -1 FOR UPDATE", (), what="nothing"
    )
    with pytest.raises(RunError, match="no row"):
        fault.inject(active)
    assert active.read() == []


def test_network_faults_are_witnessed_by_the_proxy(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Delay, silence, resets and refusals each have a count of their own, zero without traffic."""
    with (
        ProxyProcess((postgres.host, postgres.port), protocol="postgres") as proxy,
        psycopg.connect(
            postgres.dsn(host=proxy.host, port=proxy.port), autocommit=True
        ) as connection,
    ):
        idle = ProxyFault(proxy, Latency("upstream", latency_us=1000), Timeout("downstream"))
        run(idle, active)
        assert [took_effect(one) for one in idle.witnesses()] == [False, False]
        slow = ProxyFault(proxy, Latency("upstream", latency_us=20_000))
        slow.inject(active)
        connection.execute("SELECT 1")
        slow.remove()
        assert took_effect(slow.witnesses()[0])
        hole = ProxyFault(proxy, Timeout("downstream"))
        hole.inject(active)
        asking = threading.Thread(target=lambda: connection.execute("SELECT 1"))
        asking.start()
        wait_for("held", lambda: proxy.state()["downstream"]["held"] > 0, HANG_S)
        hole.remove()
        asking.join(HANG_S)
        assert took_effect(hole.witnesses()[0])
        storm = ProxyFault(proxy, ResetPeer(every_us=1000))
        run(storm, active)
        assert storm.witnesses()[0].during == 1
        down = ProxyFault(proxy, Down())
        down.inject(active)
        down.observe()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port), 5)
        down.remove()
        assert down.witnesses()[0].during == 1


@pytest.fixture
def service() -> Iterator[int]:
    """Yield the pid of a master with two workers, which replaces those that die."""
    program = """
        import multiprocessing, signal, sys, time
        def work():
            time.sleep(600)
        if __name__ == "__main__":
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
    with tempfile_script(program) as path, subprocess.Popen([sys.executable, path]) as master:
        try:
            wait_for("workers", lambda: len(workers_of(master.pid)) == 2, HANG_S)
            yield master.pid
        finally:
            master.terminate()


def tempfile_script(program: str) -> "ProgramFile":
    """Return a script on disk: spawned workers import their parent's file."""
    return ProgramFile(textwrap.dedent(program))


class ProgramFile:
    """A program in a temporary file."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> str:
        self._path = Path(f"/tmp/stressproof-test-{os.getpid()}-{time.monotonic_ns()}.py")  # noqa: S108  # removed below
        self._path.write_text(self._text)
        return str(self._path)

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


def test_killed_worker_is_a_worker_and_is_replaced(service: int, active: ActiveFaults) -> None:
    """Neither the master nor the resource tracker is taken for one."""
    before = workers_of(service)
    fault = KillWorker(service, 2)
    run(fault, active)
    assert sum(lives(one) for one in before) == 1
    assert refer(service) is not None
    assert all(took_effect(one) for one in fault.witnesses())
    with pytest.raises(RunError, match="expected 3"):
        KillWorker(service, 3).inject(active)


def test_only_disposable_databases_on_loopback_are_broken(postgres: PostgresServer) -> None:
    """Neither another host nor a database that nobody has given up."""
    require_disposable(postgres.dsn())
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE dear")
    with pytest.raises(UsageError, match="not marked"):
        require_disposable(postgres.dsn("dear"))
    require_disposable(postgres.dsn("dear"), started_by_us=True)
    with pytest.raises(UsageError, match="loopback"):
        require_disposable("postgresql://app@db.example.org/x", started_by_us=True)
    with pytest.raises(UsageError, match="environment"):
        require_disposable("dbname=x", started_by_us=True)
    with pytest.raises(UsageError, match="loopback"):
        require_disposable("host=127.0.0.1 hostaddr=192.0.2.7 dbname=x", started_by_us=True)
    with pytest.raises(UsageError, match="loopback"):
        require_disposable("host=127.0.0.1,db.example.org dbname=x", started_by_us=True)
    with pytest.raises(RunError, match="cannot be asked"):
        require_disposable("postgresql://app@127.0.0.1:9/x")
