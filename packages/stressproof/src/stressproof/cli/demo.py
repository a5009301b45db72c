"""``stressproof demo``: what the suite shows of itself."""

from typing import Any

import click

from stressproof.cli.suite_choice import chosen_suite
from stressproof.dotted_path import resolve
from stressproof.errors import UsageError


class SuitesDemo(click.Command):
    """The demo of whichever suite is chosen; it brings its own options and help."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of the suite's own command.

        Raises:
            UsageError: The suite has no demo, or it cannot be loaded.
        """
        suite = chosen_suite()
        if not suite.demo:
            raise UsageError(
                f"the suite {suite.name} has no demo",
                hint="Install a service and a suite that have one: pip install 'stressproof[demo]'",
            )
        command = resolve(suite.demo, click.Command, of=f"the demo of the suite {suite.name}")
        return command.make_context(info_name, args, parent, **extra)


command = SuitesDemo("demo", help="Run the suite's whole protocol on this machine.")
