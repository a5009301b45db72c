# ruff: noqa: ARG002  # what stands in for the database takes what the database takes
import asyncio
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcement.api import admission
from enforcement.api.admission import Admissions, PrefetchedQuota
from enforcement.api.authentication import BearerClaims, Principals
from enforcement.api.bulkhead import Bulkhead
from enforcement.api.counters import Slot
from enforcement.api.refusals import RefusalError
from enforcement.domain.enums import Role
from enforcement.domain.errors import NotFoundError
from enforcement.domain.identity import Caller
from enforcement.store.errors import DeadlineError, LockTimeoutError, UnavailableError
from enforcement.store.limits import GATE, READ, WRITE, Admission, Limits

pytestmark = pytest.mark.gate

TENANT = UUID(int=1)
DOWN = UnavailableError("database_unavailable", "gone")


class Silent:
    """A limiter whose database does not answer: it fails at once, or never ends."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.asked = 0
        self.limits: Limits | None = None

    def known_limits(self, tenant_id: UUID) -> Limits | None:
        """Return what was last read."""
        return self.limits

    async def admit(
        self, tenant_id: UUID, bucket: str, count: int, *, deadline_s: float | None = None
    ) -> Admission:
        """Never admit."""
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(3600)
        raise DOWN


class Counter:
    """A limiter with room for so many, which counts and remembers how it was asked."""

    def __init__(self, room: int, limit: int) -> None:
        self.room = room
        self.limit = limit
        self.asked: list[int] = []

    def known_limits(self, tenant_id: UUID) -> Limits | None:
        """Return nothing; nobody asks while the database answers."""
        return None

    async def admit(
        self, tenant_id: UUID, bucket: str, count: int, *, deadline_s: float | None = None
    ) -> Admission:
        """Grant what there is room for."""
        self.asked.append(count)
        await asyncio.sleep(0.01)
        granted = min(count, self.room)
        self.room -= granted
        return Admission(
            granted=granted,
            limit=self.limit,
            remaining=self.room,
            retry_after_s=int(granted < count) * 60,
            reset_s=60,
            scope="tenant",
        )


async def outcome(limiter: Admissions, tenant_id: UUID = TENANT) -> RefusalError | None:
    """Return why a request may not pass, None where it may."""
    try:
        await limiter.admit(tenant_id, "gate")
    except RefusalError as refusal:
        return refusal
    return None


async def passed(limiter: Admissions, requests: int) -> int:
    """Return how many of so many in a row pass."""
    return sum([await outcome(limiter) is None for _ in range(requests)])


def test_a_crowd_is_counted_together_and_no_more_pass_than_granted(slot: Slot) -> None:
    """Of 50 at once for 20 places 20 pass, and the database is asked twice, not 50 times."""
    counter = Counter(20, 20)
    limiter = Admissions(counter, workers=2, slot=slot, wait_s=20)

    async def crowd() -> list[RefusalError | None]:
        return await asyncio.gather(*(outcome(limiter) for _ in range(50)))

    assert asyncio.run(crowd()).count(None) == 20
    assert sum(counter.asked) == 50, "a small limit grants nothing ahead"
    assert len(counter.asked) <= 2


def test_a_large_limit_is_granted_ahead_as_it_is_used(slot: Slot) -> None:
    """A steady caller with a large limit seldom asks; never is more used than was granted."""
    counter = Counter(1_000_000, 1_000_000)
    limiter = Admissions(counter, workers=2, slot=slot, wait_s=20)

    assert asyncio.run(passed(limiter, 500)) == 500
    assert len(counter.asked) < 30
    assert sum(counter.asked) >= 500
    assert max(counter.asked) <= admission.MAX_AHEAD + 1


class Selective(Counter):
    """A limiter whose database is silent about reads, and counts everything else."""

    async def admit(
        self, tenant_id: UUID, bucket: str, count: int, *, deadline_s: float | None = None
    ) -> Admission:
        """Never answer for a read."""
        if bucket == READ:
            await asyncio.sleep(3600)
        return await super().admit(tenant_id, bucket, count, deadline_s=deadline_s)


def test_a_bucket_that_is_not_counted_leaves_the_others_alone(slot: Slot) -> None:
    """While reads cannot be counted, gates still are, before, beside and after them."""

    async def work() -> list[bool]:
        limiter = Admissions(Selective(100, 100), workers=1, slot=slot, wait_s=0.3)
        tickets = await asyncio.gather(limiter.admit(TENANT, READ), limiter.admit(TENANT, GATE))
        later = [await limiter.admit(TENANT, bucket) for bucket in (READ, GATE, WRITE)]
        return [ticket.counted for ticket in (*tickets, *later)]

    assert asyncio.run(work()) == [False, True, False, True, True]


@given(
    limit=st.integers(1, 30_000),
    free=st.floats(0, 1),
    pauses=st.lists(st.booleans(), max_size=60),
)
@settings(deadline=None, max_examples=60)
def test_what_is_granted_ahead_is_never_more_than_a_thousandth(
    limit: int, free: float, pauses: list[bool]
) -> None:
    """Whatever the limit, what is free and how often it is asked, little is granted ahead."""
    quota = PrefetchedQuota()
    remaining = int(limit * free)
    for pause in pauses:
        if quota.take(float("inf") if pause else 0.0) is not None:
            continue
        ahead = quota.ahead()
        assert ahead <= remaining // 1000
        assert ahead == 0 or limit >= 10_000
        granted = min(remaining, 1 + ahead)
        remaining -= granted
        answer = Admission(
            granted=granted,
            limit=limit,
            remaining=remaining,
            retry_after_s=0,
            reset_s=60,
            scope="tenant",
        )
        quota.share_out(answer, [])


def test_while_the_database_is_silent_a_worker_admits_its_share(slot: Slot) -> None:
    """Of 120 a minute among four workers one admits 30, and says when to come back."""
    limiter = Admissions(Silent(), workers=4, slot=slot, wait_s=0.1)

    async def flood() -> list[RefusalError | None]:
        return [await outcome(limiter) for _ in range(100)]

    answers = asyncio.run(flood())
    assert answers.count(None) == 30
    refused = next(answer for answer in answers if answer is not None)
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert "tenant" in refused.detail
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    fields = refused.headers
    assert (fields["ratelimit-limit"], fields["ratelimit-remaining"]) == ("120", "0")


def test_the_share_of_all_tenants_is_kept_too(slot: Slot) -> None:
    """Many tenants together get no more than the worker's share of the global limit."""
    limiter = Admissions(Silent(), workers=2, slot=slot, wait_s=0.1)

    async def flood() -> list[RefusalError | None]:
        return [await outcome(limiter, uuid4()) for _ in range(1300)]

    answers = asyncio.run(flood())
    assert answers.count(None) == 600
    assert all("global" in answer.detail for answer in answers if answer is not None)


