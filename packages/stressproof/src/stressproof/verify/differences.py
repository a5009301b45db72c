"""Where two values differ, leaf by leaf."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from stressproof.verify.rule import prose

_ABSENT = prose("absent")


def differences(seen: Any, expected: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, seen, expected) for every leaf in which two values differ.

    Numbers are compared by value (2 equals 2.0); booleans are not numbers.
    """
    if isinstance(seen, Struct) and type(seen) is type(expected):
        for name in seen.__struct_fields__:
            yield from differences(getattr(seen, name), getattr(expected, name), f"{where}.{name}")
    elif isinstance(seen, Mapping) and isinstance(expected, Mapping):
        for name in {**expected, **seen}:
            one, other = seen.get(name, _ABSENT), expected.get(name, _ABSENT)
            yield from differences(one, other, f"{where}.{name}")
    elif isinstance(seen, list | tuple) and isinstance(expected, list | tuple):
        if len(seen) != len(expected):
            yield where, prose(f"{len(seen)} entries"), prose(f"{len(expected)} entries")
        else:
            for place, (one, other) in enumerate(zip(seen, expected, strict=True)):
                yield from differences(one, other, f"{where}[{place}]")
    elif seen != expected or (isinstance(seen, bool) is not isinstance(expected, bool)):
        yield where, seen, expected
