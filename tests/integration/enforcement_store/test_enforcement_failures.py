"""A database that is frozen, killed, read-only or slow: bounded answers and a quick return."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg_pool import pool_async
from psycopg_pool.base import AttemptWithBackoff

from control_plane import Cluster, Staff, ask, make_cluster, make_staff
from disposable_postgres import PostgresServer
from enforcement.domain.errors import EnforcementError
from enforcement.store import budgets, gates, health, ledger
from enforcement.store.database import Database
from enforcement.store.errors import (
    ContendedError,
    DeadlineError,
    LockTimeoutError,
    OutcomeUnknownError,
    ReadOnlyError,
    SchemaError,
    StoreError,
    UnavailableError,
    classify,
    failsafe_reason,
)
from enforcement.store.migrate import HEAD
from enforcement.store.pool import SteadyBackoff
from enforcement.store.settings import StoreSettings

# A hang fails by this; no test asserts that anything is quick.
CEILING_S = 30.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test's own, to be mistreated."""
    with PostgresServer.start() as own:
        yield own


@pytest.fixture
def fragile(server: PostgresServer) -> Cluster:
    """A migrated database on it."""
    return make_cluster(server, "fragile")


async def _within(seconds: float, call: Any) -> BaseException | Any:
    """Await something that must end, one way or the other, and return how it did."""
    async with asyncio.timeout(CEILING_S):
        started = time.monotonic()
        try:
            result = await call
        except EnforcementError as error:
            result = error
        assert time.monotonic() - started < seconds + CEILING_S / 2
        return result


def test_a_frozen_server_is_left_at_the_deadline(server: PostgresServer, fragile: Cluster) -> None:
    """With every process of PostgreSQL stopped, a gate ends at its deadline, not with it."""

    async def work(db: Database) -> None:
        staff = await make_staff(db)
        server.freeze()
        try:
            answers = await asyncio.gather(
                *(
                    _within(1.0, gates.evaluate(db, staff.member, ask(), deadline_s=1.0))
                    for _ in range(6)
                )
            )
        finally:
            server.thaw()
        for answer in answers:
            assert isinstance(answer, UnavailableError)
        assert any(isinstance(answer, DeadlineError) for answer in answers)
        await _until_served(db, staff)

    fragile.run(work, pool_size=4, pool_timeout_s=0.5, operation_timeout_s=5.0)


async def _until_served(db: Database, staff: Staff) -> None:
    """Ask until a gate is decided; the ceiling is the test's."""
    async with asyncio.timeout(CEILING_S):
        while True:
            try:
                await gates.evaluate(db, staff.member, ask())
            except StoreError:
                await asyncio.sleep(0.05)
            else:
                return


def test_a_killed_server_is_unavailable_and_then_served_again(
    server: PostgresServer, fragile: Cluster
) -> None:
    """SIGKILL: refusals by class, never a driver's exception; restarted: served again."""

    async def work(db: Database) -> None:
        staff = await make_staff(db)
        done = (await gates.evaluate(db, staff.member, ask())).decision
        server.kill()
        for _ in range(5):
            answer = await _within(2.0, gates.evaluate(db, staff.member, ask(), deadline_s=2.0))
            assert isinstance(answer, StoreError)
        server.restart()
        await _until_served(db, staff)
        assert (await gates.find_decision(db, staff.member, done.decision_id)) == done

    fragile.run(work, pool_size=4, pool_timeout_s=0.5, operation_timeout_s=5.0)
    for outcome in ledger.verify(fragile.owner_dsn):
        assert outcome.fault is None


def test_the_connection_used_last_is_lent_first(cluster: Cluster) -> None:
    """One request after the other stays on one backend, whose plans and caches are warm."""

    async def work(db: Database) -> None:
        async with asyncio.timeout(CEILING_S):
            while db.statistics()["pool_available"] < 4:  # noqa: ASYNC110  # no event to wait for
                await asyncio.sleep(0.01)
        used = [await db.fetch("SELECT pg_backend_pid()") for _ in range(8)]
        assert all(one == used[0] for one in used)

    cluster.run(work, pool_size=4)


