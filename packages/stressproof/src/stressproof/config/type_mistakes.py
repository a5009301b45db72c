"""What in a file its types do not allow: all of it, where msgspec stops at the first."""

import re
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from stressproof.config.mistakes import Mistake
from stressproof.config.positions import Place
from stressproof.objectives.syntax import did_you_mean


def type_mistakes(value: Any, kind: Any, path: Place) -> Iterator[Mistake]:
    """Yield everything about a value that its type does not allow."""
    whole = kind
    if get_origin(kind) is Annotated:
        kind = _without_structs_metadata(kind)
    structs = _structs_in(kind)
    if structs and isinstance(value, dict):
        yield from _table_mistakes(value, structs, path)
        return
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from type_mistakes(item, arguments[1], (*path, key))
        return
    listed = _list_item(kind)
    if listed is not None and isinstance(value, list):
        inner = [
            mistake
            for at, item in enumerate(value)
            for mistake in type_mistakes(item, listed, (*path, at))
        ]
        if inner:
            yield from inner
            return
    try:
        msgspec.convert(value, whole)
    except msgspec.ValidationError as error:
        told = _plain(str(error))
        hint = _described(kind) if "matching regex" in told else _remedy(value, kind)
        yield Mistake(path, told, hint)


def _table_mistakes(
    value: dict[str, Any], structs: Sequence[type[Struct]], path: Place
) -> Iterator[Mistake]:
    """Yield what is wrong with a table: of one type, or of several that a key tells apart."""
    tag = structs[0].__struct_config__.tag_field
    if tag is None:
        yield from _struct_mistakes(value, structs[0], path)
        return
    by_tag = {str(struct.__struct_config__.tag): struct for struct in structs}
    given = value.get(tag)
    if isinstance(given, str) and given in by_tag:
        rest = {key: item for key, item in value.items() if key != tag}
        yield from _struct_mistakes(rest, by_tag[given], path)
    elif tag not in value:
        yield Mistake(
            (*path, tag), f"the key {tag!r} is missing", f"There are {', '.join(by_tag)}."
        )
    else:
        hint = did_you_mean(str(given), by_tag) or f"There are {', '.join(by_tag)}."
        yield Mistake((*path, tag), f"there is no {tag} {given!r}", hint)


def _struct_mistakes(value: dict[str, Any], struct: type[Struct], path: Place) -> Iterator[Mistake]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in value:
        if key not in fields:
            known = ", ".join(fields)
            hint = did_you_mean(key, fields) or f"There are {known}."
            yield Mistake((*path, key), f"there is no key {key!r} here", hint)
    for name, field in fields.items():
        if name in value:
            yield from type_mistakes(value[name], field.type, (*path, name))
        elif field.required:
            yield Mistake((*path, name), f"the key {name!r} is missing")


def _without_structs_metadata(kind: Any) -> Any:
    """Return an annotated type bare where its parts are looked at one by one."""
    inner = get_args(kind)[0]
    if _structs_in(inner) or _list_item(inner) is not None or get_origin(inner) is dict:
        return inner
    return kind


def _described(kind: Any) -> str:
    """Return what the schema says of a text that is not as its pattern has it."""
    metadata = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return " ".join(one.description for one in metadata if one.description)


def _remedy(value: Any, kind: Any) -> str:
    """Return how to write what has another type, empty where the message says it all."""
    members = _members(kind)
    bare = {get_args(one)[0] if get_origin(one) is Annotated else one for one in members}
    if str in bare:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        quoted = 'Write it in quotes, with its unit where it has one: "300ms", "20/s", "16KiB".'
        return quoted if number else ""
    structs = _structs_in(kind)
    if structs:
        keys = ", ".join(field.encode_name for field in msgspec.structs.fields(structs[0]))
        return f"Write {{ key = … }}; there are {keys}."
    named = any(get_origin(member) is dict for member in members)
    return "Write { name = … }." if named else ""


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
