"""What can go wrong, as one tree; every leaf knows its exit code.

::

    StressproofError            base; never raised itself
    ├─ UsageError (2)           flags, environment or files that say something impossible
    ├─ TargetError (4)          the target cannot be reached, or preflight failed
    ├─ RunError (5)             the run broke; a fault could not be applied or removed
    ├─ EvidenceError (6)        evidence is malformed, unreadable or untrusted
    ├─ OutputError (7)          a result could not be written
    └─ InconclusiveError (3)    there is nothing, or too little, to judge

A failed objective or a rejected artifact is a *verdict*, not an exception; failed requests are
data. Exceptions are for what keeps us from doing what was asked.
"""

from stressproof.exits import Exit


class StressproofError(Exception):
    """Base of all errors a user can meet.

    Args:
        message: What was seen, and what was expected.
        hint: What to do about it, as one sentence; printed on its own line.
    """

    exit_code: Exit = Exit.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(StressproofError):
    """The caller asked for something impossible or contradictory."""

    exit_code = Exit.USAGE


class TargetError(StressproofError):
    """The service under test cannot be reached or fails its preflight."""

    exit_code = Exit.TARGET


class RunError(StressproofError):
    """A run broke while under way, or a fault could not be applied or removed."""

    exit_code = Exit.RUN


class EvidenceError(StressproofError):
    """Evidence cannot be read, parsed or trusted."""

    exit_code = Exit.EVIDENCE


class OutputError(StressproofError):
    """A result could not be written."""

    exit_code = Exit.OUTPUT


class InconclusiveError(StressproofError):
    """There is nothing, or too little, to judge."""

    exit_code = Exit.INCONCLUSIVE