def test_terminated_backends_do_not_reach_the_caller(cluster: Cluster, staff: Staff) -> None:
    """One broken connection condemns the idle ones: a second attempt does not meet the next."""
    name = f"app-{uuid.uuid4().hex[:8]}"

    async def work(db: Database) -> None:
        await asyncio.gather(*(gates.evaluate(db, staff.member, ask()) for _ in range(12)))
        await cluster.until(  # the pool fills in the background, and work does not wait for it
            "SELECT count(*) = 6 FROM pg_stat_activity WHERE application_name = %s", name
        )
        killed = cluster.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = %s",
            name,
        )
        assert killed == [(6,)]
        answer = await gates.evaluate(db, staff.member, ask())
        assert not answer.replayed

    cluster.run(work, pool_size=6, application_name=name, max_attempts=2)


def test_a_connection_lost_while_committing_is_an_unknown_outcome(
    cluster: Cluster, staff: Staff
) -> None:
    """The backend is killed between the write and its answer: unknown, and one decision at most."""
    name = f"app-{uuid.uuid4().hex[:8]}"

    async def work(db: Database) -> None:
        request = ask("10", idempotency_key="the-one-key")
        # Write and commit are one message; it waits for a table lock, so the kill lands in it.
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "LOCK TABLE enforcement.decisions IN SHARE MODE"  # inserts wait, reads do not
            )
            # Tried again it meets the same lock, until the time is over.
            waiting = asyncio.create_task(gates.evaluate(db, staff.member, request, deadline_s=3.0))
            await cluster.until(
                "SELECT count(*) > 0 FROM pg_stat_activity"
                " WHERE application_name = %s AND wait_event_type = 'Lock'",
                name,
            )
            cluster.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = %s AND wait_event_type = 'Lock'",
                name,
            )
            with pytest.raises(OutcomeUnknownError):
                await waiting
        again = await gates.evaluate(db, staff.member, request)
        assert again.decision.idempotency_key == "the-one-key"

    cluster.run(work, pool_size=2, application_name=name)
    assert cluster.sql(
        "SELECT count(*) FROM enforcement.decisions WHERE tenant_id = %s", staff.tenant_id
    ) == [(1,)]


def test_an_exhausted_pool_refuses_instead_of_queueing_for_ever(
    cluster: Cluster, staff: Staff
) -> None:
    """With the one connection waiting for one tenant's lock, other tenants are refused by name."""

    async def work(db: Database) -> None:
        others = [await make_staff(db) for _ in range(6)]
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            mine = asyncio.create_task(
                _within(5.0, gates.evaluate(db, staff.member, ask(), deadline_s=5.0))
            )
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            theirs = await asyncio.gather(
                *(
                    _within(5.0, gates.evaluate(db, other.member, ask(), deadline_s=5.0))
                    for other in others
                )
            )
            assert isinstance(await mine, LockTimeoutError)
        assert {type(answer) for answer in theirs} == {UnavailableError}

    cluster.run(work, pool_size=1, pool_timeout_s=0.2, lock_timeout_s=3.0, max_waiting=3)


def test_a_busy_tenant_holds_one_connection_of_a_worker(cluster: Cluster, staff: Staff) -> None:
    """Fifty gates of a locked tenant wait with one connection; another tenant has the rest."""

    async def work(db: Database) -> None:
        other = await make_staff(db)
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            waiting = [
                asyncio.create_task(gates.evaluate(db, staff.member, ask())) for _ in range(50)
            ]
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            for _ in range(5):
                await gates.evaluate(db, other.member, ask())
            await holder.rollback()
            answers = await asyncio.gather(*waiting)
        assert len({answer.decision.decision_id for answer in answers}) == 50

    cluster.run(work, pool_size=2)


