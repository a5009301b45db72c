"""What is remembered of a history while it is verified."""

import pytest

from enforcement.domain.standing import APPROVALS, HELD, Standing, State

PENDING: State = {"decision_id": "d", "state": "pending", "token_consumed_at": None}
HELD_NOW: State = {"decision_id": "d", "consumed_usd": "0.0000", "released_usd": "0.0000"}


@pytest.mark.gate
@pytest.mark.parametrize(("kind", "state"), [(APPROVALS, PENDING), (HELD, HELD_NOW)])
def test_what_was_found_of_a_decision_is_not_held(kind: str, state: State) -> None:
    """Only a row that did not come yet, or a checkpoint, needs it, however many approvals wait."""
    state = {**state, "decision_id": "00000000-0000-4000-8000-000000000001"}
    verifying, archiving = Standing(complete=False), Standing()
    for standing in (verifying, archiving):
        standing.advance()
        assert standing.keep((kind, "found"), 1, state, found=True)
        assert standing.keep((kind, "later"), 1, state, found=False)
    assert [row.id for row in verifying.rows()] == ["later"]
    assert [row.id for row in archiving.rows()] == ["found", "later"]
    missing = verifying.end()
    assert missing is not None
    assert missing.kind == "missing_row"
    assert verifying.keep((kind, "later"), 1, state, found=True)
    assert verifying.end() is None
