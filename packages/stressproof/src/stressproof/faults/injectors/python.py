"""Faults of a file's own class, for what no data and no command can say."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stressproof.errors import RunError, UsageError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.injectors.bed import argv_of, text_of
from stressproof.faults.undo import Undo, command
from stressproof.load.flow_modules import FlowModules

_METHODS = ("inject", "observe", "undo", "counts")


class PythonFault(Injector):
    """A class of the file's makes the fault, and unmakes it.

    It has ``inject(bed, **parameters)``, ``observe()``, ``undo()``, which is harmless twice and
    where nothing was made, and ``counts()``: counts by name, asked before `inject` and while it
    lasts. The file names its witnesses, so that nobody runs it to verify.

    Args:
        fault: As the scenario has it.
        bed: What it is given: the testbed.
        folder: Of the file; an undo that is a command runs there.

    Raises:
        UsageError: There is no such class, or it lacks one of these.
    """

    def __init__(self, fault: FaultSpec, bed: object, folder: Path) -> None:
        super().__init__(fault)
        self._bed = bed
        self._folder = folder
        self._modules = FlowModules(folder)
        named = text_of(fault, "class")
        found = self._modules.find(named, f"write class {named.rpartition(':')[2]}")
        missing = [name for name in _METHODS if not callable(getattr(found, name, None))]
        if missing or not inspect.isclass(found):
            raise UsageError(
                f"{fault.id}: {named} has no {', '.join(missing) or 'instances: it is no class'}",
                hint=f"Write a class with {', '.join(_METHODS)}.",
            )
        self._own = self._called("__init__", found)
        self._before: dict[str, int] = {}
        self._during: dict[str, int] = {}
        self._touched = False

    def undo_left(self) -> Undo:
        """Return the file's command for what outlives us."""
        argv = argv_of(self.fault, "undo")
        return Undo(run=[command(argv, self._folder)]) if argv else Undo()

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
        return self._called(name, getattr(self._own, name), *given, **named)

    def _called(self, name: str, of: Callable[..., Any], *given: object, **named: Any) -> Any:
        """Call something of the file's; what it raises is an error of the run."""
        try:
            return of(*given, **named)
        except Exception as error:
            raise RunError(
                f"{self.fault.id}: {name}() raised {type(error).__name__}: {error}",
                hint=f"Look at {self._modules.line_of(error) or text_of(self.fault, 'class')}.",
            ) from error
