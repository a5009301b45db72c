"""Migrations and seeds: safe to repeat, safe in parallel, complete."""

import asyncio
import concurrent.futures
import uuid

import psycopg
import pytest

from control_plane import PASSWORD, Cluster
from enforcement.domain.enums import Role
from enforcement.store import gates, ledger, limits, parity, tenants
from enforcement.store.database import Database
from enforcement.store.errors import EvaluationError, StoreError, UnavailableError
from enforcement.store.migrate import HEAD, app_dsn, head_of, migrate, statements_of
from enforcement.store.seed import seed, seed_into


def test_an_empty_database_is_migrated_and_a_second_run_changes_nothing(
    fresh_database: str,
) -> None:
    """The head is in place, and running again finds it there."""
    assert head_of(fresh_database) is None
    assert migrate(fresh_database, app_password=PASSWORD) == HEAD
    assert migrate(fresh_database, app_password=PASSWORD) == HEAD
    assert head_of(fresh_database) == HEAD


def test_four_migrations_at_once_leave_one_schema(fresh_database: str) -> None:
    """The first one wins, the others wait and find it done."""
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        heads = list(
            threads.map(lambda _: migrate(fresh_database, app_password=PASSWORD), range(4))
        )
    assert heads == [HEAD] * 4


def test_the_application_logs_in_with_the_password_it_was_given(cluster: Cluster) -> None:
    """The role's password is that of the first migration, until it is replaced on purpose."""
    migrate(cluster.owner_dsn, app_password=PASSWORD)
    with psycopg.connect(app_dsn(cluster.owner_dsn, PASSWORD)) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("enforcement_app",)
    with pytest.raises(EvaluationError) as refusal:
        migrate(cluster.owner_dsn, app_password="another")
    assert refusal.value.code == "app_password_differs"
    try:
        migrate(cluster.owner_dsn, app_password="another", replace_password=True)
        psycopg.connect(app_dsn(cluster.owner_dsn, "another")).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(app_dsn(cluster.owner_dsn, PASSWORD))
    finally:
        migrate(cluster.owner_dsn, app_password=PASSWORD, replace_password=True)


def test_a_migration_without_a_server_or_a_right_is_refused_by_name(cluster: Cluster) -> None:
    """Unreachable and unprivileged each say so, with a remedy."""
    with pytest.raises(UnavailableError) as unreachable:
        migrate("host=127.0.0.1 port=1 dbname=x user=y", app_password=PASSWORD)
    assert unreachable.value.hint
    with pytest.raises(StoreError) as unprivileged:
        migrate(cluster.app_dsn, app_password=PASSWORD)
    assert unprivileged.value.code == "migration_refused"


LANDED = {
    "0001": "3a4d3d1c837133b4b1eeaec9e906b26dc534d84f563601dbc655362dc09b1dec",
    "0002": "7995d87cf378c392e089c22ff1a1350ad6ff7d5d91acac3ab1ae5d7b2b386afe",
    "0003": "94100bb6e47c47bed238b9b50c885798a475b79a00377fa3dcb08e6786c9cfb3",
    "0004": "df4c863dfdee120c00a5a985b37bb8794b22c92514a619548cd662cbb0ec6d64",
    "0005": "8c8beb11ccfefe8eaa753b2518a75d28cdccac66944514adf2b3e8b9f6904f2c",
}
"""What databases out there were made with, by revision; a change goes into a new one."""


@pytest.mark.parametrize("revision", LANDED)
def test_what_made_a_database_is_not_edited(revision: str) -> None:
    """A revision that has landed keeps its statements: who was made by them is still upgraded."""
    assert statements_of(revision) == f"statements sha256:{LANDED[revision]}"


