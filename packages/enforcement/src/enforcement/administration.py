"""What an operator does to tenants and their principals, each change an event of the ledger."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec

from enforcement.domain.enums import Permission, Plan, Role
from enforcement.domain.errors import EnforcementError, InvalidError, NotFoundError
from enforcement.domain.identity import OPERATOR, Caller
from enforcement.exits import CommandError, Exit
from enforcement.reach import demand_reachable, unreachable
from enforcement.store import limits, tenants
from enforcement.store.database import Database
from enforcement.store.limits import Limits
from enforcement.store.settings import StoreSettings
from enforcement.store.tenants import Person, Tenant

T = TypeVar("T")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as an operator sees it."""

    tenant_id: UUID
    name: str
    plan: Plan
    limits: Limits


def create_tenant(dsn: str, name: str, plan: str) -> Tenant:
    """Create a tenant; one of that name and plan may be there already.

    Raises:
        CommandError: The database refuses, the name is none, or its tenant has another plan.
    """

    async def work(db: Database) -> Tenant:
        made = await tenants.create(db, name=name, plan=Plan(plan))
        if made.plan is not Plan(plan):
            raise InvalidError(
                "tenant_exists",
                f"the tenant {name} exists, with the plan {made.plan.value}",
                hint="Change its plan with `enforcement tenant plan`.",
            )
        return made

    return _with(dsn, work)


def list_tenants(dsn: str) -> list[Tenant]:
    """Return all tenants by name.

    Args:
        dsn: Of a role that may read all tenants (the migrating role), not the application's.

    Raises:
        CommandError: The database refuses, or hides tenants from this role.
    """
    demand_reachable(dsn)
    with _refusals():
        return tenants.listing(dsn)


def set_plan(dsn: str, name: str, plan: str) -> Tenant:
    """Change a tenant's plan.

    Raises:
        CommandError: The database refuses, or has no such tenant.
    """

    async def work(db: Database) -> Tenant:
        found = await tenants.find(db, name=name)
        if found.plan is not Plan(plan):
            await tenants.set_plan(db, found.tenant_id, Plan(plan))
        return msgspec.structs.replace(found, plan=Plan(plan))

    return _with(dsn, work)


def set_limits(
    dsn: str, name: str, *, per_minute: int | None, global_per_minute: int | None
) -> Shown:
    """Set what is given, and return a tenant with the limits that hold.

    Raises:
        CommandError: The database refuses, has no such tenant, or a limit is out of range.
    """

    async def work(db: Database) -> Shown:
        found = await tenants.find(db, name=name)
        if per_minute is not None:
            operator = Caller(
                tenant_id=found.tenant_id, principal_id=OPERATOR, role=Role.OWNER, plan=found.plan
            )
            await limits.set_tenant(db, operator, per_minute)
        if global_per_minute is not None:
            await limits.set_global(db, global_per_minute)
        return Shown(
            tenant_id=found.tenant_id,
            name=found.name,
            plan=found.plan,
            limits=await limits.read(db, found.tenant_id),
        )

    return _with(dsn, work)


def add_principal(
    dsn: str, tenant: str, name: str, role: str, permissions: Sequence[str]
) -> Person:
    """Add a principal; one of that name must not be there, unless deactivated.

    Raises:
        CommandError: The database refuses, has no such tenant, or has that principal.
    """

    async def work(db: Database) -> Person:
        found = await tenants.find(db, name=tenant)
        for person in await tenants.people(db, found.tenant_id):
            if person.name == name and person.active:
                raise InvalidError(
                    "principal_exists",
                    f"the tenant {tenant} has a principal {name}, who is {person.role.value}",
                    hint="Deactivate it first, or change it with"
                    " `enforcement principal permissions`.",
                )
        await tenants.create_principal(
            db,
            found.tenant_id,
            name=name,
            role=Role(role),
            permissions=frozenset(Permission(permission) for permission in permissions),
        )
        return await tenants.person(db, found.tenant_id, name)

    return _with(dsn, work)


def list_principals(dsn: str, tenant: str) -> list[Person]:
    """Return a tenant's principals by name.

    Raises:
        CommandError: The database refuses, or has no such tenant.
    """

    async def work(db: Database) -> list[Person]:
        found = await tenants.find(db, name=tenant)
        return await tenants.people(db, found.tenant_id)

    return _with(dsn, work)


def deactivate_principal(dsn: str, tenant: str, name: str) -> Person:
    """Stop a principal from being let in; what it did stays in the ledger.

    Raises:
        CommandError: The database refuses, or has no such tenant or principal.
    """

    async def work(db: Database) -> Person:
        found = await tenants.find(db, name=tenant)
        person = await tenants.person(db, found.tenant_id, name)
        if person.active:
            await tenants.deactivate_principal(db, found.tenant_id, person.principal_id)
        return msgspec.structs.replace(person, active=False)

    return _with(dsn, work)


def set_permissions(dsn: str, tenant: str, name: str, permissions: Sequence[str]) -> Person:
    """Replace what a principal may do beside what its role brings.

    Raises:
        CommandError: The database refuses, or has no such tenant or active principal.
    """

    async def work(db: Database) -> Person:
        found = await tenants.find(db, name=tenant)
        person = await tenants.person(db, found.tenant_id, name)
        if not person.active:
            raise InvalidError(
                "principal_inactive",
                f"the principal {name} is deactivated",
                hint="Add it again with `enforcement principal add`.",
            )
        await tenants.create_principal(
            db,
            found.tenant_id,
            name=name,
            role=person.role,
            permissions=frozenset(Permission(permission) for permission in permissions),
        )
        return await tenants.person(db, found.tenant_id, name)

    return _with(dsn, work)


def _with(dsn: str, work: Callable[[Database], Awaitable[T]]) -> T:
    demand_reachable(dsn)

    async def whole() -> T:
        async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=5.0)) as db:
            return await work(db)

    with _refusals():
        return asyncio.run(whole())


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (InvalidError, NotFoundError) as error:
        raise CommandError(Exit.USAGE, error.detail, hint=error.hint) from error
    except EnforcementError as error:
        raise unreachable(error) from error
