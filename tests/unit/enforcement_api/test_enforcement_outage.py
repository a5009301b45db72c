"""What one worker admits while the database is silent."""

import asyncio
import contextlib
import time
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcement.api.admission import Admissions, Ticket
from enforcement.api.counters import Slot
from enforcement.api.outage import LastSeen, LocalLimiter, SlidingWindow
from enforcement.api.refusals import RefusalError
from enforcement.store.errors import UnavailableError
from enforcement.store.limits import Admission, Limits

pytestmark = pytest.mark.gate

TENANT = UUID(int=1)
LIMITS = Limits(tenant_per_minute=120, global_per_minute=1200)


def said(*, used: int, granted: int = 0, retry_after_s: int = 0, reset_s: int = 60) -> Admission:
    """Return an answer of the database about a limit of 120."""
    return Admission(
        granted=granted,
        limit=120,
        remaining=120 - used,
        retry_after_s=retry_after_s,
        reset_s=reset_s,
        scope="tenant",
    )


@given(
    events=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 5)), max_size=40),
    needed=st.integers(1, 10),
)
@settings(deadline=None, max_examples=200)
def test_a_minute_counts_what_a_list_of_instants_counts(
    events: list[tuple[int, int]], needed: int
) -> None:
    """Whatever comes when: nothing older than 60 whole seconds counts, nothing younger is lost."""
    minute, instants, now = SlidingWindow(), [], 0
    for step, count in events:
        now += step
        minute.add(now, count)
        instants += [now] * count
        assert minute.total(now) == sum(instant >= now - 60 for instant in instants)
    wait_s = minute.wait_s(now, needed)
    if wait_s < 61:
        left = sum(instant >= now + wait_s - 60 for instant in instants)
        assert minute.total(now) - left >= needed


def test_nothing_of_what_was_used_is_free_before_the_database_said_so() -> None:
    """Refused for 40 s, all free after 60 s: used in full, then less and less, then not at all."""
    seen = LastSeen(said(used=120, retry_after_s=40), at_s=1000.0)
    assert [seen.used(1000.0 + age_s) for age_s in (0, 39.9, 40)] == [120, 120, 120]
    assert [seen.used(1000.0 + age_s) for age_s in (45, 50, 59.9)] == [90, 60, 1]
    assert seen.used(1060.0) == 0
    assert (seen.wait_s(1000.0), seen.wait_s(1039.5)) == (40, 1)


def test_a_tenant_at_its_limit_gets_no_second_one_from_an_outage() -> None:
    """The last answer refused it: each worker refuses too, and says for how long."""
    shares = LocalLimiter(2, enforced=True)
    seen = LastSeen(said(used=120, retry_after_s=40), at_s=time.monotonic())
    for _ in range(10):
        verdict = shares.admit("gate", TENANT, LIMITS, seen)
        assert not verdict.allowed
        assert 39 <= verdict.retry_after_s <= 40


def test_what_is_left_is_shared_among_the_workers() -> None:
    """Of 40 that were left one of two workers gives out 20; others' limits are not touched."""
    shares = LocalLimiter(2, enforced=True)
    seen = LastSeen(said(used=80, granted=1, reset_s=3600), at_s=time.monotonic())
    passed = [shares.admit("gate", TENANT, LIMITS, seen).allowed for _ in range(50)]
    assert sum(passed) == 20
    assert passed[:20] == [True] * 20
    assert shares.admit("gate", UUID(int=2), LIMITS, None).allowed


class Flaky:
    """A limiter of 120 that can be cut off; it counts for ever."""

    def __init__(self) -> None:
        self.used = 0
        self.down = False

    def known_limits(self, tenant_id: UUID) -> Limits | None:
        """Return the limits."""
        assert tenant_id == TENANT
        return LIMITS

    async def admit(
        self, tenant_id: UUID, bucket: str, count: int, *, deadline_s: float | None = None
    ) -> Admission:
        """Grant what is left."""
        assert (tenant_id, bucket, deadline_s) == (TENANT, "gate", None)
        if self.down:
            raise UnavailableError("database_unavailable", "gone")
        granted = min(count, 120 - self.used)
        self.used += granted
        return said(used=self.used, granted=granted, retry_after_s=60 * (granted < count))


async def ask(limiter: Admissions, times: int) -> list[Ticket]:
    """Ask so many times in a row; return the tickets of those that pass."""
    tickets = []
    for _ in range(times):
        with contextlib.suppress(RefusalError):
            tickets.append(await limiter.admit(TENANT, "gate"))
    return tickets


def test_what_was_admitted_in_an_outage_counts_when_it_is_over(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, during and after together no more pass than the limit, and no fewer."""
    monkeypatch.setattr("enforcement.api.admission.SUSPICION_S", 0.0)
    flaky = Flaky()
    limiter = Admissions(flaky, workers=1, slot=slot, wait_s=20)

    async def story() -> list[int]:
        before = await ask(limiter, 50)
        flaky.down = True
        during = await ask(limiter, 30)
        flaky.down = False
        after = await ask(limiter, 100)
        assert {ticket.counted for ticket in before + after} == {True}
        assert {ticket.counted for ticket in during} == {False}
        return [len(before), len(during), len(after)]

    assert asyncio.run(story()) == [50, 30, 40]
    assert flaky.used == 120


def test_what_is_confirmed_is_counted_once(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database counts it when asked to, and not again when the outage is reported."""
    monkeypatch.setattr("enforcement.api.admission.SUSPICION_S", 0.0)
    flaky = Flaky()
    limiter = Admissions(flaky, workers=1, slot=slot, wait_s=20)

    async def story() -> None:
        flaky.down = True
        assert len(await ask(limiter, 30)) == 30
        with pytest.raises(UnavailableError):
            await limiter.confirm(TENANT, "gate")
        flaky.down = False
        await limiter.confirm(TENANT, "gate")
        assert flaky.used == 1
        assert len(await ask(limiter, 1)) == 1
        assert flaky.used == 1 + 29 + 1
        flaky.used = 120
        with pytest.raises(RefusalError) as refusal:
            await limiter.confirm(TENANT, "gate")
        assert refusal.value.status == 429

    asyncio.run(story())
