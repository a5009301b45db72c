"""Faults of a file's own class, for what no data and no command can say."""

import inspect
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from stressproof.errors import RunError
from stressproof.evidence.failure import Parameter
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.undo import Undo, command


class OwnFault(Protocol):
    """What such a class has; the file names its witnesses, so that nobody runs it to verify."""

    def inject(self, bed: Any, /, **parameters: Parameter) -> None:
        """Make the fault."""

    def observe(self) -> None:
        """Look while it lasts; called several times a second."""

    def undo(self) -> None:
        """Unmake it; harmless twice, and where it was not made."""

    def counts(self) -> Mapping[str, int]:
        """Return the witnesses' counts by name, before `inject` and before `undo`."""


class PythonFault(Injector):
    """A class of the file's makes the fault, and unmakes it.

    Args:
        fault: As the scenario has it.
        own: Of the class that it names.
        bed: What it is given: the testbed.
        folder: Of the file; an undo that is a command runs there.
    """

    def __init__(self, fault: FaultSpec, own: OwnFault, bed: object, folder: Path) -> None:
        super().__init__(fault)
        self._own = own
        self._bed = bed
        self._folder = folder
        self._before: dict[str, int] = {}
        self._during: dict[str, int] = {}
        self._touched = False

    def undo_left(self) -> Undo:
        """Return the file's command for what outlives us."""
        argv = self.fault.parameters.get("undo", ())
        if not isinstance(argv, tuple) or not argv:
            return Undo()
        return Undo(run=[command(argv, self._folder)])

    def apply(self) -> int:
        """Count, then have it made."""
        given = self.fault.parameters.get("parameters", {})
        self._before = self._counts()
        self._during = dict(self._before)
        self._touched = True
        effective = time.monotonic_ns()
        self._call("inject", self._bed, **(given if isinstance(given, Mapping) else {}))
        return effective

    def observe(self) -> None:
        """Have it look, and count."""
        self._call("observe")
        self._during = {
            name: max(count, self._during.get(name, 0)) for name, count in self._counts().items()
        }

    def undo(self) -> None:
        """Have it unmade."""
        if self._touched:
            self._call("undo")

    def counts(self) -> Sequence[Counted]:
        """Return its counts of what the file names; what it does not count has not grown."""
        return [
            Counted(self._during.get(one.name, 0), self._before.get(one.name, 0))
            for one in self.fault.witnesses
        ]

    def _counts(self) -> dict[str, int]:
        found = self._call("counts")
        counts = dict(found) if isinstance(found, Mapping) else {}
        wrong = [name for name, count in counts.items() if type(count) is not int or count < 0]
        if wrong or not isinstance(found, Mapping):
            raise RunError(
                f"{self.fault.id}: counts() returns {found!r:.200}",
                hint="Return whole numbers by the names of the file's witnesses.",
            )
        return counts

    def _call(self, name: str, *given: object, **named: Any) -> Any:
        """Call a method of the file's class; what it raises is an error of the run."""
        try:
            return getattr(self._own, name)(*given, **named)
        except Exception as error:
            where = inspect.trace()[-1]
            raise RunError(
                f"{self.fault.id}: {name}() raised {type(error).__name__}: {error}",
                hint=f"At {Path(where.filename).name}, line {where.lineno}.",
            ) from error
