"""Faults of a whole thing: killed, frozen, or asked to end."""

import time
from collections.abc import Sequence

from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.injectors.victims import Victim
from stressproof.faults.undo import Undo

_NOTHING = Counted(0)


class _Outage(Injector):
    """A fault of a victim as a whole.

    Args:
        fault: As the scenario has it.
        victim: What it hits.
    """

    def __init__(self, fault: FaultSpec, victim: Victim) -> None:
        super().__init__(fault)
        self._victim = victim
        self._struck = _NOTHING


class Kill(_Outage):
    """SIGKILL to a thing and everything below it; the undo starts it again.

    The kernel keeps what was written to it, so this is a process crash and no power loss.
    """

    _before = _NOTHING

    def undo_left(self) -> Undo:
        """Return what starts it again."""
        return self._victim.undo_down()

    def apply(self) -> int:
        """Bring it down, and see that it is."""
        self._before = self._victim.comebacks()
        effective = time.monotonic_ns()
        self._struck = self._strike()
        return effective

    def _strike(self) -> Counted:
        return self._victim.kill()

    def undo(self) -> None:
        """Start it again."""
        self._victim.start()

    def counts(self) -> Sequence[Counted]:
        """Return what was brought down, and that it came back."""
        now = self._victim.comebacks()
        return self._struck, Counted(now.during, self._before.during, now.detail)


class Stop(Kill):
    """A thing is asked to end, as at a deployment; whether it did in time is counted."""

    def _strike(self) -> Counted:
        return Counted(int(self._victim.stop()))


class Freeze(_Outage):
    """SIGSTOP to a thing and everything below it, which keep what they hold."""

    _unanswered = 0

    def undo_left(self) -> Undo:
        """Return what lets it go on."""
        return self._victim.undo_frozen()

    def apply(self) -> int:
        """Freeze what answers, and see that all of it stands still.

        Raises:
            RunError: It does not answer as it is, so that silence would prove nothing.
        """
        if not self._victim.answers():
            raise RunError(
                f"{self.fault.target or self.fault.id} does not answer even before it is frozen",
                hint="Freeze a process that listens on its {{port}}, or a container that publishes "
                "a port on loopback.",
            )
        self._struck = self._victim.freeze()
        return time.monotonic_ns()

    def observe(self) -> None:
        """Ask it something, once: what is frozen gives no answer."""
        if not self._unanswered:
            self._unanswered += not self._victim.answers()

    def undo(self) -> None:
        """Let all of it go on."""
        self._victim.thaw()

    def counts(self) -> Sequence[Counted]:
        """Return what was seen standing still, and the question that got no answer."""
        return self._struck, Counted(self._unanswered)
