"""Bearer tokens for people and tests: a principal is found or made, and a token signed for it."""

import asyncio

from enforcement.bearer import issue_now
from enforcement.domain.enums import Role
from enforcement.domain.errors import EnforcementError
from enforcement.domain.identity import Caller
from enforcement.reach import demand_reachable, unreachable
from enforcement.settings import Settings
from enforcement.store import tenants
from enforcement.store.database import Database
from enforcement.store.settings import StoreSettings


def make_token(
    settings: Settings, *, tenant: str, role: str, principal: str, lifetime_s: int
) -> str:
    """Return a token for a principal of an existing tenant.

    Raises:
        CommandError: The database cannot be reached, or has no such tenant.
    """
    demand_reachable(settings.dsn)
    try:
        caller = asyncio.run(_find_or_make(settings.dsn, tenant, principal, Role(role)))
    except EnforcementError as error:
        raise unreachable(error) from error
    return issue_now(caller, settings, lifetime_s)


async def _find_or_make(dsn: str, tenant: str, principal: str, role: Role) -> Caller:
    async with Database(StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=5.0)) as db:
        found = await tenants.find(db, name=tenant)
        return await tenants.create_principal(db, found.tenant_id, name=principal, role=role)
