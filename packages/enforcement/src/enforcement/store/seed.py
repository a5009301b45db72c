"""Tenants with a past: decisions as a gate makes them, some hundred in a transaction."""

import asyncio
import functools
import multiprocessing
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from enforcement.domain.enums import CreditPool, Mode, Plan, Role, Source
from enforcement.domain.identity import Caller
from enforcement.domain.policy import Entitlements, ModeMatrix, PolicyDocument, SourceModes
from enforcement.domain.request import GateRequest, gate_request
from enforcement.store import budgets, gates, limits, policies, tenants
from enforcement.store import credits as grants
from enforcement.store.database import Database
from enforcement.store.settings import StoreSettings

# In one transaction; a request for more is answered hardly faster.
_BATCH: Final = 500
_BATCH_TIMEOUT_S: Final = 60.0
_PROJECTS: Final = tuple(f"service-{number:02d}" for number in range(20))
_KINDS: Final = (
    ("create", "module.app.aws_instance.web"),
    ("update", "module.db.aws_rds_cluster.main"),
    ("create", "module.net.aws_nat_gateway.egress"),
    ("delete", "module.app.aws_lb.old"),
)


class Seeded(msgspec.Struct, frozen=True, kw_only=True):
    """A seeded tenant and a principal of each kind that tokens are made for."""

    tenant_id: UUID
    owner: Caller
    admin: Caller
    member: Caller
    decisions: int


def seed(
    dsn: str,
    *,
    name: str = "stress",
    decisions: int = 5000,
    tenant_per_minute: int | None = None,
    global_per_minute: int | None = None,
) -> Seeded:
    """Create or complete a tenant until it has that many decisions; idempotent, synchronous.

    Args:
        dsn: Of the application role.
        name: Of the tenant.
        decisions: How many it shall have at least.
        tenant_per_minute: Limit to set, or None to leave it.
        global_per_minute: Limit to set, or None to leave it.

    Raises:
        EnforcementError: The database cannot be reached, or has no schema of ours.
    """

    async def whole() -> Seeded:
        settings = StoreSettings(dsn=dsn, pool_size=1, pool_timeout_s=10.0)
        async with Database(settings) as db:
            return await seed_into(
                db,
                name=name,
                decisions=decisions,
                tenant_per_minute=tenant_per_minute,
                global_per_minute=global_per_minute,
            )

    return asyncio.run(whole())


def seed_all(
    dsn: str,
    names: Sequence[str],
    *,
    decisions: int,
    tenant_per_minute: int | None = None,
    global_per_minute: int | None = None,
    jobs: int = 1,
) -> Iterator[Seeded]:
    """Do what :func:`seed` does for many tenants, several at a time; yield each as it is done.

    Args:
        dsn: Of the application role.
        names: Of the tenants.
        decisions: How many each shall have at least.
        tenant_per_minute: Limit of each to set, or None to leave it.
        global_per_minute: Limit to set, or None to leave it.
        jobs: Processes that decide; making decisions takes a processor here and one there.

    Raises:
        EnforcementError: The database cannot be reached, or has no schema of ours.
    """
    one = functools.partial(
        _seed_named,
        dsn,
        decisions=decisions,
        tenant_per_minute=tenant_per_minute,
        global_per_minute=global_per_minute,
    )
    if jobs == 1 or len(names) == 1:
        yield from map(one, names)
        return
    # Forked processes would share what this one has open.
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(names))) as pool:
        yield from pool.imap(one, names)


def _seed_named(dsn: str, name: str, **wanted: Any) -> Seeded:
    return seed(dsn, name=name, **wanted)


