"""Deciding together is deciding one after the other: the books carry everything over."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcement.domain.balances import Balances
from enforcement.domain.credits import Grant
from enforcement.domain.decision import Situation, decide
from enforcement.domain.enums import CreditPool, Mode, Outcome, Source
from enforcement.domain.policy import ModeMatrix, PolicyDocument, SourceModes, materialise
from enforcement.domain.request import gate_request

pytestmark = pytest.mark.gate

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)
HARD = materialise(
    PolicyDocument(mode_matrix=ModeMatrix(terraform=SourceModes(default=Mode.HARD))), 1
)
PROJECTS = ("api", "jobs", "web")
amounts = st.integers(0, 60)


@given(
    st.dictionaries(st.sampled_from(("default", "api", "web")), st.integers(0, 150)),
    st.lists(amounts, max_size=3),
    st.lists(st.tuples(st.sampled_from(PROJECTS), amounts), max_size=25),
)
def test_a_batch_spends_no_more_than_there_is(
    limits: dict[str, int], credit: list[int], asks: list[tuple[str, int]]
) -> None:
    """Each scope within its limit, each grant within its remainder, the total adds up."""
    books = Balances(
        committed_usd=Decimal(0),
        by_scope={},
        budgets={scope: Decimal(limit) for scope, limit in limits.items()},
        grants=tuple(
            Grant(
                grant_id=UUID(int=number),
                pool=CreditPool.EMERGENCY,
                scope_key="default",
                total_usd=Decimal(amount),
                remaining_usd=Decimal(amount),
                created_at=NOW,
            )
            for number, amount in enumerate(credit)
        ),
    )
    # The model: what is left of each scope, and of all credit, in whole dollars.
    left = dict(limits)
    credit_left = sum(credit)
    reserved = 0
    for project, amount in asks:
        request = gate_request(
            source=Source.TERRAFORM,
            project_id=project,
            action="create",
            resource_reference="r",
            estimated_monthly_delta_usd=str(amount),
        )
        situation = Situation(policy=HARD, standing=books.standing(project), costs=(), now=NOW)
        judged = decide(request, situation)
        scope = project if project in limits else "default"
        bounded = scope in left
        room = left[scope] if bounded else amount
        fundable = amount <= room + credit_left
        assert (judged.outcome is not Outcome.DENY) is fundable
        if fundable:
            paid = min(amount, room)
            if bounded:
                left[scope] -= paid
            credit_left -= amount - paid
            reserved += amount
        books = books.after(project, judged)
        assert books.committed_usd == reserved
        assert sum(grant.remaining_usd for grant in books.grants) == credit_left
    for scope, limit in limits.items():
        assert books.by_scope.get(scope, Decimal(0)) <= limit
