"""``stressproof completion``: what makes a shell complete commands, flags and their words."""

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stdout
from stressproof.cli.param_types import Choice
from stressproof.exits import Exit

PROGRAM = "stressproof"
_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        """echo 'eval "$(stressproof completion bash)"' >> ~/.bashrc""",
        """echo 'eval "$(stressproof completion zsh)"' >> ~/.zshrc""",
        "stressproof completion fish > ~/.config/fish/completions/stressproof.fish",
    ),
)
@click.argument("shell", type=Choice(tuple(_SHELLS)))
def command(shell: str) -> Exit:
    """Print what lets SHELL complete commands, flags and their words (bash 4.4 or later)."""
    script = _SHELLS[shell](click.Group(), {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE")
    # As click has it, without its question which bash is at hand: that of the user may be another.
    to_stdout(script.source_template % script.source_vars())
    return Exit.PASS
