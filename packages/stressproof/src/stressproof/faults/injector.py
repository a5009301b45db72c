"""What every injector is: apply, witness, undo; listed while it lasts."""

import time
from abc import ABC, abstractmethod
from typing import ClassVar

from stressproof.evidence.failure import Parameter, Witness
from stressproof.faults.active import ActiveFaults
from stressproof.faults.undo import Undo

_GRACE_S = 60.0
"""What applying and undoing may take beside the time that a fault is meant to last."""


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

    def __init__(self, target: str, parameters: dict[str, Parameter] | None = None) -> None:
        self.target = target
        self.parameters: dict[str, Parameter] = parameters or {}
        self.effective_ns = 0
        self.removed_ns = 0
        self._listed: tuple[ActiveFaults, str] | None = None

    def inject(self, active: ActiveFaults, lasts_us: int = 0) -> None:
        """List the fault, apply it, and note when it took effect.

        Args:
            active: Where it is listed while it lasts.
            lasts_us: How long it is meant to hold; well after that it is undone even if we hang.

        Raises:
            RunError: It could not be applied; whatever was done of it is undone.
        """
        within_s = lasts_us / 1e6 + _GRACE_S
        self._listed = active, active.add(self.kind, self.undo_left(), within_s=within_s)
        try:
            self.effective_ns = self.apply() or time.monotonic_ns()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Undo the fault and take it off the list; the second time does nothing.

        Raises:
            RunError: It cannot be undone, or was undone before its time.
        """
        if self._listed is None:
            return
        active, entry = self._listed
        self.undo()
        self.removed_ns = time.monotonic_ns()
        self._listed = None
        active.remove(entry)

    def undo_left(self) -> Undo:
        """Return what undoes it should we be gone; nothing where it ends with us."""
        return Undo()

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
