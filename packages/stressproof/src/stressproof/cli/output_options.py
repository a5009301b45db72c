"""How a verdict or a decision is wanted: the options that every judging command has."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from msgspec import Struct

from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import Choice
from stressproof.errors import OutputError
from stressproof.report.lines import shown, worded
from stressproof.report.verdicts import NOT_RELEASE

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class OutputOptions(Struct, frozen=True):
    """How the outcome is wanted.

    Attributes:
        form: One of the forms that the command offers.
        decision_out: Where to write the decision, None for nowhere.
        dry_run: A rehearsal: floors may be loosened, and nothing a promotion accepts is written.
        verbose: Also say, on stderr, which rules had nothing to check.
    """

    form: str
    decision_out: str | None
    dry_run: bool
    verbose: bool = False

    @property
    def mark(self) -> str:
        """What every line of a rehearsal begins with."""
        return f"{NOT_RELEASE}  " if self.dry_run else ""

    def show(self, rendered: str) -> None:
        """Write the outcome to stdout, as whoever looks at it takes it.

        Raises:
            OutputError: It could not be written.
        """
        if self.form == "text":
            rendered = shown(worded(rendered), sys.stdout)
        to_stdout(rendered)

    def decision_file(self) -> str | None:
        """Return where the decision goes; a rehearsal writes none, and says so."""
        if self.decision_out is not None and self.dry_run:
            to_stderr(f"{NOT_RELEASE}: a rehearsal writes no decision to {self.decision_out}")
            return None
        return self.decision_out


def output_options(
    forms: Sequence[str], *, shown: str, rehearsal: str
) -> Callable[[CommandT], CommandT]:
    """Add the options of `OutputOptions` to a command.

    Args:
        forms: What ``--format`` offers.
        shown: What is shown on stdout.
        rehearsal: What ``--dry-run`` does.
    """
    options = (
        click.option(
            "--format",
            "form",
            type=Choice(forms),
            default="text",
            show_default=True,
            help=f"How to show the {shown} on stdout.",
        ),
        click.option(
            "--decision-out",
            type=click.Path(dir_okay=False),
            help="Write the decision with the digest of all that was judged, as JSON.",
        ),
        click.option("--dry-run", is_flag=True, help=f"Rehearse: {rehearsal}"),
    )

    def decorate(command: CommandT) -> CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def append_step_summary(text: str) -> None:
    """Append Markdown to the summary page of a GitHub step, where there is one.

    Raises:
        OutputError: The page is named and cannot be written.
    """
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if not page:
        return
    try:
        with open(page, "a", encoding="utf-8") as stream:  # noqa: PTH123  # pathlib costs 4 ms
            stream.write(text)
    except OSError as error:
        raise OutputError(
            f"cannot append to GITHUB_STEP_SUMMARY ({page}): {error.strerror or error}",
            hint="Unset the variable, or name a file that this user may write.",
        ) from error
