"""Who may review: the first routing rule that matches, else the environment's default."""

from decimal import Decimal
from uuid import UUID

import msgspec

from enforcement.domain.enums import Permission, RiskClass, Role
from enforcement.domain.environment import is_production
from enforcement.domain.errors import ForbiddenError
from enforcement.domain.identity import Caller
from enforcement.domain.policy import Policy, RoutingRule


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer must bring, fixed when the approval is created.

    Attributes:
        rule: Name of the rule that matched; null for the environment's default.
    """

    rule: str | None
    required_permission: Permission
    allowed_roles: tuple[Role, ...]
    require_separation: bool


def route(
    policy: Policy,
    *,
    environment: str,
    action: str,
    monthly_delta_usd: Decimal,
    risk_class: RiskClass,
) -> Routing:
    """Find who may review a change; the first enabled rule that matches decides.

    A rule cannot drop the separation that the policy demands for production.
    """
    production = is_production(environment)
    separation = policy.needs_separation(environment)
    for rule in policy.document.approval.routing_rules:
        if rule.enabled and _matches(rule, environment, action, monthly_delta_usd, risk_class):
            return Routing(
                rule=rule.name,
                required_permission=rule.required_permission,
                allowed_roles=rule.allowed_roles,
                require_separation=rule.require_separation or (production and separation),
            )
    return Routing(
        rule=None,
        required_permission=Permission.APPROVE_PROD if production else Permission.APPROVE_NONPROD,
        allowed_roles=(Role.OWNER, Role.ADMIN),
        require_separation=separation,
    )


def _matches(
    rule: RoutingRule, environment: str, action: str, delta: Decimal, risk_class: RiskClass
) -> bool:
    low, high = rule.min_monthly_delta_usd, rule.max_monthly_delta_usd
    return (
        (not rule.environments or environment in rule.environments)
        and (not rule.action_prefixes or action.startswith(rule.action_prefixes))
        and (low is None or delta >= Decimal(low))
        and (high is None or delta <= Decimal(high))
        and (not rule.risk_levels or risk_class in rule.risk_levels)
    )


def demand_reviewer(routing: Routing, caller: Caller, requested_by: UUID) -> None:
    """Refuse a reviewer whom the routing does not admit.

    Raises:
        ForbiddenError: ``reviewer_role``, ``reviewer_permission`` or ``reviewer_is_requester``.
    """
    if caller.role not in routing.allowed_roles and caller.role is not Role.OWNER:
        allowed = ", ".join(role.value for role in routing.allowed_roles)
        raise ForbiddenError(
            "reviewer_role", f"the role {caller.role.value} may not review this; {allowed} may"
        )
    if routing.required_permission not in caller.all_permissions():
        raise ForbiddenError(
            "reviewer_permission", f"this needs the permission {routing.required_permission.value}"
        )
    if routing.require_separation and caller.principal_id == requested_by:
        raise ForbiddenError(
            "reviewer_is_requester", "requester and reviewer must be different principals here"
        )


def may_review(routing: Routing, caller: Caller, requested_by: UUID) -> bool:
    """Say whether :func:`demand_reviewer` would let the caller pass."""
    try:
        demand_reviewer(routing, caller, requested_by)
    except ForbiddenError:
        return False
    return True
