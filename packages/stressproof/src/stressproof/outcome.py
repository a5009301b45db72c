"""How anything that is judged comes out, and how several outcomes become one."""

from collections.abc import Iterable
from enum import StrEnum

from stressproof.exits import Exit


class Outcome(StrEnum):
    """What was found.

    INCONCLUSIVE means that the data does not say, and it blocks like FAIL. NOT_CHECKED is only a
    rule's, where an artifact holds nothing that the rule is about. WAIVED is only a rule's as well:
    it did not hold, and an approver signed that it need not; it is never shown as a pass.
    """

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_CHECKED = "not_checked"
    WAIVED = "waived"

    @property
    def rank(self) -> int:
        """How bad it is: 0 for nothing bad, 2 for a failure."""
        return _RANKS[self]

    @property
    def exit(self) -> Exit:
        """The exit code that says the same."""
        return _EXITS[self]


_RANKS = {
    Outcome.PASS: 0,
    Outcome.NOT_CHECKED: 0,
    Outcome.WAIVED: 0,
    Outcome.INCONCLUSIVE: 1,
    Outcome.FAIL: 2,
}
_EXITS = {
    Outcome.PASS: Exit.PASS,
    Outcome.NOT_CHECKED: Exit.INCONCLUSIVE,  # nothing passes on an empty set
    Outcome.WAIVED: Exit.PASS,
    Outcome.INCONCLUSIVE: Exit.INCONCLUSIVE,
    Outcome.FAIL: Exit.OBJECTIVES,
}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several; none at all is inconclusive, never a pass."""
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.INCONCLUSIVE)
