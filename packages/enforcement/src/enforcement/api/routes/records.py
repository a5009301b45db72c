"""Ledger, parity and limits: what can be read of what was done, and of what is allowed."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from enforcement.api import paths
from enforcement.api.access import Call, access
from enforcement.api.instants import read_instant
from enforcement.api.paging import DEFAULT_PAGE, NEXT_HEADER, PageLimit, next_link
from enforcement.api.refusals import RefusalError
from enforcement.api.views import LedgerView, LimitsView
from enforcement.domain.enums import Feature, Role
from enforcement.domain.errors import InvalidError
from enforcement.store import ledger, limits, parity
from enforcement.store.database import Database
from enforcement.store.pages import MAX_PAGE
from enforcement.store.parity import Parity

MAX_WINDOW_DAYS: Final = 366
DEFAULT_WINDOW_DAYS: Final = 30
_MAX_SEQUENCE: Final = 2**63 - 1
_ADMIN = access(Role.ADMIN, Feature.API_ACCESS)
_MEMBER = access(Role.MEMBER)

_ARCHIVED: Final = "x-archived-sequence"
_ARCHIVED_HEADER: Final = ResponseHeader(
    name=_ARCHIVED,
    description="On the ledger's last page: rows up to this one are archived, and no longer here.",
    documentation_only=True,
)
OptionalInstant = Annotated[
    str | None, QueryParameter(max_length=40, schema_extra={"format": "date-time"})
]


class _Numbered(msgspec.Struct):
    """What a page's link needs to know of a row."""

    sequence: int


_NUMBERS: Final = msgspec.json.Decoder(list[_Numbered])


def handlers(db: Database) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a database."""

    @get(
        paths.LEDGER,
        opt=_ADMIN,
        operation_id="readLedger",
        media_type="application/json",
        responses={200: ResponseSpec(list[LedgerView], description="Rows, newest first")},
        response_headers=[NEXT_HEADER, _ARCHIVED_HEADER],
    )
    async def read_ledger(
        request: Call,
        limit: PageLimit = DEFAULT_PAGE,
        before_sequence: Annotated[int | None, QueryParameter(ge=1, le=_MAX_SEQUENCE)] = None,
        start_at: OptionalInstant = None,
        end_at: OptionalInstant = None,
    ) -> Response[bytes]:
        """Return ledger rows, newest first; the next page begins before the last sequence."""
        text = await ledger.page_json(
            db,
            request.user,
            limit=limit,
            before_sequence=before_sequence,
            start_at=read_instant(start_at, "start_at"),
            end_at=read_instant(end_at, "end_at"),
        )
        rows = _NUMBERS.decode(text)
        if len(rows) == limit:
            headers = next_link(request, limit, {"before_sequence": str(rows[-1].sequence)})
        else:
            archived = await ledger.archived_sequence(db, request.user)
            _demand_here(archived, before_sequence, found=bool(rows))
            headers = {_ARCHIVED: str(archived)} if archived else {}
        return Response(text.encode(), media_type="application/json", headers=headers)

    @get(paths.PARITY, opt=_ADMIN, operation_id="checkParity")
    async def check_parity(
        request: Call,
        limit: Annotated[int | None, QueryParameter(ge=1, le=MAX_PAGE)] = None,
        start_date: Annotated[date | None, QueryParameter()] = None,
        end_date: Annotated[date | None, QueryParameter()] = None,
    ) -> Parity:
        """Compare decisions and ledger: the newest ``limit``, or all of a window of UTC days."""
        if limit is not None:
            if start_date is not None or end_date is not None:
                raise RefusalError(
                    422, "invalid_request", "limit and dates exclude each other", hint="Give one."
                )
            return await parity.newest(db, request.user, limit=limit)
        start_at, end_at = _window(start_date, end_date)
        return await parity.window(db, request.user, start_at=start_at, end_at=end_at)

    @get(paths.LIMITS, opt=_MEMBER, operation_id="readLimits")
    async def read_limits(request: Call) -> LimitsView:
        """Return the rate limits of the caller's tenant, requests a minute."""
        return LimitsView.of(await limits.read_all(db, request.user.tenant_id))

    return [read_ledger, check_parity, read_limits]


def _demand_here(archived: int, before: int | None, *, found: bool) -> None:
    """Never answer with nothing where something was: what is archived is elsewhere.

    Raises:
        RefusalError: ``archived``.
    """
    if not found and before is not None and 1 < before <= archived + 1:
        raise RefusalError(
            410,
            "archived",
            f"rows up to {archived} are archived, and no longer here",
            hint="Ask whoever keeps the archives.",
        )


def _window(start: date | None, end: date | None) -> tuple[datetime, datetime]:
    """Return a window of whole UTC days as instants; the end is exclusive.

    Raises:
        InvalidError: ``invalid_window``.
    """
    today = datetime.now(UTC).date()
    last = end or today
    try:
        first = start or last - timedelta(days=DEFAULT_WINDOW_DAYS - 1)
        after = last + timedelta(days=1)
    except OverflowError:
        raise InvalidError("invalid_window", "the window leaves the calendar") from None
    days = (after - first).days
    if not 1 <= days <= MAX_WINDOW_DAYS:
        raise InvalidError(
            "invalid_window", f"the window has {days} days, expected 1 to {MAX_WINDOW_DAYS}"
        )
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return begin, datetime(after.year, after.month, after.day, tzinfo=UTC)
