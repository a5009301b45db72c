"""Canonical JSON and its digest: one meaning, one sequence of bytes.

Sorted keys, no white space, ASCII only, decimals as strings, no NaN or Infinity. Used for
policy documents, fingerprints and ledger payloads.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Final
from uuid import UUID

from enforcement.domain.errors import InvalidError
from enforcement.domain.timestamps import rfc3339

MAX_DEPTH: Final = 16

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} cannot be written as canonical JSON")


_ENCODER: Final = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=True,
    allow_nan=False,
    default=_default,
)


def canonical_text(value: object) -> str:
    """Write a value as canonical JSON.

    Raises:
        ValueError: The value holds NaN or an infinity.
        TypeError: The value holds something JSON has no word for.
    """
    return _ENCODER.encode(value)


def sha256_hex(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_storable(value: Json, *, field: str, depth: int = MAX_DEPTH) -> None:
    """Refuse a JSON value that PostgreSQL could not keep, or that is nested without bound.

    Raises:
        InvalidError: ``invalid_text`` for U+0000 or a lone surrogate in any string,
            ``too_deep`` beyond :data:`MAX_DEPTH` levels.
    """
    if depth == 0:
        raise InvalidError("too_deep", f"{field}: nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value, field)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_text(key, field)
            check_storable(item, field=field, depth=depth - 1)
    elif isinstance(value, list):
        for item in value:
            check_storable(item, field=field, depth=depth - 1)


def _check_text(text: str, field: str) -> None:
    if "\x00" in text or any("\ud800" <= ch <= "\udfff" for ch in text):
        raise InvalidError("invalid_text", f"{field}: holds U+0000 or half a surrogate pair")
