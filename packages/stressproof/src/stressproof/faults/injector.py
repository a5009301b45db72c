"""What every injector is: apply, witness, undo; listed while it lasts."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.failure import Witness
from stressproof.failures.fault_kinds import demanded_witnesses
from stressproof.failures.spec import FaultSpec
from stressproof.faults.active import ActiveFaults
from stressproof.faults.undo import Undo

_GRACE_S = 120.0
"""What applying and undoing may take beside the time that a fault is meant to last."""
_DETAILS = 20


class Counted(Struct, frozen=True):
    """What was counted for one witness of a fault.

    Attributes:
        during: While it lasted, or at its end.
        before: Likewise, before it took effect.
        detail: Where the numbers are from: pids, log lines, requests.
    """

    during: int
    before: int = 0
    detail: Sequence[str] = ()


class Injector(ABC):
    """One fault that can be applied and undone once each.

    Args:
        fault: What it makes, as the scenario has it.

    Attributes:
        fault: Likewise.
        effective_ns: Monotonic time from which it held, 0 before.
        removed_ns: Monotonic time at which the undo was done, 0 before.
    """

    def __init__(self, fault: FaultSpec) -> None:
        self.fault = fault
        self.effective_ns = 0
        self.removed_ns = 0
        self._listed: tuple[ActiveFaults, str] | None = None

    def inject(self, active: ActiveFaults) -> None:
        """List the fault, apply it, and note when it took effect.

        Args:
            active: Where it is listed while it lasts. Well after it should have been undone, it is,
                even if we hang.

        Raises:
            UsageError: What it would hit was not given up; nothing was done.
            RunError: It could not be applied; whatever was done of it is undone.
        """
        self.require_given_up()
        within_s = self.fault.lasts_us / 1e6 + _GRACE_S
        self._listed = active, active.add(self.fault.kind, self.undo_left(), within_s=within_s)
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

    def require_given_up(self) -> None:  # noqa: B027  # most hit what we started
        """Refuse to hit what nobody has given up, before anything is listed.

        Raises:
            UsageError: It is not marked.
        """

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

    def counts(self) -> Sequence[Counted]:
        """Return what proves that it took effect, a count for each of its kind's witnesses.

        It is asked after the undo: it may count late.
        """
        return ()

    def witnesses(self) -> list[Witness]:
        """Return what the fault's witnesses counted, in the order in which they are demanded."""
        demanded = self.fault.witnesses or demanded_witnesses(self.fault)
        return [
            Witness(
                name=one.name,
                before=counted.before,
                during=counted.during,
                needs=one.needs,
                detail=list(counted.detail[:_DETAILS]),
            )
            for one, counted in zip(demanded, self.counts(), strict=True)
        ]
