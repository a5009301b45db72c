"""Flags that change a profile of the file: what they do not say stays as it is written."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from stressproof.config.executor_facts import changed, executor_from
from stressproof.config.plan_tables import ProfileTable
from stressproof.config.plans import amounts_of
from stressproof.errors import UsageError

pytestmark = pytest.mark.gate

S = 1_000_000
OPEN = ProfileTable(rate="20/s", duration="10s", ramp="2s", max_vus=60)
CLOSED = ProfileTable(users=5, duration="10s")
OPEN_FACTS = {"rate": 20, "duration_us": 10 * S, "ramp_us": 2 * S, "max_users": 60}
STAGES = [(Fraction(5), 3 * S), (Fraction(0), 2 * S)]


def told(table: ProfileTable, said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what is asked, by kind and facts."""
    found = executor_from(changed(amounts_of(table), said), str, ramp_us=0)
    return str(found.__struct_config__.tag), msgspec.structs.asdict(found)


@pytest.mark.parametrize(
    ("table", "said", "kind", "facts"),
    [
        (OPEN, {"duration_us": 3 * S}, "constant-arrival-rate", {"duration_us": 3 * S}),
        (OPEN, {"ramp_us": 0}, "constant-arrival-rate", {"ramp_us": 0}),
        (OPEN, {"max_vus": 7}, "constant-arrival-rate", {"max_users": 7}),
        (OPEN, {"rate": Fraction(3)}, "constant-arrival-rate", {"rate": 3}),
    ],
)
def test_only_what_is_said_changes(
    table: ProfileTable, said: dict[str, Any], kind: str, facts: dict[str, Any]
) -> None:
    """A shorter run of twenty a second is one of twenty a second."""
    found, has = told(table, said)
    assert found == kind
    assert {name: has[name] for name in OPEN_FACTS} == OPEN_FACTS | facts


@pytest.mark.parametrize(
    ("table", "said", "kind", "facts"),
    [
        (OPEN, {"users": 3}, "constant-vus", {"users": 3, "duration_us": 10 * S, "ramp_us": 2 * S}),
        (OPEN, {"stages": STAGES}, "ramping-vus", {"users": 10, "ramp_us": 2 * S}),
        (OPEN, {"iterations": 9}, "shared-iterations", {"iterations": 9, "duration_us": 10 * S}),
        (CLOSED, {"rate": Fraction(3)}, "constant-arrival-rate", {"rate": 3, "max_users": 10}),
        (CLOSED, {"duration_us": 4 * S}, "constant-vus", {"users": 5, "duration_us": 4 * S}),
    ],
)
def test_another_quantity_stands_instead_of_the_written_one(
    table: ProfileTable, said: dict[str, Any], kind: str, facts: dict[str, Any]
) -> None:
    """What the new executor does not know is dropped with it."""
    found, has = told(table, said)
    assert found == kind
    assert {name: has[name] for name in facts} == facts


def test_nothing_is_no_quantity() -> None:
    """Zero is said like any other, and refused like any other."""
    with pytest.raises(UsageError, match="sends nothing"):
        told(OPEN, {"rate": Fraction(0)})
