"""The exit codes of every command and script, in one table (docs/ops/exit-codes.md)."""

import signal
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """What a process ends with."""

    PASS = 0
    INTERNAL = 1
    USAGE = 2
    INCONCLUSIVE = 3
    TARGET = 4
    RUN = 5
    EVIDENCE = 6
    OUTPUT = 7
    OBJECTIVES = 99
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One line for people, as the documentation has it."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.PASS: "pass",
    Exit.INTERNAL: "a bug of ours; please report it",
    Exit.USAGE: "usage: flags, environment or configuration that cannot be meant",
    Exit.INCONCLUSIVE: (
        "inconclusive: nothing or too little to judge, a required path absent, not a git checkout"
    ),
    Exit.TARGET: "target unreachable, or preflight failed",
    Exit.RUN: "the run broke, or a fault could not be applied or removed",
    Exit.EVIDENCE: (
        "evidence rejected: malformed, unreadable, stale, below a floor, wrong engine, legacy, "
        "forged or untrusted"
    ),
    Exit.OUTPUT: "output could not be written",
    Exit.OBJECTIVES: "objectives not met, and everything else holds",
    Exit.HANGUP: "the terminal went away (SIGHUP)",
    Exit.INTERRUPTED: "interrupted (SIGINT)",
    Exit.TERMINATED: "terminated (SIGTERM)",
}

STOPPED_BY = {
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
    signal.SIGHUP: Exit.HANGUP,
}
"""Signals that end a command in order, each with the code that says so."""

# Where several apply, the first of these decides; signals override everything.
_PRECEDENCE = (
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.HANGUP,
    Exit.INTERNAL,
    Exit.USAGE,
    Exit.OUTPUT,
    Exit.TARGET,
    Exit.RUN,
    Exit.EVIDENCE,
    Exit.OBJECTIVES,
    Exit.INCONCLUSIVE,
    Exit.PASS,
)


def strongest(codes: Iterable[Exit]) -> Exit:
    """Return the code that wins where several apply.

    An empty set means that nothing was judged, so it is inconclusive, never a pass.
    """
    present = set(codes)
    return next((code for code in _PRECEDENCE if code in present), Exit.INCONCLUSIVE)
