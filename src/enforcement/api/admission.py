"""Rate limits: shared through the database, and by rule of thumb while it does not answer.

The database counts for all workers together. While it is silent each worker admits its share of
what the tenant was last known to be allowed, in fixed windows of a minute: never more than the
limit in total, so that an outage is no holiday from limits, and gates are still answered.
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
_EVERYBODY: Final = None


class SharedLimiter(Protocol):
    """The limiter in the database."""

    async def admit(self, tenant_id: UUID, bucket: str) -> Admission:
        """Count a request or refuse it.

        Raises:
            StoreError: The database did not answer.
        """
        ...

    async def read(self, tenant_id: UUID) -> Limits:
        """Return the limits of a tenant.

        Raises:
            StoreError: The database did not answer.
        """
        ...


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
        self._limits: dict[UUID, Limits] = {}
        self._windows: dict[tuple[str, UUID | None], _Window] = {}
        self._suspect_until = 0.0
        self._running: set[asyncio.Task[Admission]] = set()

    async def admit(self, tenant_id: UUID, bucket: str) -> Admission:
        """Count one request; the database is waited for a bounded time."""
        admission = await self._ask(tenant_id, bucket)
        path = "shared"
        if admission is None:
            admission = self._admit_locally(tenant_id, bucket)
            path = "local"
        result = "admitted" if admission.allowed else f"refused_{admission.scope}"
        self._slot.add(metrics.ADMISSIONS, (result, path))
        return admission

    def learn(self, tenant_id: UUID, limits: Limits) -> None:
        """Remember what a tenant is allowed, for when the database is silent."""
        if len(self._limits) >= MAX_REMEMBERED and tenant_id not in self._limits:
            self._limits.pop(next(iter(self._limits)))
        self._limits[tenant_id] = limits

    async def _ask(self, tenant_id: UUID, bucket: str) -> Admission | None:
        if time.monotonic() < self._suspect_until:
            return None
        # A task that is waited for and not cancelled: it ends by its own deadline.
        task = asyncio.ensure_future(self._count(tenant_id, bucket))
        self._running.add(task)
        task.add_done_callback(self._finish)
        await asyncio.wait({task}, timeout=self._wait_s)
        if task.done() and task.exception() is None:
            return task.result()
        self._suspect_until = time.monotonic() + SUSPICION_S
        if task.done() and not isinstance(task.exception(), StoreError):
            return task.result()  # raises: a bug, which must show
        return None

    async def _count(self, tenant_id: UUID, bucket: str) -> Admission:
        async with self._abreast:
            return await self._shared.admit(tenant_id, bucket)

    def _finish(self, task: asyncio.Task[Admission]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    def _admit_locally(self, tenant_id: UUID, bucket: str) -> Admission:
        limits = self._limits.get(tenant_id) or Limits(
            tenant_per_minute=DEFAULT_TENANT_PER_MINUTE,
            global_per_minute=DEFAULT_GLOBAL_PER_MINUTE,
        )
        seconds = time.time()
        number, since = divmod(seconds, WINDOW_S)
        left_s = max(1, math.ceil(WINDOW_S - since))
        tightest: Admission | None = None
        windows: list[_Window] = []
        for scope, key, limit in (
            ("tenant", tenant_id, limits.tenant_per_minute),
            ("global", _EVERYBODY, limits.global_per_minute),
        ):
            share = max(1, limit // self._workers)
            window = self._window(bucket, key, int(number))
            windows.append(window)
            room = share - window.count
            allowed = room > 0 or not self._enforced
            verdict = Admission(
                allowed=allowed,
                limit=limit,
                remaining=max(0, room - 1),
                retry_after_s=0 if allowed else left_s,
                reset_s=left_s,
                scope=scope,
            )
            if tightest is None or verdict.remaining < tightest.remaining or not allowed:
                tightest = verdict
            if not allowed:
                return verdict
        for window in windows:
            window.count += 1
        assert tightest is not None  # noqa: S101  # two limits were just looked at
        return tightest

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
