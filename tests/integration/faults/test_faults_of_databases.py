"""Faults of databases, made from data: they bite, are witnessed, are undone, and refuse."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broken_bed import BrokenBed, BrokenDatabase, fault
from disposable_postgres import PostgresServer, connect
from stressproof.errors import InconclusiveError, RunError, UsageError
from stressproof.failures.conclusions import took_effect
from stressproof.failures.spec import FaultSpec
from stressproof.faults.active import ActiveFaults
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.registry import injector
from stressproof.faults.load import Load
from stressproof.processes import wait_for

HANG_S = 20.0
MIB = 1 << 20
NO_LOAD: Load = None  # type: ignore[assignment]  # these send nothing


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Yield a server of few connections on a small disk; it may be killed and comes back."""
    with PostgresServer.start(disk_bytes=160 * MIB, settings={"max_connections": "20"}) as running:
        running.create_database("shop")
        with psycopg.connect(running.dsn("shop"), autocommit=True) as connection:
            connection.execute("CREATE TABLE orders AS SELECT 1 AS key")
        yield running


@pytest.fixture
def bed(server: PostgresServer, tmp_path: Path) -> BrokenBed:
    """Return a testbed with that server's database."""
    return BrokenBed(tmp_path, database=BrokenDatabase(server.dsn("shop"), server))


@pytest.fixture
def service(server: PostgresServer) -> Iterator["psycopg.Connection[Any]"]:
    """Yield a session of whoever is under test; it may be ended."""
    connection = psycopg.connect(server.dsn("shop"), autocommit=True, application_name="shop-1")
    yield connection
    connection.close()


def made(spec: FaultSpec, bed: BrokenBed) -> Injector:
    """Return what makes a fault."""
    return injector(spec, bed, NO_LOAD)


def is_well(server: PostgresServer) -> bool:
    """Return whether a new session may write, and nobody waits for anything."""
    try:
        with psycopg.connect(server.dsn("shop"), connect_timeout=5) as connection:
            connection.execute("CREATE TABLE well AS SELECT repeat('x', 1000)")
            connection.rollback()
            left = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stressproof-fault'"
            ).fetchone()
    except psycopg.Error:
        return False
    return left == (0,)


@pytest.mark.parametrize(
    "spec",
    [
        fault("kill", "postgres"),
        fault("freeze", "postgres"),
        fault("lock", "postgres", sql="SELECT 1 FROM orders WHERE key = {{hot.key}} FOR UPDATE"),
        fault("lock", "postgres", sql="LOCK TABLE orders", holder="terminate"),
        fault("terminate_sessions", "postgres", application="shop%"),
        fault("exhaust_connections", "postgres"),
        fault("read_only", "postgres"),
        fault("disk_full", "postgres"),
    ],
    ids=lambda spec: f"{spec.kind}-{spec.parameters.get('holder', '')}",
)
def test_fault_bites_is_witnessed_and_undone_twice(
    spec: FaultSpec,
    server: PostgresServer,
    bed: BrokenBed,
    service: "psycopg.Connection[Any]",
    active: ActiveFaults,
) -> None:
    """Each of its kind's witnesses grows, the list has it meanwhile, and all is well then."""
    one = made(spec, bed)
    one.inject(active)
    try:
        assert [listed.kind for listed in active.read()] == [spec.kind]
        waiting = threading.Thread(target=writes, args=(service,))
        waiting.start()
        wait_for("witnessed", lambda: one.observe() or seen(one) or spec.kind == "kill", HANG_S)
    finally:
        one.remove()
        one.remove()
    waiting.join(HANG_S)
    assert not waiting.is_alive()
    wait_for("well", lambda: is_well(server), HANG_S)
    assert all(took_effect(witness) for witness in one.witnesses()), one.witnesses()
    assert active.read() == []


def writes(service: "psycopg.Connection[Any]") -> None:
    """Write as the service would, whatever becomes of it."""
    try:
        service.execute("UPDATE orders SET key = key")
    except psycopg.Error:
        return


def seen(one: Injector) -> bool:
    """Return whether every witness of a fault has seen it bite."""
    return all(took_effect(witness) for witness in one.witnesses())


