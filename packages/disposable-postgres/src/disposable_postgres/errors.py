"""What can go wrong with a server of one's own."""


class PostgresError(Exception):
    """A server could not be found, started, reached or stopped.

    Args:
        message: What was seen, and what was expected.
        hint: What to do about it, as one sentence.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(printable(message))
        self.message = printable(message)
        self.hint = printable(hint)


def printable(text: str) -> str:
    """Return text that can be shown: bytes of a path that are no UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode()