def test_what_a_tenant_was_last_known_to_be_allowed_holds(slot: Slot) -> None:
    """A tenant whose limit was seen keeps that limit while the database is silent."""
    silent = Silent()
    silent.limits = Limits(tenant_per_minute=3, global_per_minute=1000)
    limiter = Admissions(silent, workers=1, slot=slot, wait_s=0.1)

    assert asyncio.run(passed(limiter, 10)) == 3


def test_a_database_that_hangs_is_not_asked_every_time(slot: Slot) -> None:
    """After one wait the database is left alone for a while; requests pass without waiting."""
    silent = Silent(hangs=True)
    limiter = Admissions(silent, workers=1, slot=slot, wait_s=0.1)

    assert asyncio.run(passed(limiter, 50)) == 50
    assert silent.asked == 1


class Phone:
    """A directory of principals that can be cut off."""

    def __init__(self) -> None:
        self.caller: Caller | None = None
        self.error: Exception | None = None
        self.asked = 0

    async def __call__(self, tenant_id: UUID, principal_id: UUID) -> Caller:
        """Answer, or fail as told."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        assert self.caller is not None
        return self.caller


CLAIMS = BearerClaims(sub=UUID(int=2), tenant_id=TENANT, exp=2**40, role=Role.OWNER)


def test_a_principal_is_looked_up_once_for_many_requests(slot: Slot) -> None:
    """Fifty requests at once ask the database once, and later ones not at all."""
    phone = Phone()
    phone.caller = CLAIMS.caller()
    principals = Principals(phone, ttl_s=60, max_age_s=60, slot=slot)

    async def crowd() -> None:
        found = await asyncio.gather(*(principals.find(CLAIMS) for _ in range(50)))
        assert set(found) == {phone.caller}
        await principals.find(CLAIMS)

    asyncio.run(crowd())
    assert phone.asked == 1


def test_a_known_principal_passes_while_the_database_is_silent(slot: Slot) -> None:
    """What was known holds through an outage; who was never known is not."""
    phone = Phone()
    phone.caller = CLAIMS.caller()
    principals = Principals(phone, ttl_s=0, max_age_s=60, slot=slot)

    async def outage() -> None:
        assert await principals.find(CLAIMS) == phone.caller
        phone.error = DOWN
        assert await principals.find(CLAIMS) == phone.caller
        other = BearerClaims(sub=UUID(int=3), tenant_id=TENANT, exp=2**40)
        assert await principals.find(other) is None

    asyncio.run(outage())


def test_a_principal_that_was_removed_is_forgotten(slot: Slot) -> None:
    """Once the database says that there is no such principal, no memory of it opens anything."""
    phone = Phone()
    phone.caller = CLAIMS.caller()
    principals = Principals(phone, ttl_s=0, max_age_s=60, slot=slot)

    async def removed() -> None:
        await principals.find(CLAIMS)
        phone.error = NotFoundError("principal_unknown", "no such principal")
        with pytest.raises(RefusalError) as caught:
            await principals.find(CLAIMS)
        assert (caught.value.status, caught.value.code) == (401, "principal_unknown")
        phone.error = DOWN
        assert await principals.find(CLAIMS) is None

    asyncio.run(removed())


def test_a_principal_grows_too_old_to_be_believed(slot: Slot) -> None:
    """Beyond its age a known principal is nobody known, until the database says so again."""
    phone = Phone()
    phone.caller = CLAIMS.caller()
    principals = Principals(phone, ttl_s=0, max_age_s=0.05, slot=slot)

    async def outage() -> None:
        assert await principals.find(CLAIMS) == phone.caller
        phone.error = DOWN
        assert await principals.find(CLAIMS) == phone.caller
        await asyncio.sleep(0.06)
        assert await principals.find(CLAIMS) is None
        phone.error = None
        assert await principals.find(CLAIMS) == phone.caller

    asyncio.run(outage())


def test_a_bulkhead_lets_a_few_in_and_others_past() -> None:
    """Two of a tenant at a time; the rest waits in order; another tenant does not wait at all."""
    bulkhead = Bulkhead(2, 3)
    inside: list[int] = []
    most = 0

    async def work(tenant_id: UUID) -> None:
        nonlocal most
        async with bulkhead.enter(tenant_id, wait_s=60):
            inside.append(1)
            most = max(most, len(inside))
            await asyncio.sleep(0)
            inside.pop()

    async def crowd() -> None:
        await asyncio.gather(*(work(TENANT) for _ in range(20)))
        assert most == 2
        async with bulkhead.enter(TENANT, wait_s=1), bulkhead.enter(TENANT, wait_s=1):
            with pytest.raises(DeadlineError):
                async with bulkhead.enter(TENANT, wait_s=0.01):
                    pass
            async with bulkhead.enter(UUID(int=9), wait_s=0.01):
                with pytest.raises(DeadlineError):
                    async with bulkhead.enter(UUID(int=10), wait_s=0.01):  # three of all tenants
                        pass
        assert bulkhead._compartments == {}, "a compartment that nobody uses is forgotten"

    asyncio.run(crowd())


def test_who_waits_behind_a_held_lock_is_told_so() -> None:
    """Once those inside fail for want of the lock, those behind them fail for the same reason."""
    bulkhead = Bulkhead(1, 1)

    async def blocked() -> None:
        async with bulkhead.enter(TENANT, wait_s=1):
            await asyncio.sleep(0.05)
            raise LockTimeoutError("lock_timeout", "held")

    async def next_one() -> None:
        async with bulkhead.enter(TENANT, wait_s=1):
            await asyncio.sleep(1)

    async def crowd() -> None:
        first = asyncio.create_task(blocked())
        second = asyncio.create_task(next_one())
        await asyncio.sleep(0)
        with pytest.raises(LockTimeoutError, match="not free in time"):
            async with bulkhead.enter(TENANT, wait_s=0.3):
                pass
        await asyncio.gather(first, second, return_exceptions=True)

    asyncio.run(crowd())
