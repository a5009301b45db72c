"""The cut between COMMIT and its answer, with a real server and a real driver behind it."""

import re
import socket
import struct
from collections.abc import Iterator

import psycopg
import pytest

from broken_bed import fault
from disposable_postgres import PostgresServer
from stressproof.errors import RunError
from stressproof.faults.active import ActiveFaults
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import CutAfterCommit, CutBeforeCommit, Slicer


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[ProxyProcess]:
    """Yield a proxy that follows PostgreSQL in front of the server, and an empty table."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("TRUNCATE effect")
    with ProxyProcess((postgres.host, postgres.port), protocol="postgres") as running:
        yield running


def through(
    proxy: ProxyProcess, server: PostgresServer, *, autocommit: bool = False, extra: str = ""
) -> psycopg.Connection[tuple[int, ...]]:
    """Return a connection through the proxy."""
    dsn = server.dsn(host=proxy.host, port=proxy.port) + f"?connect_timeout=10{extra}"
    return psycopg.connect(dsn, autocommit=autocommit)


def insert_and_commit(connection: psycopg.Connection[tuple[int, ...]], key: int) -> None:
    """Make an effect; in autocommit the first statement does it."""
    connection.execute("INSERT INTO effect VALUES (%s, '')", (key,))
    connection.commit()


def durable(server: PostgresServer) -> list[int]:
    """Return the keys in the table, read directly."""
    with psycopg.connect(server.dsn()) as connection:
        return [row[0] for row in connection.execute("SELECT key FROM effect ORDER BY key")]


def test_committed_transaction_is_durable_and_its_client_cannot_know(
    proxy: ProxyProcess, postgres: PostgresServer
) -> None:
    """Twenty cuts, twenty errors, twenty rows."""
    proxy.switch(CutAfterCommit(count=20))
    for key in range(20):
        with through(proxy, postgres) as connection:
            connection.execute("INSERT INTO effect VALUES (%s, '')", (key,))
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
    assert durable(postgres) == list(range(20))
    assert proxy.state()["hits"]["cut_after_commit"] == 20
    with through(proxy, postgres) as connection:
        connection.execute("INSERT INTO effect VALUES (20, '')")
    assert durable(postgres) == list(range(21))


def test_cut_before_commit_leaves_nothing(proxy: ProxyProcess, postgres: PostgresServer) -> None:
    """The request to commit never reached the server, so its transaction is undone."""
    proxy.switch(CutBeforeCommit(count=3))
    for key in range(3):
        with through(proxy, postgres) as connection:
            connection.execute("INSERT INTO effect VALUES (%s, '')", (key,))
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
    assert durable(postgres) == []
    assert proxy.state()["hits"]["cut_before_commit"] == 3


@pytest.mark.parametrize("autocommit", [False, True])
def test_answer_that_comes_in_pieces_is_cut_before_its_first_byte(
    postgres: PostgresServer, *, autocommit: bool
) -> None:
    """A second proxy slices the server's answers to three bytes; none of them may tell."""
    with (
        ProxyProcess((postgres.host, postgres.port)) as inner,
        ProxyProcess((inner.host, inner.port), protocol="postgres") as outer,
    ):
        inner.switch(Slicer("downstream", average_bytes=3, variation_bytes=2, delay_us=300))
        for key in range(3000, 3005):
            with through(outer, postgres, autocommit=autocommit) as connection:
                outer.switch(CutAfterCommit())
                with pytest.raises(psycopg.OperationalError):
                    insert_and_commit(connection, key)
        hits = outer.state()["hits"]
    assert hits == {"cut_after_commit": 5}
    assert {3000, 3001, 3002, 3003, 3004} <= set(durable(postgres))


@pytest.mark.parametrize("prepared", [False, True])
def test_statement_of_its_own_is_cut_after_it_committed(
    proxy: ProxyProcess, postgres: PostgresServer, *, prepared: bool
) -> None:
    """In autocommit the ReadyForQuery is the commit, in both protocols."""
    with through(proxy, postgres, autocommit=True) as connection:
        connection.execute("INSERT INTO effect VALUES (%s, '')", (1,), prepare=prepared)
        proxy.switch(CutAfterCommit())
        with pytest.raises(psycopg.OperationalError):
            connection.execute("INSERT INTO effect VALUES (%s, '')", (2,), prepare=prepared)
    assert durable(postgres) == [1, 2]


def test_reading_and_rolling_back_are_not_cut(
    proxy: ProxyProcess, postgres: PostgresServer
) -> None:
    """An armed cut waits for a commit, and data that looks like one is data."""
    proxy.switch(CutAfterCommit())
    with through(proxy, postgres) as connection:
        connection.execute("INSERT INTO effect VALUES (1, '')")
        looks_like_it = b"C\x00\x00\x00\x0bCOMMIT\x00Z\x00\x00\x00\x05I"
        row = connection.execute("SELECT %b::bytea", (looks_like_it,)).fetchone()
        assert row == (looks_like_it,)
        connection.rollback()
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        connection.rollback()
    with through(proxy, postgres, autocommit=True) as connection:
        connection.execute("SELECT generate_series(1, 20000)")
    assert proxy.state()["hits"] == {}
    assert durable(postgres) == []