@pytest.mark.parametrize("kind", ["lock", "terminate_sessions", "exhaust_connections"])
def test_fault_that_hits_nobody_is_no_fault(
    kind: str, bed: BrokenBed, active: ActiveFaults
) -> None:
    """No session waits, none is of the application, none of the service has to make room."""
    given = {"lock": {"sql": "LOCK TABLE orders"}, "terminate_sessions": {"application": "x"}}
    one = made(fault(kind, "postgres", **given.get(kind, {})), bed)
    one.inject(active)
    one.observe()
    one.remove()
    assert not seen(one)


def test_exhausted_server_grants_the_service_nothing(
    server: PostgresServer,
    bed: BrokenBed,
    service: "psycopg.Connection[Any]",
    active: ActiveFaults,
) -> None:
    """The places of sessions that were ended are taken too, as soon as they are free."""
    one = made(fault("exhaust_connections", "postgres"), bed)
    one.inject(active)

    def is_refused() -> bool:
        one.observe()
        try:
            psycopg.connect(server.dsn("shop"), application_name="shop-2").close()
        except psycopg.OperationalError as error:
            return "too many clients" in str(error)
        return False

    try:
        wait_for("refused", is_refused, HANG_S)
        with pytest.raises(psycopg.OperationalError):
            service.execute("SELECT 1")
    finally:
        one.remove()
    wait_for("well", lambda: is_well(server), HANG_S)


def test_terminated_sessions_are_of_this_database_and_not_ours(
    server: PostgresServer,
    bed: BrokenBed,
    service: "psycopg.Connection[Any]",
    active: ActiveFaults,
) -> None:
    """Whoever reads invariants meanwhile, or uses another database, lives on."""
    others = [
        psycopg.connect(server.dsn("shop"), autocommit=True, application_name="stressproof-check"),
        psycopg.connect(server.dsn("postgres"), autocommit=True, application_name="shop-2"),
    ]
    one = made(fault("terminate_sessions", "postgres"), bed)
    one.inject(active)
    one.remove()
    with pytest.raises(psycopg.OperationalError):
        service.execute("SELECT 1")
    for other in others:
        assert other.execute("SELECT 1").fetchone() == (1,)
        other.close()


def test_faults_of_a_whole_server_want_all_of_its_databases_given_up(
    server: PostgresServer, bed: BrokenBed, active: ActiveFaults
) -> None:
    """A neighbour that nobody marked is not made read-only, and keeps its connections."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE dear")
        try:
            for kind in ("read_only", "exhaust_connections"):
                one = made(fault(kind, "postgres"), bed)
                with pytest.raises(UsageError, match="not marked as disposable: dear"):
                    one.inject(active)
                assert is_well(server)
        finally:
            connection.execute("DROP DATABASE dear")
    assert active.read() == []


def test_lock_of_an_injector_that_hangs_is_let_go_by_the_server(
    bed: BrokenBed,
    service: "psycopg.Connection[Any]",
    active: ActiveFaults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session that holds it is given a time of its own."""
    monkeypatch.setattr("stressproof.faults.injectors.database._GRACE_S", 0)
    one = made(fault("lock", "postgres", lasts_us=300_000, sql="LOCK TABLE orders"), bed)
    one.inject(active)
    service.execute("SET lock_timeout = '10s'")
    service.execute("UPDATE orders SET key = key")
    one.remove()


def test_half_of_a_fault_is_undone(
    server: PostgresServer, bed: BrokenBed, active: ActiveFaults
) -> None:
    """A lock that cannot be had, a statement that is none, a disk that is someone else's."""
    for statement, words in (
        ("LOCK TABLE nowhere", "cannot be had"),
        ("SELECT FROM", "cannot be had"),
        ("SELECT 1 FROM orders WHERE key = 7 FOR UPDATE", "no row"),
    ):
        with pytest.raises(RunError, match=words):
            made(fault("lock", "postgres", sql=statement), bed).inject(active)
    assert server.disk is not None
    ballast = server.disk.path / "ballast"
    ballast.mkdir()
    one = made(fault("disk_full", "postgres"), bed)
    with pytest.raises(RunError, match="cannot be emptied: Is a directory"):
        one.inject(active)
    assert len(active.read()) == 1, "what could not be undone is not forgotten"
    ballast.rmdir()
    one.remove()
    assert active.read() == []
    assert is_well(server)


