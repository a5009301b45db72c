"""The quick way over a connection: quoting that holds, errors and cuts like a cursor's."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from control_plane import Cluster
from enforcement.store import wire
from enforcement.store.database import Database
from enforcement.store.errors import (
    DeadlineError,
    EvaluationError,
    OutcomeUnknownError,
    SchemaError,
)

NASTY = (
    "",
    "'",
    "''",
    "\\",
    "\\'; DROP TABLE enforcement.ledger; --",
    "$$ $1 %s %(x)s :x",
    "é\u2028\U0001f600",
    '{"a": "b\\"c"}',
    "\n\t\x01",
    "NULL",
)
SLEEP = wire.Statement("SELECT pg_sleep(600)")


async def _echo(db: Database, value: wire.Value, cast: str) -> str:
    async with db.lease(db.deadline(None)) as lease:
        asked = wire.Statement(f"SELECT ($1::{cast})::text", (value,))
        answer = await wire.exchange(lease.connection, asked)
        assert answer is not None
        return answer.decode()


def test_every_text_comes_back_as_it_went(cluster: Cluster) -> None:
    """Quotes, backslashes, placeholders and any Unicode are data, never SQL."""

    async def work(db: Database) -> None:
        for text in NASTY:
            assert await _echo(db, text, "text") == text
        for kept in (NASTY[1:2], NASTY):
            listed = await _echo(db, list(kept), "text[]")
            rows = await db.fetch("SELECT %s::text[]", (listed,))
            assert rows[0][0] == list(kept)

    cluster.run(work)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\x00", codec="utf-8")), max_size=8))
def test_any_texts_survive_as_literal_and_as_array(cluster: Cluster, texts: list[str]) -> None:
    """Whatever Unicode holds, apart from U+0000."""

    async def work(db: Database) -> None:
        for text in texts:
            assert await _echo(db, text, "text") == text
        rows = await db.fetch("SELECT %s::text[]", (await _echo(db, texts, "text[]"),))
        assert rows[0][0] == texts

    cluster.run(work)


def test_plain_values_mean_what_they_mean(cluster: Cluster) -> None:
    """Numbers, booleans, ids and instants arrive as their PostgreSQL equals."""
    some_id, now = uuid.uuid4(), datetime(2026, 2, 25, 12, 0, 0, 123456, tzinfo=UTC)

    async def work(db: Database) -> None:
        assert await _echo(db, 42, "int") == "42"
        assert await _echo(db, -1, "int") == "-1"
        assert await _echo(db, value=True, cast="boolean") == "true"
        assert await _echo(db, some_id, "uuid") == str(some_id)
        assert await _echo(db, now, "timestamptz") == "2026-02-25 12:00:00.123456+00"
        async with db.lease(db.deadline(None)) as lease:
            assert await wire.exchange(lease.connection, wire.Statement("SELECT NULL")) is None
            assert (
                await wire.exchange(lease.connection, wire.Statement("SELECT 1 WHERE false"))
                is None
            )
            both = wire.Statement("SELECT 1"), wire.Statement("SELECT 2")
            assert await wire.exchange(lease.connection, *both) == b"2"

    cluster.run(work)


def test_a_long_message_and_a_long_answer_pass_whole(cluster: Cluster) -> None:
    """Megabytes both ways: the socket takes and gives them in pieces."""
    text = "0123456789abcdef" * 250_000

    async def work(db: Database) -> None:
        assert await _echo(db, text, "text") == text

    cluster.run(work)


def test_an_error_carries_its_sqlstate_and_the_connection_lives_on(cluster: Cluster) -> None:
    """Refusals are psycopg's own exceptions, by state; U+0000 never leaves."""

    async def work(db: Database) -> None:
        async with db.lease(db.deadline(None)) as lease:
            for query, state in (("SELECT 1/0", "22012"), ("SELECT nowhere", "42703")):
                with pytest.raises(psycopg.Error) as refusal:
                    await wire.exchange(lease.connection, wire.Statement(query))
                assert refusal.value.sqlstate == state
            assert await wire.exchange(lease.connection, wire.Statement("SELECT 1")) == b"1"
        with pytest.raises(EvaluationError):
            await db.call("f", ("a\x00b",))

    cluster.run(work)


