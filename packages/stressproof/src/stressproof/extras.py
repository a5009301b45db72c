"""Parts that need more than the tool itself installs, and what to say where that is missing."""

import contextlib
from collections.abc import Iterator

from stressproof.errors import UsageError


@contextlib.contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Turn an import that fails into the command that makes it work.

    Args:
        name: The extra that installs what is imported inside.
        purpose: Who needs it, for the message.

    Raises:
        UsageError: A package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{purpose} needs the package {error.name}, which is not installed here",
            hint=f"pip install 'stressproof[{name}]'",
        ) from error
