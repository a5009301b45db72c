"""Tokens of the threshold language, and errors that point at the fault with a caret."""

import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from msgspec import Struct

from stressproof.errors import UsageError

MAX_LENGTH = 1024
"""Longest expression or selector that is read."""


class ExpressionError(UsageError):
    """A threshold that cannot be meant, with the place where it goes wrong.

    Args:
        reason: What was seen and what was expected, as one sentence.
        source: The text as it was given.
        start: Where the fault begins in it.
        end: Where the fault ends in it.
        hint: What to write instead.
    """

    def __init__(self, reason: str, source: str, start: int, end: int, *, hint: str = "") -> None:
        self.reason = reason
        self.source = source
        self.start = start
        self.end = max(end, start + 1)
        super().__init__(f"{reason}\n{caret(source, start, self.end)}", hint=hint)


def caret(source: str, start: int, end: int) -> str:
    """Return the source with a line of carets under the part from start to end."""
    return f"  {source}\n  {' ' * start}{'^' * max(end - start, 1)}"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a word may be a misspelling of, None where none is close."""
    import difflib  # noqa: PLC0415  # only a typo needs it

    near = difflib.get_close_matches(word.lower(), list(choices), n=1, cutoff=0.6)
    return near[0] if near else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?``, or an empty text where nothing is close."""
    near = nearest(word, choices)
    return f"Did you mean '{near}'?" if near else ""


class Token(Struct, frozen=True):
    """One word, number or sign, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


_TOKENS = re.compile(
    r"""
      (?P<space>[ \t]+)
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2}(?![0-9]))?)
    | (?P<word>[A-Za-zµμ_]+)
    | (?P<operator>===|==|!=|<=|>=|<|>)
    | (?P<sign>[()+%,/-])
    """,
    re.VERBOSE,
)


def tokens(source: str, start: int = 0) -> Iterator[Token]:
    """Yield the tokens of an expression, and an ``end`` token after the last.

    Raises:
        ExpressionError: There is a character that no expression has, or the text is too long.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(
            f"a threshold has at most {MAX_LENGTH} characters, this one {len(source)}",
            source[:60] + "…",
            60,
            61,
        )
    position = start
    while position < len(source):
        match = _TOKENS.match(source, position)
        if match is None:
            unexpected(source, position)
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0], position, match.end())
        position = match.end()
    yield Token("end", "", len(source), len(source))


def unexpected(source: str, position: int) -> NoReturn:
    """Refuse a character.

    Raises:
        ExpressionError: Always.
    """
    seen = source[position]
    hints = {
        "=": "Equality is written '=='.",
        "≤": "Write '<='.",
        "≥": "Write '>='.",
        "&": "Write two thresholds instead; all of them must hold.",
        "|": "There is no 'or'; every threshold must hold.",
        "{": "Tags belong to the metric: http_req_duration{name:/path}: p(95) < 200ms.",
    }
    raise ExpressionError(
        f"{seen!r} has no meaning here", source, position, position + 1, hint=hints.get(seen, "")
    )
