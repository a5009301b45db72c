"""Where the keys and values of a TOML text stand; for messages, which have a line and a caret.

The text is one that a TOML parser took: nothing is refused here.
"""

import re
import tomllib
from bisect import bisect_right
from itertools import islice

from msgspec import Struct

Key = str | int
Place = tuple[Key, ...]

DEEPEST = 64
"""Parts of a key, and lists and tables in one another, that are looked into."""

_KEY_PART = re.compile(r"""[ \t]*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*""")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_SCALAR = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^,\]\}\n#]+''',
    re.DOTALL,
)


class Span(Struct, frozen=True):
    """A part of one line.

    Attributes:
        line: From 1.
        start: Its first column, from 0.
        end: Behind its last.
    """

    line: int
    start: int
    end: int


def positions(text: str) -> dict[Place, Span]:
    """Return where each key of a text stands, and where each item of its lists begins."""
    return _Scanner(text).found


class _Scanner:
    """Goes through a text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tables: dict[Place, int] = {}
        self.found: dict[Place, Span] = {}
        table: Place = ()
        while self._skip_blank():
            before = self._at
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table, 0)
            if self._at == before:  # nothing that a parser would have taken
                return

    def _skip_blank(self) -> bool:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._at < len(self._text)

    def _note(self, place: Place, start: int, end: int) -> None:
        line = bisect_right(self._starts, start)
        begin = self._starts[line - 1]
        first = self._text[start:end].partition("\n")[0]
        self.found.setdefault(place, Span(line, start - begin, start - begin + len(first.rstrip())))

    def _header(self) -> Place:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        table: Place = ()
        parts = self._dotted()
        for key, start, end in parts:
            table = (*self._of_list(table), key)
            self._note(table, start, end)  # what is only implied stands where it is named first
        self._at += brackets
        if brackets > 1:
            self._tables[table] = self._tables.get(table, -1) + 1
            table = self._of_list(table)
        for _, start, end in parts[-1:]:
            self.found.pop(table, None)
            self._note(table, start, end)
        return table

    def _of_list(self, table: Place) -> Place:
        """Return a table that is a list's as the last one of it."""
        number = self._tables.get(table)
        return table if number is None else (*table, number)

    def _dotted(self) -> list[tuple[str, int, int]]:
        """Return the parts of a key, each with where it begins and ends."""
        parts = []
        while match := _KEY_PART.match(self._text, self._at):
            group = match.lastindex or 1
            key = _plain(match[group]) if group == 1 else match[group]
            parts.append((key, match.start(group), match.end(group)))
            self._at = match.end()
            if not self._text.startswith(".", self._at):
                break
            self._at += 1
        return list(islice(parts, DEEPEST))

    def _pair(self, table: Place, depth: int) -> None:
        place = table
        for key, start, end in self._dotted():
            place = (*place, key)
            self._note(place, start, end)
        self._at += self._text.startswith("=", self._at)
        self._value(place, depth)

    def _value(self, place: Place, depth: int) -> None:
        self._skip_blank()
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._list(place, depth)
        elif opening == "{":
            self._inline_table(place, depth)
        else:
            match = _SCALAR.match(self._text, self._at)
            self._at = match.end() if match else len(self._text)

    def _list(self, place: Place, depth: int) -> None:
        self._at += 1
        number = 0
        while self._skip_blank() and not self._text.startswith("]", self._at):
            start = self._at
            item = (*place, number)
            if depth < DEEPEST:
                self._value(item, depth + 1)
            else:
                self._at = len(self._text)
            self._note(item, start, self._at)
            number += 1
            self._skip_blank()
            self._at += self._text.startswith(",", self._at)
            if self._at == start:
                return
        self._at += 1

    def _inline_table(self, place: Place, depth: int) -> None:
        self._at += 1
        while self._skip_blank() and not self._text.startswith("}", self._at):
            start = self._at
            if depth < DEEPEST:
                self._pair(place, depth + 1)
            else:
                self._at = len(self._text)
            self._skip_blank()
            self._at += self._text.startswith(",", self._at)
            if self._at == start:
                return
        self._at += 1


def _plain(key: str) -> str:
    """Return what stands between double quotes without its escapes, as far as it has any."""
    try:
        return str(tomllib.loads(f'key = "{key}"')["key"]) if "\\" in key else key
    except tomllib.TOMLDecodeError:  # such a text has no keys
        return key
