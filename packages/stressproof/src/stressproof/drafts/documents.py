"""Descriptions as they are published: JSON or YAML, bounded, with the place of what is wrong."""

import re
from typing import Any

import msgspec

from stressproof.errors import UsageError
from stressproof.objectives.yaml_documents import read_json_like

MAX_BYTES = 32 * 1024 * 1024
MAX_YAML_BYTES = 4 * 1024 * 1024
MAX_VALUES = 2_000_000
"""Of a YAML description, aliases written out."""
_BYTE = re.compile(r"\(byte (\d+)\)")


def read_document(data: bytes, name: str) -> dict[str, Any]:
    """Return a description as JSON has it: a table with texts for keys.

    Raises:
        UsageError: It is neither JSON nor YAML, too large, or no table.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    start = data.lstrip()[:1]
    if not start:
        raise UsageError(f"{name} is empty", hint="Name an OpenAPI description.")
    if start == b"<":
        raise UsageError(
            f"{name} is a page for people (HTML or XML), no description",
            hint="Name the description itself; often it is /openapi.json, beside the page.",
        )
    if start in {b"{", b"["}:
        try:
            document = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UsageError(f"{name}{place_of(data, error)}: not JSON: {error}") from error
    else:
        try:
            (document, *_) = read_json_like(data, MAX_YAML_BYTES) or [None]
        except UsageError as error:
            raise UsageError(f"{name}: {error.message}", hint=error.hint) from error
        _demand_size(document, name)
    if not isinstance(document, dict):
        raise UsageError(f"{name} holds no table", hint="Name an OpenAPI description.")
    return document


def _demand_size(document: Any, name: str) -> None:
    """Refuse aliases that make a short text a document without end.

    Raises:
        UsageError: It holds itself, or more values than any description.
    """
    sizes: dict[int, int] = {}

    def size(value: Any) -> int:
        if not isinstance(value, dict | list):
            return 1
        known = sizes.get(id(value))
        if known is None:
            sizes[id(value)] = MAX_VALUES + 1  # until it is known: what holds itself has no end
            inner = value.values() if isinstance(value, dict) else value
            known = sizes[id(value)] = 1 + sum(map(size, inner))
        return known

    if size(document) > MAX_VALUES:
        raise UsageError(
            f"{name}: its aliases make it too large",
            hint="Write what they stand for, or use $ref.",
        )


def place_of(data: bytes, error: Exception) -> str:
    """Return ``:LINE:COLUMN`` of what msgspec could not read; empty where it does not say."""
    found = _BYTE.search(str(error))
    if found is None:
        return ""
    before = data[: int(found[1])]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return f":{line}:{column}"
