"""What a placeholder is: text that is made anew for each request, compiled to what occurs in it.

``{{uuid}}`` is a UUID, ``{{seq}}`` a number that no other request of the round has, and
``{{table.column}}`` a value of the row that the iteration has of a `stressproof.workload.tables`
table. ``{{effect}}`` is a text of 32 characters at most that no other request has; in failure
scenarios it is that of one effect, and ``{{run}}`` is what those of one trial begin with. Double
braces around anything else are text.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec

from stressproof.errors import UsageError

UUID = "uuid"
SEQ = "seq"
EFFECT = "effect"
RUN = "run"
NEW = (UUID, SEQ, EFFECT)
"""What is made anew for each request."""

_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*", re.ASCII)  # RFC 3986, 2.3: written as it is
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w-]*(?:\.[\w-]+)?)\s*\}\}", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Place(Enum):
    """Where a template stands, and so how literals and values are written there.

    Attributes:
        URL: Path and query as a user writes them; values are percent-encoded.
        QUERY: Name or value of a query: all of it is percent-encoded.
        FORM: Name or value of a form: all of it is encoded, blanks as ``+``.
        HEADER: Latin-1 as it is.
        TEXT: UTF-8 as it is.
        JSON: A JSON text. A string that is one column alone becomes its value with its type, as
            does a placeholder outside of strings; within a longer string a value is escaped text.
    """

    URL = "url"
    QUERY = "query"
    FORM = "form"
    HEADER = "header"
    TEXT = "text"
    JSON = "json"


class Template:
    """Text compiled to bytes with holes.

    Attributes:
        needs: The placeholders that occur, such as ``uuid`` and ``skus.sku``.
    """

    __slots__ = ("_fixed", "_holes", "_parts", "needs")

    def __init__(self, pieces: Iterable["bytes | Hole"]) -> None:
        self._parts: list[bytes] = []
        self._holes: list[tuple[int, str, Encode]] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                self._parts.append(piece)
            else:
                name, encode = piece
                self._holes.append((len(self._parts), name, encode))
                self._parts.append(b"")
        self._fixed = None if self._holes else b"".join(self._parts)
        self.needs = frozenset(name for _, name, _ in self._holes)

    @classmethod
    def of(cls, text: str, place: Place) -> "Template":
        """Compile a text."""
        return cls(_json_pieces(text) if place is Place.JSON else _pieces(text, place))

    @classmethod
    def joined(cls, templates: Iterable["Template"]) -> "Template":
        """Return several as one."""
        return cls(piece for one in templates for piece in one.pieces())

    def pieces(self) -> Iterator["bytes | Hole"]:
        """Yield what it was made of."""
        holes = {at: (name, encode) for at, name, encode in self._holes}
        for at, part in enumerate(self._parts):
            yield holes.get(at, part)

    def fill(self, values: Mapping[str, Any]) -> bytes:
        """Return the text with values for its placeholders, which must all be there.

        Args:
            values: By placeholder; texts, or any JSON value.
        """
        if self._fixed is not None:
            return self._fixed
        parts = self._parts.copy()
        for at, name, encode in self._holes:
            parts[at] = encode(values[name])
        return b"".join(parts)


Encode = Callable[[Any], bytes]
Hole = tuple[str, Encode]


def placeholders(text: str) -> set[str]:
    """Return the placeholders that occur in a text."""
    return set(_PLACEHOLDER.findall(text))


def with_names(text: str) -> str:
    """Return a text in which placeholders are called by their column: ``/products/{sku}``."""
    return _PLACEHOLDER.sub(lambda match: "{" + match[1].rpartition(".")[2] + "}", text)


def request_name(method: str, path: str) -> str:
    """Return what a request without a name is called: ``GET /products/{sku}``."""
    return f"{method} {with_names(path).partition('?')[0]}"


def without_placeholders(text: str) -> str:
    """Return a text with a digit for each placeholder: what it looks like when it is sent."""
    return _PLACEHOLDER.sub("0", text)


def demand_known(where: str, needs: Iterable[str], columns: Mapping[str, Iterable[str]]) -> None:
    """Refuse placeholders that mean nothing.

    Args:
        where: What they occur in, for the message.
        needs: The placeholders.
        columns: The columns of each table.

    Raises:
        UsageError: One is no ``{{uuid}}``, ``{{seq}}``, ``{{effect}}`` or column of a table.
    """
    known = [*NEW, *(f"{table}.{one}" for table, names in columns.items() for one in names)]
    for unknown in sorted(set(needs).difference(known)):
        from stressproof.dotted_path import nearest  # noqa: PLC0415  # only for the message

        near = nearest(unknown, known)
        offer = f"; did you mean {{{{{near}}}}}?" if near else ""
        raise UsageError(
            f"{where}: {{{{{unknown}}}}} means nothing{offer}",
            hint="use {{uuid}}, {{seq}} or {{table.column}} of a [data] table"
            + "".join(f"; {table} has {', '.join(names)}" for table, names in columns.items()),
        )


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _percent(value: Any) -> bytes:
    text = _text_of(value)
    if _UNRESERVED.fullmatch(text):
        return text.encode()
    from urllib.parse import quote  # noqa: PLC0415  # 3 ms that a verification does without

    return quote(text, safe="").encode()


def _plus(value: Any) -> bytes:
    from urllib.parse import quote_plus  # noqa: PLC0415  # likewise

    return quote_plus(_text_of(value)).encode()


def _latin(value: Any) -> bytes:
    return _text_of(value).encode("latin-1")


def _utf8(value: Any) -> bytes:
    return _text_of(value).encode()


def _json_value(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _json_text(value: Any) -> bytes:
    return msgspec.json.encode(_text_of(value))[1:-1]


_ENCODERS: Mapping[Place, tuple[Encode, Encode]] = {
    Place.URL: (_utf8, _percent),
    Place.QUERY: (_percent, _percent),
    Place.FORM: (_plus, _plus),
    Place.HEADER: (_latin, _latin),
    Place.TEXT: (_utf8, _utf8),
}
"""How literals and values are written."""


def _pieces(text: str, place: Place) -> Iterator[bytes | Hole]:
    literal, value = _ENCODERS[place]
    at = 0
    for match in _PLACEHOLDER.finditer(text):
        yield literal(text[at : match.start()])
        yield match[1], value
        at = match.end()
    yield literal(text[at:])


def _json_pieces(text: str) -> Iterator[bytes | Hole]:
    at = 0
    for string in _STRING.finditer(text):
        yield from _values(text[at : string.start()])
        whole = _PLACEHOLDER.fullmatch(string[0], 1, len(string[0]) - 1)
        if whole and whole[1] not in {UUID, SEQ}:
            yield whole[1], _json_value
        else:
            for piece in _pieces(string[0], Place.TEXT):
                yield piece if isinstance(piece, bytes) else (piece[0], _json_text)
        at = string.end()
    yield from _values(text[at:])


def _values(text: str) -> Iterator[bytes | Hole]:
    for piece in _pieces(text, Place.TEXT):
        yield piece if isinstance(piece, bytes) else (piece[0], _json_value)
