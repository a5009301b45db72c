"""Policies, budgets and credits: what a tenant sets up before anything is gated."""

from collections.abc import Sequence

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from enforcement.api import paths
from enforcement.api.access import Call, access
from enforcement.api.bodies import BudgetBody, CreditBody, PolicyBody
from enforcement.api.instants import in_utc
from enforcement.api.paging import (
    DEFAULT_PAGE,
    NEXT_HEADER,
    PageLimit,
    PlaceCursor,
    ScopeCursor,
    page,
    place_cursor,
    read_place,
    read_scope,
    scope_cursor,
)
from enforcement.api.views import BudgetView, CreditView, PolicyView
from enforcement.domain.enums import Feature, Role
from enforcement.domain.money import parse_monthly
from enforcement.domain.policy import (
    ApprovalRules,
    Entitlements,
    Execution,
    ModeMatrix,
    PolicyDocument,
    SourceModes,
)
from enforcement.domain.request import line
from enforcement.store import budgets, policies
from enforcement.store import credits as grants
from enforcement.store.database import Database
from enforcement.store.pages import NEWEST

_MEMBER = access(Role.MEMBER, Feature.POLICY_CONFIGURATION)
_ADMIN = access(Role.ADMIN, Feature.POLICY_CONFIGURATION)


def handlers(db: Database) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a database."""

    @get(paths.POLICIES, opt=_MEMBER, operation_id="readPolicy")
    async def read_policy(request: Call) -> PolicyView:
        """Return the policy that holds; reading it never writes one."""
        return PolicyView.of(await policies.current(db, request.user.tenant_id))

    @post(paths.POLICIES, opt=_ADMIN, operation_id="setPolicy", status_code=200)
    async def set_policy(request: Call, data: JSONBody[PolicyBody]) -> PolicyView:
        """Make a policy the next version."""
        return PolicyView.of(await policies.put(db, request.user, document_of(data)))

    @get(paths.BUDGETS, opt=_MEMBER, operation_id="listBudgets", response_headers=[NEXT_HEADER])
    async def list_budgets(
        request: Call, limit: PageLimit = DEFAULT_PAGE, cursor: ScopeCursor = None
    ) -> Response[Sequence[BudgetView]]:
        """Return a page of budgets by scope key."""
        found = await budgets.listing(db, request.user, limit=limit, after_scope=read_scope(cursor))
        return page(
            request,
            found,
            limit,
            view=BudgetView.of,
            cursor=lambda budget: scope_cursor(budget.scope_key),
        )

    @post(paths.BUDGETS, opt=_ADMIN, operation_id="setBudget", status_code=200)
    async def set_budget(request: Call, data: JSONBody[BudgetBody]) -> BudgetView:
        """Set the monthly limit of a scope."""
        budget = await budgets.put(
            db,
            request.user,
            # As the gate does with project ids, or the budget would never be found.
            scope_key=line(data.scope_key.lower(), "scope_key", 1, 128),
            monthly_limit_usd=parse_monthly(data.monthly_limit_usd, field="monthly_limit_usd"),
            active=data.active,
        )
        return BudgetView.of(budget)

    @get(paths.CREDITS, opt=_MEMBER, operation_id="listCredits", response_headers=[NEXT_HEADER])
    async def list_credits(
        request: Call, limit: PageLimit = DEFAULT_PAGE, cursor: PlaceCursor = None
    ) -> Response[Sequence[CreditView]]:
        """Return a page of credit grants, newest first."""
        found = await grants.listing(
            db, request.user, limit=limit, before=read_place(cursor, NEWEST)
        )
        return page(
            request,
            found,
            limit,
            view=CreditView.of,
            cursor=lambda grant: place_cursor(grant.created_at, grant.grant_id),
        )

    @post(paths.CREDITS, opt=_ADMIN, operation_id="grantCredit", status_code=200)
    async def grant_credit(request: Call, data: JSONBody[CreditBody]) -> CreditView:
        """Grant credit."""
        grant = await grants.grant(
            db,
            request.user,
            pool=data.pool_type,
            scope_key=line(data.scope_key.lower(), "scope_key", 1, 128),
            total_usd=parse_monthly(data.total_amount_usd, field="total_amount_usd"),
            expires_at=in_utc(data.expires_at, "expires_at"),
            reason=data.reason,
        )
        return CreditView.of(grant)

    return [read_policy, set_policy, list_budgets, set_budget, list_credits, grant_credit]


def document_of(body: PolicyBody) -> PolicyDocument:
    """Return the document of a body: the one it carries, else the one its fields make."""
    if body.policy_document is not None:
        return body.policy_document
    return PolicyDocument(
        mode_matrix=ModeMatrix(
            terraform=SourceModes(
                default=body.terraform_mode,
                prod=body.terraform_mode_prod,
                nonprod=body.terraform_mode_nonprod,
            ),
            k8s_admission=SourceModes(
                default=body.k8s_admission_mode,
                prod=body.k8s_admission_mode_prod,
                nonprod=body.k8s_admission_mode_nonprod,
            ),
        ),
        approval=ApprovalRules(
            required_prod=body.require_approval_for_prod,
            required_nonprod=body.require_approval_for_nonprod,
            separation_prod=body.enforce_prod_requester_reviewer_separation,
            separation_nonprod=body.enforce_nonprod_requester_reviewer_separation,
            routing_rules=body.approval_routing_rules,
        ),
        entitlements=Entitlements(
            auto_approve_below_monthly_usd=body.auto_approve_below_monthly_usd,
            hard_deny_above_monthly_usd=body.hard_deny_above_monthly_usd,
            plan_monthly_ceiling_usd=body.plan_monthly_ceiling_usd,
            enterprise_monthly_ceiling_usd=body.enterprise_monthly_ceiling_usd,
        ),
        execution=Execution(
            ttl_seconds=body.default_ttl_seconds, max_cost_age_days=body.max_cost_age_days
        ),
    )