async def seed_into(
    db: Database,
    *,
    name: str = "stress",
    decisions: int = 5000,
    tenant_per_minute: int | None = None,
    global_per_minute: int | None = None,
) -> Seeded:
    """Do what :func:`seed` does, on a pool that is already open."""
    tenant = await tenants.create(db, name=name, plan=Plan.ENTERPRISE)
    owner, admin, member = [
        await tenants.create_principal(
            db,
            tenant.tenant_id,
            name=role.value,
            role=role,
            principal_id=uuid5(tenant.tenant_id, role.value),
        )
        for role in (Role.OWNER, Role.ADMIN, Role.MEMBER)
    ]
    await _furnish(db, owner)
    await _set_limits(db, owner, tenant_per_minute, global_per_minute)
    count = 0
    while count < decisions:
        count = await _batch(db, member, decisions)
    return Seeded(
        tenant_id=tenant.tenant_id, owner=owner, admin=admin, member=member, decisions=count
    )


async def _set_limits(
    db: Database, owner: Caller, tenant_per_minute: int | None, global_per_minute: int | None
) -> None:
    current = await limits.read(db, owner.tenant_id)
    if tenant_per_minute is not None and current.tenant_per_minute != tenant_per_minute:
        for bucket in limits.DEFAULTS:
            await limits.set_tenant(db, owner, tenant_per_minute, bucket=bucket)
    if global_per_minute is not None and current.global_per_minute != global_per_minute:
        for bucket in limits.DEFAULTS:
            await limits.set_global(db, global_per_minute, bucket=bucket)


async def _furnish(db: Database, owner: Caller) -> None:
    """Give a new tenant a policy, budgets and credits; leave an old one's alone."""
    if (await policies.current(db, owner.tenant_id)).version == 0:
        hard = SourceModes(default=Mode.HARD, nonprod=Mode.SOFT)
        document = PolicyDocument(
            mode_matrix=ModeMatrix(terraform=hard, k8s_admission=hard),
            entitlements=Entitlements(auto_approve_below_monthly_usd="100.0000"),
        )
        await policies.put(db, owner, document)
    if not await budgets.listing(db, owner, limit=1):
        for scope, amount in [("default", "10000000"), *((p, "250000") for p in _PROJECTS[:10])]:
            await budgets.put(
                db, owner, scope_key=scope, monthly_limit_usd=Decimal(amount), active=True
            )
    if not await grants.listing(db, owner, limit=1):
        for pool in CreditPool:
            await grants.grant(
                db,
                owner,
                pool=pool,
                scope_key="default",
                total_usd=Decimal(50_000),
                expires_at=None,
                reason="seeded",
            )


async def _batch(db: Database, caller: Caller, wanted: int) -> int:
    """Make up to 100 more decisions in one transaction; return how many there are now.

    They are decided, chained and written as any others that wait for the tenant together.
    """
    deadline = db.deadline(_BATCH_TIMEOUT_S)

    async def once() -> int:
        async with db.lease(deadline) as lease:
            rows = await lease.message(
                "BEGIN; SELECT enforcement.enter_locked(%s, %s);"
                " SELECT count(*) FROM enforcement.decisions WHERE tenant_id = %s",
                (caller.tenant_id, db.lock_timeout_ms(deadline), caller.tenant_id),
            )
            first = int(rows[0][0])
            after = min(first + _BATCH, wanted)
            if after <= first:
                return first
            asks = [
                gates.Ask(caller=caller, request=_request(number)) for number in range(first, after)
            ]
            await gates.decide_on(db, lease, asks, lock_timeout_ms=1000, alone=False)
            await lease.commit()
            return after

    return await db.retrying(once, deadline)


def _request(number: int) -> GateRequest:
    """Return the n-th seeded request: varied, and the same on every machine."""
    chance = random.Random(number)  # noqa: S311  # reproducible variety, no secret
    action, resource = chance.choice(_KINDS)
    return gate_request(
        source=Source.TERRAFORM,
        project_id=chance.choice(_PROJECTS),
        environment=chance.choice(("prod", "nonprod", "nonprod", "sandbox")),
        action=action,
        resource_reference=f"{resource}[{number}]",
        estimated_monthly_delta_usd=f"{chance.randrange(1, 400_00) / 100:.2f}",
        estimated_hourly_delta_usd=f"{chance.randrange(1, 9_999) / 1000:.3f}",
        metadata={"criticality": chance.choice(("low", "medium", "high"))},
        idempotency_key=f"seed:{number}",
    )
