"""Rate limits: shared through the database, and by rule of thumb while it does not answer.

The database counts for all workers together. Requests of one tenant that arrive while its counter
is being asked are counted together. A tenant with a large limit of which most is free is granted a
few requests ahead, as many as it lately used within a second: below 10,000 a minute limits are
exact, above that within a thousandth for each worker.

While the database is silent each worker admits its share of what the tenant was last known to be
allowed, in fixed windows of a minute: an outage is no holiday from limits, and gates are still
answered.
"""

import asyncio
import math
import time
from typing import Final, Protocol
from uuid import UUID

import msgspec

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.store.errors import StoreError
from enforcement.store.limits import (
    DEFAULT_GLOBAL_PER_MINUTE,
    DEFAULT_TENANT_PER_MINUTE,
    Admission,
    Limits,
)

ABREAST: Final = 4
SUSPICION_S: Final = 0.5
WINDOW_S: Final = 60
MAX_REMEMBERED: Final = 4096
AHEAD_S: Final = 1.0
AHEAD_FROM: Final = 10_000
AHEAD_SHARE: Final = 1000
MAX_AHEAD: Final = 64
_EVERYBODY: Final = None

Key = tuple[str, UUID]


class SharedLimiter(Protocol):
    """The limiter in the database."""

    async def admit(self, tenant_id: UUID, bucket: str, count: int) -> Admission:
        """Count requests; as many pass as there is room.

        Raises:
            StoreError: The database did not answer.
        """
        ...

    def known_limits(self, tenant_id: UUID) -> Limits | None:
        """Return a tenant's limits as last read, without I/O."""
        ...


class Purse:
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
        self._good_until = time.monotonic() + AHEAD_S


class _Window(msgspec.Struct):
    number: int
    count: int


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
        self._workers = workers
        self._slot = slot
        self._enforced = enforced
        self._wait_s = wait_s
        # All requests count in one row: more connections would wait for it, not be faster.
        self._abreast = asyncio.Semaphore(ABREAST)
        self._purses: dict[Key, Purse] = {}
        self._asking: dict[Key, asyncio.Task[None]] = {}
        self._windows: dict[tuple[str, UUID | None], _Window] = {}
        self._suspect_until = 0.0

    async def admit(self, tenant_id: UUID, bucket: str) -> Admission:
        """Count one request; the database is waited for a bounded time."""
        admission = await self._ask((bucket, tenant_id))
        path = "shared"
        if admission is None:
            admission = self._admit_locally(tenant_id, bucket)
            path = "local"
        result = "admitted" if admission.allowed else f"refused_{admission.scope}"
        self._slot.add(metrics.ADMISSIONS, (result, path))
        return admission

    async def _ask(self, key: Key) -> Admission | None:
        now = time.monotonic()
        if now < self._suspect_until:
            return None
        purse = self._purse(key)
        granted = purse.take(now)
        if granted is not None:
            return granted
        request = asyncio.get_running_loop().create_future()
        purse.waiting.append(request)
        if key not in self._asking:
            task = asyncio.ensure_future(self._serve(key, purse))
            self._asking[key] = task
        try:
            # The asking goes on without this request; it ends by the store's deadline.
            return await asyncio.wait_for(request, self._wait_s)
        except TimeoutError:
            self._suspect_until = time.monotonic() + SUSPICION_S
        except StoreError:
            pass
        return None

    def _purse(self, key: Key) -> Purse:
        purse = self._purses.get(key)
        if purse is None:
            if len(self._purses) >= MAX_REMEMBERED:
                self._purses = {k: p for k, p in self._purses.items() if k in self._asking}
            purse = self._purses[key] = Purse()
        return purse

    async def _serve(self, key: Key, purse: Purse) -> None:
        """Ask the database until nobody of this tenant waits."""
        bucket, tenant_id = key
        asked: list[asyncio.Future[Admission]] = []
        try:
            while purse.waiting:
                async with self._abreast:
                    asked = [request for request in purse.waiting if not request.done()]
                    purse.waiting.clear()
                    if asked:
                        count = len(asked) + purse.ahead()
                        answer = await self._shared.admit(tenant_id, bucket, count)
                        purse.share_out(answer, asked)
        except Exception as error:  # noqa: BLE001  # given to those who wait, bugs included
            if isinstance(error, StoreError):
                self._suspect_until = time.monotonic() + SUSPICION_S
            for request in (*asked, *purse.waiting):
                if not request.done():
                    request.set_exception(error)
            purse.waiting.clear()
        finally:
            del self._asking[key]

    def _admit_locally(self, tenant_id: UUID, bucket: str) -> Admission:
        limits = self._shared.known_limits(tenant_id) or Limits(
            tenant_per_minute=DEFAULT_TENANT_PER_MINUTE,
            global_per_minute=DEFAULT_GLOBAL_PER_MINUTE,
        )
        number, since = divmod(time.time(), WINDOW_S)
        left_s = max(1, math.ceil(WINDOW_S - since))
        verdicts: list[Admission] = []
        windows: list[_Window] = []
        for scope, key, limit in (
            ("tenant", tenant_id, limits.tenant_per_minute),
            ("global", _EVERYBODY, limits.global_per_minute),
        ):
            window = self._window(bucket, key, int(number))
            room = max(1, limit // self._workers) - window.count
            allowed = room > 0 or not self._enforced
            verdict = Admission(
                granted=int(allowed),
                limit=limit,
                remaining=max(0, room - 1),
                retry_after_s=0 if allowed else left_s,
                reset_s=left_s,
                scope=scope,
            )
            if not allowed:
                return verdict
            verdicts.append(verdict)
            windows.append(window)
        for window in windows:
            window.count += 1
        return min(verdicts, key=lambda verdict: verdict.remaining)

    def _window(self, bucket: str, tenant_id: UUID | None, number: int) -> _Window:
        key = (bucket, tenant_id)
        window = self._windows.get(key)
        if window is None or window.number != number:
            if len(self._windows) >= MAX_REMEMBERED:
                self._windows = {k: w for k, w in self._windows.items() if w.number == number}
            window = _Window(number=number, count=0)
            self._windows[key] = window
        return window


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
