"""Tenants and their principals."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from enforcement.domain.identity import Caller
from enforcement.domain.vocabulary import Permission, Plan, Role
from enforcement.store.database import Database


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A customer; its name is unique."""

    tenant_id: UUID
    name: str
    plan: Plan


async def create(
    db: Database, *, name: str, plan: Plan = Plan.PRO, tenant_id: UUID | None = None
) -> Tenant:
    """Create a tenant, or return the one of that name (its plan is then left alone)."""
    raise NotImplementedError


async def find(db: Database, *, name: str) -> Tenant:
    """Return a tenant by name.

    Raises:
        NotFoundError: ``tenant_unknown``.
    """
    raise NotImplementedError


async def set_plan(db: Database, tenant_id: UUID, plan: Plan) -> None:
    """Change a tenant's plan.

    Raises:
        NotFoundError: ``tenant_unknown``.
    """
    raise NotImplementedError


async def create_principal(
    db: Database,
    tenant_id: UUID,
    *,
    name: str,
    role: Role,
    permissions: frozenset[Permission] = frozenset(),
    principal_id: UUID | None = None,
) -> Caller:
    """Create a principal, or bring the one of that name to this role and these permissions.

    Raises:
        NotFoundError: ``tenant_unknown``.
    """
    raise NotImplementedError


async def authenticate(db: Database, tenant_id: UUID, principal_id: UUID) -> Caller:
    """Look up whom a verified bearer token names; one round trip.

    Raises:
        NotFoundError: ``principal_unknown``: no such principal in that tenant, or deactivated.
    """
    raise NotImplementedError


async def record_costs(db: Database, tenant_id: UUID, costs: dict[date, Decimal]) -> None:
    """Set what whole UTC days cost the tenant; read by the computed context."""
    raise NotImplementedError
