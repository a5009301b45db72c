"""Rate limits: tenant settings, and a limiter whose counters all workers share.

No 60-second interval admits more than the limit: counts are kept for each of the last 60
seconds, by the database's clock, one row a tenant and one row for all tenants together.
"""

from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.identity import Caller
from enforcement.store.database import Database

GATE: Final = "gate"
DEFAULT_TENANT_PER_MINUTE: Final = 120
DEFAULT_GLOBAL_PER_MINUTE: Final = 1200
MAX_PER_MINUTE: Final = 10_000_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a minute: of one tenant, and of all tenants together."""

    tenant_per_minute: int
    global_per_minute: int


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request may pass, and what to tell its sender.

    Attributes:
        limit: The limit that is closest to refusing, requests a minute.
        remaining: Requests it still admits now.
        retry_after_s: When refused: seconds until one is admitted; else 0.
        reset_s: Seconds until the whole limit is free again.
        scope: ``tenant`` or ``global``: which limit ``limit`` is.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after_s: int
    reset_s: int
    scope: str


async def admit(db: Database, tenant_id: UUID, *, bucket: str = GATE) -> Admission:
    """Count one request against the tenant's and the global limit, or refuse it.

    With ``Safety.limits`` off everything is admitted.

    Raises:
        StoreError: The counters cannot be reached; the caller chooses to fail open or closed.
    """
    raise NotImplementedError


async def read(db: Database, tenant_id: UUID, *, bucket: str = GATE) -> Limits:
    """Return the limits that hold for a tenant."""
    raise NotImplementedError


async def set_tenant(
    db: Database, caller: Caller, per_minute: int, *, bucket: str = GATE
) -> Limits:
    """Set a tenant's own limit, with a ledger row."""
    raise NotImplementedError


async def set_global(db: Database, per_minute: int, *, bucket: str = GATE) -> None:
    """Set the limit of all tenants together (service-wide; not a tenant's to change)."""
    raise NotImplementedError
