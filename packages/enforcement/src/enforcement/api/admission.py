"""Rate limits: shared through the database, and by rule of thumb while it does not answer.

The database counts for all workers together. Requests of one tenant that arrive while its counter
is being asked are counted together. A tenant with a large limit of which most is free is granted a
few requests ahead, as many as it lately used within a second: below 10,000 a minute limits are
exact, above that within a thousandth for each worker.

While the database is silent each worker admits its share of what is left
(:mod:`enforcement.api.outage`): an outage is no holiday from limits, and gates are still answered.
"""

import asyncio
import time
from typing import Final, Protocol
from uuid import UUID

import msgspec

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.api.outage import LastSeen, LocalLimiter
from enforcement.api.refusals import RefusalError
from enforcement.store.errors import StoreError
from enforcement.store.limits import (
    DEFAULTS,
    GATE,
    Admission,
    Limits,
)

ABREAST: Final = 4
SUSPICION_S: Final = 0.5
MAX_REMEMBERED: Final = 4096
AHEAD_S: Final = 1.0
AHEAD_FROM: Final = 10_000
AHEAD_SHARE: Final = 1000
MAX_AHEAD: Final = 64

Key = tuple[str, UUID]


class SharedLimiter(Protocol):
    """The limiter in the database."""

    async def admit(
        self, tenant_id: UUID, bucket: str, count: int, *, deadline_s: float | None = None
    ) -> Admission:
        """Count requests; as many pass as there is room.

        Raises:
            StoreError: The database did not answer.
        """
        ...

    def known_limits(self, tenant_id: UUID) -> Limits | None:
        """Return a tenant's limits for gates as last read, without I/O."""
        ...


