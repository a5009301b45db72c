"""Injectors against a real server and real processes: they bite, they prove it, they heal."""

import os
import socket
import threading

import psycopg
import pytest

from broken_bed import fault
from disposable_postgres import PostgresServer
from stressproof.errors import RunError, UsageError
from stressproof.failures.conclusions import took_effect
from stressproof.faults.active import ActiveFaults
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.database import Lock, TerminateSessions
from stressproof.faults.injectors.disposable import require_disposable
from stressproof.faults.injectors.outages import Freeze, Kill
from stressproof.faults.injectors.postgres_victim import PostgresVictim
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.processes import lives, refer, state_of, wait_for

HANG_S = 20.0
ENDED = fault("terminate_sessions", "postgres")
LOCKED = fault("lock", "postgres", sql="SELECT 1")


def run(made: Injector, active: ActiveFaults) -> None:
    """Inject, look, remove twice."""
    made.inject(active)
    assert [one.kind for one in active.read()] == [made.fault.kind]
    made.observe()
    made.remove()
    made.remove()
    assert active.read() == []
    assert made.effective_ns < made.removed_ns


def test_killed_server_lost_every_process_and_recovers(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Committed rows are there again, and the server's log tells of the crash."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("INSERT INTO effect VALUES (4711, '')")
        before = [refer(pid) for pid in postgres.processes()]
        made = Kill(fault("kill", "postgres"), PostgresVictim(postgres))
        made.inject(active)
        assert not any(lives(one) for one in before if one is not None)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres.dsn(), connect_timeout=2)
        made.remove()
    with psycopg.connect(postgres.dsn()) as connection:
        assert connection.execute("SELECT 1 FROM effect WHERE key = 4711").fetchone() == (1,)
    killed, recovered = made.witnesses()
    assert killed.during == len(before) > killed.needs
    assert took_effect(recovered)


def test_frozen_server_has_every_backend_stopped(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """A signal to the process group would reach the postmaster alone, and freeze nothing."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        backend = connection.info.backend_pid
        assert os.getpgid(backend) != os.getpgid(postgres.pid)
        made = Freeze(fault("freeze", "postgres"), PostgresVictim(postgres))
        made.inject(active)
        assert state_of(backend) == "T"
        answers: list[tuple[int]] = []
        asking = threading.Thread(
            target=lambda: answers.extend(connection.execute("SELECT 1").fetchall())
        )
        asking.start()
        made.observe()
        assert answers == []
        made.remove()
        asking.join(HANG_S)
        assert answers == [(1,)]
    stopped, unanswered = made.witnesses()
    assert took_effect(stopped)
    assert stopped.during >= 3
    assert took_effect(unanswered)


def test_terminated_sessions_are_those_of_the_application_alone(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Ours and everybody else's live on."""
    victim = psycopg.connect(postgres.dsn(), autocommit=True, application_name="enforcement-1")
    with victim, psycopg.connect(postgres.dsn(), autocommit=True) as other:
        made = TerminateSessions(ENDED, postgres.dsn(), "enforcement%")
        run(made, active)
        with pytest.raises(psycopg.OperationalError):
            victim.execute("SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)
    [witness] = made.witnesses()
    assert witness.during == 1
    nobody = TerminateSessions(ENDED, postgres.dsn(), "nobody%")
    run(nobody, active)
    assert not took_effect(nobody.witnesses()[0])


def test_held_lock_is_witnessed_by_who_waits_for_it(
    postgres: PostgresServer, active: ActiveFaults
) -> None:
    """Without anybody waiting it proves nothing; with one, it is released by the undo."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("DELETE FROM effect")
        connection.execute("INSERT INTO effect VALUES (1, '')")
        statement = "SELECT 1 FROM effect WHERE key = 1 FOR UPDATE"
        lonely = Lock(LOCKED, postgres.dsn(), statement)
        run(lonely, active)
        assert not took_effect(lonely.witnesses()[0])
        made = Lock(LOCKED, postgres.dsn(), statement)
        made.inject(active)
        waiting = threading.Thread(
            target=lambda: connection.execute("UPDATE effect SET note = 'x' WHERE key = 1")
        )
        waiting.start()
        wait_for("waiting", lambda: made.observe() or took_effect(made.witnesses()[0]), HANG_S)
        assert waiting.is_alive()
        made.remove()
        waiting.join(HANG_S)
        assert not waiting.is_alive()


def test_lock_holder_can_be_terminated(postgres: PostgresServer, active: ActiveFaults) -> None:
    """The lock goes with the holder's session, and the undo is still harmless."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        statement = "LOCK TABLE effect IN ACCESS EXCLUSIVE MODE"
        made = Lock(LOCKED, postgres.dsn(), statement, terminate=True)
        made.inject(active)
        connection.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("SELECT 1 FROM effect")
        connection.execute("SET lock_timeout = '10s'")
        made.remove()
        connection.execute("SELECT 1 FROM effect")
    assert "terminating connection due to administrator command" in postgres.log_tail()


def test_lock_on_no_row_is_refused(postgres: PostgresServer, active: ActiveFaults) -> None:
    """A lock that locks nothing would be a fault that never bites."""
    made = Lock(LOCKED, postgres.dsn(), "SELECT 1 FROM effect WHERE key = -1 FOR UPDATE")
    with pytest.raises(RunError, match="no row"):
        made.inject(active)
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
        for kind in ("latency", "bandwidth", "trickle", "black_hole", "lose_answer"):
            idle = ProxyFault(fault(kind, "proxy"), proxy)
            run(idle, active)
            assert not any(took_effect(one) for one in idle.witnesses())
        slow = ProxyFault(fault("latency", "proxy", latency_us=20_000, stream="upstream"), proxy)
        slow.inject(active)
        connection.execute("SELECT 1")
        slow.remove()
        assert took_effect(slow.witnesses()[0])
        hole = ProxyFault(fault("black_hole", "proxy", stream="downstream"), proxy)
        hole.inject(active)
        asking = threading.Thread(target=lambda: connection.execute("SELECT 1"))
        asking.start()
        wait_for("held", lambda: proxy.state()["downstream"]["held"] > 0, HANG_S)
        hole.remove()
        asking.join(HANG_S)
        assert took_effect(hole.witnesses()[0])
        storm = ProxyFault(fault("reset", "proxy", every_us=10_000), proxy)
        run(storm, active)
        assert storm.witnesses()[0].during == 1
        down = ProxyFault(fault("down", "proxy"), proxy)
        down.inject(active)
        down.observe()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port), 5)
        down.remove()
        assert down.witnesses()[0].during == 1


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
