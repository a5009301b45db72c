"""A migrated database on the session's server, and a tenant of its own for each test."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from control_plane import Cluster, Staff, make_cluster, make_staff
from ephemeral_postgres import PostgresServer


@pytest.fixture(scope="session")
def cluster(postgres_server: PostgresServer) -> Iterator[Cluster]:
    """One migrated database for the session; tests keep apart by tenant."""
    name = f"enforcement_{uuid.uuid4().hex}"
    yield make_cluster(postgres_server, name)
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def staff(cluster: Cluster) -> Staff:
    """A tenant for this test alone."""
    return cluster.run(make_staff)
