"""Faults that a file's own commands make, witness and unmake."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stressproof.errors import RunError, UsageError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.injectors.bed import argv_of
from stressproof.faults.undo import Command, Undo, command, run_once

_HEAL_TIMEOUT_S = 60.0
_HEAL_POLL_S = 0.1
_LOOK_S = 0.5
_DIGITS = 15  # whole numbers that evidence can hold
GIVEN_UP = "on"
"""What a command prints that marks a thing as disposable."""


class CommandFault(Injector):
    """A command of the file's makes the fault, another one unmakes it.

    Args:
        fault: As the scenario has it; its witnesses are commands that print a count.
        folder: Where they run.
        environment: Beside ours.
    """

    def __init__(
        self, fault: FaultSpec, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(fault)
        self._folder = folder
        self._environment = environment or {}
        self._looked_ns = 0
        self._before: list[int | None] = []
        self._most: list[int | None] = []

    def require_given_up(self) -> None:
        """Refuse what its mark does not say is given up."""
        require_mark(self.fault, self._command("mark"))

    def undo_left(self) -> Undo:
        """Return the file's own undo."""
        return Undo(run=[self._command("undo")])

    def apply(self) -> int:
        """Look at what is to be counted, then run the fault's command.

        Raises:
            RunError: The command fails.
        """
        self._before = self._counts()
        self._most = list(self._before)
        effective = time.monotonic_ns()
        self._demand("run")
        return effective

    def observe(self) -> None:
        """Count, twice a second."""
        if time.monotonic_ns() - self._looked_ns > _LOOK_S * 1e9:
            counts = self._counts()
            self._most = [_larger(*pair) for pair in zip(self._most, counts, strict=True)]
            self._looked_ns = time.monotonic_ns()

    def undo(self) -> None:
        """Run the file's undo, and wait until it is healed where the file can tell.

        Raises:
            RunError: It fails, or is not healed in a minute.
        """
        self._demand("undo")
        healed = self._command("healed")
        if not healed["argv"]:
            return
        deadline = time.monotonic() + _HEAL_TIMEOUT_S
        while failure := run_once(healed).failure:
            if time.monotonic() > deadline:
                raise RunError(f"{self.fault.id} is not healed after its undo: {failure}")
            time.sleep(_HEAL_POLL_S)

    def counts(self) -> Sequence[Counted]:
        """Return what the witnesses' commands printed; one that printed no count counts nothing."""
        return [
            Counted(during, before)
            if before is not None and during is not None
            else Counted(0, detail=[f"{' '.join(one.run)} printed no count"])
            for one, before, during in zip(
                self.fault.witnesses, self._before, self._most, strict=True
            )
        ]

    def _counts(self) -> list[int | None]:
        return [_count(self._argv(one.run)) for one in self.fault.witnesses]

    def _demand(self, name: str) -> None:
        failure = run_once(self._command(name)).failure
        if failure:
            raise RunError(f"{self.fault.id}: its {name} failed: {failure}")

    def _command(self, name: str) -> Command:
        return self._argv(argv_of(self.fault, name))

    def _argv(self, argv: Sequence[str]) -> Command:
        return command(argv, self._folder, self._environment)


def require_mark(fault: FaultSpec, mark: Command) -> None:
    """Refuse to break what nobody has given up: the mark is on the thing, and a command reads it.

    Raises:
        UsageError: There is no mark, or it says something else.
    """
    if not mark["argv"]:
        raise UsageError(
            f"{fault.id} has no mark, so nobody knows whether what it breaks was given up",
            hint='Name a command that prints "on" where it was: mark = ["cat", "disposable"].',
        )
    ran = run_once(mark)
    if ran.failure or ran.said != GIVEN_UP:
        raise UsageError(
            f"{fault.id}: its mark says {ran.failure or repr(ran.said[:100])}, expected 'on'",
            hint="If nobody needs what it breaks, let the mark on it say on.",
        )


def _count(what: Command) -> int | None:
    """Return what a command prints, None where that is no count."""
    ran = run_once(what)
    if ran.failure or not (ran.said.isascii() and ran.said.isdigit()) or len(ran.said) > _DIGITS:
        return None
    return int(ran.said)


def _larger(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
