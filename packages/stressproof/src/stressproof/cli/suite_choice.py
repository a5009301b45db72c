"""Which suite a command is about: the one that the script names, the project, or the only one."""

from collections.abc import Callable
from typing import Any

import click

from stressproof.errors import StressproofError
from stressproof.suite import Suite, find_suite, suite_of


def chosen_suite(*, at_gate: bool = False) -> Suite:
    """Return the suite of the command that runs.

    Args:
        at_gate: Whether a gate asks (`stressproof.suite.suite_of`).

    Raises:
        UsageError: It cannot be found, or the project's file cannot be meant.
    """
    context = click.get_current_context(silent=True)
    named = context.obj if context is not None else ""
    if named:
        return find_suite(named)
    from pathlib import Path  # noqa: PLC0415  # not where a script names the suite

    from stressproof.config.compile import load_project  # noqa: PLC0415  # likewise

    return suite_of(load_project(Path()), at_gate=at_gate)


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
