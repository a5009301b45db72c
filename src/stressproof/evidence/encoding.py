"""Artifacts as bytes: readable at the top, one line a row where the numbers are."""

import json
from typing import Any

import msgspec

_INDENT = 2


def _compact(value: Any) -> str:
    return json.dumps(
        value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False
    )


def _pretty(value: Any, depth: int) -> str:
    pad = " " * (_INDENT * (depth + 1))
    end = " " * (_INDENT * depth)
    if isinstance(value, dict) and value:
        inner = [
            f"{pad}{_compact(key)}: "
            + (_one_line_each(item, depth + 1) if key == "rows" else _pretty(item, depth + 1))
            for key, item in sorted(value.items())
        ]
        return "{\n" + ",\n".join(inner) + f"\n{end}}}"
    if isinstance(value, list) and value and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(pad + _pretty(item, depth + 1) for item in value) + f"\n{end}]"
    return _compact(value)


def _one_line_each(rows: Any, depth: int) -> str:
    pad = " " * (_INDENT * (depth + 1))
    if not rows:
        return "[]"
    return "[\n" + ",\n".join(pad + _compact(row) for row in rows) + f"\n{' ' * _INDENT * depth}]"


def encode(document: Any) -> bytes:
    """Return a document (a struct or plain JSON values) as UTF-8 JSON ending in a newline.

    Keys are sorted, so equal documents have equal bytes. Rows of measurements take a line each:
    a person can read the figures, and a million numbers do not take a million lines.
    """
    # Rows may be any sequence, which msgspec reads but does not write.
    return (_pretty(msgspec.to_builtins(document, enc_hook=list), 0) + "\n").encode()