class PrefetchedQuota:
    """What one tenant was granted and has not used, and who waits for more.

    Attributes:
        seen: The database's last answer.
        waiting: Requests that nobody has counted yet.
    """

    def __init__(self) -> None:
        self.seen: Admission | None = None
        self.waiting: list[asyncio.Future[Admission]] = []
        self._tokens = 0
        self._good_until = 0.0
        self._seen_at = 0.0
        self._used = 0

    def take(self, now: float) -> Admission | None:
        """Use a request granted ahead, if one is left and still good."""
        if self.seen is None or self._tokens == 0 or now >= self._good_until:
            return None
        self._tokens -= 1
        self._used += 1
        left = self.seen.remaining + self._tokens
        return msgspec.structs.replace(self.seen, granted=1, remaining=left)

    def ahead(self) -> int:
        """Return how many to ask for beyond those that wait: what lately was used, and no more.

        What is granted and not used is lost to the tenant, so it must be little of what is left.
        """
        seen, used = self.seen, self._used
        self._used = 0
        if seen is None or seen.limit < AHEAD_FROM or 2 * seen.remaining < seen.limit:
            return 0
        return min(MAX_AHEAD, 2 * used + 1, seen.remaining // AHEAD_SHARE)

    def share_out(self, answer: Admission, asked: list[asyncio.Future[Admission]]) -> None:
        """Give those that waited what was granted, in their order, and keep the rest."""
        left = answer.granted
        for request in asked:
            if request.done():
                continue  # it went its own way while the database was silent
            passes = left > 0
            left -= 1 if passes else 0
            request.set_result(msgspec.structs.replace(answer, granted=int(passes)))
            self._used += 1
        self.seen = answer
        self._tokens = left
        self._seen_at = time.monotonic()
        self._good_until = self._seen_at + AHEAD_S

    def last_seen(self) -> LastSeen | None:
        """Return the database's last answer and its time; None where it never answered."""
        return None if self.seen is None else LastSeen(self.seen, self._seen_at)


class Ticket(msgspec.Struct, frozen=True):
    """A request that may pass.

    Attributes:
        admission: What to tell its sender.
        counted: Whether the database has counted it; else it must, before it decides anything.
    """

    admission: Admission
    counted: bool


class Admissions:
    """Admits or refuses requests.

    Args:
        shared: The limiter of the database.
        workers: Among whom a limit is shared while the database is silent.
        slot: Counts what was admitted and refused.
        wait_s: How long the database may take before it counts as silent.
        enforced: False admits everything while the database is silent, too.
    """

    def __init__(
        self,
        shared: SharedLimiter,
        *,
        workers: int,
        slot: Slot,
        wait_s: float,
        enforced: bool = True,
    ) -> None:
        self._shared = shared
        self._slot = slot
        self._shares = LocalLimiter(workers, enforced=enforced)
        self._wait_s = wait_s
        # All requests of a bucket count in one row: more connections would wait for it, not be
        # faster. No gate waits until something else is counted.
        self._abreast = {
            bucket: asyncio.Semaphore(ABREAST if bucket == GATE else 1) for bucket in DEFAULTS
        }
        self._quotas: dict[Key, PrefetchedQuota] = {}
        self._asking: dict[Key, asyncio.Task[None]] = {}
        self._suspect_until = dict.fromkeys(DEFAULTS, 0.0)

    async def admit(self, tenant_id: UUID, bucket: str) -> Ticket:
        """Count one request; the database is waited for a bounded time.

        Raises:
            RefusalError: 429 ``rate_limited``.
        """
        admission = await self._ask((bucket, tenant_id))
        counted = admission is not None
        if admission is None:
            admission = self._admit_alone((bucket, tenant_id))
        self._decide(admission, bucket, "shared" if counted else "local")
        return Ticket(admission=admission, counted=counted)

    async def confirm(self, tenant_id: UUID, bucket: str, deadline_s: float | None = None) -> None:
        """Have the database count a request that was admitted here without it.

        Raises:
            RefusalError: 429 ``rate_limited``: there is no room for it.
            StoreError: The database does not answer.
        """
        admission = await self._shared.admit(tenant_id, bucket, 1, deadline_s=deadline_s)
        self._shares.settle(bucket, tenant_id)
        self._decide(admission, bucket, "confirmed")

    def _decide(self, admission: Admission, bucket: str, path: str) -> None:
        result = "admitted" if admission.allowed else f"refused_{admission.scope}"
        self._slot.add(metrics.ADMISSIONS, (bucket, result, path))
        if not admission.allowed:
            fields = headers(admission)
            raise RefusalError(
                429,
                "rate_limited",
                f"the {admission.scope} {bucket} limit is {admission.limit} requests a minute",
                hint=f"Try again in {fields['retry-after']} s.",
                headers=fields,
            )

    async def _ask(self, key: Key) -> Admission | None:
        now = time.monotonic()
        if now < self._suspect_until[key[0]]:
            return None
        quota = self._quota(key)
        granted = quota.take(now)
        if granted is not None:
            return granted
        request = asyncio.get_running_loop().create_future()
        quota.waiting.append(request)
        if key not in self._asking:
            task = asyncio.ensure_future(self._serve(key, quota))
            self._asking[key] = task
        try:
            # The asking goes on without this request; it ends by the store's deadline.
            return await asyncio.wait_for(request, self._wait_s)
        except TimeoutError:
            self._suspect_until[key[0]] = time.monotonic() + SUSPICION_S
        except StoreError:
            pass
        return None

    def _quota(self, key: Key) -> PrefetchedQuota:
        quota = self._quotas.get(key)
        if quota is None:
            if len(self._quotas) >= MAX_REMEMBERED:
                self._quotas = {k: q for k, q in self._quotas.items() if k in self._asking}
            quota = self._quotas[key] = PrefetchedQuota()
        return quota

    async def _serve(self, key: Key, quota: PrefetchedQuota) -> None:
        """Ask the database until nobody of this tenant waits."""
        asked: list[asyncio.Future[Admission]] = []
        try:
            while quota.waiting:
                async with self._abreast[key[0]]:
                    asked = [request for request in quota.waiting if not request.done()]
                    quota.waiting.clear()
                    if asked:
                        quota.share_out(await self._count(key, len(asked) + quota.ahead()), asked)
        except Exception as error:  # noqa: BLE001  # given to those who wait, bugs included
            if isinstance(error, StoreError):
                self._suspect_until[key[0]] = time.monotonic() + SUSPICION_S
            for request in (*asked, *quota.waiting):
                if not request.done():
                    request.set_exception(error)
            quota.waiting.clear()
        finally:
            del self._asking[key]

    async def _count(self, key: Key, count: int) -> Admission:
        """Count requests in the database, and before them what was admitted here without it."""
        bucket, tenant_id = key
        owed = self._shares.take(bucket, tenant_id)
        try:
            answer = await self._shared.admit(tenant_id, bucket, owed + count)
        except BaseException:
            self._shares.give_back(bucket, tenant_id, owed)
            raise
        return msgspec.structs.replace(answer, granted=max(0, answer.granted - owed))

    def _admit_alone(self, key: Key) -> Admission:
        bucket, tenant_id = key
        # Gates alone are answered while the database is silent.
        limits = self._shared.known_limits(tenant_id) if bucket == GATE else None
        limits = limits or DEFAULTS[bucket]
        return self._shares.admit(bucket, tenant_id, limits, self._quota(key).last_seen())


def headers(admission: Admission) -> dict[str, str]:
    """Return the RateLimit headers, and Retry-After for a refusal."""
    fields = {
        "ratelimit-limit": str(admission.limit),
        "ratelimit-remaining": str(admission.remaining),
        "ratelimit-reset": str(admission.reset_s),
    }
    if not admission.allowed:
        fields["retry-after"] = str(max(1, admission.retry_after_s))
    return fields
