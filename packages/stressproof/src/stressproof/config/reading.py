"""A configuration file into its types, with every fault at once and the line of each."""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Sequence
from itertools import islice
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.objectives.syntax import caret, did_you_mean

MAX_BYTES = 256 * 1024
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)$")
_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*="""
)
_SHOWN = 200  # characters of a line
_DEEPEST = 64
_BARE = r"[A-Za-z0-9_-]"
_PARTS = rf"""(?:(?:"[^"\n]*+"|'[^'\n]*+'|{_BARE}++)[ \t]*+\.[ \t]*+){{{_DEEPEST}}}"""
_TOO_DEEP = re.compile(rf"(?<!{_BARE}){_PARTS}")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*\.?""")

if TYPE_CHECKING:
    from pathlib import Path

StructT = TypeVar("StructT", bound=Struct)

Key = str | int
Place = tuple[Key, ...]


class Fault(Struct, frozen=True):
    """One thing that is wrong, and where.

    Attributes:
        path: Keys and positions from the top of the file.
        message: What was seen and what was expected.
        hint: What to write instead, empty where nothing is obvious.
        line: From 1, 0 where the file's text does not show it.
        pointer: That line with a caret, empty where the message has one.
    """

    path: Place
    message: str
    hint: str = ""
    line: int = 0
    pointer: str = ""

    @property
    def where(self) -> str:
        """The path as people write it: ``thresholds.http_reqs[0]``."""
        text = ""
        for key in self.path:
            if isinstance(key, int):
                text += f"[{key}]"
            else:
                bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
                text += ("." if text else "") + (key if bare else f'"{key}"')
        return text


class ConfigError(UsageError):
    """A configuration that cannot be meant; holds every fault, in the order of their lines.

    Args:
        name: How to name the file.
        faults: What is wrong, at least one.
    """

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        in_order = sorted(faults, key=lambda fault: fault.line)
        self.faults = tuple(in_order)
        blocks = [self._block(name, fault) for fault in in_order]
        count = f"{len(faults)} faults" if len(faults) > 1 else "one fault"
        super().__init__("\n".join([*blocks, f"{name}: {count}"]))

    @staticmethod
    def _block(name: str, fault: Fault) -> str:
        place = f"{name}:{fault.line}" if fault.line else name
        where = f" {fault.where}:" if fault.path else ""
        more = "".join(
            f"\n{text}" for text in (fault.pointer, fault.hint and f"  {fault.hint}") if text
        )
        return f"{place}:{where} {fault.message}{more}"


class Source:
    """The text of a file, and where its keys stand.

    Args:
        name: How to name it.
        text: Its content.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.lines = text.splitlines()
        self.places = dict(_places(self.lines))

    def line(self, path: Place) -> int:
        """Return the line of a path or of the nearest key above it, 0 where there is none."""
        for length in range(len(path), 0, -1):
            found = self.places.get(path[:length])
            if found is not None:
                return found
        return 0

    def pointer(self, line: int, path: Place) -> str:
        """Return a line with a caret below the last key of a path that it shows, or below it all.

        Empty where there is no such line.
        """
        if not 0 < line <= len(self.lines):
            return ""
        text = self.lines[line - 1]
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        for key in reversed(path):
            found = re.search(rf"(?<!{_BARE}){re.escape(str(key))}(?!{_BARE})", text)
            if isinstance(key, str) and found is not None:
                start, end = found.span()
                break
        return pointed(text, start, end)

    def line_of_text(self, path: Place, text: str) -> int:
        """Return the line on which a value's text stands, at or below its key."""
        first = self.line(path)
        for number in range(max(first, 1), len(self.lines) + 1):
            if text and text in self.lines[number - 1]:
                return number
        return first


def _places(lines: Sequence[str]) -> Iterator[tuple[Place, int]]:
    """Yield the paths of tables and keys with their lines, as far as lines show them."""
    table: Place = ()
    counts: dict[Place, int] = {}
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        if header:
            table = _absolute(tuple(_parts(header[2])), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number
            continue
        key = _KEY.match(line)
        if key:
            yield (*table, *_parts(key[1])), number


def _absolute(keys: Place, counts: dict[Place, int]) -> Place:
    """Return a header's path with the position of each list of tables that it lies in."""
    path: Place = ()
    for at, key in enumerate(keys):
        path = (*path, key)
        if path in counts and at < len(keys) - 1:
            path = (*path, counts[path])
    return path


def _parts(dotted: str) -> Iterator[str]:
    for match in islice(_PART.finditer(dotted), _DEEPEST):
        yield next(group for group in match.groups() if group is not None)


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
    faults = [located(source, fault) for fault in type_faults(data, kind, ())]
    if faults:
        raise ConfigError(source.name, faults)
    return msgspec.convert(data, kind)


def parsed(source: Source) -> dict[str, Any]:
    """Return a file's tables as they are written.

    Raises:
        ConfigError: It is not TOML.
    """
    if _TOO_DEEP.search(source.text):
        # Each part of a dotted key is a table: the parser's time and memory grow with their square.
        raise ConfigError(source.name, [Fault((), f"keys of more than {_DEEPEST} parts")])
    try:
        return tomllib.loads(source.text)
    except ValueError as error:  # TOML's own, and that of a number with too many digits
        raise ConfigError(source.name, [_syntax_fault(source, str(error))]) from error
    except RecursionError as error:
        raise ConfigError(source.name, [Fault((), "nested too deeply to be read")]) from error


def located(source: Source, fault: Fault) -> Fault:
    """Return a fault with its line, and where in it."""
    line = fault.line or source.line(fault.path)
    pointer = "" if "\n" in fault.message else source.pointer(line, fault.path)
    return msgspec.structs.replace(fault, line=line, pointer=pointer)


def _syntax_fault(source: Source, message: str) -> Fault:
    match = _PLACE.search(message)
    if match is None:
        line, column = len(source.lines), len(source.lines[-1]) if source.lines else 0
        reason = message.removesuffix(" (at end of document)")
    else:
        line, column = int(match[1]), int(match[2]) - 1
        reason = message[: match.start()].rstrip()
    shown = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
    return Fault((), f"not TOML: {reason}\n{pointed(shown, column, column + 1)}", line=line)


def pointed(text: str, start: int, end: int) -> str:
    """Return a line of a file with a caret below a part; of a long one what is around it."""
    first = max(start - _SHOWN // 2, 0)
    shown = text[first : first + _SHOWN]
    return caret(shown, start - first, min(end - first, len(shown)))


def type_faults(value: Any, kind: Any, path: Place) -> Iterator[Fault]:
    """Yield everything about a value that its type does not allow."""
    whole = kind
    if get_origin(kind) is Annotated:
        kind = _without_structs_metadata(kind)
    struct = _struct_in(kind)
    if struct is not None and isinstance(value, dict):
        yield from _struct_faults(value, struct, path)
        return
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from type_faults(item, arguments[1], (*path, key))
        return
    listed = _list_item(kind)
    if listed is not None and isinstance(value, list):
        inner = [
            fault
            for at, item in enumerate(value)
            for fault in type_faults(item, listed, (*path, at))
        ]
        if inner:
            yield from inner
            return
    try:
        msgspec.convert(value, whole)
    except msgspec.ValidationError as error:
        yield Fault(path, _plain(str(error)))


def _struct_faults(value: dict[str, Any], struct: type[Struct], path: Place) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in value:
        if key not in fields:
            known = ", ".join(fields)
            hint = did_you_mean(key, fields) or f"There are {known}."
            yield Fault((*path, key), f"there is no key {key!r} here", hint)
    for name, field in fields.items():
        if name in value:
            yield from type_faults(value[name], field.type, (*path, name))
        elif field.required:
            yield Fault((*path, name), f"the key {name!r} is missing")


def _without_structs_metadata(kind: Any) -> Any:
    """Return an annotated type bare where its parts are looked at one by one."""
    inner = get_args(kind)[0]
    if _struct_in(inner) is not None or _list_item(inner) is not None or get_origin(inner) is dict:
        return inner
    return kind


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


def _struct_in(kind: Any) -> type[Struct] | None:
    for member in _members(kind):
        if isinstance(member, type) and issubclass(member, Struct):
            return member
    return None


def _list_item(kind: Any) -> Any:
    for member in _members(kind):
        if get_origin(member) in {list, tuple} and member is not NoneType:
            return get_args(member)[0]
    return None


def _plain(message: str) -> str:
    """Return msgspec's message in the words of a configuration file."""
    message = re.sub(
        r"`(\w+(?: \| \w+)+)`",
        lambda several: " or ".join(f"`{one}`" for one in several[1].split(" | ")),
        message,
    )
    words = {"`str`": "a text", "`int`": "a whole number", "`float`": "a number"}
    words |= {"`bool`": "true or false", "`object`": "a table", "`array`": "a list"}
    words |= {"`datetime`": "a time", "`null`": "nothing", "`date`": "a date"}
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    return message[:1].lower() + message[1:]
