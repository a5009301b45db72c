"""What there is to know of a kind of check, and what each of them looks at."""

from collections.abc import Callable, Mapping, Sequence, Sized
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from stressproof.evidence.failure import InjectedFault, Parameter
from stressproof.failures.answer_class import ANSWER_CLASSES
from stressproof.failures.history import Code, Operation, began_in
from stressproof.failures.parameters import ParameterSpec, completed

ALL: Final = ("*",)

OF: Final = ParameterSpec("of", "patterns", "kinds of requests that are looked at", ALL, least=1)
"""The parameter that every check over operations has."""


class CheckInput(Struct, frozen=True):
    """What a check looks at.

    Attributes:
        operations: All of the trial, in order of their start.
        effects: Key to how often its effect was found.
        fault: The one that the check is about, None for the whole trial.
        parameters: Of the check.
        steady_us: How long load was steady before the first fault.
    """

    operations: Sequence[Operation]
    effects: Mapping[int, int]
    fault: InjectedFault | None
    parameters: Mapping[str, Parameter]
    steady_us: int = 0

    def number(self, name: str, default: int = 0) -> int:
        """Return an integer parameter."""
        value = self.parameters.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"parameter {name} is {value!r}, expected an integer")  # noqa: TRY004
        return value

    def patterns(self, name: str, default: tuple[str, ...] = ALL) -> tuple[str, ...]:
        """Return a parameter that is patterns."""
        value = self.parameters.get(name, default)
        if not isinstance(value, tuple):
            raise ValueError(f"parameter {name} is {value!r}, expected patterns")  # noqa: TRY004
        return value

    def of_kind(self) -> list[Operation]:
        """Return the operations of the kinds asked for."""
        patterns = self.patterns("of")
        if patterns == ALL:
            return list(self.operations)
        kinds = {one.kind for one in self.operations}
        wanted = {kind for kind in kinds if is_any(kind, patterns)}
        return [one for one in self.operations if one.kind in wanted]

    def during(self) -> list[Operation]:
        """Return those of the kinds asked for that began under the fault.

        ``settle_us`` leaves out the first moments, in which both answers are right.
        """
        if self.fault is None:
            return self.of_kind()
        begin = self.fault.effective_us + self.number("settle_us")
        return list(began_in(self.of_kind(), begin, self.fault.healed_us))


class Found(NamedTuple):
    """What a check found.

    Attributes:
        compared: How many were looked at.
        violations: How many of them were wrong.
        wrong: Which: operations, or keys of effects; empty where it is about all of them together.
    """

    compared: int
    violations: int
    wrong: Sequence[Operation | int] = ()

    @staticmethod
    def among(seen: Sized, wrong: Sequence[Operation | int]) -> "Found":
        """Return what was found among some, one by one."""
        return Found(len(seen), len(wrong), wrong)


class CheckKind(Struct, frozen=True):
    """One kind of check.

    Attributes:
        name: As files, specs and artifacts have it.
        says: What holds where it passes, as a sentence without its full stop; it is written into
            artifacts.
        about: What it looks at: effects, operations, or how a fault passed.
        look: Looks.
        value: The parameter that a file gives as the check's own value; None where it is ``true``.
        parameters: Others of its own, beside `OF`.
        sometimes: That it never happened is inconclusive, and no failure.
    """

    name: str
    says: str
    about: Literal["effects", "operations", "fault"]
    look: Callable[[CheckInput], Found]
    value: ParameterSpec | None = None
    parameters: tuple[ParameterSpec, ...] = ()
    sometimes: bool = False

    @property
    def all_parameters(self) -> tuple[ParameterSpec, ...]:
        """Everything that a spec of such a check holds."""
        own = () if self.value is None else (self.value,)
        return (OF, *own, *self.parameters)

    def count(self, given: CheckInput) -> tuple[int, int]:
        """Return how many were looked at, and how many of them were wrong."""
        found = self.look(given)
        return found.compared, found.violations

    def complete(
        self, given: Mapping[str, Parameter] = MappingProxyType({})
    ) -> dict[str, Parameter]:
        """Return parameters of a spec with every default filled in."""
        return completed(self.all_parameters, given)


def ending_as(operations: Sequence[Operation], patterns: Sequence[str]) -> list[Operation]:
    """Return the operations that ended as one of patterns (`ended_as`)."""
    codes = {one.code for one in operations}
    wanted = {code for code in codes if ended_as(code, patterns)}
    return [one for one in operations if one.code in wanted]


def is_any(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name is one of patterns, in which a * stands for anything."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def ended_as(code: Code, patterns: Sequence[str]) -> bool:
    """Return whether a code is one of patterns; the name of a class stands for all of its codes."""
    return any(
        code.answer_class == pattern
        if pattern in ANSWER_CLASSES
        else fnmatchcase(code.name, pattern)
        for pattern in patterns
    )
