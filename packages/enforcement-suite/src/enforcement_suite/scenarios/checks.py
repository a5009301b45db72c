"""Checks of several scenarios: of effects, after any fault, and of any race."""

from collections.abc import Mapping
from typing import Final

from stressproof.evidence.failure import Parameter
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import MS
from stressproof.failures.spec import CheckSpec

EFFECT_CHECKS: Final = (
    check_spec("every_key_read", baseline=True),
    check_spec("acknowledged_durable", baseline=True),
    check_spec("no_double_effect", baseline=True),
)
GATE_ANSWER_US: Final = 3_500 * MS
"""A gate's own bound is 2.25 s; what is above it is for a busy machine."""


def after(fault: str) -> tuple[CheckSpec, ...]:
    """Return what must hold after any fault."""
    return (check_spec("recovered", fault), check_spec("healthy_after_recovery", fault))


def numbered(kind: str, races: int) -> tuple[str, ...]:
    """Return a kind for each race, so that a check can demand each."""
    return tuple(f"{kind}_{number}" for number in range(1, races + 1))


def won_once(kinds: tuple[str, ...], parameters: Mapping[str, Parameter]) -> tuple[CheckSpec, ...]:
    """Return a check a race: one that is missing is inconclusive, not covered by the others."""
    return tuple(check_spec("one_wins", "", {"of": (kind,), **parameters}) for kind in kinds)
