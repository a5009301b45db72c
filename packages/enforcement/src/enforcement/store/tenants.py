"""Tenants and their principals."""

from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import msgspec

from enforcement.domain.enums import Permission, Plan, Role
from enforcement.domain.errors import NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.money import monthly
from enforcement.domain.request import line
from enforcement.store.database import Database, Transaction

# Names map to ids by arithmetic: finding a tenant needs no query across tenants, which
# row-level security would not answer.
_NAMESPACE: Final = UUID("6f0d1f0e-6a53-5a0c-9d3c-6b1f5f2f9a51")


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A customer; its name is unique."""

    tenant_id: UUID
    name: str
    plan: Plan


def tenant_id_of(name: str) -> UUID:
    """Return the id of the tenant of that name, whether it exists or not."""
    return uuid5(_NAMESPACE, name)


async def create(db: Database, *, name: str, plan: Plan = Plan.PRO) -> Tenant:
    """Create a tenant, or return the one of that name (its plan is then left alone).

    Raises:
        InvalidError: ``invalid_length`` or ``invalid_text``: a name is one line of 1 to 64.
    """
    tenant_id = tenant_id_of(line(name, "name", 1, 64))
    await db.read(
        tenant_id,
        "INSERT INTO enforcement.tenants (tenant_id, name, plan) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (tenant_id, name, plan.value),
    )
    return await find(db, name=name)


async def find(db: Database, *, name: str) -> Tenant:
    """Return a tenant by name.

    Raises:
        NotFoundError: ``tenant_unknown``.
    """
    tenant_id = tenant_id_of(name)
    rows = await db.read(
        tenant_id,
        "SELECT tenant_id, name, plan FROM enforcement.tenants WHERE tenant_id = %s",
        (tenant_id,),
    )
    if not rows:
        raise NotFoundError("tenant_unknown", f"there is no tenant named {name[:64]!r}")
    return Tenant(tenant_id=rows[0][0], name=rows[0][1], plan=Plan(rows[0][2]))


async def set_plan(db: Database, tenant_id: UUID, plan: Plan) -> None:
    """Change a tenant's plan.

    Raises:
        NotFoundError: ``tenant_unknown``.
    """
    rows = await db.read(
        tenant_id,
        "UPDATE enforcement.tenants SET plan = %s WHERE tenant_id = %s RETURNING tenant_id",
        (plan.value, tenant_id),
    )
    if not rows:
        raise NotFoundError("tenant_unknown", "there is no such tenant")


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
    given = principal_id or uuid4()
    names = sorted(permission.value for permission in permissions)

    async def work(tx: Transaction) -> Caller:
        row = await tx.one(
            "INSERT INTO enforcement.principals"
            " (tenant_id, principal_id, name, role, permissions)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant_id, name) DO UPDATE SET"
            " role = EXCLUDED.role, permissions = EXCLUDED.permissions, active = true"
            " RETURNING principal_id, role, permissions,"
            " (SELECT plan FROM enforcement.tenants t WHERE t.tenant_id = %s)",
            (tenant_id, given, line(name, "name", 1, 128), role.value, names, tenant_id),
        )
        if row is None:
            raise NotFoundError("tenant_unknown", "there is no such tenant")
        return _caller(tenant_id, row)

    return await db.run(tenant_id, work)


async def authenticate(db: Database, tenant_id: UUID, principal_id: UUID) -> Caller:
    """Look up whom a verified bearer token names; one round trip.

    Raises:
        NotFoundError: ``principal_unknown``: no such principal in that tenant, or deactivated.
    """
    rows = await db.read(
        tenant_id,
        "SELECT p.principal_id, p.role, p.permissions, t.plan FROM enforcement.principals p"
        " JOIN enforcement.tenants t USING (tenant_id)"
        " WHERE p.tenant_id = %s AND p.principal_id = %s AND p.active",
        (tenant_id, principal_id),
    )
    if not rows:
        raise NotFoundError("principal_unknown", "there is no such principal in this tenant")
    return _caller(tenant_id, rows[0])


def _caller(tenant_id: UUID, row: tuple[Any, ...]) -> Caller:
    principal_id, role, permissions, plan = row
    return Caller(
        tenant_id=tenant_id,
        principal_id=principal_id,
        role=Role(role),
        permissions=frozenset(Permission(name) for name in permissions),
        plan=Plan(plan),
    )


async def deactivate_principal(db: Database, tenant_id: UUID, principal_id: UUID) -> None:
    """Stop a principal from authenticating; what it did stays in the ledger.

    Raises:
        NotFoundError: ``principal_unknown``.
    """
    rows = await db.read(
        tenant_id,
        "UPDATE enforcement.principals SET active = false"
        " WHERE tenant_id = %s AND principal_id = %s RETURNING principal_id",
        (tenant_id, principal_id),
    )
    if not rows:
        raise NotFoundError("principal_unknown", "there is no such principal in this tenant")


async def record_costs(db: Database, tenant_id: UUID, costs: dict[date, Decimal]) -> None:
    """Set what whole UTC days cost the tenant; read by the computed context."""
    days = sorted(costs)
    await db.read(
        tenant_id,
        "INSERT INTO enforcement.cost_records (tenant_id, day, amount_usd)"
        " SELECT %s, d, a FROM unnest(%s::date[], %s::numeric[]) AS x (d, a)"
        " ON CONFLICT (tenant_id, day) DO UPDATE SET amount_usd = EXCLUDED.amount_usd",
        (tenant_id, days, [monthly(costs[day]) for day in days]),
    )
