"""Members of a JSON document by path: ``items.0.price``, ``reasons.-1``."""

import re
from collections.abc import Sequence
from typing import Any, Final

ABSENT: Final = object()
"""What is found where there is nothing: JSON has no such value."""

_POSITION = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def member(document: Any, path: Sequence[str]) -> Any:
    """Return what a path leads to, `ABSENT` where it leads nowhere.

    Args:
        document: As a JSON decoder returns it.
        path: Names; in an array a position, from 0, or from the end: -1 is the last.
    """
    found = document
    for name in path:
        if type(found) is dict:
            found = found.get(name, ABSENT)
        elif isinstance(found, list) and _POSITION.fullmatch(name):
            at = int(name)
            found = found[at] if -len(found) <= at < len(found) else ABSENT
        else:
            return ABSENT
    return found
