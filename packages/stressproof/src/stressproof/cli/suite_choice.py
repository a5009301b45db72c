"""Which suite a command is about: the one that the script names, the project, or the only one."""

import click

from stressproof.suite import Suite, find_suite


def chosen_suite() -> Suite:
    """Return the suite of the command that runs.

    Raises:
        UsageError: It cannot be found (`stressproof.suite.find_suite`).
    """
    context = click.get_current_context(silent=True)
    named = context.obj if context is not None else ""
    return find_suite(named or "")
