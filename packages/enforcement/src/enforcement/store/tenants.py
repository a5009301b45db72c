"""Tenants and their principals."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import msgspec

from enforcement.domain.enums import Event, Permission, Plan, Role
from enforcement.domain.errors import NotFoundError
from enforcement.domain.identity import OPERATOR, Caller
from enforcement.domain.money import monthly, monthly_text
from enforcement.domain.request import line
from enforcement.store import wire
from enforcement.store.database import Database, Transaction
from enforcement.store.history import all_tenants

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
    deadline = db.deadline(None)

    async def once() -> None:
        async with db.lease(deadline) as lease:
            rows = await lease.message(
                "BEGIN; SELECT enforcement.found_tenant(%s, %s, %s)", (tenant_id, name, plan.value)
            )
            created_at = rows[0][0]
            if created_at is None:
                return
            payload = {"name": name, "plan": plan.value, "created_at": created_at}
            tx = Transaction(lease, tenant_id, created_at)
            await tx.record(Event.TENANT_CREATED, OPERATOR, payload)
            await lease.commit()

    await db.retrying(once, deadline)
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


def listing(dsn: str) -> list[Tenant]:
    """Return all tenants by name, synchronously.

    Args:
        dsn: Of a role that may read all tenants (the migrating role), not the application's.

    Raises:
        StoreError: The database cannot be read, or its role sees through row-level security.
    """
    return [
        Tenant(tenant_id=tenant_id, name=name, plan=Plan(plan))
        for tenant_id, name, plan in all_tenants(dsn)
    ]


async def set_plan(db: Database, tenant_id: UUID, plan: Plan) -> None:
    """Change a tenant's plan.

    Raises:
        NotFoundError: ``tenant_unknown``.
    """

    async def work(tx: Transaction) -> None:
        row = await tx.one(
            "SELECT name, created_at FROM enforcement.tenants WHERE tenant_id = %s", (tenant_id,)
        )
        if row is None:
            raise NotFoundError("tenant_unknown", "there is no such tenant")
        payload = {"name": row[0], "plan": plan.value, "created_at": row[1]}
        await tx.record(Event.PLAN_SET, OPERATOR, payload)

    await db.run(tenant_id, work)


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
    named = line(name, "name", 1, 128)

    async def work(tx: Transaction) -> Caller:
        row = await tx.one(
            f"SELECT {_PRINCIPAL} WHERE p.tenant_id = %s AND p.name = %s", (tenant_id, named)
        )
        before = None if row is None else _Principal(*row)
        after = _Principal(
            principal_id=(principal_id or uuid4()) if before is None else before.principal_id,
            name=named,
            role=role.value,
            permissions=sorted(permission.value for permission in permissions),
            active=True,
            created_at=tx.now if before is None else before.created_at,
        )
        if after != before:
            await tx.record(Event.PRINCIPAL_SET, OPERATOR, msgspec.structs.asdict(after))
        plan = await tx.one(
            "SELECT plan FROM enforcement.tenants WHERE tenant_id = %s", (tenant_id,)
        )
        if plan is None:
            raise NotFoundError("tenant_unknown", "there is no such tenant")
        return _caller(tenant_id, (after.principal_id, after.role, after.permissions, *plan))

    return await db.run(tenant_id, work)


class _Principal(msgspec.Struct, frozen=True):
    """A principal's row."""

    principal_id: UUID
    name: str
    role: str
    permissions: list[str]
    active: bool
    created_at: datetime


_PRINCIPAL: Final = (
    "p.principal_id, p.name, p.role, p.permissions, p.active, p.created_at"
    " FROM enforcement.principals p"
)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A principal as an operator sees it."""

    principal_id: UUID
    name: str
    role: Role
    permissions: frozenset[Permission]
    active: bool
    created_at: datetime


async def people(db: Database, tenant_id: UUID) -> list[Person]:
    """Return a tenant's principals by name, deactivated ones too."""
    rows = await db.read(
        tenant_id, f"SELECT {_PRINCIPAL} WHERE p.tenant_id = %s ORDER BY p.name", (tenant_id,)
    )
    return [
        msgspec.convert(dict(zip(_Principal.__struct_fields__, row, strict=True)), Person)
        for row in rows
    ]


async def person(db: Database, tenant_id: UUID, name: str) -> Person:
    """Return a tenant's principal by name.

    Raises:
        NotFoundError: ``principal_unknown``.
    """
    for each in await people(db, tenant_id):
        if each.name == name:
            return each
    raise NotFoundError("principal_unknown", f"the tenant has no principal named {name[:128]!r}")


_ACTIVE: Final = (
    "SELECT json_build_object('tenant_id', tenant_id, 'principal_id', p.principal_id,"
    " 'role', p.role, 'permissions', p.permissions, 'plan', t.plan)"
    " FROM enforcement.principals p JOIN enforcement.tenants t USING (tenant_id)"
    " WHERE tenant_id = $1 AND p.principal_id = $2 AND p.active"
)
_CALLER: Final = msgspec.json.Decoder(Caller)


async def authenticate(db: Database, tenant_id: UUID, principal_id: UUID) -> Caller:
    """Look up whom a verified bearer token names; one round trip.

    Raises:
        NotFoundError: ``principal_unknown``: no such principal in that tenant, or deactivated.
    """
    asked = wire.Statement(_ACTIVE, (tenant_id, principal_id))
    text = await db.text(wire.enter(tenant_id), asked)
    if not text:
        raise NotFoundError("principal_unknown", "there is no such principal in this tenant")
    return _CALLER.decode(text)


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

    async def work(tx: Transaction) -> None:
        row = await tx.one(
            f"SELECT {_PRINCIPAL} WHERE p.tenant_id = %s AND p.principal_id = %s",
            (tenant_id, principal_id),
        )
        if row is None:
            raise NotFoundError("principal_unknown", "there is no such principal in this tenant")
        after = msgspec.structs.replace(_Principal(*row), active=False)
        await tx.record(Event.PRINCIPAL_SET, OPERATOR, msgspec.structs.asdict(after))

    await db.run(tenant_id, work)


async def record_costs(db: Database, tenant_id: UUID, costs: dict[date, Decimal]) -> None:
    """Set what whole UTC days cost the tenant; read by the computed context."""
    payload = {
        "costs": {day.isoformat(): monthly_text(monthly(costs[day])) for day in sorted(costs)}
    }

    async def work(tx: Transaction) -> None:
        await tx.record(Event.COSTS_RECORDED, OPERATOR, payload)

    await db.run(tenant_id, work)
