"""What every injector is: apply, witness, undo; listed while it lasts."""

import itertools
import os
import time
from abc import ABC, abstractmethod
from typing import ClassVar

from stressproof.evidence.failure import Parameter, Witness
from stressproof.faults.active import ActiveFaults, Undo
from stressproof.processes import ProcessRef

_NUMBERS = itertools.count(1)


class Injector(ABC):
    """One fault that can be applied and undone once each.

    Attributes:
        kind: Its name in evidence.
        target: What it hits, for people.
        parameters: How, for evidence.
        effective_ns: Monotonic time from which it held, 0 before.
        removed_ns: Monotonic time at which the undo was done, 0 before.
    """

    kind: ClassVar[str]
    undo_left: ClassVar[Undo] = "ends_with_injector"

    def __init__(self, target: str, parameters: dict[str, Parameter] | None = None) -> None:
        self.target = target
        self.parameters: dict[str, Parameter] = parameters or {}
        self.effective_ns = 0
        self.removed_ns = 0
        self._listed: ActiveFaults | None = None
        self._identity = f"{self.kind}/{os.getpid()}/{next(_NUMBERS)}"

    def inject(self, active: ActiveFaults) -> None:
        """List the fault, apply it, and note when it took effect.

        Raises:
            RunError: It could not be applied; whatever was done of it is undone.
        """
        active.add(
            self._identity, self.kind, undo=self.undo_left, processes=self.processes_to_hit()
        )
        self._listed = active
        try:
            self.effective_ns = self.apply() or time.monotonic_ns()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Undo the fault and take it off the list; the second time does nothing."""
        if self._listed is None:
            return
        self.undo()
        self.removed_ns = time.monotonic_ns()
        self._listed.remove(self._identity)
        self._listed = None

    def processes_to_hit(self) -> list[ProcessRef]:
        """Return the processes that an undo at the next start would have to know."""
        return []

    @abstractmethod
    def apply(self) -> int | None:
        """Make the fault; return when it took effect (monotonic ns), None for now."""

    def observe(self) -> None:  # noqa: B027  # most need no looking while they last
        """Look while the fault lasts; called several times a second, and before the undo."""

    def is_finished(self) -> bool:
        """Return whether it has done all it can, so that its time need not be waited for."""
        return False

    @abstractmethod
    def undo(self) -> None:
        """Unmake it; must be harmless where it never took effect."""

    @abstractmethod
    def witnesses(self) -> list[Witness]:
        """Return what proves that it took effect; asked after the undo: it may count late."""
