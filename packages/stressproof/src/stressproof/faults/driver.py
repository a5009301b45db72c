"""What a failure scenario has besides its data: how to prepare, load and inject it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from stressproof.dotted_path import resolve
from stressproof.errors import UsageError
from stressproof.failures.spec import Effects, FaultSpec, Invariant, ScenarioSpec
from stressproof.faults.injector import Injector
from stressproof.faults.load import Load, Makers
from stressproof.faults.testbed import Testbed

TestbedT = TypeVar("TestbedT", bound=Testbed)

Injectors = Mapping[str, Callable[[Any, FaultSpec, Load], Injector]]
"""Methods of a driver by the id of the fault whose injector each makes."""


class ScenarioDriver(ABC, Generic[TestbedT]):
    """One scenario on a testbed; a fresh one for each trial.

    Args:
        testbed: Entered.
        run: Names this trial's effects; another trial's are not found under it.

    Attributes:
        injectors: For each fault of the scenario, by its id, the method that makes its injector.
    """

    injectors: ClassVar[Injectors]

    def __init__(self, testbed: TestbedT, run: str) -> None:
        self.testbed = testbed
        self.run = run

    def prepare_early(self) -> None:
        """Prepare what needs time, while scenarios before this one run."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what is needed, before any load.

        Raises:
            RunError: The service refuses.
        """

    @abstractmethod
    def requests(self) -> Makers:
        """Return what makes each kind of request of the load, by its name in the scenario."""

    def injector(self, fault: FaultSpec, load: Load) -> Injector:
        """Return what makes a fault of the scenario."""
        return self.injectors[fault.id](self, fault, load)

    def baseline_actions(self, load: Load) -> None:  # most do nothing
        """Do in a baseline what faults do by force: spend a token once, settle once."""

    def read_effects(self, effects: Effects) -> Mapping[int, int]:
        """Return how often each effect that was asked for is there, by its key.

        Raises:
            RunError: They cannot be read.
        """
        rows = self.testbed.query(effects.sql, self.effects_parameters())
        return {int(key): int(count) for key, count in rows}

    def read_invariant(self, invariant: Invariant) -> tuple[int, int]:
        """Return how many things an invariant compared, and how many of them are wrong.

        Raises:
            RunError: It cannot be read.
        """
        rows = self.testbed.query(invariant.sql, self.query_parameters())
        return next(((int(compared), int(wrong)) for compared, wrong in rows), (0, 0))

    def effects_parameters(self) -> Mapping[str, Any]:
        """Return the parameters of the scenario's query for effects."""
        return {}

    def query_parameters(self) -> Mapping[str, Any]:
        """Return the parameters of the scenario's other queries."""
        return {}


Driver = Callable[[Any, str], ScenarioDriver[Any]]
"""Makes the driver of one trial: on a testbed, under the name of the trial's effects."""


def load_driver(spec: ScenarioSpec) -> type[ScenarioDriver[Any]]:
    """Import the driver that a scenario names.

    Raises:
        UsageError: It is not there, cannot be imported, is no driver, or does not inject a fault
            of the scenario.
    """
    of = f"the driver of {spec.id}"
    driver: type[ScenarioDriver[Any]] = load_class(spec.driver, ScenarioDriver, of=of)
    declared = set(getattr(driver, "injectors", {}))
    missing = [fault.id for fault in spec.faults if fault.id not in declared]
    if missing:
        raise UsageError(
            f"{of} is {spec.driver}, which does not inject {', '.join(missing)}; "
            f"it declares {', '.join(sorted(declared)) or 'nothing'}",
            hint="Give its injectors a method for each fault of the scenario, by the fault's id.",
        )
    return driver


def load_class(path: str, base: type, *, of: str) -> Any:
    """Import a class that a dotted path names.

    Raises:
        UsageError: It is not there, cannot be imported, or is no subclass of the base.
    """
    found: type = resolve(path, type, of=of)
    if not issubclass(found, base):
        raise UsageError(
            f"{of} is {path}, which is no {base.__name__}",
            hint=f"Name a subclass of {base.__module__}.{base.__name__}.",
        )
    return found
