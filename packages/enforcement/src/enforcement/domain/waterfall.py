"""The funding waterfall: which money pays for a change, stage by stage, each stage recorded.

Plan ceiling, then project budget, reserved credits, emergency credits, then enterprise ceiling.
The first ceiling that fails ends the fall; later stages are recorded as skipped.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from enforcement.domain import reasons
from enforcement.domain.credits import Draw, Grant, draw, eligible, total
from enforcement.domain.enums import CreditPool, StageStatus
from enforcement.domain.money import ZERO


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A monthly limit for a scope, with what is already committed against it.

    Attributes:
        scope_key: A project, or ``default`` for all projects without a budget of their own.
        monthly_limit_usd: Not negative.
        committed_usd: Active reservations of the scope whatever their month, plus what was
            settled in the current month.
        active: An inactive budget is as good as none.
    """

    scope_key: str
    monthly_limit_usd: Decimal
    committed_usd: Decimal = ZERO
    active: bool = True

    @property
    def headroom_usd(self) -> Decimal:
        """Return what is left, never below zero."""
        return max(ZERO, self.monthly_limit_usd - self.committed_usd)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one stage.

    Attributes:
        available_usd: What the stage could have given; null where nothing bounds it.
        consumed_usd: What it gave.
        remaining_usd: What was still unfunded after it.
    """

    name: str
    status: StageStatus
    available_usd: Decimal | None
    consumed_usd: Decimal
    remaining_usd: Decimal
    reason: str | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant's money stands at the moment its lock is held.

    Attributes:
        committed_usd: Of the whole tenant, as in :class:`Budget`.
        budget: Of the project, else of ``default``, else None.
        grants: Every grant with something left.
    """

    committed_usd: Decimal
    budget: Budget | None
    grants: tuple[Grant, ...] = ()


class Funding(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays: the allocation from the budget, the draws, and what went wrong.

    Attributes:
        violation: Reason code of the first failure, or None when everything is funded.
    """

    stages: tuple[Stage, ...]
    allocation_usd: Decimal
    draws: tuple[Draw, ...]
    violation: str | None
    reason_codes: tuple[str, ...]

    @property
    def credits_usd(self) -> Decimal:
        """Return the sum of all draws."""
        return total(self.draws)

    @property
    def reserved_usd(self) -> Decimal:
        """Return what would be reserved: allocation and credits."""
        return self.allocation_usd + self.credits_usd


NAMES = (
    "plan_ceiling",
    "project_allocation",
    "reserved_credits",
    "emergency_credits",
    "enterprise_ceiling",
)


def fund(
    delta: Decimal,
    standing: Standing,
    *,
    project_id: str,
    plan_ceiling: Decimal | None,
    enterprise_ceiling: Decimal | None,
    now: datetime,
) -> Funding:
    """Let a monthly delta fall through the stages.

    Args:
        delta: Monthly US dollars, not negative.
        standing: Read under the tenant's lock.
        project_id: Picks the reserved credits that may pay.
        plan_ceiling: Bound on the tenant's committed total, or None.
        enterprise_ceiling: A second such bound, judged last, or None.
        now: Decides which grants have expired.
    """
    plan = _ceiling(NAMES[0], delta, delta, standing.committed_usd, plan_ceiling)
    if plan.status is StageStatus.FAILED:
        skipped = (_skipped(name, delta) for name in NAMES[1:])
        return _stopped((plan, *skipped), ZERO, (), reasons.PLAN_LIMIT_EXCEEDED, ())
    allocation, codes = _allocate(delta, standing.budget)
    left = allocation.remaining_usd
    reserved_stage, reserved = _draw(CreditPool.RESERVED, left, standing, project_id, now)
    left = reserved_stage.remaining_usd
    emergency_stage, emergency = _draw(CreditPool.EMERGENCY, left, standing, project_id, now)
    left = emergency_stage.remaining_usd
    enterprise = _ceiling(NAMES[4], delta, left, standing.committed_usd, enterprise_ceiling)
    stages = (plan, allocation, reserved_stage, emergency_stage, enterprise)
    draws = (*reserved, *emergency)
    if reserved:
        codes = (*codes, reasons.RESERVED_CREDITS_USED)
    if emergency:
        codes = (*codes, reasons.EMERGENCY_CREDITS_USED)
    paid = allocation.consumed_usd
    if enterprise.status is StageStatus.FAILED:
        return _stopped(stages, paid, draws, reasons.ENTERPRISE_CEILING_EXCEEDED, codes)
    if left > 0:
        return _stopped(stages, paid, draws, reasons.BUDGET_EXCEEDED, codes)
    return Funding(
        stages=stages, allocation_usd=paid, draws=draws, violation=None, reason_codes=codes
    )


def _stopped(
    stages: tuple[Stage, ...],
    paid: Decimal,
    draws: tuple[Draw, ...],
    violation: str,
    codes: tuple[str, ...],
) -> Funding:
    return Funding(
        stages=stages,
        allocation_usd=paid,
        draws=draws,
        violation=violation,
        reason_codes=(*codes, violation),
    )


def _skipped(name: str, left: Decimal) -> Stage:
    return Stage(
        name=name,
        status=StageStatus.SKIPPED,
        available_usd=None,
        consumed_usd=ZERO,
        remaining_usd=left,
    )


def _ceiling(
    name: str, delta: Decimal, left: Decimal, committed: Decimal, ceiling: Decimal | None
) -> Stage:
    if ceiling is None:
        return _skipped(name, left)
    available = max(ZERO, ceiling - committed)
    passed = delta <= available
    return Stage(
        name=name,
        status=StageStatus.PASSED if passed else StageStatus.FAILED,
        available_usd=available,
        consumed_usd=ZERO,
        remaining_usd=left,
    )


def _allocate(delta: Decimal, budget: Budget | None) -> tuple[Stage, tuple[str, ...]]:
    available = None if budget is None else budget.headroom_usd
    consumed = delta if available is None else min(delta, available)
    left = delta - consumed
    reason = reasons.NO_BUDGET_CONFIGURED if budget is None else None
    stage = Stage(
        name=NAMES[1],
        status=_filled(consumed, left),
        available_usd=available,
        consumed_usd=consumed,
        remaining_usd=left,
        reason=reason,
    )
    return stage, () if reason is None else (reason,)


def _draw(
    pool: CreditPool, wanted: Decimal, standing: Standing, project_id: str, now: datetime
) -> tuple[Stage, tuple[Draw, ...]]:
    name = NAMES[2] if pool is CreditPool.RESERVED else NAMES[3]
    ordered = eligible(standing.grants, pool=pool, scope_key=project_id, now=now)
    available = sum((grant.remaining_usd for grant in ordered), start=ZERO)
    draws = draw(ordered, wanted)
    consumed = total(draws)
    left = wanted - consumed
    stage = Stage(
        name=name,
        status=StageStatus.SKIPPED if wanted == 0 else _filled(consumed, left),
        available_usd=available,
        consumed_usd=consumed,
        remaining_usd=left,
    )
    return stage, draws


def _filled(consumed: Decimal, left: Decimal) -> StageStatus:
    if left == 0:
        return StageStatus.PASSED
    return StageStatus.PARTIAL if consumed > 0 else StageStatus.FAILED