def test_read_only_server_is_not_made_so_again(
    server: PostgresServer, bed: BrokenBed, active: ActiveFaults
) -> None:
    """What was so before would not be undone: it is somebody's setting."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        wait_for("read-only", lambda: setting(server) == "on", HANG_S)
        with pytest.raises(RunError, match="read-only already"):
            made(fault("read_only", "postgres"), bed).inject(active)
        assert setting(server) == "on"
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")
    wait_for("writable", lambda: is_well(server), HANG_S)


def setting(server: PostgresServer) -> str:
    """Return what new sessions find."""
    with connect(server.dsn("shop")) as connection:
        row = connection.execute("SHOW default_transaction_read_only").fetchone()
    return str(row[0]) if row else ""


def test_server_that_outlives_a_killed_injector_is_writable_again(
    server: PostgresServer, tmp_path: Path
) -> None:
    """The watchdog resets it; the password is in no list of processes."""
    program = f"""
        import os, signal, subprocess, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[2] / "support")!r})
        from broken_bed import BrokenBed, BrokenDatabase, fault
        from stressproof.faults.active import ActiveFaults
        from stressproof.faults.injectors.registry import injector
        bed = BrokenBed(Path({str(tmp_path)!r}), database=BrokenDatabase({server.dsn("shop")!r}))
        one = injector(fault("read_only", "postgres"), bed, None)
        one.inject(ActiveFaults(Path({str(tmp_path / "active")!r})))
        print("made", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, check=False
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b"made\n")
    wait_for("writable", lambda: is_well(server) and setting(server) == "off", HANG_S)
    wait_for("list", lambda: not list((tmp_path / "active").glob("*.json")), HANG_S)


def test_what_runs_already_is_neither_killed_nor_frozen_nor_filled(
    server: PostgresServer, tmp_path: Path, active: ActiveFaults
) -> None:
    """Nobody could start it again, and its processes are not ours."""
    bed = BrokenBed(tmp_path, database=BrokenDatabase(server.dsn("shop")))
    for kind in ("kill", "freeze", "disk_full"):
        with pytest.raises(UsageError, match="needs a server that is started here"):
            made(fault(kind, "postgres"), bed)
    one = made(fault("lock", "postgres", sql="LOCK TABLE orders"), bed)
    one.inject(active)
    one.remove()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE unmarked")
    bed = BrokenBed(tmp_path, database=BrokenDatabase(server.dsn("unmarked")))
    try:
        for spec in (
            fault("lock", "postgres", sql="SELECT 1"),
            fault("terminate_sessions", "postgres"),
            fault("exhaust_connections", "postgres"),
            fault("read_only", "postgres"),
        ):
            with pytest.raises(UsageError, match="not marked as disposable"):
                made(spec, bed).inject(active)
    finally:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("DROP DATABASE unmarked WITH (FORCE)")


def test_database_without_a_disk_of_its_own_is_not_filled(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """It would fill the machine's; why it has none is told."""
    database = BrokenDatabase(postgres.dsn(), postgres)
    bed = BrokenBed(tmp_path, database=database)
    with pytest.raises(InconclusiveError, match="on no disk of its own"):
        made(fault("disk_full", "postgres"), bed)
    database.why_no_disk = "Operation not permitted"
    with pytest.raises(InconclusiveError, match="unsupported here: Operation not permitted"):
        made(fault("disk_full", "postgres"), bed)


def test_ballast_of_a_hung_injector_is_removed_by_another_process(
    server: PostgresServer, bed: BrokenBed, active: ActiveFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog reaches the disk through us, as long as we are there."""
    monkeypatch.setattr("stressproof.faults.injector._GRACE_S", 0.5)
    one = made(fault("disk_full", "postgres", lasts_us=100_000), bed)
    one.inject(active)
    assert server.disk is not None
    wait_for("room", lambda: os.fstatvfs(server.disk.descriptor).f_bavail > 0, HANG_S)  # type: ignore[union-attr]
    wait_for("list", lambda: active.read() == [], HANG_S)
    with pytest.raises(RunError, match="outlived its time"):
        one.remove()
    assert is_well(server)
