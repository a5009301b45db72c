"""The text of a file, its tables, and the line of each mistake."""

import os
import re
import stat
import tomllib
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from stressproof.config.mistakes import ConfigError, Mistake
from stressproof.config.positions import DEEPEST, Place, Span, positions
from stressproof.config.type_mistakes import type_mistakes
from stressproof.errors import UsageError
from stressproof.objectives.syntax import caret

MAX_BYTES = 256 * 1024
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)$")
_SHOWN = 200  # characters of a line
_BARE = r"[A-Za-z0-9_-]"
_PARTS = rf"""(?:(?:"[^"\n]*+"|'[^'\n]*+'|{_BARE}++)[ \t]*+\.[ \t]*+){{{DEEPEST}}}"""
_TOO_DEEP = re.compile(rf"(?<!{_BARE}){_PARTS}")

if TYPE_CHECKING:
    from pathlib import Path

StructT = TypeVar("StructT", bound=Struct)


class Source:
    """The text of a file, and where its keys stand.

    Args:
        name: How to name it.
        text: Its content.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """As TOML has them: no other sign ends one."""
        return re.split(r"\r?\n", self.text.removesuffix("\n"))

    @cached_property
    def _positions(self) -> dict[Place, Span]:
        return positions(self.text)

    def span(self, path: Place) -> Span | None:
        """Return where a path or the nearest key above it stands, None where there is none."""
        above = (path[:length] for length in range(len(path), 0, -1))
        return next((self._positions[one] for one in above if one in self._positions), None)


def read_bytes(
    path: "Path | str",
    most_bytes: int = MAX_BYTES,
    what: str = "a configuration",
    hint: str = "Name a configuration file; stressproof init writes one.",
) -> bytes:
    """Return the bytes of a file, a configuration or what one names.

    Raises:
        UsageError: It cannot be read, is no regular file, or is too large.
    """
    try:
        # A pipe at this name must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{path}: is no file", hint=hint)
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    if len(data) > most_bytes:
        raise UsageError(f"{path}: {what} has at most {most_bytes:,} bytes", hint=hint)
    return data


def read_source(path: "Path | str") -> Source:
    """Return the text of a configuration file.

    Raises:
        UsageError: It cannot be read, is too large, or is not UTF-8.
    """
    return source_of(read_bytes(path), str(path))


def source_of(data: bytes, name: str) -> Source:
    """Return the text of a configuration.

    Raises:
        UsageError: It is too large, or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name}: a configuration has at most {MAX_BYTES} bytes")
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 at byte {error.start}") from error


def read_toml(
    source: Source,
    kind: type[StructT],
) -> StructT:
    """Return a file in its types.

    Args:
        source: Its text.
        kind: The types.

    Raises:
        ConfigError: It is not TOML, or has keys or values that it cannot have; every one of them
            is named.
    """
    data = parsed(source)
    mistakes = [located(source, mistake) for mistake in type_mistakes(data, kind, ())]
    if mistakes:
        raise ConfigError(source.name, mistakes)
    return msgspec.convert(data, kind)


def parsed(source: Source) -> dict[str, Any]:
    """Return a file's tables as they are written.

    Raises:
        ConfigError: It is not TOML.
    """
    if _TOO_DEEP.search(source.text):
        # Each part of a dotted key is a table: the parser's time and memory grow with their square.
        raise ConfigError(source.name, [Mistake((), f"keys of more than {DEEPEST} parts")])
    try:
        return tomllib.loads(source.text)
    except ValueError as error:  # TOML's own, and that of a number with too many digits
        raise ConfigError(source.name, [_syntax_mistake(source, str(error))]) from error
    except RecursionError as error:
        raise ConfigError(source.name, [Mistake((), "nested too deeply to be read")]) from error


def located(source: Source, mistake: Mistake) -> Mistake:
    """Return a mistake with its line, and where in it."""
    span = source.span(mistake.path)
    if span is None:
        return mistake
    shown = source.lines[span.line - 1]
    pointer = "" if "\n" in mistake.message else pointed(shown, span.start, span.end)
    return msgspec.structs.replace(mistake, line=span.line, pointer=pointer)


def _syntax_mistake(source: Source, message: str) -> Mistake:
    match = _PLACE.search(message)
    if match is None:
        line, column = len(source.lines), len(source.lines[-1]) if source.lines else 0
        reason = message.removesuffix(" (at end of document)")
    else:
        line, column = int(match[1]), int(match[2]) - 1
        reason = message[: match.start()].rstrip()
    shown = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
    return Mistake((), f"not TOML: {reason}\n{pointed(shown, column, column + 1)}", line=line)


def pointed(text: str, start: int, end: int) -> str:
    """Return a line of a file with a caret below a part; of a long one what is around it."""
    first = max(start - _SHOWN // 2, 0)
    shown = text[first : first + _SHOWN]
    return caret(shown, start - first, min(end - first, len(shown)))