def test_waiting_together_has_each_ones_own_deadline(cluster: Cluster, staff: Staff) -> None:
    """A batch fails with its earliest item's time; who has time left goes into the next one."""

    async def work(db: Database) -> None:
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            first = asyncio.create_task(gates.evaluate(db, staff.member, ask(), deadline_s=1.0))
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            hasty = asyncio.create_task(gates.evaluate(db, staff.member, ask(), deadline_s=0.2))
            patient = asyncio.create_task(
                gates.evaluate(db, staff.member, ask(), deadline_s=CEILING_S)
            )
            for refused in (hasty, first):
                with pytest.raises((LockTimeoutError, DeadlineError)):
                    await refused
            assert not patient.done()
            await holder.rollback()
            assert not (await patient).replayed

    cluster.run(work, pool_size=2)


def test_one_request_the_database_will_not_have_does_not_sink_the_others(
    cluster: Cluster, staff: Staff
) -> None:
    """Travelling together, each has its own fate."""

    async def work(db: Database) -> None:
        good = [ask() for _ in range(5)]
        # No normalised request looks like this: a text that PostgreSQL cannot keep.
        bad = msgspec.structs.replace(ask(), resource_reference="a\x00b")
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            lead = asyncio.create_task(gates.evaluate(db, staff.member, ask()))
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            tasks = [
                asyncio.create_task(gates.evaluate(db, staff.member, request))
                for request in (*good[:2], bad, *good[2:])
            ]
            await asyncio.sleep(0)
            await holder.rollback()
        answers = await asyncio.gather(lead, *tasks, return_exceptions=True)
        assert isinstance(answers[3], StoreError)
        others = [answer for answer in answers if answer is not answers[3]]
        assert all(isinstance(answer, gates.GateAnswer) for answer in others)

    cluster.run(work)


async def _limit(db: Database, staff: Staff, amount: str) -> None:
    await budgets.put(
        db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(amount), active=True
    )


def test_a_cancelled_operation_closes_its_connection_and_leaves_no_lock(
    cluster: Cluster, staff: Staff
) -> None:
    """Cancellation does not wait for the server, and the tenant is free afterwards."""

    async def work(db: Database) -> None:
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            waiting = asyncio.create_task(_limit(db, staff, "5"))
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await _until_served(db, staff)
        assert await budgets.listing(db, staff.admin) == []

    cluster.run(work, pool_size=2)


def test_a_cancelled_operation_does_not_wait_for_a_frozen_server(
    server: PostgresServer, fragile: Cluster
) -> None:
    """Psycopg would ask the frozen server to stop and wait ten seconds for its answer."""

    async def work(db: Database) -> None:
        staff = await make_staff(db)
        server.freeze()
        try:
            waiting = asyncio.create_task(_limit(db, staff, "5"))
            await asyncio.sleep(0.3)
            waiting.cancel()
            done, _ = await asyncio.wait([waiting], timeout=5.0)
            assert done
            assert waiting.cancelled()
        finally:
            server.thaw()

    fragile.run(work, pool_size=2)


def test_a_deadlock_is_retried_and_served(cluster: Cluster, staff: Staff) -> None:
    """The victim of a deadlock starts again and its caller does not notice."""

    async def work(db: Database) -> None:
        await budgets.put(
            db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(1), active=True
        )
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as other:
            await other.execute(
                "UPDATE enforcement.budgets SET active = active WHERE tenant_id = %s",
                (staff.tenant_id,),
            )
            # Holds the head, waits for the budget.
            mine = asyncio.create_task(
                budgets.put(
                    db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(2), active=True
                )
            )
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            # Holds the budget, waits for the head: a cycle. Whichever side is the victim, mine
            # is served in the end.
            try:
                await other.execute(
                    "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                    (staff.tenant_id,),
                )
            except psycopg.errors.DeadlockDetected:
                await other.rollback()
            else:
                await other.commit()
        assert (await mine).monthly_limit_usd == 2

    cluster.run(work)


