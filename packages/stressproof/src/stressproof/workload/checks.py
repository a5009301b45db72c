"""What an answer must hold, in a small grammar.

::

    check   = "json" [ ":" clause *( "," clause ) ]   the body is JSON; with clauses, all hold
            | "text:" text                            the body contains the text
            | "regex:" pattern                        the body contains a match (Python's re)
            | "header:" name [ "=" value ]            the header is there [and is the value]
            | "size" ( "<=" | ">=" | "<" | ">" | "=" ) bytes     64KiB, 1MiB, 200
    clause  = [ "!" ] path [ "=" scalar ]             the member exists [and equals the scalar];
                                                      with !, it does not
    path    = name *( "." name )                      in an array, a position from 0; -1 is the last
    scalar  = a JSON string, number, true, false or null

``json``, ``json:parity_ok=true``, ``json:items.0.price,!error``, ``header:etag``, ``size<=64KiB``.
"""

import operator
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from stressproof.errors import UsageError
from stressproof.workload.json_paths import ABSENT, member

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_CLAUSE = re.compile(
    r"""(?P<no>!)?(?P<path>[^\s.,="!]+(?:\.[^\s.,="]+)*)(?:=(?P<value>"(?:[^"\\]|\\.)*"|[^\s,"]+))?"""
)
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?P<value>.*))?")
_SIZE = re.compile(r"size\s*(<=|>=|<|>|=)\s*(\d{1,12})\s*(B|KiB|MiB|GiB|kB|MB|GB)?", re.ASCII)
_GZIP = b"\x1f\x8b"  # begins neither JSON nor text
_GZIP_WBITS = 31
_INFLATED_BYTES = 16 * 1024 * 1024
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)
_COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class Answered(NamedTuple):
    """An answer as checks see it.

    Attributes:
        body: All of it, unless it is too large to be kept.
        headers: By name in lower case.
        body_bytes: How long it is.
    """

    body: bytes
    headers: Mapping[str, str]
    body_bytes: int


class _Check(NamedTuple):
    """One compiled check: ``judge`` returns why an answer fails, None where it holds."""

    judge: Callable[[Answered], str | None]
    reads_body: bool = False
    reads_headers: bool = False


class Checks:
    """Several checks, all of which must hold.

    Calling it with a whole answer returns why it fails, or None where all hold.

    Attributes:
        good: The body that held last, None where headers decide as well. Judging is a function of
            the bytes: it would hold again.
        reads_headers: Whether the answer's headers must be given.
    """

    __slots__ = ("_checks", "_reads_body", "good", "reads_headers")

    def __init__(self, checks: Sequence[_Check]) -> None:
        self._checks = [one.judge for one in checks]
        self._reads_body = any(one.reads_body for one in checks)
        self.reads_headers = any(one.reads_headers for one in checks)
        self.good: bytes | None = None

    @classmethod
    def of(cls, specs: Sequence[str]) -> "Checks | None":
        """Compile checks; None stands for none.

        Raises:
            UsageError: One does not follow the grammar.
        """
        return cls([_compiled(spec) for spec in specs]) if specs else None

    def __call__(
        self, body: bytes, headers: Mapping[str, str] = NO_HEADERS, body_bytes: int | None = None
    ) -> str | None:
        """Return why an answer fails, None where it holds.

        Args:
            body: All of it, or what was kept of a larger one.
            headers: By name in lower case; only read where `reads_headers`.
            body_bytes: The whole length, where it is not that of ``body``.
        """
        if body_bytes is not None and body_bytes > len(body):
            if self._reads_body:
                return f"{body_bytes} bytes are too many to be checked"
        elif body == self.good:
            return None
        answer = Answered(body, headers, len(body) if body_bytes is None else body_bytes)
        for judge in self._checks:
            reason = judge(answer)
            if reason is not None:
                return reason
        if not self.reads_headers and answer.body_bytes == len(body):
            self.good = body
        return None


def _compiled(spec: str) -> _Check:
    if spec == "json":
        return _Check(lambda answer: _json_fault(answer.body, []), reads_body=True)
    kind, colon, rest = spec.partition(":")
    if colon and rest:
        if kind == "json":
            clauses = _clauses(rest, spec)
            return _Check(lambda answer: _json_fault(answer.body, clauses), reads_body=True)
        if kind == "text":
            return _text(rest)
        if kind == "regex":
            return _regex(rest, spec)
        header = _HEADER.fullmatch(rest)
        if kind == "header" and header:
            return _header(header["name"].lower(), header["value"])
    size = _SIZE.fullmatch(spec)
    if size is None:
        raise _bad(spec)
    return _size(size[1], int(size[2]) * _BYTES[size[3] or "B"])


