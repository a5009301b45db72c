"""A configuration file into its types, with every fault at once and the line of each."""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from stressproof.config.positions import DEEPEST, Key, Place, Span, positions
from stressproof.errors import UsageError
from stressproof.objectives.syntax import caret, did_you_mean

MAX_BYTES = 256 * 1024
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)$")
_SHOWN = 200  # characters of a line
_BARE = r"[A-Za-z0-9_-]"
_PARTS = rf"""(?:(?:"[^"\n]*+"|'[^'\n]*+'|{_BARE}++)[ \t]*+\.[ \t]*+){{{DEEPEST}}}"""
_TOO_DEEP = re.compile(rf"(?<!{_BARE}){_PARTS}")

if TYPE_CHECKING:
    from pathlib import Path

StructT = TypeVar("StructT", bound=Struct)
ResultT = TypeVar("ResultT")


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


class Faults:
    """Takes note of what is wrong while the rest is read.

    Args:
        unread: Places in the file of which too little is known to judge what they mean.
        in_file: Where in the file a place of the tables that are read is.

    Attributes:
        found: What is wrong.
    """

    def __init__(
        self,
        unread: Collection[Place] = (),
        in_file: Callable[[Place], Place] = lambda place: place,
    ) -> None:
        self.found: list[Fault] = []
        self._unread = unread
        self._in_file = in_file

    def add(self, path: Place, message: str, hint: str = "") -> None:
        """Take note of a fault, once."""
        fault = Fault(path, message, hint)
        if fault not in self.found:
            self.found.append(fault)

    def attempt(self, path: Place, read: Callable[..., ResultT], *given: Any) -> ResultT | None:
        """Return what something means, or take note that it means nothing."""
        try:
            return read(*given)
        except UsageError as error:
            self.add(path, error.message, error.hint)
            return None

    def lead_nowhere(self, path: Place, what: str, name: str, known: Collection[str]) -> None:
        """Take note of a name that nothing has."""
        self.add(
            path, f"there is no {what} {name!r}", did_you_mean(name, known) or there_are(known)
        )

    def knows(self, *place: Key) -> bool:
        """Whether all of a place could be read."""
        where = self._in_file(place)
        return not any(related(where, one) for one in self._unread)


def there_are(names: Collection[str]) -> str:
    """Return the names that there are, as a sentence."""
    known = list(dict.fromkeys(names))
    return f"There {'is' if len(known) == 1 else 'are'} {', '.join(known) or 'none'}."


def related(place: Place, other: Place) -> bool:
    """Whether one place is the other or lies in it."""
    length = min(len(place), len(other))
    return place[:length] == other[:length]


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
        raise ConfigError(source.name, [Fault((), f"keys of more than {DEEPEST} parts")])
    try:
        return tomllib.loads(source.text)
    except ValueError as error:  # TOML's own, and that of a number with too many digits
        raise ConfigError(source.name, [_syntax_fault(source, str(error))]) from error
    except RecursionError as error:
        raise ConfigError(source.name, [Fault((), "nested too deeply to be read")]) from error


def located(source: Source, fault: Fault) -> Fault:
    """Return a fault with its line, and where in it."""
    span = source.span(fault.path)
    if span is None:
        return fault
    shown = source.lines[span.line - 1]
    pointer = "" if "\n" in fault.message else pointed(shown, span.start, span.end)
    return msgspec.structs.replace(fault, line=span.line, pointer=pointer)


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
    structs = _structs_in(kind)
    if structs and isinstance(value, dict):
        yield from _table_faults(value, structs, path)
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


def _table_faults(
    value: dict[str, Any], structs: Sequence[type[Struct]], path: Place
) -> Iterator[Fault]:
    """Yield what is wrong with a table: of one type, or of several that a key tells apart."""
    tag = structs[0].__struct_config__.tag_field
    if tag is None:
        yield from _struct_faults(value, structs[0], path)
        return
    by_tag = {str(struct.__struct_config__.tag): struct for struct in structs}
    given = value.get(tag)
    if isinstance(given, str) and given in by_tag:
        rest = {key: item for key, item in value.items() if key != tag}
        yield from _struct_faults(rest, by_tag[given], path)
    elif tag not in value:
        yield Fault((*path, tag), f"the key {tag!r} is missing", f"There are {', '.join(by_tag)}.")
    else:
        hint = did_you_mean(str(given), by_tag) or f"There are {', '.join(by_tag)}."
        yield Fault((*path, tag), f"there is no {tag} {given!r}", hint)


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
    if _structs_in(inner) or _list_item(inner) is not None or get_origin(inner) is dict:
        return inner
    return kind


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


def _structs_in(kind: Any) -> list[type[Struct]]:
    return [
        member
        for member in _members(kind)
        if isinstance(member, type) and issubclass(member, Struct)
    ]


def _list_item(kind: Any) -> Any:
    for member in _members(kind):
        if get_origin(member) in {list, tuple} and member is not NoneType:
            return get_args(member)[0]
    return None


def _plain(message: str) -> str:
    """Return msgspec's message in the words of a configuration file."""
    message = re.sub(
        r"`str` matching regex '\^\(([\w|-]+)\)\$'",
        lambda choices: f"one of {', '.join(choices[1].split('|'))}",
        message,
    )
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