def test_a_server_that_accepts_no_writes_is_read_only(cluster: Cluster, staff: Staff) -> None:
    """Writes are refused by name; nothing is decided that is not stored."""

    async def work(db: Database) -> None:
        answer = await _within(5.0, gates.evaluate(db, staff.member, ask()))
        assert isinstance(answer, ReadOnlyError)

    dsn = psycopg.conninfo.make_conninfo(
        cluster.app_dsn, options="-c default_transaction_read_only=on"
    )
    Cluster(owner_dsn=cluster.owner_dsn, app_dsn=dsn).run(work)


def test_a_database_without_our_schema_says_what_to_run(fresh_database: str) -> None:
    """The remedy is in the error."""

    async def work(db: Database) -> None:
        with pytest.raises(SchemaError) as refusal:
            await health.facts(db, deadline_s=10.0)
        assert "enforcement migrate" in refusal.value.hint

    Cluster(owner_dsn=fresh_database, app_dsn=fresh_database).run(work)


def test_nothing_listening_is_unavailable_and_open_does_not_wait() -> None:
    """The pool opens with PostgreSQL dead; operations are refused within their time."""

    async def work() -> None:
        settings = StoreSettings(
            dsn="host=127.0.0.1 port=1 user=nobody dbname=none", pool_size=2, pool_timeout_s=0.2
        )
        async with Database(settings) as db:
            answer = await _within(1.0, health.facts(db, deadline_s=1.0))
            assert isinstance(answer, UnavailableError)

    asyncio.run(work())


def test_health_tells_what_the_server_says(cluster: Cluster, postgres_server: Any) -> None:
    """Version, identity, durability and schema come from the database itself."""
    facts = cluster.run(lambda db: health.facts(db, deadline_s=20.0))
    assert facts.server_version.split(".")[0] == str(postgres_server.version).split(".")[0]
    identifier = cluster.sql("SELECT system_identifier::text FROM pg_control_system()")
    assert facts.system_identifier == identifier[0][0]
    assert (facts.fsync, facts.synchronous_commit) == ("on", "on")
    assert facts.migration_head == HEAD
    assert facts.latency_ms > 0


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        ("55P03", LockTimeoutError, "gate_lock_timeout"),
        ("40P01", ContendedError, "gate_lock_contended"),
        ("40001", ContendedError, "gate_lock_contended"),
        ("57014", DeadlineError, "gate_timeout"),
        ("57P03", UnavailableError, "gate_evaluation_error"),
        ("53300", UnavailableError, "gate_evaluation_error"),
        ("25006", ReadOnlyError, "gate_evaluation_error"),
        ("57P01", UnavailableError, "gate_evaluation_error"),
        ("23514", StoreError, "gate_evaluation_error"),
    ],
)
def test_errors_are_sorted_by_sqlstate(state: str, kind: type[StoreError], reason: str) -> None:
    """Every state has its kind, and each kind the reason its fail-safe gives."""
    error = psycopg.errors.lookup(state)("message of the day")
    sorted_into = classify(error, committing=False, cut=False)
    assert isinstance(sorted_into, kind)
    assert failsafe_reason(sorted_into) == reason


@pytest.mark.parametrize("state", ["57P01", "57P02", None])
def test_a_loss_while_committing_is_never_called_a_failure(state: str | None) -> None:
    """Lost or cut during the commit: unknown, whatever the driver says."""
    error = psycopg.OperationalError() if state is None else psycopg.errors.lookup(state)()
    assert isinstance(classify(error, committing=True, cut=False), OutcomeUnknownError)
    assert isinstance(classify(error, committing=True, cut=True), OutcomeUnknownError)


def test_the_pools_private_backoff_is_where_we_replace_it() -> None:
    """psycopg_pool still asks an attempt for its delay the way our subclass answers."""
    steady = SteadyBackoff()
    delays = []
    for _ in range(8):
        steady.update_delay(1000.0)
        delays.append(steady.delay)
    assert delays[0] < 0.1
    assert max(delays) == SteadyBackoff.LONGEST_DELAY_S
    assert not steady.time_to_give_up(1e12)
    assert pool_async.AttemptWithBackoff is AttemptWithBackoff
    assert issubclass(SteadyBackoff, AttemptWithBackoff)