def test_what_is_prepared_outlives_every_kind_of_end(cluster: Cluster) -> None:
    """Errors, rollbacks and psycopg's own statements leave what was prepared as it was."""
    ids = wire.Statement(
        "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'enforcement%'"
    )

    async def count(db: Database) -> int:
        async with db.lease(db.deadline(None)) as lease:
            return int(await wire.exchange(lease.connection, ids) or 0)

    async def work(db: Database) -> None:
        async with db.lease(db.deadline(None)) as lease:
            for _ in range(7):  # from the sixth on psycopg prepares it
                await lease.connection.execute("SELECT 1 WHERE %s", (True,))
            with pytest.raises(psycopg.errors.DivisionByZero):
                await wire.exchange(lease.connection, wire.BEGIN, wire.Statement("SELECT 1/0"))
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                await wire.exchange(lease.connection, wire.Statement("SELECT 3"))
        assert await count(db) == 4  # BEGIN, 1/0, ROLLBACK, and this
        for _ in range(2):
            with pytest.raises(SchemaError):
                await db.call("nowhere", ())
        async with db.lease(db.deadline(None)) as lease:
            for _ in range(2):
                assert await wire.exchange(lease.connection, wire.Statement("SELECT 3")) == b"3"
        assert await count(db) == 5

    cluster.run(work, pool_size=1)


def test_a_commit_of_a_failed_transaction_is_no_commit(cluster: Cluster) -> None:
    """The server answers such a COMMIT with a rollback, and no error."""

    async def fail_and_commit(db: Database) -> None:
        async with db.lease(db.deadline(None)) as lease:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await wire.exchange(lease.connection, wire.BEGIN, wire.Statement("SELECT 1/0"))
            await lease.commit()

    async def work(db: Database) -> None:
        with pytest.raises(OutcomeUnknownError):
            await fail_and_commit(db)

    cluster.run(work, pool_size=1)


def test_a_look_at_the_moment_of_the_end_finds_it_done(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once all was taken nothing says that nothing is left: who looks again must not wait."""
    monkeypatch.setattr(wire, "_LOOK_EVERY_S", 0.0)

    async def work(db: Database) -> None:
        async with db.lease(db.deadline(None)) as lease:
            for _ in range(300):
                assert await wire.exchange(lease.connection, wire.Statement("SELECT 1")) == b"1"

    cluster.run(work, pool_size=1)


def test_an_exchange_ends_at_the_deadline_and_when_cancelled(cluster: Cluster) -> None:
    """A server that does not answer is left; the pool gives a fresh connection afterwards."""

    async def sleep(db: Database, deadline_s: float) -> None:
        async with db.lease(db.deadline(deadline_s)) as lease:
            await wire.exchange(lease.connection, SLEEP)

    async def work(db: Database) -> None:
        with pytest.raises(DeadlineError):
            await sleep(db, 0.2)
        hanging = asyncio.create_task(sleep(db, 500.0))
        await asyncio.sleep(0.1)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert await db.fetch("SELECT 1") == [(1,)]

    cluster.run(work, pool_size=1)


def test_a_terminated_backend_is_a_lost_connection(cluster: Cluster) -> None:
    """The loss is seen at once and classified; the next call is served."""

    async def work(db: Database) -> None:
        async with db.lease(db.deadline(None)) as lease:
            pid = await wire.exchange(lease.connection, wire.Statement("SELECT pg_backend_pid()"))
            assert pid is not None
            pending = asyncio.create_task(wire.exchange(lease.connection, SLEEP))
            await asyncio.sleep(0.1)
            cluster.sql("SELECT pg_terminate_backend(%s)", int(pid))
            with pytest.raises(psycopg.OperationalError):
                await pending
        assert await db.fetch("SELECT 1") == [(1,)]

    cluster.run(work, pool_size=1)


class _Relay:
    """Bytes to and from a server, until it says farewell and resets."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port = self._listener.getsockname()[1]
        self._run(self._accept)

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                server = socket.create_connection(self._address)
                self._run(self._pump, client, server)
                self._run(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the other direction
            one.close()

    def reset(self) -> None:
        """Send a farewell as a dying server does, and reset, so that both are there at once."""
        fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
        for client in self._clients:
            client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The pump still holds it; a duplicate's close would not reset.
            client.shutdown(socket.SHUT_RD)
            client.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)


@pytest.fixture
def relay(cluster: Cluster) -> Iterator[_Relay]:
    """Between the store and its server."""
    parts = conninfo_to_dict(cluster.app_dsn)
    relay = _Relay((str(parts["host"]), int(str(parts["port"]))))
    yield relay
    relay.close()


def test_a_farewell_and_a_reset_at_once_are_a_lost_connection(
    cluster: Cluster, relay: _Relay
) -> None:
    """What libuv reports as an error ends its watch: nobody may wait for a second event."""

    async def work(db: Database) -> None:
        async with db.lease(db.deadline(None)) as lease:
            pending = asyncio.create_task(wire.exchange(lease.connection, SLEEP))
            await asyncio.sleep(0.1)
            relay.reset()
            time.sleep(0.1)  # noqa: ASYNC251  # until the loop finds both, not one after the other
            async with asyncio.timeout(10):
                with pytest.raises(psycopg.OperationalError):
                    await pending

    cluster.run(work, pool_size=1, dsn=make_conninfo(cluster.app_dsn, port=relay.port))
