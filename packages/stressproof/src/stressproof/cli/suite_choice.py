"""Which suite a command is about: the one that the script names, the project, or the only one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from stressproof.errors import StressproofError
from stressproof.suite import Suite, find_suite, suite_of

if TYPE_CHECKING:
    from stressproof.config.compile import Project


def chosen_suite(project: "Project | None" = None) -> Suite:
    """Return the suite of the command that runs.

    Args:
        project: The project that it is about; None for that of the working directory.

    Raises:
        UsageError: It cannot be found, or the project's file cannot be meant.
    """
    named = _named()
    return find_suite(named) if named else suite_of(project or chosen_project())


def chosen_project() -> "Project":
    """Return the project that the working directory holds; one that says nothing for a script.

    Raises:
        UsageError: Its file cannot be meant.
    """
    # A script names its suite, and needs none of this.
    from pathlib import Path  # noqa: PLC0415

    from stressproof.config.compile import Project, load_project  # noqa: PLC0415

    return Project() if _named() else load_project(Path())


def chosen_subject() -> "Suite | Project":
    """Return the project of the working directory, or the suite that the script names.

    Raises:
        UsageError: It cannot be found, or its file cannot be meant.
    """
    named = _named()
    return find_suite(named) if named else chosen_project()


def suite_at_gate(policy_ref: str) -> Suite:
    """Return the suite of a gate: the policy names it, and no file of the checkout is run for it.

    Raises:
        UsageError: It cannot be found, or the policy cannot be meant.
        InconclusiveError: There is no policy at the ref.
    """
    named = _named()
    if named:
        return find_suite(named)
    from pathlib import Path  # noqa: PLC0415  # likewise

    from stressproof.gate.policy import read_policy  # noqa: PLC0415  # likewise

    return suite_of(read_policy(Path(), policy_ref).project, at_gate=True)


def _named() -> str:
    """Return the suite that the script which runs names, empty where it names none."""
    context = click.get_current_context(silent=True)
    return (context.obj or "") if context is not None else ""


class SuiteOption(click.Option):
    """An option whose default is the suite's; help shows it, and not given is None.

    Args:
        of_suite: Returns the default of a suite, None for none.
    """

    def __init__(self, *args: Any, of_suite: Callable[[Suite], object], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_suite = of_suite

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what stands behind the option in help."""
        extra = super().get_help_extra(ctx)
        try:
            default = self._of_suite(chosen_suite())
        except StressproofError:
            default = "the suite's"  # which one is missing, running the command says
        if default is not None:
            extra["default"] = f"{default}"
        return extra