def test_only_transactions_with_the_statement_are_cut(
    proxy: ProxyProcess, postgres: PostgresServer
) -> None:
    """Others commit through an armed cut, also where the statement was prepared long before."""
    with through(proxy, postgres) as connection:
        connection.prepare_threshold = 0
        for key in (1, 2):
            if key == 2:
                proxy.switch(CutAfterCommit(statement_contains="'wanted'"))
            connection.execute("INSERT INTO effect VALUES (%s, 'other')", (key,))
            connection.commit()
            connection.execute("SELECT 'wanted', %s", (key,))
            if key == 2:
                with pytest.raises(psycopg.OperationalError):
                    connection.commit()
            else:
                connection.commit()
    assert durable(postgres) == [1, 2]
    [event] = [one for one in proxy.events() if one["event"] == "cut_after_commit"]
    assert "'wanted'" in " ".join(event["statements"])


def test_pipeline_is_followed(proxy: ProxyProcess, postgres: PostgresServer) -> None:
    """Statements sent without waiting are matched with their answers."""
    with through(proxy, postgres) as connection:
        with connection.pipeline():
            for key in range(50):
                connection.execute("INSERT INTO effect VALUES (%s, '')", (key,))
            connection.commit()
        assert proxy.state()["counters"]["commits_seen"] == 1
        proxy.switch(CutAfterCommit(statement_contains="VALUES"))
        pipeline = connection.pipeline()
        pipeline.__enter__()
        connection.execute("INSERT INTO effect VALUES (%s, '')", (99,))
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert durable(postgres) == [*range(50), 99]


def test_cut_counts_only_what_it_cut(
    proxy: ProxyProcess, postgres: PostgresServer, active: ActiveFaults
) -> None:
    """A fault that found no commit has no witness; with one it names the connection."""
    made = ProxyFault(fault("cut_after_commit", "proxy", statement="effect"), proxy)
    made.inject(active)
    assert not made.is_finished()
    with through(proxy, postgres) as connection:
        connection.execute("INSERT INTO effect VALUES (1, '')")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert made.is_finished()
    made.remove()
    [cut] = made.witnesses()
    assert (cut.before, cut.during) == (0, 1)
    assert re.fullmatch(r"cut_after_commit on link \d+ at \d+ ns", cut.detail[0])
    again = ProxyFault(fault("cut_after_commit", "proxy"), proxy)
    again.inject(active)
    again.remove()
    assert [(one.before, one.during) for one in again.witnesses()] == [(1, 1)]


def test_encrypted_conversation_is_told_not_guessed(postgres: PostgresServer) -> None:
    """A server without TLS refuses SSLRequest and is followed; noise is opaque and passes."""
    with ProxyProcess((postgres.host, postgres.port), protocol="postgres") as proxy:
        with through(proxy, postgres, extra="&sslmode=prefer") as connection:
            connection.execute("INSERT INTO effect VALUES (1000, '')")
        counters = proxy.state()["counters"]
        assert (counters["commits_seen"], counters["opaque_links"]) == (1, 0)


def test_cut_of_an_encrypted_conversation_is_refused() -> None:
    """A server that agreed to TLS: its conversation cannot be read, and the remedy is told."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ProxyProcess(listener.getsockname(), protocol="postgres") as proxy,
        socket.create_connection((proxy.host, proxy.port), timeout=20) as client,
    ):
        server, _ = listener.accept()
        with server:
            client.sendall(struct.pack("!II", 8, 80_877_103))
            assert server.recv(8) == struct.pack("!II", 8, 80_877_103)
            proxy.switch(CutAfterCommit())  # nothing has been agreed to yet
            server.sendall(b"S")
            assert client.recv(1) == b"S"
            with pytest.raises(RunError, match="encrypted") as refused:
                proxy.switch(CutBeforeCommit())
            assert "sslmode=disable" in refused.value.hint
            # The cut that was armed before never bites what it cannot read, and it is said why.
            client.sendall(b"\x16\x03\x01 hello")
            assert server.recv(100) == b"\x16\x03\x01 hello"
            server.sendall(b"\x16C\0\0\0\x0bCOMMIT\0")
            assert client.recv(100) == b"\x16C\0\0\0\x0bCOMMIT\0"
            state = proxy.state()
            assert (state["hits"], state["counters"]["encrypted_links"]) == ({}, 1)


def test_cut_of_a_plain_proxy_is_refused(postgres: PostgresServer, active: ActiveFaults) -> None:
    """A fault that cannot be applied is an error, and nothing stays listed."""
    with ProxyProcess((postgres.host, postgres.port)) as proxy:
        with pytest.raises(RunError, match="PostgreSQL"):
            ProxyFault(fault("cut_after_commit", "proxy"), proxy).inject(active)
        assert active.read() == []
        assert proxy.state()["toxics"] == []
