"""What every test may ask for: one real PostgreSQL for the session, a database of its own each."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from ephemeral_postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole session; a test that kills or freezes starts its own."""
    with PostgresServer.start() as server:
        yield server


@pytest.fixture
def fresh_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The connection string (superuser) of an empty database, dropped afterwards."""
    name = f"t_{uuid.uuid4().hex}"
    yield postgres_server.create_database(name)
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
