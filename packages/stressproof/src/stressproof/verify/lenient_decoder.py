"""Plain JSON values into structs of optional fields, everything that does not fit listed.

A value that is absent, null or of a wrong type becomes None, so that every later rule can still
judge what is there. The types are exact: no text for a number, no boolean for an integer, no
``30.0`` where an integer belongs; an integer serves where a fraction is allowed.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from stressproof.evidence.stress import TEMPLATE_MARKER
from stressproof.verify.rule import Judgement, prose

ITEMS_MAX = 10_000
"""Of any list: rounds for a week, or an API with every route."""

StructT = TypeVar("StructT", bound=Struct)


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


class LenientDecoder:
    """Reads plain JSON values into structs of optional fields, and lists what does not fit.

    Args:
        required: Path templates (``runs[].results``) that must be there.
        nullable: Path templates where null is a value.
    """

    def __init__(self, required: Mapping[str, str], nullable: frozenset[str]) -> None:
        self.required = required
        self.nullable = nullable
        self.problems: list[Problem] = []
        self.unknown: list[str] = []

    def struct(
        self, kind: type[StructT], data: Any, where: str = "", template: str = ""
    ) -> StructT | None:
        """Return the struct, with None for every field that does not fit; None for no object."""
        if not isinstance(data, dict):
            self.problems.append(Problem(where or "$", data, "an object"))
            return None
        prefix, pattern = (f"{where}." if where else ""), (f"{template}." if template else "")
        values: dict[str, Any] = {}
        for name, optional in kind.__annotations__.items():
            path, shape = prefix + name, pattern + name
            if name not in data:
                if shape in self.required:
                    self.problems.append(
                        Problem(path, _ABSENT, f"a value ({self.required[shape]})")
                    )
                continue
            value = data[name]
            if value is None and shape in self.nullable:
                continue
            values[name] = self._value(get_args(optional)[0], value, path, shape)
        self.unknown.extend(prefix + name for name in data if name not in kind.__annotations__)
        return kind(**values)

    def _value(self, kind: Any, value: Any, path: str, shape: str) -> Any:
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self.struct(kind, value, path, shape)
        item = get_args(kind)[0] if get_origin(kind) is list else None
        if isinstance(item, type) and issubclass(item, Struct):
            if not isinstance(value, list):
                self.problems.append(Problem(path, value, "an array"))
                return None
            if len(value) > ITEMS_MAX:
                self.problems.append(Problem(path, value, f"at most {ITEMS_MAX} entries"))
                return None
            read = [
                self.struct(item, each, f"{path}[{place}]", f"{shape}[]")
                for place, each in enumerate(value)
            ]
            return [one or item() for one in read]
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            self.problems.append(Problem(path, value, _expectation(str(error))))
            return None


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
