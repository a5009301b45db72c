"""Pages of lists over HTTP: a cursor comes in, a ``Link`` header with the next one goes out.

A page that is full carries ``Link: <...>; rel="next"`` (RFC 8288): the same request from behind the
page's last row. Whoever follows the links until there is none has seen every row that was there
when the walk began, each once, whatever is added meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response
from litestar.datastructures import ResponseHeader
from litestar.params import QueryParameter

from enforcement.api.access import Call
from enforcement.store.pages import MAX_PAGE, Place

T = TypeVar("T")
V = TypeVar("V")

DEFAULT_PAGE: Final = 200
NEXT_HEADER: Final = ResponseHeader(
    name="Link", description='Where a full page goes on: rel="next".', documentation_only=True
)
PageLimit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)]
# Every text of these patterns is a cursor: microseconds since 1970 and an id, or a scope key.
PlaceCursor = Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,16}\.[0-9a-f]{32}$")]
ScopeCursor = Annotated[
    str | None, QueryParameter(pattern=r"^\.[^\x00-\x1f\x7f\u0085\u2028\u2029]{1,128}$")
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def read_place(cursor: str | None, beginning: Place) -> Place:
    """Return the place that a cursor names; without one, the list's beginning."""
    if cursor is None:
        return beginning
    at_us, _, row_id = cursor.partition(".")
    return Place(at=_EPOCH + int(at_us) * _MICROSECOND, row_id=UUID(hex=row_id))


def place_cursor(at: datetime, row_id: UUID) -> str:
    """Return the cursor of a place."""
    return f"{(at - _EPOCH) // _MICROSECOND}.{row_id.hex}"


def read_scope(cursor: str | None) -> str:
    """Return the scope key that a cursor names; empty, which is before all, without one."""
    return "" if cursor is None else cursor[1:]


def scope_cursor(scope_key: str) -> str:
    """Return the cursor of a scope key; the dot keeps it from being the word null."""
    return f".{scope_key}"


def page(
    request: Call,
    rows: Sequence[T],
    limit: int,
    *,
    view: Callable[[T], V],
    cursor: Callable[[T], str],
) -> Response[Sequence[V]]:
    """Answer with a page of rows and, where it is full, with the link to the next.

    Args:
        request: Whose other query parameters the link repeats.
        rows: The page.
        limit: How many it could hold.
        view: Shows a row.
        cursor: Names a row.
    """
    following = {"cursor": cursor(rows[-1])} if len(rows) == limit else None
    return Response([view(row) for row in rows], headers=next_link(request, limit, following))


def next_link(request: Call, limit: int, following: Mapping[str, str] | None) -> dict[str, str]:
    """Return the ``Link`` header that leads to what follows; none leads nowhere."""
    if following is None:
        return {}
    query = urlencode({**request.query_params.dict(), "limit": str(limit), **following}, doseq=True)
    return {"Link": f'<{request.url.path}?{query}>; rel="next"'}
