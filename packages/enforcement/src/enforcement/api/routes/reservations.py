"""Reservations: listed while active, settled against the real cost, swept when overdue."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter

from enforcement.api import metrics, paths
from enforcement.api.access import Call, access
from enforcement.api.bodies import OptionalKey, OverdueBody, ReconcileBody, read_key
from enforcement.api.counters import Slot
from enforcement.api.paging import (
    DEFAULT_PAGE,
    NEXT_HEADER,
    PageLimit,
    PlaceCursor,
    page,
    place_cursor,
    read_place,
)
from enforcement.api.views import ReconciliationView, ReservationView, SweepView
from enforcement.domain.approvals import check_notes
from enforcement.domain.enums import Feature, Role
from enforcement.domain.money import parse_monthly
from enforcement.domain.request import line
from enforcement.store import reservations
from enforcement.store.database import Database
from enforcement.store.pages import NEWEST, OLDEST

_ADMIN = access(Role.ADMIN, Feature.POLICY_CONFIGURATION)


def handlers(db: Database, slot: Slot) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a database and to the counters of this worker."""

    @get(
        paths.RESERVATIONS,
        opt=_ADMIN,
        operation_id="listActiveReservations",
        response_headers=[NEXT_HEADER],
    )
    async def list_active(
        request: Call, limit: PageLimit = DEFAULT_PAGE, cursor: PlaceCursor = None
    ) -> Response[Sequence[ReservationView]]:
        """Return a page of active reservations, oldest first."""
        found = await reservations.active(
            db, request.user, limit=limit, after=read_place(cursor, OLDEST)
        )
        return page(
            request,
            found,
            limit,
            view=ReservationView.of,
            cursor=lambda item: place_cursor(item.decision.created_at, item.decision.decision_id),
        )

    @post(paths.RECONCILE, opt=_ADMIN, operation_id="reconcile", status_code=200)
    async def reconcile(
        request: Call,
        decision_id: Annotated[UUID, PathParameter()],
        data: JSONBody[ReconcileBody],
        idempotency_key: OptionalKey = None,
    ) -> ReconciliationView:
        """Settle a reservation, once; the header's key wins over the body's, both may be absent."""
        # A reservation is settled once, so its own id can serve as the key of that.
        key = read_key(idempotency_key) or data.idempotency_key or f"reconcile:{decision_id}"
        settled = await reservations.reconcile(
            db,
            request.user,
            decision_id,
            actual_monthly_delta_usd=parse_monthly(
                data.actual_monthly_delta_usd, field="actual_monthly_delta_usd"
            ),
            notes=None if data.notes is None else check_notes(data.notes),
            idempotency_key=line(key, "idempotency_key", 4, 128),
        )
        if not settled.replayed:
            done = settled.reconciliation
            slot.add(metrics.RECONCILED, (done.status.value,))
            slot.add(
                metrics.DRIFT,
                (done.status.value,),
                int(abs(done.drift_usd) * metrics.DRIFT_PER_USD),
            )
        return ReconciliationView.settled(settled)

    @post(paths.RECONCILE_OVERDUE, opt=_ADMIN, operation_id="reconcileOverdue", status_code=200)
    async def reconcile_overdue(request: Call, data: JSONBody[OverdueBody]) -> SweepView:
        """Release reservations that nobody settled in time."""
        sweep = await reservations.release_overdue(
            db, request.user, older_than_seconds=data.older_than_seconds, limit=data.limit
        )
        return SweepView.of(sweep)

    @get(
        paths.EXCEPTIONS,
        opt=_ADMIN,
        operation_id="listReconciliationExceptions",
        response_headers=[NEXT_HEADER],
    )
    async def list_exceptions(
        request: Call, limit: PageLimit = DEFAULT_PAGE, cursor: PlaceCursor = None
    ) -> Response[Sequence[ReconciliationView]]:
        """Return a page of settlements whose cost was not what was reserved, newest first."""
        found = await reservations.exceptions(
            db, request.user, limit=limit, before=read_place(cursor, NEWEST)
        )
        return page(
            request,
            found,
            limit,
            view=ReconciliationView.of,
            cursor=lambda item: place_cursor(item.reconciled_at, item.decision_id),
        )

    return [list_active, reconcile, reconcile_overdue, list_exceptions]
