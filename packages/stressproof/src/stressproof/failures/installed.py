"""The failure scenarios of the installed suite, found by name: nothing here imports a suite."""

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

from stressproof.evidence.failure import Unsupported
from stressproof.failures.spec import ScenarioSpec

_MODULE = "enforcement_suite.scenarios"


def scenarios() -> tuple[ScenarioSpec, ...]:
    """Return the scenarios in order, none where no suite is installed."""
    return tuple(_of_suite("SCENARIOS"))


def limits() -> tuple[str, ...]:
    """Return what the suite's faults are not, as sentences."""
    return tuple(_of_suite("LIMITS"))


def unsupported() -> tuple[Unsupported, ...]:
    """Return the faults that the suite names and that cannot be injected."""
    return tuple(_of_suite("UNSUPPORTED"))


def _of_suite(name: str) -> Sequence[Any]:
    try:
        found: Sequence[Any] = resolve_name(f"{_MODULE}:{name}")
    except ModuleNotFoundError as error:
        if error.name is None or not _MODULE.startswith(error.name):
            raise
        return ()
    return found
