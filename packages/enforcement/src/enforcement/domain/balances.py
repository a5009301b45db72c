"""A tenant's balances while its lock is held: what several decisions in a row leave for the next.

Requests that wait for one tenant are decided together, under one lock. Each sees what those
before it have committed, exactly as if every one had been a transaction of its own.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from enforcement.domain.credits import DEFAULT_SCOPE, Draw, Grant
from enforcement.domain.decision import Judgement
from enforcement.domain.money import ZERO
from enforcement.domain.waterfall import Budget, Standing


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant's money stands.

    Attributes:
        committed_usd: Of the whole tenant: active reservations, and what was settled this month.
        by_scope: Committed against each budget: a project's own, or ``default``.
        budgets: Monthly limits of the active budgets that the requests at hand may meet.
        grants: Every grant they may draw from.
    """

    committed_usd: Decimal
    by_scope: Mapping[str, Decimal]
    budgets: Mapping[str, Decimal]
    grants: tuple[Grant, ...]

    def scope(self, project_id: str) -> str:
        """Return which budget answers for a project: its own if it has one, else ``default``."""
        return project_id if project_id in self.budgets else DEFAULT_SCOPE

    def standing(self, project_id: str) -> Standing:
        """Return what a request of a project is decided on."""
        scope = self.scope(project_id)
        limit = self.budgets.get(scope)
        budget = None
        if limit is not None:
            budget = Budget(
                scope_key=scope,
                monthly_limit_usd=limit,
                committed_usd=self.by_scope.get(scope, ZERO),
            )
        return Standing(committed_usd=self.committed_usd, budget=budget, grants=self.grants)

    def after(self, project_id: str, judgement: Judgement) -> "Balances":
        """Return the balances once a judgement's reservation is entered."""
        if not judgement.reservation_active:
            return self
        scope = self.scope(project_id)
        drawn = {draw.grant_id: draw for draw in judgement.draws}
        credit = sum((draw.amount_usd for draw in judgement.draws), start=ZERO)
        return Balances(
            committed_usd=self.committed_usd + judgement.allocation_usd + credit,
            by_scope={
                **self.by_scope,
                scope: self.by_scope.get(scope, ZERO) + judgement.allocation_usd,
            },
            budgets=self.budgets,
            grants=tuple(_after(grant, drawn.get(grant.grant_id)) for grant in self.grants),
        )


def _after(grant: Grant, drawn: Draw | None) -> Grant:
    if drawn is None:
        return grant
    return msgspec.structs.replace(grant, remaining_usd=grant.remaining_usd - drawn.amount_usd)
