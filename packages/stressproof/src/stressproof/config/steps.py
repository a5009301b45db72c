"""Quality steps of a release gate, as a configuration asks for them."""

from msgspec import Struct

from stressproof.programs import PYTHON

NOTHING_COLLECTED = 5
"""What pytest ends with when there was no test to run."""

SECOND_US = 1_000_000


class Step(Struct, frozen=True, kw_only=True):
    """One command that must end well.

    Attributes:
        name: What the gate calls it.
        run: The command and its arguments.
        timeout_us: When it is ended.
        needs: Python modules it cannot run without, beside that of ``python -m MODULE``.
        inconclusive_exit_codes: Codes that say "there was nothing to judge".
        pass_env: Environment variables that it is given beside the usual ones.
        path: Folders of the project that it may import from; the working directory is none.
    """

    name: str
    run: tuple[str, ...]
    timeout_us: int = 600 * SECOND_US
    needs: tuple[str, ...] = ()
    inconclusive_exit_codes: tuple[int, ...] = ()
    pass_env: tuple[str, ...] = ()
    path: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """Python modules that must be importable before it is started."""
        if self.run[:2] == (PYTHON, "-m"):
            return tuple(word.partition(".")[0] for word in self.run[2:3]) + self.needs
        return self.needs

    @property
    def nothing_judged(self) -> tuple[int, ...]:
        """Exit codes that are no pass and no failure."""
        if self.run[:3] == (PYTHON, "-m", "pytest"):
            return (NOTHING_COLLECTED, *self.inconclusive_exit_codes)
        return self.inconclusive_exit_codes
