"""A migrated database on a server of the store's own, and a tenant for each test."""

from collections.abc import Iterator

import pytest

from control_plane import Cluster, Staff, make_cluster, make_staff
from disposable_postgres import PostgresServer


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One migrated database for the session; tests keep apart by tenant.

    On a server of its own: roles belong to a whole server, and a test elsewhere that migrates a
    database of the shared one gives the application's role another password.
    """
    with PostgresServer.start() as server:
        yield make_cluster(server, "control_plane")


@pytest.fixture
def staff(cluster: Cluster) -> Staff:
    """A tenant for this test alone."""
    return cluster.run(make_staff)
