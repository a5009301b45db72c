"""The shared limiter: one cap for all connections, per tenant and for all tenants."""

import asyncio
import uuid

import pytest

from control_plane import Cluster, Staff, make_staff
from enforcement.domain.errors import InvalidError
from enforcement.store import limits
from enforcement.store.database import Database
from enforcement.store.limits import Admission
from enforcement.store.settings import Safety


@pytest.fixture
def bucket(cluster: Cluster) -> str:
    """A bucket of this test alone, so that its global count is too."""
    return f"b-{uuid.uuid4().hex[:12]}"


async def _flood(db: Database, staff: Staff, bucket: str, count: int) -> list[Admission]:
    return list(
        await asyncio.gather(
            *(limits.admit(db, staff.tenant_id, bucket=bucket) for _ in range(count))
        )
    )


def _shift(cluster: Cluster, bucket: str, seconds: int) -> None:
    """Pretend that the counters' seconds lie that much further back (or ahead)."""
    cluster.sql(
        "UPDATE enforcement.rate_counters SET last_second = last_second - %s,"
        " counts = (SELECT array_agg(counts[1 + (((i - 1 + %s) %% 61) + 61) %% 61] ORDER BY i)"
        " FROM generate_series(1, 61) i) WHERE bucket = %s",
        seconds,
        seconds,
        bucket,
    )


def test_a_tenant_gets_its_limit_and_no_more(cluster: Cluster, staff: Staff, bucket: str) -> None:
    """Two pools standing for two workers share one cap, down to the last request."""

    async def work(db: Database) -> None:
        await limits.set_tenant(db, staff.admin, 30, bucket=bucket)
        async with cluster.database() as second:
            both = await asyncio.gather(
                _flood(db, staff, bucket, 40), _flood(second, staff, bucket, 40)
            )
        admitted = [a for answers in both for a in answers if a.allowed]
        refused = [a for answers in both for a in answers if not a.allowed]
        assert len(admitted) == 30
        assert sorted(a.remaining for a in admitted) == list(range(30))
        for answer in refused:
            assert (answer.limit, answer.remaining, answer.scope) == (30, 0, "tenant")
            assert 1 <= answer.retry_after_s <= 61

    cluster.run(work)


def test_all_tenants_together_get_the_global_limit(cluster: Cluster, bucket: str) -> None:
    """Three tenants well within their own limits are stopped by the one they share."""

    async def work(db: Database) -> None:
        await limits.set_global(db, 25, bucket=bucket)
        crowd = [await make_staff(db) for _ in range(3)]
        answers = await asyncio.gather(*(_flood(db, staff, bucket, 20) for staff in crowd))
        flat = [answer for each in answers for answer in each]
        assert sum(answer.allowed for answer in flat) == 25
        assert {answer.scope for answer in flat if not answer.allowed} == {"global"}

    cluster.run(work)


def test_a_flooding_tenant_leaves_the_others_their_share(cluster: Cluster, bucket: str) -> None:
    """What a tenant is refused by its own limit does not count against the global one."""

    async def work(db: Database) -> None:
        await limits.set_global(db, 20, bucket=bucket)
        loud, quiet = await make_staff(db), await make_staff(db)
        await limits.set_tenant(db, loud.admin, 10, bucket=bucket)
        flood = await _flood(db, loud, bucket, 100)
        assert sum(answer.allowed for answer in flood) == 10
        calm = await _flood(db, quiet, bucket, 10)
        assert all(answer.allowed for answer in calm)

    cluster.run(work)


def test_no_minute_admits_more_than_the_limit(cluster: Cluster, staff: Staff, bucket: str) -> None:
    """A burst counts until sixty whole seconds have passed, also across a clock minute."""

    async def admitted(db: Database) -> int:
        return sum(answer.allowed for answer in await _flood(db, staff, bucket, 20))

    async def work(db: Database) -> None:
        await limits.set_tenant(db, staff.admin, 10, bucket=bucket)
        assert await admitted(db) == 10
        _shift(cluster, bucket, 50)
        assert await admitted(db) == 0
        _shift(cluster, bucket, 12)
        assert await admitted(db) == 10

    cluster.run(work)


def test_retry_after_says_when_a_request_will_pass(
    cluster: Cluster, staff: Staff, bucket: str
) -> None:
    """After the seconds named, and not a second before, one is admitted."""

    async def work(db: Database) -> None:
        await limits.set_tenant(db, staff.admin, 5, bucket=bucket)
        await _flood(db, staff, bucket, 5)
        _shift(cluster, bucket, 30)
        refused = (await _flood(db, staff, bucket, 1))[0]
        assert not refused.allowed
        assert 28 <= refused.retry_after_s <= 31
        _shift(cluster, bucket, refused.retry_after_s)
        assert (await _flood(db, staff, bucket, 1))[0].allowed

    cluster.run(work)


def test_a_clock_set_back_neither_forgives_nor_freezes(
    cluster: Cluster, staff: Staff, bucket: str
) -> None:
    """Counters ahead of the clock keep what they counted, and expire in a minute from now."""

    async def work(db: Database) -> None:
        await limits.set_tenant(db, staff.admin, 5, bucket=bucket)
        await _flood(db, staff, bucket, 5)
        _shift(cluster, bucket, -3600)
        refused = (await _flood(db, staff, bucket, 1))[0]
        assert not refused.allowed
        assert refused.retry_after_s <= 61
        _shift(cluster, bucket, 62)
        assert (await _flood(db, staff, bucket, 1))[0].allowed

    cluster.run(work)


def test_limits_are_on_by_default_and_readable(cluster: Cluster, staff: Staff) -> None:
    """Without settings: 120 a tenant, and what was set is what is read."""

    async def work(db: Database) -> None:
        fresh = await limits.read(db, staff.tenant_id, bucket="untouched")
        assert (fresh.tenant_per_minute, fresh.global_per_minute) == (120, 1200)
        set_to = await limits.set_tenant(db, staff.admin, 7, bucket="untouched")
        assert set_to.tenant_per_minute == 7

    cluster.run(work)


def test_an_impossible_limit_is_refused(cluster: Cluster, staff: Staff) -> None:
    """Zero and absurd limits are errors, not switches."""

    async def work(db: Database) -> None:
        for per_minute in (0, 10_000_001):
            with pytest.raises(InvalidError):
                await limits.set_tenant(db, staff.admin, per_minute)
            with pytest.raises(InvalidError):
                await limits.set_global(db, per_minute)

    cluster.run(work)


def test_with_the_protection_off_nothing_is_counted(
    cluster: Cluster, staff: Staff, bucket: str
) -> None:
    """The switch for tests of teeth admits everything."""

    async def work(db: Database) -> None:
        await limits.set_tenant(db, staff.admin, 1, bucket=bucket)
        assert all(answer.allowed for answer in await _flood(db, staff, bucket, 10))

    cluster.run(work, safety=Safety(limits=False))