def test_a_migration_that_is_interrupted_goes_on_where_it_stopped(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each revision is a transaction, and says with it which statements have run so far."""
    with monkeypatch.context() as patched:
        patched.setattr("enforcement.store.migrate.HEAD", "0001")
        migrate(fresh_database, app_password=PASSWORD)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE enforcement.tenant_usage ()")  # in the way of 0003
        with pytest.raises(EvaluationError) as refusal:
            migrate(fresh_database, app_password=PASSWORD)
        assert refusal.value.code == "migration_refused"
        assert head_of(fresh_database) == "0002"
        connection.execute("DROP TABLE enforcement.tenant_usage")
    assert migrate(fresh_database, app_password=PASSWORD) == HEAD


def test_every_sql_file_is_part_of_the_package() -> None:
    """What the migration reads is where an installed package has it."""
    from importlib.resources import files  # noqa: PLC0415  # used once

    folder = files("enforcement.store.migrations") / "sql" / "0001"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    assert len(names) == 7
    assert names == sorted(names)


def test_a_seed_is_complete_repeatable_and_chained(cluster: Cluster) -> None:
    """Twice the same seed is one tenant with that many decisions, all in the chain."""
    name = f"seed-{uuid.uuid4().hex}"
    first = seed(cluster.app_dsn, name=name, decisions=120, tenant_per_minute=5000)
    again = seed(cluster.app_dsn, name=name, decisions=120, tenant_per_minute=5000)
    assert first == again
    assert first.decisions == 120
    assert (first.owner.role, first.member.role) == (Role.OWNER, Role.MEMBER)
    (outcome,) = ledger.verify(cluster.owner_dsn, first.tenant_id)
    assert outcome.fault is None
    outcomes = cluster.sql(
        "SELECT count(DISTINCT outcome), count(*) FROM enforcement.decisions WHERE tenant_id = %s",
        first.tenant_id,
    )
    assert outcomes[0][0] >= 2
    assert outcomes[0][1] == 120

    async def look(db: Database) -> None:
        assert (await limits.read(db, first.tenant_id)).tenant_per_minute == 5000
        assert (await parity.newest(db, first.member, limit=100)).parity_ok

    cluster.run(look)


def test_two_seeds_at_once_and_a_live_gate_do_not_disturb_each_other(cluster: Cluster) -> None:
    """Each number is decided once, whoever gets to it."""
    name = f"seed-{uuid.uuid4().hex}"

    async def work(db: Database) -> None:
        ready = await seed_into(db, name=name, decisions=1)
        async with cluster.database(pool_size=1) as second:
            await asyncio.gather(
                seed_into(db, name=name, decisions=150), seed_into(second, name=name, decisions=150)
            )
        stored = await db.read(
            ready.tenant_id,
            "SELECT count(*), count(DISTINCT idempotency_key) FROM enforcement.decisions",
        )
        assert stored == [(150, 150)]

    cluster.run(work)


def test_principals_come_and_go(cluster: Cluster) -> None:
    """Looked up by id within their tenant; changed in place; gone once deactivated."""

    async def work(db: Database) -> None:
        tenant = await tenants.create(db, name=f"t-{uuid.uuid4().hex}")
        assert await tenants.create(db, name=tenant.name) == tenant
        made = await tenants.create_principal(
            db, tenant.tenant_id, name="somebody", role=Role.MEMBER
        )
        raised = await tenants.create_principal(
            db, tenant.tenant_id, name="somebody", role=Role.ADMIN
        )
        assert raised.principal_id == made.principal_id
        found = await tenants.authenticate(db, tenant.tenant_id, made.principal_id)
        assert found.role is Role.ADMIN
        other = await tenants.create(db, name=f"t-{uuid.uuid4().hex}")
        for tenant_id, principal_id in (
            (other.tenant_id, made.principal_id),
            (tenant.tenant_id, uuid.uuid4()),
        ):
            with pytest.raises(tenants.NotFoundError):
                await tenants.authenticate(db, tenant_id, principal_id)
        await tenants.deactivate_principal(db, tenant.tenant_id, made.principal_id)
        with pytest.raises(tenants.NotFoundError):
            await tenants.authenticate(db, tenant.tenant_id, made.principal_id)

    cluster.run(work)


def test_a_known_policy_costs_no_query(cluster: Cluster) -> None:
    """What a worker has read once, it knows without asking: never, then the version read."""

    async def work(db: Database) -> None:
        ready = await seed_into(db, name=f"seed-{uuid.uuid4().hex}", decisions=1)
        assert gates.known_policy(db, uuid.uuid4()) is None
        known = gates.known_policy(db, ready.tenant_id)
        assert known is not None
        assert known.version == 1

    cluster.run(work)
