"""A tenant with a past: decisions through the real chain, a few thousand a second."""

from uuid import UUID

import msgspec

from enforcement.domain.identity import Caller


class Seeded(msgspec.Struct, frozen=True, kw_only=True):
    """A seeded tenant and a principal of each kind that tokens are made for."""

    tenant_id: UUID
    owner: Caller
    admin: Caller
    member: Caller
    decisions: int


def seed(
    dsn: str,
    *,
    name: str = "stress",
    decisions: int = 5000,
    tenant_per_minute: int | None = None,
    global_per_minute: int | None = None,
) -> Seeded:
    """Create or complete a tenant until it has that many decisions; idempotent, synchronous.

    Args:
        dsn: Of the application role.
        name: Of the tenant.
        decisions: How many it shall have at least.
        tenant_per_minute: Limit to set, or None to leave it.
        global_per_minute: Limit to set, or None to leave it.
    """
    raise NotImplementedError
