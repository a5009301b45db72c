"""Parameters of faults and checks: what a file may write, and how a spec holds it.

A file writes ``latency = "1.5s"``; a spec, and evidence with it, holds ``latency_us`` as a whole
number. Every parameter is there in a spec, also where the file left it at its default.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from stressproof.evidence.failure import Parameter

ParameterType = Literal[
    "duration",
    "count",
    "rate",
    "byte_rate",
    "share",
    "factor",
    "percentile",
    "text",
    "argv",
    "flag",
    "table",
    "patterns",
]
"""How a file writes it: ``"1.5s"``, ``5``, ``"40/s"``, ``"16KiB/s"``, ``"50%"``, ``1.5``, ``99.9``,
a text, a list of arguments, true or false, a table of texts, a pattern or a list of them."""

MS: Final = 1000
S: Final = 1_000_000

_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "duration": "_us",
        "rate": "_per_s",
        "byte_rate": "_bytes_per_s",
        "share": "_ppm",
        "factor": "_ppm",
        "percentile": "_ppm",
    }
)
_NUMBERS: Final = frozenset({"count", *_UNITS})
_LISTS: Final = frozenset({"argv", "patterns"})
_LONGEST_TEXT: Final = 20_000
_LONGEST_LIST: Final = 200


class ParameterSpec(Struct, frozen=True):
    """One parameter of a kind of fault or check.

    Attributes:
        name: As a file writes it.
        type: Likewise.
        says: What it is, for people.
        default: As a spec holds it; None where it must be given, or may be left out (`optional`).
        least: The smallest number; of a text or list, 1 where it may not be empty.
        most: The largest.
        choices: The texts that there are; none for any.
        optional: Without a default, and yet it may be left out.
    """

    name: str
    type: ParameterType
    says: str
    default: Parameter | None = None
    least: int = 0
    most: int = 2**40
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def key(self) -> str:
        """The name in a spec, which ends with the unit."""
        return self.name + _UNITS.get(self.type, "")

    def problem(self, value: Parameter) -> str | None:
        """Return why a value cannot be this parameter's in a spec, None where it can."""
        if self.type in _NUMBERS:
            return self._number_problem(value)
        if self.type in _LISTS:
            return self._list_problem(value)
        if self.type == "flag":
            return None if isinstance(value, bool) else "expected true or false"
        if self.type == "table":
            return None if isinstance(value, Mapping) else "expected a table"
        return self._text_problem(value)

    def _list_problem(self, value: Parameter) -> str | None:
        if not isinstance(value, tuple) or len(value) > _LONGEST_LIST:
            return f"expected a list of at most {_LONGEST_LIST} texts"
        return "expected one text at least" if len(value) < self.least else None

    def _text_problem(self, value: Parameter) -> str | None:
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            return f"expected a text of at most {_LONGEST_TEXT} characters"
        if self.choices and value not in self.choices:
            return f"expected one of {', '.join(self.choices)}"
        return "expected a text that is not empty" if len(value) < self.least else None

    def _number_problem(self, value: Parameter) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "expected a whole number"
        if not self.least <= value <= self.most:
            return f"expected {self.least} to {self.most}"
        return None


def completed(
    specs: Sequence[ParameterSpec], given: Mapping[str, Parameter]
) -> dict[str, Parameter]:
    """Return parameters with every default filled in, in the order of the specs."""
    known = {
        spec.key: given.get(spec.key, spec.default)
        for spec in specs
        if spec.key in given or spec.default is not None
    }
    return {**{key: value for key, value in known.items() if value is not None}, **given}


def problems(specs: Sequence[ParameterSpec], given: Mapping[str, Parameter]) -> Iterator[str]:
    """Yield what is wrong with the parameters of a spec, one sentence each."""
    known = {spec.key: spec for spec in specs}
    for key, value in given.items():
        if key not in known:
            yield f"{key} is none of its parameters: {', '.join(known) or 'it has none'}"
            continue
        problem = known[key].problem(value)
        if problem is not None:
            yield f"{key} is {value!r}, {problem}"
    for key, spec in known.items():
        if key not in given and not spec.optional:
            yield f"{key} is not there"
