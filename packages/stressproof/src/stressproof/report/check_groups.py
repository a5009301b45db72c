"""Checks of a failure scenario as people read them: alike ones told together."""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.failure import Parameter
from stressproof.failures.checks import CHECKS
from stressproof.failures.spec import CheckSpec

Asked = tuple[tuple[str, Parameter], ...]


class CheckGroup(Struct, frozen=True):
    """Checks that differ in nothing but what they look at.

    Attributes:
        name: Of their kind.
        asked: Their parameters that are no defaults, but `of`.
        kinds: The kinds of requests of each, one text each; empty for all requests.
        faults: What they are about; empty for the whole trial.
    """

    name: str
    asked: Asked
    kinds: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def says(self) -> str:
        """What holds where they pass, as a sentence without its full stop."""
        return CHECKS[self.name].says


def check_groups(checks: Sequence[CheckSpec]) -> list[CheckGroup]:
    """Return checks in groups: first those of one kind of requests, then those of the same faults.

    Args:
        checks: In the order in which groups are told.
    """
    about: dict[tuple[str, Asked, str], list[str]] = {}
    for check in checks:
        defaults = CHECKS[check.id].complete()
        asked = {
            name: value for name, value in check.parameters.items() if value != defaults.get(name)
        }
        kind = text(asked.pop("of", ""))
        about.setdefault((check.id, tuple(asked.items()), kind), []).append(check.about)
    alike: dict[tuple[str, Asked, tuple[str, ...]], list[str]] = {}
    for (name, given, kind), faults in about.items():
        alike.setdefault((name, given, tuple(filter(None, faults))), []).append(kind)
    return [
        CheckGroup(name, given, tuple(filter(None, kinds)), faults)
        for (name, given, faults), kinds in alike.items()
    ]


def text(value: Parameter) -> str:
    """Return a parameter's value as a text."""
    return " ".join(value) if isinstance(value, tuple) else str(value)
