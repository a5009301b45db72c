"""The shop's PostgreSQL: its schema, its first rows, and sessions that do not wait for ever."""

import asyncio
import contextlib
import csv
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
from psycopg_pool import AsyncConnectionPool

from shop.accounts import password_hash

SCHEMA = Path(__file__).with_name("schema.sql")
SEED_LOCK = 7_405_231
"""Processes that start together prepare one after the other."""
Session = psycopg.AsyncConnection


class Database:
    """A pool of connections.

    Args:
        dsn: Which PostgreSQL.
        size: Connections of this process.
    """

    def __init__(self, dsn: str, size: int = 8) -> None:
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=size,
            max_size=size,
            timeout=1.0,
            open=False,
            kwargs={
                "application_name": "shop",
                "autocommit": True,
                "connect_timeout": 2,
                "options": "-c statement_timeout=1500 -c lock_timeout=1000",
            },
        )

    async def open(self) -> None:
        """Connect; returns before every connection is there."""
        await self._pool.open()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._pool.close(timeout=1)

    @contextlib.asynccontextmanager
    async def session(self, deadline_s: float = 2.0) -> AsyncIterator[Session]:
        """Lend a connection, whose socket is shut after the deadline: networks fall silent."""
        async with self._pool.connection() as connection:
            descriptor = os.dup(connection.fileno())

            def cut() -> None:
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
                    line.shutdown(socket.SHUT_RDWR)

            timer = asyncio.get_running_loop().call_later(deadline_s, cut)
            try:
                yield connection
            finally:
                timer.cancel()
                os.close(descriptor)


def own_database(stack: contextlib.ExitStack) -> str:
    """Start a PostgreSQL that lasts as long as the shop, and return where it is."""
    try:
        from disposable_postgres import PostgresServer  # noqa: PLC0415  # only where it is wanted
    except ModuleNotFoundError:
        sys.exit("Set DATABASE_URL to a PostgreSQL, or: pip install disposable-postgres")
    return stack.enter_context(PostgresServer.start()).dsn()


def prepare(dsn: str, folder: Path) -> None:
    """Create what is not there: tables, products of ``skus.csv``, accounts of ``users.csv``."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (SEED_LOCK,))
        connection.execute(SCHEMA.read_bytes())
        seeded = connection.execute("SELECT EXISTS (SELECT FROM products)").fetchone()
        if seeded == (True,):
            return
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO products (sku, name, price, stock, initial)"
                " VALUES (%(sku)s, %(name)s, %(price)s, %(stock)s, %(stock)s)",
                _rows(folder / "skus.csv"),
            )
            cursor.executemany(
                "INSERT INTO accounts (name, salt, password) VALUES (%s, %s, %s)",
                [
                    (row["name"], salt, password_hash(row["password"], salt))
                    for row in _rows(folder / "users.csv")
                    for salt in [os.urandom(16)]
                ],
            )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