def _text(text: str) -> _Check:
    wanted = text.encode()

    def judge(answer: Answered) -> str | None:
        body, fault = _plain(answer.body)
        return fault or (None if wanted in body else f"the body does not contain {wanted!r}")

    return _Check(judge, reads_body=True)


def _regex(pattern: str, spec: str) -> _Check:
    try:
        wanted = re.compile(pattern.encode())
    except re.error as error:
        raise _bad(spec, f": {error}") from error

    def judge(answer: Answered) -> str | None:
        body, fault = _plain(answer.body)
        return fault or (None if wanted.search(body) else f"nothing in the body matches {pattern}")

    return _Check(judge, reads_body=True)


def _header(name: str, value: str | None) -> _Check:
    def judge(answer: Answered) -> str | None:
        found = answer.headers.get(name)
        if found is None:
            return f"the answer has no header {name}"
        return None if value in {None, found} else f"the header {name} is not {value!r}"

    return _Check(judge, reads_headers=True)


def _size(comparison: str, limit: int) -> _Check:
    holds = _COMPARISONS[comparison]

    def judge(answer: Answered) -> str | None:
        size = answer.body_bytes
        return None if holds(size, limit) else f"the body has {size} bytes, not {comparison}{limit}"

    return _Check(judge)


class _Clause(NamedTuple):
    """One clause of a ``json:`` check."""

    path: list[str]
    expected: Any
    negated: bool


def _clauses(text: str, spec: str) -> list[_Clause]:
    clauses = []
    at = 0
    while True:
        match = _CLAUSE.match(text, at)
        if match is None:
            raise _bad(spec)
        value = _scalar(match["value"], spec)
        clauses.append(_Clause(match["path"].split("."), value, match["no"] is not None))
        at = match.end()
        if at == len(text):
            return clauses
        if text[at] != ",":
            raise _bad(spec)
        at += 1


def _plain(body: bytes) -> tuple[bytes, str]:
    """Return a body without compression, and why that cannot be done.

    Some servers compress although nobody asked; the check is about what they say.
    """
    if not body.startswith(_GZIP):
        return body, ""
    try:
        return zlib.decompressobj(_GZIP_WBITS).decompress(body, _INFLATED_BYTES), ""
    except zlib.error as error:
        return b"", f"the body is not gzip, as it begins: {error}"


def _json_fault(body: bytes, clauses: list[_Clause]) -> str | None:
    body, fault = _plain(body)
    if fault:
        return fault
    try:
        if clauses:
            document = msgspec.json.decode(body)
            for clause in clauses:
                fault = _fault(document, clause)
                if fault:
                    return fault
            return None
        _SYNTAX.decode(body)
        body.decode()  # the syntax decoder does not look into strings
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"the body is not JSON: {error}"
    except RecursionError:
        return "the body is JSON nested too deeply"
    return None


def _fault(document: Any, clause: _Clause) -> str:
    """Return what is wrong with a document, empty where nothing is."""
    path, expected, negated = clause
    found = member(document, path)
    if expected is ABSENT:
        holds = found is not ABSENT
    else:
        # Types count: true is not 1, and "1" is not 1.
        holds = found == expected and isinstance(found, bool) is isinstance(expected, bool)
    return "" if holds is not negated else _described(path, expected, found, negated=negated)


def _described(path: list[str], expected: Any, found: Any, *, negated: bool) -> str:
    shown = ".".join(path)
    if expected is ABSENT and negated:
        return f"the body has a member {shown}"
    if found is ABSENT:
        return f"the body has no member {shown}"
    return f"{shown} is {'' if negated else 'not '}{msgspec.json.encode(expected).decode()}"


def _scalar(text: str | None, spec: str) -> Any:
    if text is None:
        return ABSENT
    try:
        value = msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise _bad(spec) from error
    if isinstance(value, dict | list):
        raise _bad(spec)
    return value


def _bad(spec: str, why: str = "") -> UsageError:
    return UsageError(
        f"the response check {spec!r} cannot be read{why}",
        hint="write json, json:member, json:member=true, json:!error, text:words, regex:pattern, "
        "header:name or size<=64KiB",
    )
