"""Words of a POSIX shell's line, as ``curl`` would be given them; nothing is run or expanded."""

import re
import sys
from collections.abc import Iterator

from stressproof.errors import UsageError
from stressproof.objectives.syntax import caret

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
}
_CODED = re.compile(r"x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})")
_ENDS = "|&;<>()"
_SHOWN = 72


class ShellError(UsageError):
    """A line that cannot be read, with the place.

    Args:
        reason: What is wrong.
        text: The whole text.
        at: Where in it.
        hint: What to write instead.
    """

    def __init__(self, reason: str, text: str, at: int, hint: str = "") -> None:
        number = text.count("\n", 0, at) + 1
        begin = text.rfind("\n", 0, at) + 1
        line = text[begin:].partition("\n")[0]
        first = max(0, at - begin - _SHOWN // 2)
        # What stands before the place may be a secret: only its end is shown.
        shown = line[first : first + _SHOWN]
        super().__init__(
            f"line {number}: {reason}\n{caret(shown, at - begin - first, at - begin - first + 1)}",
            hint=hint,
        )


def commands(text: str) -> Iterator[list[str]]:
    r"""Yield the words of each command: quotes, ``$'…'``, backslashes and comments are read.

    A variable stays ``${NAME}``, as the file has it; a pipe or a redirection ends a command, and
    what follows it on its line is left out.

    Raises:
        ShellError: A quote stays open, or a command would have to be run.
    """
    reader = _Reader(text)
    while reader.at < len(text):
        words = list(reader.words())
        if words:
            yield words


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def words(self) -> Iterator[str]:
        """Yield the words up to the end of the command, and go past it."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char == "\\" and text[self.at + 1 : self.at + 3] == "\r\n":
                self.at += 3
            elif char == "\\" and text[self.at + 1 : self.at + 2] in {"\n", ""}:
                self.at += 2
            elif char in " \t\r":
                self.at += 1
            elif char in _ENDS or char == "#":
                self._skip_line(char)
                return
            elif char == "\n":
                self.at += 1
                return
            else:
                yield self._word()

    def _skip_line(self, char: str) -> None:
        """Go past what ends a command: a separator, or the rest of the line."""
        if char in ";&":
            self.at += len(self.text[self.at :]) - len(self.text[self.at :].lstrip(";&"))
            return
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end + 1

    def _word(self) -> str:
        parts: list[str] = []
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char in " \t\r\n" + _ENDS and not self._within_url("".join(parts)):
                break
            if char == "'":
                parts.append(self._until("'"))
            elif char == '"':
                parts.append(self._double())
            elif text.startswith("$'", self.at):
                self.at += 1
                parts.append(self._ansi())
            elif char == "\\":
                if text.startswith("\\\n", self.at):
                    self.at += 2
                    continue
                parts.append(text[self.at + 1 : self.at + 2])
                self.at += 2
            else:
                parts.append(self._plain())
        return "".join(parts)

    def _within_url(self, word: str) -> bool:
        """Whether an & stands between a URL's parameters: the outer shell took its quotes."""
        return "?" in word and re.match(r"&[^\s&;|]", self.text[self.at : self.at + 2]) is not None

    def _plain(self) -> str:
        """Return one character, or a variable."""
        char = self.text[self.at]
        if char == "`" or self.text.startswith("$(", self.at):
            raise ShellError(
                "a command would have to be run here",
                self.text,
                self.at,
                "Write what it prints, or a variable such as $TOKEN.",
            )
        if char == "^" and self.text.startswith('^"', self.at):
            raise ShellError(
                "this is quoted for cmd.exe", self.text, self.at, "Copy it as cURL (bash)."
            )
        found = _VARIABLE.match(self.text, self.at)
        if found:
            self.at = found.end()
            return f"${{{found[1] or found[2]}}}"
        self.at += 1
        return char

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.at + 1)
        if end < 0:
            raise self._open()
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return inner

    def _double(self) -> str:
        begin = self.at
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return "".join(parts)
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in tuple('$`"\\'):
                parts.append(self.text[self.at + 1])
                self.at += 2
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            else:
                parts.append(self._plain())
        self.at = begin
        raise self._open()

    def _ansi(self) -> str:
        begin = self.at
        self.at += 1
        parts = bytearray()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "'":
                self.at += 1
                return parts.decode(errors="replace")
            if char != "\\":
                parts += char.encode(errors="replace")
                self.at += 1
                continue
            coded = _CODED.match(self.text, self.at + 1)
            if coded is None:
                follows = self.text[self.at + 1 : self.at + 2]
                parts += _ESCAPES.get(follows, follows).encode(errors="replace")
                self.at += 2
                continue
            self.at = coded.end()
            if coded[1] or coded[4]:
                # A byte: several make one character.
                parts.append((int(coded[1], 16) if coded[1] else int(coded[4], 8)) & 0xFF)
            else:
                parts += self._character(int(coded[2] or coded[3], 16))
        self.at = begin
        raise self._open()

    def _character(self, code: int) -> bytes:
        """Return a coded character; Chrome writes those beyond 16 bits as two."""
        high, low = 0xD800, 0xDC00
        if high <= code < low:
            second = re.compile(r"\\u([dD][c-fC-F][0-9A-Fa-f]{2})").match(self.text, self.at)
            if second:
                self.at = second.end()
                code = 0x10000 + ((code - high) << 10) + int(second[1], 16) - low
        return chr(code).encode(errors="replace") if code <= sys.maxunicode else b"?"

    def _open(self) -> ShellError:
        return ShellError(
            "this quote is never closed", self.text, self.at, "Copy the whole command."
        )
