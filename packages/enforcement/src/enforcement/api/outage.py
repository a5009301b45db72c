"""Rate limits of one worker while the database, which counts for all of them, is silent.

Each worker admits its share of what is left of a limit: what the database last said was used, and
did not yet say would be free again, is not given out a second time. What was admitted meanwhile is
reported when the database is back, so that it counts there as if it had been counted at once. No
worker knows what another has admitted: what the database itself decides it counts first, also where
a worker has admitted it already.
"""

import math
import time
from typing import Final
from uuid import UUID

import msgspec

from enforcement.store.limits import Admission, Limits

MINUTE_S: Final = 60
MAX_REMEMBERED: Final = 4096
_SLOTS: Final = MINUTE_S + 1  # any 60-second interval lies within 61 whole seconds
_EVERYBODY: Final = None

Key = tuple[str, UUID | None]


class SlidingWindow:
    """How many were admitted in each of the last seconds, by a clock of whole seconds."""

    def __init__(self) -> None:
        self._counts = [0] * _SLOTS
        self._last = 0
        self._total = 0

    def total(self, second: int) -> int:
        """Return how many were admitted within the minute that ends with a second."""
        self._roll(second)
        return self._total

    def add(self, second: int, count: int = 1) -> None:
        """Count some that were admitted."""
        self._roll(second)
        self._counts[second % _SLOTS] += count
        self._total += count

    def forget(self, second: int, count: int) -> None:
        """Take back that many, the latest first."""
        self._roll(second)
        for back in range(_SLOTS):
            slot = (second - back) % _SLOTS
            taken = min(count, self._counts[slot])
            self._counts[slot] -= taken
            self._total -= taken
            count -= taken

    def wait_s(self, second: int, needed: int) -> int:
        """Return in how many seconds at least so many have left the minute."""
        self._roll(second)
        freed = 0
        for ahead in range(1, _SLOTS + 1):
            freed += self._counts[(second + ahead) % _SLOTS]
            if freed >= needed:
                return ahead
        return _SLOTS

    def _roll(self, second: int) -> None:
        for passed in range(max(self._last + 1, second - _SLOTS + 1), second + 1):
            self._total -= self._counts[passed % _SLOTS]
            self._counts[passed % _SLOTS] = 0
        self._last = max(self._last, second)


class LastSeen(msgspec.Struct, frozen=True):
    """What the database said last, and when (monotonic seconds)."""

    answer: Admission
    at_s: float

    def used(self, now_s: float) -> int:
        """Return how much of the limit must be taken for used still.

        Nothing of it is free before the database said so; from then on it is given back evenly
        until the instant at which all of it is.
        """
        used = self.answer.limit - self.answer.remaining
        age_s = now_s - self.at_s
        first_s, last_s = self._times()
        if age_s <= first_s:
            return used
        if age_s >= last_s:
            return 0
        return math.ceil(used * (last_s - age_s) / (last_s - first_s))

    def wait_s(self, now_s: float) -> int:
        """Return in how many seconds a part of it is free."""
        return max(1, math.ceil(self._times()[0] - (now_s - self.at_s)))

    def _times(self) -> tuple[int, int]:
        first_s = 0 if self.answer.allowed else self.answer.retry_after_s
        return first_s, max(self.answer.reset_s, first_s + 1)


class LocalLimiter:
    """What one worker admits by itself.

    Args:
        workers: Among whom each limit is shared.
        enforced: False admits everything.
    """

    def __init__(self, workers: int, *, enforced: bool) -> None:
        self._workers = workers
        self._enforced = enforced
        self._minutes: dict[Key, SlidingWindow] = {}

    def admit(
        self, bucket: str, tenant_id: UUID, limits: Limits, seen: LastSeen | None
    ) -> Admission:
        """Count one request or refuse it, without asking anybody."""
        now_s = time.monotonic()
        second = int(now_s)
        verdicts: list[Admission] = []
        minutes: list[SlidingWindow] = []
        for scope, key, limit in (
            ("tenant", tenant_id, limits.tenant_per_minute),
            ("global", _EVERYBODY, limits.global_per_minute),
        ):
            minute = self._minute((bucket, key), second)
            told = seen if seen is not None and seen.answer.scope == scope else None
            verdict = self._judge(scope, limit, minute, told, now_s)
            if not verdict.allowed:
                return verdict
            verdicts.append(verdict)
            minutes.append(minute)
        for minute in minutes:
            minute.add(second)
        return min(verdicts, key=lambda verdict: verdict.remaining)

    def _judge(
        self, scope: str, limit: int, minute: SlidingWindow, told: LastSeen | None, now_s: float
    ) -> Admission:
        second = int(now_s)
        used = 0
        if told is not None:
            limit = told.answer.limit
            used = told.used(now_s)
        # A limit below the number of workers gives each of them one; none would be a stop.
        share = max(0, limit - used) // self._workers if used else max(1, limit // self._workers)
        mine = minute.total(second)
        room = share - mine
        allowed = room > 0 or not self._enforced
        retry_after_s = 0
        if not allowed:
            of_mine = minute.wait_s(second, 1) if mine else 1
            retry_after_s = max(of_mine, told.wait_s(now_s)) if told and used else of_mine
        return Admission(
            granted=int(allowed),
            limit=limit,
            remaining=max(0, room - 1),
            retry_after_s=min(MINUTE_S, retry_after_s),
            reset_s=min(MINUTE_S, minute.wait_s(second, mine)) if mine else 1,
            scope=scope,
        )

    def take(self, bucket: str, tenant_id: UUID) -> int:
        """Return how many of a tenant were admitted here in the last minute, and forget them."""
        minute = self._minutes.pop((bucket, tenant_id), None)
        return 0 if minute is None else minute.total(int(time.monotonic()))

    def give_back(self, bucket: str, tenant_id: UUID, count: int) -> None:
        """Remember again what could not be reported; it counts as of now."""
        if count:
            second = int(time.monotonic())
            self._minute((bucket, tenant_id), second).add(second, count)

    def settle(self, bucket: str, tenant_id: UUID) -> None:
        """Forget one that the database has counted by itself."""
        second = int(time.monotonic())
        for key in (tenant_id, _EVERYBODY):
            self._minute((bucket, key), second).forget(second, 1)

    def _minute(self, key: Key, second: int) -> SlidingWindow:
        minute = self._minutes.get(key)
        if minute is None:
            if len(self._minutes) >= MAX_REMEMBERED:
                self._minutes = {k: m for k, m in self._minutes.items() if m.total(second)}
            minute = self._minutes[key] = SlidingWindow()
        return minute
