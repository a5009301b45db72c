"""The quality steps of the enterprise gate, as data."""

from typing import Annotated

from msgspec import Meta, Struct

PYTHON = "python"
"""First word of a command that the gate's own interpreter runs."""

TESTS_TIMEOUT_S = 900
NOTHING_COLLECTED = 5
"""What pytest ends with when there was no test to run."""


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command that must end well.

    Attributes:
        name: What the gate calls it.
        run: The command, as words; a first word ``python`` is the gate's own interpreter.
        timeout_seconds: When it is ended.
        needs: Python modules without which it cannot run, beside that of ``python -m MODULE``.
        inconclusive_exit_codes: Codes that say "there was nothing to judge".
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    run: Annotated[tuple[Annotated[str, Meta(pattern=r"^[^\x00]*$")], ...], Meta(min_length=1)]
    timeout_seconds: Annotated[int, Meta(ge=1, le=7200)] = 600
    needs: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...] = ()
    inconclusive_exit_codes: tuple[Annotated[int, Meta(ge=1, le=255)], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a command without a program; called by msgspec too, which names the place."""
        if not self.run[0]:
            raise ValueError("the first word of a command names its program")

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


OFFLINE_SPINE = ("measure", "evidence", "objectives", "verify", "trust", "gate")
"""Rooms whose tests the gate counts: what a verdict and a decision rest on."""

COVERAGE_FLOOR_PERCENT = 85

OWN_STEPS = (
    Step(name="lint", run=(PYTHON, "-m", "ruff", "check", ".")),
    Step(name="format", run=(PYTHON, "-m", "ruff", "format", "--check", ".")),
    Step(name="types", run=(PYTHON, "-m", "mypy")),
    Step(
        name="imports",
        # The package cannot be run as a module; this is what its console script does.
        run=(PYTHON, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
        needs=("importlinter",),
    ),
    Step(
        name="tests",
        run=(
            *(PYTHON, "-m", "pytest", "-m", "gate", "-q", "-p", "no:cacheprovider"),
            *(f"--cov=stressproof.{room}" for room in OFFLINE_SPINE),
            "--cov-report=term",
            f"--cov-fail-under={COVERAGE_FLOOR_PERCENT}",
        ),
        timeout_seconds=TESTS_TIMEOUT_S,
        needs=("pytest_cov",),
    ),
)
"""This project's own: what its CI demands of a change, without servers."""
