"""What an answer's body must hold, in a small grammar.

::

    check   = "json" [ ":" clause *( "," clause ) ]   the body is JSON; with clauses, an object
            | "text:" text                            the body contains the text
    clause  = path [ "=" scalar ]                     the member exists [and equals the scalar]
    path    = name *( "." name )
    scalar  = a JSON string, number, true, false or null

``json``, ``json:parity_ok=true``, ``json:status,database.engine="postgresql"``.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from stressproof.errors import UsageError

_CLAUSE = re.compile(
    r"""(?P<path>[^\s.,="]+(?:\.[^\s.,="]+)*)(?:=(?P<value>"(?:[^"\\]|\\.)*"|[^\s,"]+))?"""
)
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_ABSENT = object()
_GZIP = b"\x1f\x8b"  # begins neither JSON nor text
_GZIP_WBITS = 31
_INFLATED_BYTES = 16 * 1024 * 1024
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)


class Check:
    """One compiled check.

    Calling it with a whole body returns why the body fails, or None where it holds.
    """

    __slots__ = ("_clauses", "_text")

    def __init__(self, text: bytes | None, clauses: list[tuple[list[str], Any]]) -> None:
        self._text = text
        self._clauses = clauses

    @classmethod
    def of(cls, spec: str) -> "Check":
        """Compile a check.

        Raises:
            UsageError: The check does not follow the grammar.
        """
        if spec == "json":
            return cls(None, [])
        kind, _, rest = spec.partition(":")
        if kind == "text" and rest:
            return cls(rest.encode(), [])
        if kind != "json" or not rest:
            raise _bad(spec)
        clauses = []
        at = 0
        while True:
            match = _CLAUSE.match(rest, at)
            if match is None:
                raise _bad(spec)
            clauses.append((match["path"].split("."), _scalar(match["value"], spec)))
            at = match.end()
            if at == len(rest):
                return cls(None, clauses)
            if rest[at] != ",":
                raise _bad(spec)
            at += 1

    def __call__(self, body: bytes) -> str | None:
        """Return why a body fails, None where it holds."""
        if body.startswith(_GZIP):
            # Some servers compress although nobody asked; the check is about what they say.
            try:
                body = zlib.decompressobj(_GZIP_WBITS).decompress(body, _INFLATED_BYTES)
            except zlib.error as error:
                return f"the body is not gzip, as it begins: {error}"
        if self._text is not None:
            return None if self._text in body else f"the body does not contain {self._text!r}"
        try:
            if self._clauses:
                document = msgspec.json.decode(body)
                return next(filter(None, (_fault(document, *c) for c in self._clauses)), None)
            _SYNTAX.decode(body)
            body.decode()  # the syntax decoder does not look into strings
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"the body is not JSON: {error}"
        except RecursionError:
            return "the body is JSON nested too deeply"
        return None


def _fault(document: Any, path: list[str], expected: Any) -> str | None:
    found = document
    for name in path:
        found = found.get(name, _ABSENT) if isinstance(found, dict) else _ABSENT
    if found is _ABSENT:
        return f"the body has no member {'.'.join(path)}"
    # Types count: true is not 1, and "1" is not 1.
    same = found == expected and isinstance(found, bool) is isinstance(expected, bool)
    if expected is not _ABSENT and not same:
        return f"{'.'.join(path)} is not {msgspec.json.encode(expected).decode()}"
    return None


def _scalar(text: str | None, spec: str) -> Any:
    if text is None:
        return _ABSENT
    try:
        value = msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise _bad(spec) from error
    if isinstance(value, dict | list):
        raise _bad(spec)
    return value


def _bad(spec: str) -> UsageError:
    return UsageError(
        f"the response check {spec!r} cannot be read",
        hint="write json, json:member, json:member=true or text:words",
    )


class Checks:
    """Several checks, all of which must hold.

    Calling it with a whole answer returns why it fails, or None where all hold.

    Attributes:
        good: The body that held last, None where headers decide as well: it would hold again.
        reads_headers: Whether the answer's headers must be given.
    """

    __slots__ = ("_checks", "good", "reads_headers")

    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks
        self.good: bytes | None = None
        self.reads_headers = False

    @classmethod
    def of(cls, specs: Sequence[str]) -> "Checks | None":
        """Compile checks; None stands for none.

        Raises:
            UsageError: One does not follow the grammar.
        """
        return cls([Check.of(spec) for spec in specs]) if specs else None

    def __call__(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> str | None:
        """Return why an answer fails, None where it holds.

        Args:
            body: All of it.
            headers: By name in lower case; only read where `reads_headers`.
        """
        del headers
        if body == self.good:
            return None
        for check in self._checks:
            reason = check(body)
            if reason is not None:
                return reason
        self.good = body
        return None
