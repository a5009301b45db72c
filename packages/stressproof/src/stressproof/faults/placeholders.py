"""What braces in a testbed's texts stand for: ports, addresses, secrets."""

import re
from collections.abc import Callable, Iterator, Mapping

from stressproof.errors import UsageError

_BRACES = re.compile(r"\{\{\s*([A-Za-z][\w-]*(?:\.[\w-]+)?)\s*\}\}", re.ASCII)


def names_in(text: str) -> Iterator[str]:
    """Yield what a text refers to: ``port``, ``db.url``, ``secret.NAME``."""
    yield from _BRACES.findall(text)


def filled(where: str, text: str, value_of: Callable[[str], str | None]) -> str:
    """Return a text with values for its braces.

    Args:
        where: The text stands, for the message.
        text: With braces.
        value_of: Returns what a name stands for, None for nothing.

    Raises:
        UsageError: A name stands for nothing.
    """

    def value(match: re.Match[str]) -> str:
        found = value_of(match[1])
        if found is None:
            raise UsageError(
                f"{where}: {{{{{match[1]}}}}} means nothing here",
                hint="Write {{port}}, {{secret.NAME}}, {{NAME.url}}, .address, .host or .port.",
            )
        return found

    return _BRACES.sub(value, text)


def in_order(references: Mapping[str, set[str]]) -> list[str]:
    """Return names so that each comes after those that it refers to, else as they are given.

    Raises:
        UsageError: They refer to each other in a circle.
    """
    ordered: list[str] = []
    waiting = list(references)
    while waiting:
        ready = [name for name in waiting if not (references[name] - {name}) & set(waiting)]
        if not ready:
            raise UsageError(
                f"{', '.join(waiting)} refer to each other in a circle, so none can start first",
                hint="Give one of them a fixed port, and write that where it is meant.",
            )
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return ordered
