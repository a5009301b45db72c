"""Ways for tests to reach the control plane's store: a migrated database, people, requests."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
import uvloop

from disposable_postgres import PostgresServer
from enforcement.domain.enums import Permission, Plan, Role, Source
from enforcement.domain.identity import Caller
from enforcement.domain.request import GateRequest, gate_request
from enforcement.store import tenants
from enforcement.store.database import Database
from enforcement.store.migrate import app_dsn, migrate
from enforcement.store.settings import Safety, StoreSettings

T = TypeVar("T")
PASSWORD = "p" * 40
"""Of the application's role: it belongs to a server, so all tests on one share it."""


@dataclass(frozen=True)
class Cluster:
    """A migrated database, seen by its two roles."""

    owner_dsn: str
    app_dsn: str

    def settings(self, **changes: Any) -> StoreSettings:
        """Settings for the application's role; patient, since the machine may be busy."""
        given: dict[str, Any] = {
            "dsn": self.app_dsn,
            "pool_size": 8,
            "pool_timeout_s": 30.0,
            "lock_timeout_s": 30.0,
            "statement_timeout_s": 60.0,
            "operation_timeout_s": 60.0,
            "max_waiting": 500,
        }
        return StoreSettings(**(given | changes))

    @asynccontextmanager
    async def database(
        self, *, safety: Safety | None = None, **changes: Any
    ) -> AsyncIterator[Database]:
        """An open pool."""
        async with Database(self.settings(**changes), safety) as db:
            yield db

    def run(
        self,
        work: Callable[[Database], Awaitable[T]],
        *,
        safety: Safety | None = None,
        **changes: Any,
    ) -> T:
        """Run a coroutine over an open pool to its end, on the loop that the service runs on."""

        async def whole() -> T:
            async with self.database(safety=safety, **changes) as db:
                return await work(db)

        return uvloop.run(whole())

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Look behind the store's back, as the cluster's superuser."""
        with psycopg.connect(self.owner_dsn, autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return [] if cursor.description is None else cursor.fetchall()

    async def until(self, condition: str, *parameters: Any) -> None:
        """Wait until a query answers true; the test's own timeout is the ceiling."""
        while not self.sql(condition, *parameters)[0][0]:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Staff:
    """A tenant's people."""

    owner: Caller
    admin: Caller
    member: Caller
    reviewer: Caller

    @property
    def tenant_id(self) -> uuid.UUID:
        """Of all of them."""
        return self.owner.tenant_id


def make_cluster(server: PostgresServer, name: str) -> Cluster:
    """Create and migrate a database."""
    owner = server.create_database(name)
    migrate(owner, app_password=PASSWORD)
    return Cluster(owner_dsn=owner, app_dsn=app_dsn(owner, PASSWORD))


async def make_staff(db: Database, plan: Plan = Plan.PRO) -> Staff:
    """Create a tenant with an owner, an admin, a member, and a member who may review."""
    tenant = await tenants.create(db, name=f"t-{uuid.uuid4().hex}", plan=plan)

    async def person(name: str, role: Role, *permissions: Permission) -> Caller:
        return await tenants.create_principal(
            db, tenant.tenant_id, name=name, role=role, permissions=frozenset(permissions)
        )

    return Staff(
        owner=await person("owner", Role.OWNER),
        admin=await person("admin", Role.ADMIN),
        member=await person("member", Role.MEMBER),
        reviewer=await person("reviewer", Role.ADMIN, Permission.APPROVE_PROD),
    )


def ask(monthly: str = "10", **changes: Any) -> GateRequest:
    """Return a gate request with a key of its own."""
    given: dict[str, Any] = {
        "source": Source.TERRAFORM,
        "project_id": "web",
        "action": "create",
        "resource_reference": "module.app",
        "estimated_monthly_delta_usd": monthly,
        "idempotency_key": uuid.uuid4().hex,
    }
    return gate_request(**(given | changes))
