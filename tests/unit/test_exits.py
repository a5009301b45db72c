"""The exit code table."""

import pytest

from stressproof.exits import Exit, strongest

pytestmark = pytest.mark.gate


def test_nothing_judged_is_inconclusive() -> None:
    """An empty set of outcomes never passes."""
    assert strongest([]) is Exit.INCONCLUSIVE


def test_rejected_evidence_outranks_missed_objectives_and_missing_data() -> None:
    """A forged artifact is reported as forged even where its figures also miss a limit."""
    assert strongest([Exit.PASS, Exit.INCONCLUSIVE, Exit.OBJECTIVES, Exit.EVIDENCE]) is (
        Exit.EVIDENCE
    )


def test_a_signal_overrides_everything() -> None:
    """Whoever interrupts a run is told so."""
    assert strongest([Exit.INTERNAL, Exit.USAGE, Exit.INTERRUPTED]) is Exit.INTERRUPTED


def test_every_code_has_a_meaning() -> None:
    """The documentation's table can be generated for every code."""
    assert all(code.meaning for code in Exit)
