"""Pages of lists: how many rows a page may have, and where the next one begins."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from enforcement.domain.errors import InvalidError
from enforcement.domain.identity import Caller
from enforcement.store.database import Database

MAX_PAGE: Final = 1000


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A row's place in a list that is ordered by instant, then by id."""

    at: datetime
    row_id: UUID


# Before and after whatever a list holds.
OLDEST: Final = Place(at=datetime(1, 1, 2, tzinfo=UTC), row_id=UUID(int=0))
NEWEST: Final = Place(at=datetime(9999, 12, 30, tzinfo=UTC), row_id=UUID(int=2**128 - 1))


def demand_limit(limit: int, most: int = MAX_PAGE) -> None:
    """Refuse a page that is empty or without bound.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    if not 1 <= limit <= most:
        raise InvalidError("limit_out_of_range", f"limit is {limit}, expected 1 to {most}")


async def read(
    db: Database, caller: Caller, query: str, place: Place, limit: int
) -> list[tuple[Any, ...]]:
    """Return a page of the caller's rows behind a place.

    Args:
        db: The pool.
        caller: Of the tenant.
        query: Takes the tenant, the place's instant and id, and the limit.
        place: Of the last row of the page before.
        limit: 1 to 1000.

    Raises:
        InvalidError: ``limit_out_of_range``.
        StoreError: As every operation.
    """
    demand_limit(limit)
    return await db.read(caller.tenant_id, query, (caller.tenant_id, place.at, place.row_id, limit))
