"""Artifacts as bytes: readable at the top, one line a row where the numbers are.

Written piece by piece: the rows of a long capture, all turned into text at once, would outweigh
everything else that a capture holds.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

_INDENT = 2


def encode(document: Any) -> bytes:
    """Return a document (a struct or plain JSON values) as UTF-8 JSON ending in a newline.

    Keys are sorted, so equal documents have equal bytes. Rows of measurements take a line each:
    a person can read the figures, and a million numbers do not take a million lines.
    """
    return b"".join(iterencode(document))


def iterencode(document: Any) -> Iterator[bytes]:
    """Yield what `encode` returns in pieces, one row of measurements at a time."""
    for piece in _pretty(document, 0):
        yield piece.encode()
    yield b"\n"


def _pretty(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, msgspec.Struct):
        # What omits its defaults is small, and msgspec knows which it omits.
        small = value.__struct_config__.omit_defaults
        value = msgspec.to_builtins(value) if small else _members(value)
    if isinstance(value, dict) and value:
        members = (_member(key, item, depth + 1) for key, item in sorted(value.items()))
        yield from _bracketed("{", members, "}", depth)
    elif isinstance(value, list) and any(map(_has_parts, value)):
        yield from _bracketed("[", (_pretty(item, depth + 1) for item in value), "]", depth)
    else:
        yield _compact(value)


def _members(value: msgspec.Struct) -> dict[str, Any]:
    """Return the members of a struct by the names that they have in JSON."""
    names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
    return {written: getattr(value, name) for written, name in names}


def _has_parts(value: Any) -> bool:
    return isinstance(value, dict | list | msgspec.Struct)


def _member(key: str, value: Any, depth: int) -> Iterator[str]:
    yield f"{_compact(key)}: "
    # Rows may be any sequence, which msgspec reads but does not write.
    if key == "rows" and isinstance(value, Sequence) and not isinstance(value, str):
        yield from _rows(value, depth)
    else:
        yield from _pretty(value, depth)


def _rows(rows: Sequence[Any], depth: int) -> Iterator[str]:
    if rows:
        yield from _bracketed("[", ((_compact(row),) for row in rows), "]", depth)
    else:
        yield "[]"


def _bracketed(
    opening: str, parts: Iterable[Iterable[str]], closing: str, depth: int
) -> Iterator[str]:
    """Yield parts between brackets, each on lines of its own."""
    before = f"{opening}\n{' ' * _INDENT * (depth + 1)}"
    for part in parts:
        yield before
        yield from part
        before = f",\n{' ' * _INDENT * (depth + 1)}"
    yield f"\n{' ' * _INDENT * depth}{closing}"


def _compact(value: Any) -> str:
    return json.dumps(
        msgspec.to_builtins(value),
        separators=(",", ":"),
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
    )
