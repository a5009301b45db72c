"""A real service for the tests that break nothing: shared, on a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from disposable_postgres import PostgresServer
from running_service import Service, Tenant, World, make_world, start


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """One migrated database for all tests that break nothing.

    On a server of its own: roles and their passwords belong to a server, not to a database.
    """
    with PostgresServer.start() as server:
        yield make_world(server)


@pytest.fixture(scope="session")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service of two workers for all tests that break nothing."""
    # A machine that is busy with something else must not turn decisions into fail-safes.
    patient = {"ENFORCEMENT_GATE_TIMEOUT_SECONDS": "20"}
    running = start(tmp_path_factory.mktemp("service"), "--dsn", world.dsn, env=patient)
    yield running
    assert running.stop() == 0


@pytest.fixture
def tenant(world: World) -> Tenant:
    """A tenant of the test's own."""
    return world.tenant()
