"""Approvals: asked for, reviewed, and their tokens spent."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

from enforcement.api import paths
from enforcement.api.access import Call, access
from enforcement.api.approval_tokens import ApprovalTokens
from enforcement.api.bodies import ApprovalBody, ConsumeBody, ReviewBody
from enforcement.api.paging import NEXT_HEADER, PlaceCursor, page, place_cursor, read_place
from enforcement.api.views import ApprovalView
from enforcement.domain import environment
from enforcement.domain.approvals import check_notes
from enforcement.domain.enums import Feature, Role
from enforcement.domain.tokens import Expectations, token_sha256
from enforcement.store import approvals
from enforcement.store.database import Database
from enforcement.store.limits import APPROVAL
from enforcement.store.pages import OLDEST

_MEMBER = access(Role.MEMBER, Feature.POLICY_CONFIGURATION)
_REVIEW = access(Role.MEMBER, Feature.POLICY_CONFIGURATION, bucket=APPROVAL)


def handlers(db: Database, tokens: ApprovalTokens) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a database and to the keys of approval tokens."""

    @post(paths.APPROVAL_REQUESTS, opt=_REVIEW, operation_id="requestApproval", status_code=200)
    async def request_approval(request: Call, data: JSONBody[ApprovalBody]) -> ApprovalView:
        """Return a decision's approval request, which was made with it."""
        return ApprovalView.of(
            await approvals.request(db, request.user, data.decision_id, notes=data.notes)
        )

    @get(
        paths.APPROVAL_QUEUE,
        opt=_MEMBER,
        operation_id="readApprovalQueue",
        response_headers=[NEXT_HEADER],
    )
    async def read_queue(
        request: Call,
        limit: Annotated[int, QueryParameter(ge=1, le=approvals.MAX_QUEUE)] = 50,
        cursor: PlaceCursor = None,
    ) -> Response[Sequence[ApprovalView]]:
        """Return a page of what the caller may review, the next to expire first."""
        waiting = await approvals.queue(
            db, request.user, limit=limit, after=read_place(cursor, OLDEST)
        )
        return page(
            request,
            waiting,
            limit,
            view=ApprovalView.of,
            cursor=lambda item: place_cursor(item.approval.expires_at, item.approval.approval_id),
        )

    @post(paths.APPROVE, opt=_REVIEW, operation_id="approve", status_code=200)
    async def approve(
        request: Call,
        approval_id: Annotated[UUID, PathParameter()],
        data: JSONBody[ReviewBody],
    ) -> ApprovalView:
        """Approve; the answer holds the one token, which cannot be had again."""
        reviewed = await approvals.approve(
            db, request.user, approval_id, notes=check_notes(data.notes), sign=tokens.sign
        )
        return ApprovalView.of(reviewed)

    @post(paths.DENY, opt=_REVIEW, operation_id="deny", status_code=200)
    async def deny(
        request: Call,
        approval_id: Annotated[UUID, PathParameter()],
        data: JSONBody[ReviewBody],
    ) -> ApprovalView:
        """Deny, and release what was reserved."""
        reviewed = await approvals.deny(
            db, request.user, approval_id, notes=check_notes(data.notes)
        )
        return ApprovalView.of(reviewed)

    @post(paths.CONSUME, opt=_REVIEW, operation_id="consumeApproval", status_code=200)
    async def consume(request: Call, data: JSONBody[ConsumeBody]) -> ApprovalView:
        """Spend an approval token; of many that try, one succeeds."""
        reviewed = await approvals.consume(
            db,
            request.user,
            claims=tokens.read(data.approval_token),
            token_sha256=token_sha256(data.approval_token),
            expectations=_expectations(data),
        )
        return ApprovalView.of(reviewed)

    return [request_approval, read_queue, approve, deny, consume]


def _expectations(data: ConsumeBody) -> Expectations:
    """Spell what the consumer states as the decision does."""
    project, named = data.expected_project_id, data.expected_environment
    return Expectations(
        source=data.expected_source,
        project_id=None if project is None else project.lower(),
        environment=None if named is None else environment.normalise(named),
        request_fingerprint=data.expected_request_fingerprint,
        resource_reference=data.expected_resource_reference,
    )
