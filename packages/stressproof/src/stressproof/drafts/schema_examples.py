"""An example of a JSON Schema: what the description shows, else the simplest that it allows."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_DEPTH = 10
MAX_VALUES = 500
"""Values of one example: descriptions that refer to themselves have more."""

NOTHING: Final = object()
"""No example."""

_TEXTS = {
    "uuid": "{{uuid}}",
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "user@example.com",
    "idn-email": "user@example.com",
    "hostname": "host.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uri-reference": "/",
    "byte": "ZXhhbXBsZQ==",
    "regex": ".*",
    "json-pointer": "/",
}
_MANY = 64


class Resolver:
    """Follows ``$ref`` within a document.

    Args:
        document: The whole description.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def follow(self, value: Any) -> Mapping[str, Any]:
        """Return what a reference leads to, through others; empty where it leads nowhere."""
        for _ in range(MAX_DEPTH):
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                break
            beside = {key: item for key, item in value.items() if key != "$ref"}
            found = self._at(value["$ref"])
            value = {**found, **beside} if isinstance(found, dict) else {}
        return value if isinstance(value, dict) else {}

    def _at(self, reference: str) -> Any:
        from urllib.parse import unquote  # noqa: PLC0415  # only where there is a reference

        if not reference.startswith("#"):
            return None  # another file: it is not fetched
        value: Any = self._document
        for part in unquote(reference[1:]).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if (
                isinstance(value, list)
                and key.isascii()
                and key.isdigit()
                and int(key) < len(value)
            ):
                value = value[int(key)]
            else:
                value = value.get(key) if isinstance(value, dict) else None
        return value


class Examples:
    """Makes examples of one description's schemas.

    Args:
        resolver: Of that description.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._left = 0

    def of(self, schema: Any) -> Any:
        """Return an example, `NOTHING` where the schema has none."""
        self._left = MAX_VALUES
        return self._made(schema, (), 0)

    def shown(self, holder: Mapping[str, Any]) -> Any:
        """Return the example that a parameter, media type or schema shows; `NOTHING` for none."""
        if "example" in holder:
            return holder["example"]
        examples = holder.get("examples")
        if isinstance(examples, list) and examples:
            return examples[0]
        if isinstance(examples, dict):
            for one in examples.values():
                found = self._resolver.follow(one)
                if "value" in found:
                    return found["value"]
        return NOTHING

    def stated(self, schema: Any) -> Any:
        """Return a value that a schema itself names: an example, the default or one of few."""
        found = self._resolver.follow(schema)
        shown = self.shown(found)
        if shown is not NOTHING:
            return shown
        for key in ("const", "default"):
            if key in found and found[key] is not None:
                return found[key]
        choices = found.get("enum")
        if isinstance(choices, list) and choices:
            return next((one for one in choices if one is not None), NOTHING)
        return NOTHING

    def _made(self, schema: Any, within: tuple[str, ...], depth: int) -> Any:
        self._left -= 1
        found = self._resolver.follow(schema)
        # The same reference within itself: a tree, of which the trunk will do.
        if depth > MAX_DEPTH or self._left < 0 or (_refers(schema) and schema["$ref"] in within):
            return NOTHING
        if _refers(schema):
            within = (*within, schema["$ref"])
        stated = self.stated(found)
        if stated is not NOTHING:
            return stated
        made = self._chosen(found, within, depth)
        if made is not NOTHING:
            return made
        if isinstance(found.get("allOf"), list):
            return self._all(found, within, depth)
        return self._typed(found, within, depth)

    def _chosen(self, schema: Mapping[str, Any], within: tuple[str, ...], depth: int) -> Any:
        """Return an example of the first alternative, with what all have in common."""
        for key in ("oneOf", "anyOf"):
            made = self._first(schema.get(key), within, depth)
            if isinstance(made, dict) and "properties" in schema:
                return {**self._object(schema, within, depth), **made}
            if made is not NOTHING:
                return made
        return NOTHING

    def _first(self, choices: Any, within: tuple[str, ...], depth: int) -> Any:
        """Return an example of the first of some schemas that has one which is not null."""
        for one in choices if isinstance(choices, list) else ():
            if self._resolver.follow(one).get("type") != "null":
                made = self._made(one, within, depth + 1)
                if made is not NOTHING:
                    return made
        return NOTHING

    def _all(self, schema: Mapping[str, Any], within: tuple[str, ...], depth: int) -> Any:
        merged: dict[str, Any] = {}
        for one in schema["allOf"]:
            made = self._made(one, within, depth + 1)
            if isinstance(made, dict):
                merged |= made
            elif made is not NOTHING and len(schema["allOf"]) == 1:
                return made
        return merged | self._object(schema, within, depth)

    def _typed(self, schema: Mapping[str, Any], within: tuple[str, ...], depth: int) -> Any:
        kinds = schema.get("type")
        kind = next((one for one in _listed(kinds) if one != "null"), kinds)
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, within, depth)
        if kind == "array" or (kind is None and "items" in schema):
            return self._array(schema, within, depth)
        if kind in {"integer", "number"}:
            return _number(schema, whole=kind == "integer")
        if kind == "string":
            return _text(schema)
        return (
            {"boolean": True, "null": None}.get(kind, NOTHING) if isinstance(kind, str) else NOTHING
        )

    def _object(self, schema: Mapping[str, Any], within: tuple[str, ...], depth: int) -> Any:
        properties = schema.get("properties")
        made: dict[str, Any] = {}
        for name, one in properties.items() if isinstance(properties, dict) else ():
            found = self._resolver.follow(one)
            if found.get("readOnly") is True or found.get("deprecated") is True:
                continue
            value = self._made(one, within, depth + 1)
            if value is not NOTHING:
                made[str(name)] = value
        return made

    def _array(self, schema: Mapping[str, Any], within: tuple[str, ...], depth: int) -> Any:
        item = self._made(schema.get("items", {}), within, depth + 1)
        least = _whole(schema.get("minItems"))
        return [] if item is NOTHING else [item] * min(max(1, least), _MANY)


def _refers(schema: Any) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("$ref"), str)


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _text(schema: Mapping[str, Any]) -> str:
    """Return a text of the format and of the least length; a pattern is not followed."""
    text = _TEXTS.get(str(schema.get("format")), "text")
    least, most = min(_whole(schema.get("minLength")), 4096), _whole(schema.get("maxLength"))
    if "{{" not in text:
        text = text.ljust(least, "x")
        text = text[:most] if most else text
    return text


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """Return the number nearest to 1 that lies within the bounds."""
    low, high = _bound(schema, "minimum", 1), _bound(schema, "maximum", -1)
    step = schema.get("multipleOf")
    value: float = min(max(1, low), high)
    if isinstance(step, int | float) and not isinstance(step, bool) and step > 0:
        value = math.ceil(max(value, step) / step) * step
        value = value if value <= high else math.floor(high / step) * step
    if whole or value == int(value):
        return math.ceil(value) if math.ceil(value) <= high else math.floor(value)
    return value


def _bound(schema: Mapping[str, Any], key: str, inward: int) -> float:
    """Return a bound, moved inward where it is exclusive (a flag in 3.0, a number in 3.1)."""
    far = -inward * math.inf
    plain, exclusive = schema.get(key), schema.get(f"exclusive{key.capitalize()}")
    found = float(plain) if isinstance(plain, int | float) and not isinstance(plain, bool) else far
    if exclusive is True:
        return found + inward
    if isinstance(exclusive, int | float) and not isinstance(exclusive, bool):
        return max(found, exclusive + 1) if inward > 0 else min(found, exclusive - 1)
    return found
