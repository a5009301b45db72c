"""A plain document read leniently, by the schema of the full one.

A plain artifact has the protocol's fields and may lack any of them. Its forms follow from the
strict structs of `stressproof.evidence`: the same fields of the same types, each of them optional,
without those that only a full artifact has. A value that is absent, null or of a wrong type becomes
None, so that every later rule can still judge what is there. The types are exact: no text for a
number, no boolean for an integer, no ``30.0`` where an integer belongs; an integer serves where a
fraction is allowed (docs/evidence.md, "Strict reading").
"""

from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from stressproof.evidence.fields import TEMPLATE_MARKER
from stressproof.verify.rule import Judgement, prose

ITEMS_MAX = 10_000
"""Of any list: rounds for a week, or an API with every route."""

NOTED_MAX = 1_000
"""Of what is wrong or unknown: who reads a verdict is helped by no more of it."""


class Plain(Struct, frozen=True):
    """What a plain document is, beside the strict schema of the full one.

    Fields are named by path templates, such as ``runs[].results``.

    Attributes:
        schema: The full document.
        full_only: Fields that only a full artifact has, with everything below them.
        marks: Those of them that show a full artifact whose version was taken away.
        own: Fields of the plain one alone, or of a wider type there.
        nullable: Those of ``own`` where null is a value.
        required: Fields that must be there, each with the clause that asks for it.
    """

    schema: type[Struct]
    full_only: frozenset[str]
    marks: frozenset[str]
    own: Mapping[str, Any]
    nullable: frozenset[str]
    required: Mapping[str, str]


NotedT = TypeVar("NotedT")


class Problem(Struct, frozen=True):
    """A field that is not what it must be.

    Attributes:
        where: Its path.
        seen: Its value.
        expected: The type that it must have.
    """

    where: str
    seen: Any
    expected: str


class _Field(Struct, frozen=True):
    """One field of a form.

    Attributes:
        kind: Its strict type, without null.
        form: What an object, or each entry of a list of objects, is read into; None otherwise.
        listed: Whether it is a list.
        nullable: Whether null is a value.
    """

    kind: Any
    form: "Form | None"
    listed: bool
    nullable: bool


class Form:
    """A struct of optional fields, with how each of them is read.

    Args:
        plain: What the document is.
        strict: The struct that it follows from.
        prefix: Path template of the fields, empty or ending in a dot.
    """

    def __init__(self, plain: Plain, strict: type[Struct], prefix: str = "") -> None:
        own = {
            path.removeprefix(prefix): kind
            for path, kind in plain.own.items()
            if path.startswith(prefix) and not set(path.removeprefix(prefix)) & {".", "["}
        }
        self.fields = {
            name: _field(plain, kind, prefix + name)
            for name, kind in (strict.__annotations__ | own).items()
            if prefix + name not in plain.full_only
        }
        self.type = _optional(strict.__name__, tuple(self.fields))


@cache
def _optional(name: str, fields: tuple[str, ...]) -> Any:
    """Return a struct whose fields are all optional; the same one wherever it occurs."""
    return msgspec.defstruct(name, [(field, Any, None) for field in fields], frozen=True)


def _field(plain: Plain, kind: Any, template: str) -> _Field:
    nullable = template in plain.nullable
    if isinstance(kind, UnionType):
        options = [option for option in get_args(kind) if option is not NoneType]
        nullable = nullable or len(options) < len(get_args(kind))
        kind = options[0]
    bare = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    listed = get_origin(bare) is list
    item = get_args(bare)[0] if listed else bare
    form = None
    if isinstance(item, type) and issubclass(item, Struct):
        form = Form(plain, item, f"{template}[]." if listed else f"{template}.")
    return _Field(kind, form, listed, nullable)


class LenientDecoder:
    """Reads a plain document, and lists what does not fit, the first `NOTED_MAX` of each kind.

    Args:
        plain: What it is.
    """

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self.problems: list[Problem] = []
        self.unknown: list[str] = []
        self.marks: list[str] = []

    def read(self, form: Form, data: Any) -> Any:
        """Return the document in its form, with None for every field that does not fit."""
        return self._object(form, data, "", "")

    def _object(self, form: Form, data: Any, prefix: str, template: str) -> Any:
        if not isinstance(data, dict):
            self._wrong(prefix.rstrip(".") or "$", data, "an object")
            return None
        values: dict[str, Any] = {}
        for name, field in form.fields.items():
            path, shape = prefix + name, template + name
            if name not in data:
                clause = self._plain.required.get(shape)
                if clause is not None:
                    self._wrong(path, _ABSENT, f"a value ({clause})")
            elif data[name] is not None or not field.nullable:
                values[name] = self._value(field, data[name], path, shape)
        for name in data:
            if template + name in self._plain.marks:
                _note(self.marks, prefix + name)
            if name not in form.fields:
                _note(self.unknown, prefix + name)
        return form.type(**values)

    def _value(self, field: _Field, value: Any, path: str, shape: str) -> Any:
        if field.listed and isinstance(value, list) and len(value) > ITEMS_MAX:
            self._wrong(path, value, f"at most {ITEMS_MAX} entries")
            return None
        if field.form is None:
            return self._leaf(field.kind, value, path)
        if not field.listed:
            return self._object(field.form, value, f"{path}.", f"{shape}.")
        if not isinstance(value, list):
            self._wrong(path, value, "an array")
            return None
        read = [
            self._object(field.form, each, f"{path}[{place}].", f"{shape}[].")
            for place, each in enumerate(value)
        ]
        return [field.form.type() if one is None else one for one in read]

    def _wrong(self, where: str, seen: Any, expected: str) -> None:
        _note(self.problems, Problem(where, seen, expected))

    def _leaf(self, kind: Any, value: Any, path: str) -> Any:
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            self._wrong(path, value, _expectation(str(error)))
            return None


def _note(noted: list[NotedT], what: NotedT) -> None:
    if len(noted) < NOTED_MAX:
        noted.append(what)


class _Absent:
    """Shown where a field is not there at all, which differs from null."""


_ABSENT = _Absent()


def is_absent(value: Any) -> bool:
    """Return whether a problem's value stands for a field that is not there."""
    return value is _ABSENT


def _expectation(message: str) -> str:
    """Return what msgspec expected: ``Expected `int`, got `str``` says ``int``."""
    return message.removeprefix("Expected ").split(", got", 1)[0].replace("`", "")


def judge_template(data: Mapping[str, Any], judgement: Judgement) -> None:
    """The marker of a template is absent."""
    judgement.check(
        TEMPLATE_MARKER not in data,
        TEMPLATE_MARKER,
        prose("the marker of a template"),
        prose("a document without it"),
    )


def judge_shape(lenient_decoder: LenientDecoder, judgement: Judgement) -> None:
    """No required field is missing, and none has another type."""
    judgement.passed()  # the document itself is an object
    for problem in lenient_decoder.problems:
        seen = prose("absent") if is_absent(problem.seen) else problem.seen
        judgement.fail(problem.where, seen, prose(problem.expected))


def judge_unknown(lenient_decoder: LenientDecoder, judgement: Judgement) -> None:
    """No field is one that no rule reads."""
    judgement.passed()  # the known ones were compared by name
    for name in lenient_decoder.unknown:
        judgement.fail(name, prose("an unknown field"), prose("no such field"))
