"""Exit codes of the ``enforcement`` command, and the errors that end it."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process ends with; the numbers mean the same in every command of the project."""

    PASS = 0
    INTERNAL = 1
    USAGE = 2
    INCONCLUSIVE = 3
    TARGET = 4
    RUN = 5
    EVIDENCE = 6
    OUTPUT = 7
    INTERRUPTED = 130
    TERMINATED = 143


class CommandError(Exception):
    """Ends a command with one line and a remedy.

    Args:
        code: What the process ends with.
        message: What was seen, and what was expected.
        hint: What to do about it, as one sentence; may be empty.
    """

    def __init__(self, code: Exit, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
