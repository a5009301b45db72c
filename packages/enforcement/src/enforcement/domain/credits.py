"""Credit grants, and which of them pay first."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.enums import CreditPool
from enforcement.domain.errors import InvalidError
from enforcement.domain.money import ZERO
from enforcement.domain.request import line

DEFAULT_SCOPE: Final = "default"
# A decision draws on so many grants of a pool at most, the first payers: what it costs to make
# does not depend on how many there are.
MAX_PAYERS: Final = 32
_FAR: Final = {DEFAULT_SCOPE: 1}
_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Credit given to a tenant. Its total is always remaining + reserved + consumed.

    Attributes:
        scope_key: A project, or ``default``.
        remaining_usd: Neither reserved nor consumed; 0 to the total.
        expires_at: No longer usable from this instant on; null never expires.
    """

    grant_id: UUID
    pool: CreditPool
    scope_key: str
    total_usd: Decimal
    remaining_usd: Decimal
    created_at: datetime
    expires_at: datetime | None = None
    reason: str = ""
    created_by: UUID | None = None

    def is_usable(self, now: datetime) -> bool:
        """Say whether something can be drawn now."""
        return self.remaining_usd > 0 and (self.expires_at is None or self.expires_at > now)


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """An amount taken from one grant for one decision."""

    grant_id: UUID
    pool: CreditPool
    amount_usd: Decimal


def check_grant(
    *, scope_key: str, total_usd: Decimal, expires_at: datetime | None, reason: str, now: datetime
) -> None:
    """Refuse a grant that could never be drawn or never be stored.

    Raises:
        InvalidError: ``invalid_length``, ``invalid_text``, ``invalid_amount`` or
            ``expiry_not_in_future``.
    """
    line(scope_key, "scope_key", 1, 128)
    if reason:
        line(reason, "reason", 1, 500)
    if total_usd <= 0:
        raise InvalidError("invalid_amount", "total_amount_usd must be above zero")
    if expires_at is not None and expires_at <= now:
        raise InvalidError("expiry_not_in_future", "expires_at is not in the future")


def eligible(
    grants: Iterable[Grant], *, pool: CreditPool, scope_key: str, now: datetime
) -> list[Grant]:
    """Return the grants of a pool that may pay for a scope, first payer first, 32 at most.

    Reserved credit serves its own scope and, from scope ``default``, every scope. Emergency
    credit serves any scope. Order: exact scope, ``default``, others; earliest expiry; oldest.
    """
    usable = (grant for grant in grants if grant.pool is pool and grant.is_usable(now))
    if pool is CreditPool.RESERVED:
        usable = (grant for grant in usable if grant.scope_key in {scope_key, DEFAULT_SCOPE})
    return sorted(usable, key=lambda grant: _precedence(grant, scope_key))[:MAX_PAYERS]


def may_hide_others(grants: Iterable[Grant]) -> bool:
    """Say whether grants read up to ``MAX_PAYERS`` a pool and scope may not be all there are.

    Then they are those of the next decision alone: once it has emptied some, others move up.
    """
    scopes = Counter((grant.pool, grant.scope_key) for grant in grants)
    pools = Counter(grant.pool for grant in grants)
    return (
        max(scopes.values(), default=0) >= MAX_PAYERS or pools[CreditPool.EMERGENCY] >= MAX_PAYERS
    )


def _precedence(grant: Grant, scope_key: str) -> tuple[int, datetime, datetime, UUID]:
    nearness = {scope_key: 0}.get(grant.scope_key, _FAR.get(grant.scope_key, 2))
    return nearness, grant.expires_at or _FOREVER, grant.created_at, grant.grant_id


def draw(ordered: Sequence[Grant], wanted: Decimal) -> tuple[Draw, ...]:
    """Take up to ``wanted`` from grants in the order given; no grant goes below zero."""
    draws: list[Draw] = []
    left = wanted
    for grant in ordered:
        if left <= 0:
            break
        amount = min(left, grant.remaining_usd)
        draws.append(Draw(grant_id=grant.grant_id, pool=grant.pool, amount_usd=amount))
        left -= amount
    return tuple(draws)


def total(draws: Iterable[Draw]) -> Decimal:
    """Sum what was drawn."""
    return sum((item.amount_usd for item in draws), start=ZERO)
