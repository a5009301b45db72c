"""``stressproof``: one command with sub-commands, each imported when it is used and not before."""

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from stressproof.cli.examples import examples
from stressproof.cli.run import run
from stressproof.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("stressproof.cli.demo", "Run the suite's whole protocol on this machine."),
    "init": ("stressproof.cli.init", "Write a stressproof.toml to begin with."),
    "capture": ("stressproof.cli.capture", "Load a service, keep the evidence."),
    "inject": ("stressproof.cli.inject", "Break a service on purpose, keep the evidence."),
    "proxy": ("stressproof.cli.proxy", "Put a fault proxy before a server, by hand."),
    "verify": ("stressproof.cli.verify", "Judge evidence, and say why."),
    "sign": ("stressproof.cli.sign", "Say that evidence is what you ran."),
    "approve": ("stressproof.cli.approve", "Look at somebody else's evidence, and approve it."),
    "gate": ("stressproof.cli.gate", "Decide whether a build may be released."),
    "promote": ("stressproof.cli.promote", "Say whether a build may be promoted."),
    "keys": ("stressproof.cli.keys", "Make a key; show whose keys count."),
    "check": ("stressproof.cli.check", "Say what a project asks and would send; send it once."),
    "compare": ("stressproof.cli.compare", "Say whether one build is slower than another."),
    "report": ("stressproof.cli.report", "Show evidence as a page to hand on, or as CSV."),
    "slo": ("stressproof.cli.slo", "Error budgets: production's rules, a run's verdict."),
    "completion": ("stressproof.cli.completion", "Print what completes words in your shell."),
}
"""Sub-command to the module that holds it (as ``command``) and its line in ``--help``."""


class LazyGroup(click.Group):
    """A group that knows its commands' names without importing them.

    Args:
        table: Name to module and help line, as `COMMANDS`.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the table's order: that in which a user meets them."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, None where there is no such name."""
        del ctx
        if cmd_name not in self.table:
            return None
        loaded = importlib.import_module(self.table[cmd_name][0]).command
        if not isinstance(loaded, click.Command):
            raise TypeError(f"{self.table[cmd_name][0]}.command is not a click command")
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, so that help imports none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Return the commands that a word may become, from the table; a flag is click's affair."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # only for a shell

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for name, (_, line) in self.table.items()
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and offer the nearest name where there is none.

        Raises:
            click.UsageError: There is no such command.
        """
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            from stressproof.objectives.syntax import did_you_mean  # noqa: PLC0415  # only a typo

            offer = did_you_mean(name, self.table)
            raise click.UsageError(f"there is no command '{name}'. {offer}".rstrip(), ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof init http://127.0.0.1:8080/orders",
        "stressproof capture http://127.0.0.1:8080/orders --rate 50/s --duration 30s",
        "stressproof verify stressproof-results/e.json",
        then="Exit codes: 0 pass · 2 usage · 3 inconclusive · 6 evidence rejected · 99 objectives "
        "not met; all of them in docs/ops/exit-codes.md.",
    ),
)
@click.version_option(__version__, prog_name="stressproof", message="%(prog)s %(version)s")
def command() -> None:
    """Load a service, break it on purpose, and let only proven builds through."""


def main() -> None:
    """Run the command line and end the process."""
    sys.exit(run(command, "stressproof"))
