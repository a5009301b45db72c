"""Who calls: a principal of one tenant, its role, its permissions, its tenant's plan."""

from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.enums import PLAN_FEATURES, Feature, Permission, Plan, Role
from enforcement.domain.errors import ForbiddenError

OPERATOR: Final = UUID(int=0)
"""The actor of what no principal did: an operator at the command line, or the service itself."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated principal, as every operation of the store receives it.

    Attributes:
        tenant_id: The one tenant this caller belongs to.
        principal_id: Recorded as the actor of every ledger row.
        role: Rank within the tenant.
        permissions: Granted one by one, beside what the role brings.
        plan: The tenant's plan.
    """

    tenant_id: UUID
    principal_id: UUID
    role: Role
    permissions: frozenset[Permission] = frozenset()
    plan: Plan = Plan.PRO

    def all_permissions(self) -> frozenset[Permission]:
        """Return what the role brings and what was granted: owners both, admins non-production."""
        return self.permissions | _BY_ROLE[self.role]

    def demand_role(self, least: Role) -> None:
        """Refuse callers below a rank.

        Raises:
            ForbiddenError: ``role_required``.
        """
        if self.role.rank < least.rank:
            raise ForbiddenError(
                "role_required", f"this needs the role {least.value}, not {self.role.value}"
            )

    def demand_features(self, *features: Feature) -> None:
        """Refuse callers whose plan lacks a feature.

        Raises:
            ForbiddenError: ``feature_unavailable``, naming the first one missing.
        """
        for feature in features:
            if feature not in PLAN_FEATURES[self.plan]:
                raise ForbiddenError(
                    "feature_unavailable",
                    f"the plan {self.plan.value} does not include {feature.value}",
                    hint="Plans pro and enterprise include it.",
                )


_BY_ROLE = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset({Permission.APPROVE_NONPROD}),
    Role.MEMBER: frozenset[Permission](),
}
