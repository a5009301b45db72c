"""Rate limits: tenant settings, and a limiter whose counters all workers share.

No 60-second interval admits more than the limit: counts are kept for each of the last 60
seconds, by the database's clock, one row a tenant and one row for all tenants together.
"""

from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.enums import Event
from enforcement.domain.errors import InvalidError
from enforcement.domain.identity import Caller
from enforcement.store import wire
from enforcement.store.database import Database, Transaction

GATE: Final = "gate"
READ: Final = "read"
WRITE: Final = "write"
APPROVAL: Final = "approval"
MAX_PER_MINUTE: Final = 10_000_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a minute: of one tenant, and of all tenants together."""

    tenant_per_minute: int
    global_per_minute: int


# As the database has them for a tenant that nobody set limits for.
DEFAULTS: Final = {
    GATE: Limits(tenant_per_minute=120, global_per_minute=1200),
    READ: Limits(tenant_per_minute=1200, global_per_minute=12_000),
    WRITE: Limits(tenant_per_minute=120, global_per_minute=1200),
    APPROVAL: Limits(tenant_per_minute=120, global_per_minute=1200),
}


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Whether requests may pass, and what to tell their senders.

    Attributes:
        granted: How many of those asked for may pass.
        limit: The limit that is closest to refusing, requests a minute.
        remaining: Requests it still admits now.
        retry_after_s: When fewer than asked for: seconds until one is admitted; else 0.
        reset_s: Seconds until the whole limit is free again.
        scope: ``tenant`` or ``global``: which limit ``limit`` is.
    """

    granted: int
    limit: int
    remaining: int
    retry_after_s: int
    reset_s: int
    scope: str

    @property
    def allowed(self) -> bool:
        """Say whether at least one may pass."""
        return self.granted > 0


_UNLIMITED: Final = Admission(
    granted=1,
    limit=MAX_PER_MINUTE,
    remaining=MAX_PER_MINUTE,
    retry_after_s=0,
    reset_s=0,
    scope="tenant",
)

_ADMIT: Final = "SELECT to_json(r) FROM enforcement.rate_admit($1, $2, $3) AS r"
_READ: Final = "SELECT to_json(r) FROM enforcement.rate_limits($1, $2) AS r"
_ADMISSION: Final = msgspec.json.Decoder(Admission)
_LIMITS: Final = msgspec.json.Decoder(Limits)


async def admit(
    db: Database,
    tenant_id: UUID,
    *,
    bucket: str = GATE,
    count: int = 1,
    deadline_s: float | None = None,
) -> Admission:
    """Count requests against the tenant's and the global limit; as many pass as there is room.

    With ``Safety.limits`` off everything is admitted.

    Raises:
        StoreError: The counters cannot be reached; the caller chooses to fail open or closed.
    """
    if not db.safety.limits:
        return msgspec.structs.replace(_UNLIMITED, granted=count)
    asked = wire.Statement(_ADMIT, (tenant_id, bucket, count))
    return _ADMISSION.decode(await db.text(asked, deadline_s=deadline_s))


async def read(db: Database, tenant_id: UUID, *, bucket: str = GATE) -> Limits:
    """Return the limits that hold for a tenant."""
    text = await db.text(wire.enter(tenant_id), wire.Statement(_READ, (tenant_id, bucket)))
    return _LIMITS.decode(text)


async def read_all(db: Database, tenant_id: UUID) -> dict[str, Limits]:
    """Return the limits that hold for a tenant, by bucket."""
    rows = await db.read(
        tenant_id,
        "SELECT b.bucket, r.* FROM unnest(%s::text[]) AS b (bucket),"
        " enforcement.rate_limits(%s, b.bucket) AS r",
        (list(DEFAULTS), tenant_id),
    )
    return {row[0]: Limits(tenant_per_minute=row[1], global_per_minute=row[2]) for row in rows}


async def set_tenant(
    db: Database, caller: Caller, per_minute: int, *, bucket: str = GATE
) -> Limits:
    """Set a tenant's own limit, with a ledger row.

    Raises:
        InvalidError: ``limit_out_of_range`` outside 1 to 10,000,000 a minute.
    """
    _check(per_minute)

    async def work(tx: Transaction) -> None:
        payload = {"bucket": bucket, "per_minute": per_minute}
        await tx.record(Event.LIMITS_SET, caller.principal_id, payload)

    await db.run(caller.tenant_id, work)
    return await read(db, caller.tenant_id, bucket=bucket)


async def set_global(db: Database, per_minute: int, *, bucket: str = GATE) -> None:
    """Set the limit of all tenants together (service-wide; not a tenant's to change).

    Raises:
        InvalidError: ``limit_out_of_range`` outside 1 to 10,000,000 a minute.
    """
    _check(per_minute)
    await db.fetch("SELECT enforcement.set_global_limit(%s, %s)", (bucket, per_minute))


def _check(per_minute: int) -> None:
    if not 1 <= per_minute <= MAX_PER_MINUTE:
        raise InvalidError(
            "limit_out_of_range", f"{per_minute} a minute, expected 1 to {MAX_PER_MINUTE}"
        )
