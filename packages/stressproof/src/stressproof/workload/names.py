"""Names of requests, flows and steps: whatever evidence and people can read in one line."""

from stressproof.errors import UsageError
from stressproof.workload.limits import MAX_NAME_CHARS


def is_readable(name: str) -> bool:
    """Return whether a name is one line of characters that are seen, in any alphabet."""
    return (
        bool(name) and name.isprintable() and name == name.strip() and len(name) <= MAX_NAME_CHARS
    )


def demand_name(name: str) -> None:
    """Refuse a name that nobody could read, in any alphabet.

    Raises:
        UsageError: It has characters that are not seen, blanks around it, or too many.
    """
    if not is_readable(name):
        raise UsageError(
            f"the name {name[:80]!r} has characters that are not seen, blanks around it, or more "
            f"than {MAX_NAME_CHARS}",
            hint="Name it in one line of letters, signs and single blanks.",
        )
