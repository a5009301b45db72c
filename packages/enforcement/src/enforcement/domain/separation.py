"""Whether a policy weakens the separation of duties, which is not every administrator's to do.

A policy is a function from a change to who may review it. It is constant between the values that
its rules name, so comparing two policies at each of those values compares them everywhere.
"""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from enforcement.domain.enums import RiskClass
from enforcement.domain.environment import NONPROD, PROD
from enforcement.domain.money import CENT_OF_CENT, ZERO
from enforcement.domain.policy import Policy, RoutingRule
from enforcement.domain.routing import route

MAX_PLACES: Final = 20_000
# No environment and no action may hold a control character: matched by rules for all alone.
_ANY_OTHER: Final = "\x00"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change as routing rules see it."""

    environment: str
    action: str
    monthly_delta_usd: Decimal
    risk_class: RiskClass

    def plain(self) -> dict[str, object]:
        """Return it as plain values; null stands for any name that no rule has."""
        return {
            name: None if value == _ANY_OTHER else value
            for name, value in msgspec.structs.asdict(self).items()
        }


def weakened_separation(before: Policy, after: Policy) -> Change | None:
    """Return a change whose requester could review it after, and could not before.

    Policies whose rules are so manifold that comparing them would take long count as weaker
    where they differ at all.

    Args:
        before: The policy that holds.
        after: The one to follow it.
    """
    old, new = before.document.approval, after.document.approval
    same_flags = (old.separation_prod, old.separation_nonprod) == (
        new.separation_prod,
        new.separation_nonprod,
    )
    if same_flags and old.routing_rules == new.routing_rules:
        return None
    places = _Places((*old.routing_rules, *new.routing_rules))
    if places.count > MAX_PLACES:
        return next(iter(places), None)
    for change in places:
        if _separates(before, change) and not _separates(after, change):
            return change
    return None


def _separates(policy: Policy, change: Change) -> bool:
    return route(policy, **msgspec.structs.asdict(change)).require_separation


class _Places:
    """A change on each side of every border that rules draw."""

    def __init__(self, rules: tuple[RoutingRule, ...]) -> None:
        bounds = {
            Decimal(bound)
            for rule in rules
            for bound in (rule.min_monthly_delta_usd, rule.max_monthly_delta_usd)
            if bound is not None
        }
        self._environments = dict.fromkeys(
            (PROD, NONPROD, _ANY_OTHER, *(name for rule in rules for name in rule.environments))
        )
        self._actions = dict.fromkeys(
            (_ANY_OTHER, *(prefix for rule in rules for prefix in rule.action_prefixes))
        )
        self._deltas = sorted(
            {
                ZERO,
                *bounds,
                *(bound + CENT_OF_CENT for bound in bounds),
                *(max(ZERO, bound - CENT_OF_CENT) for bound in bounds),
            }
        )
        self.count = (
            len(self._environments) * len(self._actions) * len(self._deltas) * len(RiskClass)
        )

    def __iter__(self) -> Iterator[Change]:
        for environment, action, delta, risk in itertools.product(
            self._environments, self._actions, self._deltas, RiskClass
        ):
            yield Change(
                environment=environment,
                action=action,
                monthly_delta_usd=delta,
                risk_class=risk,
            )
