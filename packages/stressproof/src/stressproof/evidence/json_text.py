"""Bytes to one JSON object, strictly and within bounds.

A parser alone accepts duplicate keys, NaN, numbers that become infinite or lone surrogates, and
its memory is a multiple of its input that an attacker chooses. Everything here refuses them first.
"""

import math
import re
from collections import Counter
from itertools import accumulate
from typing import Any

import msgspec

MAX_BYTES = 16 * 1024 * 1024
"""More than any capture writes (`stressproof.evidence.measurements.resolution_seconds`)."""

MAX_DEPTH = 64
"""Our documents are 9 deep."""

MAX_WEIGHT = 192 * 1024 * 1024
"""Of memory for what is no number: two bytes of input can ask for a hundred of it."""

# Bytes of memory at most, on a 64-bit CPython, with what reading and typing need beside them.
_OBJECT, _ARRAY, _KEY, _TEXT = 100, 200, 150, 110

MAX_ESCAPES = 1_000_000
"""Backslashes: nothing we write needs more than a few."""

MAX_DIGITS = 19
"""Of an integer: all of 64 bits, so that no reader wraps, rounds or takes quadratic time."""

MAX_NUMBER_CHARACTERS = 400
"""Of a number with a fraction or an exponent; 17 digits say all that a double holds."""

_BOM = b"\xef\xbb\xbf"
# Patterns that most documents never need are compiled where they are used.
_ESCAPE = rb"\\(?s:.)"
_STRING = re.compile(rb'"[^"]*"')
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}":'))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1, ord('"'): 0}
_ONE_DIGIT = bytes(ord("0") if chr(code).isdigit() else code for code in range(128)) + bytes(
    range(128, 256)
)
_LONG_RUN = b"0" * (MAX_DIGITS + 1)
_TINY = rb"[0-9]{3}"
_SURROGATE_ESCAPE = r"\\u[dD][89a-fA-F]"
_ZERO_MANTISSA = r"-?[0.]*(?:[eE].*)?"
_RECAPTURE = "Capture again; a capture never writes this."


class MalformedJson(Exception):  # noqa: N818  # never met by a user: `reading` dresses it
    """Bytes that are not one acceptable JSON object.

    Args:
        seen: What was found, and where.
        expected: What would have been taken.
        hint: What to do about it.
    """

    def __init__(self, seen: str, expected: str, hint: str = _RECAPTURE) -> None:
        super().__init__(f"{seen}; expected {expected}")
        self.seen = seen
        self.expected = expected
        self.hint = hint


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that the bytes are.

    Raises:
        MalformedJson: They are not, or not unambiguously, or they go beyond a bound.
    """
    if not raw.strip():
        raise MalformedJson("an empty file", "one JSON object")
    if raw.startswith(_BOM):
        raise MalformedJson(
            "a byte order mark before the JSON",
            "UTF-8 without one",
            "Write the file without a BOM; it was probably edited.",
        )
    keys = _check_shape(raw)
    value = _parse_plain(raw, keys)
    if value is None:
        value = _parse_anything(raw)
    if not isinstance(value, dict):
        raise MalformedJson(f"{_kind(value)} at the top level", "one JSON object")
    return value


def _check_shape(raw: bytes) -> int:
    """Bound depth and the number of values without building any; returns the number of keys."""
    escapes = raw.count(b"\\")
    if escapes > MAX_ESCAPES:
        raise MalformedJson(f"{escapes} escape sequences", f"at most {MAX_ESCAPES}")
    _bound_weight(raw.translate(None, _NOT_STRUCTURE))
    structure = _structure(re.sub(_ESCAPE, b"", raw) if escapes else raw)
    depth = max(accumulate(map(_STEP.__getitem__, structure.replace(b":", b""))), default=0)
    if depth > MAX_DEPTH:
        raise MalformedJson(f"nested {depth} deep", f"at most {MAX_DEPTH}")
    return structure.count(b":")


def _bound_weight(marks: bytes) -> None:
    """Bound what parsing may take, by marks that may also stand in a string: a few of ours do."""
    objects, arrays, keys = map(marks.count, (b"{", b"[", b":"))
    strings = marks.count(b'"') // 2
    weight = objects * _OBJECT + arrays * _ARRAY + keys * _KEY + max(strings - keys, 0) * _TEXT
    if weight > MAX_WEIGHT:
        raise MalformedJson(
            f"{objects} objects, {arrays} arrays, {keys} keys and {strings} strings",
            f"what needs at most {MAX_WEIGHT // 2**20} MiB of memory",
        )


def _structure(without_escapes: bytes) -> bytes:
    """Return the brackets, braces and colons that are outside of strings."""
    marks = without_escapes.translate(None, _NOT_STRUCTURE)
    # Most strings hold none; two that come to stand beside each other are as good as one.
    return _STRING.sub(b"", marks.replace(b'""', b""))


def _parse_plain(raw: bytes, keys: int) -> Any:
    """Parse bytes that hold nothing but plain JSON, several times faster than `_parse_anything`.

    Plain is ASCII without escapes, without integers of 20 digits and without tiny exponents: there
    `msgspec` and `json` agree, but for duplicate keys, which show as fewer keys than were written.

    Returns:
        The value, or None where `_parse_anything` must decide and say why.
    """
    if b"\\" in raw or not raw.isascii() or _LONG_RUN in raw.translate(_ONE_DIGIT):
        return None
    if any(mark in raw and re.search(mark + _TINY, raw) for mark in (b"e-", b"E-")):
        return None
    try:
        value = msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return None
    return value if _structure(msgspec.json.encode(value)).count(b":") == keys else None


def _parse_anything(raw: bytes) -> Any:
    """Parse any JSON, or say what is wrong with it."""
    import json  # noqa: PLC0415  # what we write is plain

    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"byte {error.start} is not UTF-8", "UTF-8 throughout") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            # A call for every integer doubles the time; without a long run none can be long.
            parse_int=_bounded if _LONG_RUN in raw.translate(_ONE_DIGIT) else None,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            "one JSON object",
            "It may have been cut short or edited; capture again.",
        ) from None
    if "\\u" in text and re.search(_SURROGATE_ESCAPE, text):
        _refuse_lone_surrogates(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise MalformedJson(f"the key {_short(twice)} twice in one object", "every key once")
    return unique


def _refuse_constant(name: str) -> Any:
    raise MalformedJson(f"the number {name}", "finite numbers; JSON knows no others")


def _finite(literal: str) -> float:
    if len(literal) > MAX_NUMBER_CHARACTERS:
        raise MalformedJson(
            f"a number of {len(literal)} characters", f"at most {MAX_NUMBER_CHARACTERS}"
        )
    value = float(literal)
    if math.isinf(value):
        raise MalformedJson(f"the number {_short(literal)}", "numbers within a double's range")
    if value == 0 and not re.fullmatch(_ZERO_MANTISSA, literal):
        raise MalformedJson(
            f"the number {_short(literal)}, which a double cannot tell from 0",
            "numbers within a double's range",
        )
    return value


def _bounded(literal: str) -> int:
    if len(literal.lstrip("-")) > MAX_DIGITS:
        raise MalformedJson(
            f"an integer of {len(literal.lstrip('-'))} digits", f"at most {MAX_DIGITS} digits"
        )
    return int(literal)


def _refuse_lone_surrogates(value: Any) -> None:
    """Walk all keys and strings, without recursion, and refuse half a character."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, str) and not _encodable(item):
            raise MalformedJson("half a surrogate pair in a string", "whole Unicode characters")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str) -> str:
    shown = text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004  # a line's worth
    return f'"{shown.encode("unicode_escape").decode()}"'


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
