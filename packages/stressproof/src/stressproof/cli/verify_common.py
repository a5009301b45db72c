"""What all verifying commands share: options, reading once, showing the verdict, the decision."""

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct

from stressproof.cli.output import to_stderr, to_stdout
from stressproof.errors import OutputError, UsageError
from stressproof.evidence.reading import (
    AbsentEvidenceError,
    Document,
    UnreadableEvidenceError,
    read_document,
)
from stressproof.exits import Exit
from stressproof.report.verdicts import FORMATS, NOT_RELEASE, render
from stressproof.verify.rule import Rule
from stressproof.verify.subject import is_commit
from stressproof.verify.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
Unread = UnreadableEvidenceError | AbsentEvidenceError


class OutputOptions(Struct, frozen=True):
    """How the verdict is wanted.

    Attributes:
        form: One of `FORMATS`.
        decision_out: Where to write the decision, None for nowhere.
        dry_run: A rehearsal: floors may be loosened, and nothing a promotion accepts is written.
    """

    form: str
    decision_out: str | None
    dry_run: bool


def showing_options(command: CommandT) -> CommandT:
    """Add the options of `OutputOptions` to a command."""
    for option in reversed(
        (
            click.option(
                "--format",
                "form",
                type=click.Choice(FORMATS),
                default="text",
                show_default=True,
                help="How to show the verdict on stdout.",
            ),
            click.option(
                "--decision-out",
                type=click.Path(dir_okay=False),
                help="Write the decision with the digest of what was judged, as JSON.",
            ),
            click.option(
                "--dry-run",
                is_flag=True,
                help="Rehearse: floors may be loosened; the result is no release evidence.",
            ),
        )
    ):
        command = option(command)
    return command


def explain_option(rules: Sequence[Rule[Any]]) -> Callable[[CommandT], CommandT]:
    """Add ``--explain``, which lists the rules and stops."""

    def explain(context: click.Context, parameter: click.Parameter, value: object) -> None:
        del parameter
        if not value or context.resilient_parsing:
            return
        from stressproof.report.rules import explain_rules  # noqa: PLC0415  # only for --explain

        to_stdout(explain_rules(rules))
        context.exit(Exit.PASS)

    return click.option(
        "--explain",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=explain,
        help="List the rules and exit.",
    )


def check_commits(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse what is no full commit hash: a short one could name two."""
    for commit in value:
        if not is_commit(commit):
            raise click.BadParameter(f"{commit!r} is not a full commit hash", context, parameter)
    return value


def refuse_loosened(loosened: Sequence[str], *, dry_run: bool) -> None:
    """Refuse what asks less than the floors, unless it is a rehearsal.

    Raises:
        UsageError: A floor was loosened.
    """
    if loosened and not dry_run:
        raise UsageError(
            f"looser than the floors: {'; '.join(loosened)}",
            hint="Limits may only be tightened; --dry-run rehearses with others.",
        )


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000


def read_or_reason(path: "Path | str") -> Document | Unread:
    """Read evidence; what keeps it from being read is a verdict of its own, not an end."""
    try:
        return read_document(path)
    except (UnreadableEvidenceError, AbsentEvidenceError) as error:
        return error


def conclude(verdict: Verdict, showing: OutputOptions) -> Exit:
    """Show the verdict, write the decision, and return the exit code.

    Raises:
        OutputError: The decision or the verdict could not be written.
    """
    if showing.decision_out is not None:
        if showing.dry_run:
            to_stderr(f"{NOT_RELEASE}: a rehearsal writes no decision to {showing.decision_out}")
        else:
            _write_decision(showing.decision_out, verdict)
    to_stdout(render(verdict, showing.form))
    if showing.form == "github":
        _append_step_summary(verdict)
    if showing.form != "text":
        from stressproof.report.verdict_text import summary  # noqa: PLC0415  # not for text

        to_stderr(summary(verdict))
    return verdict.exit_code


def _write_decision(path: str, verdict: Verdict) -> None:
    from pathlib import Path  # noqa: PLC0415  # 4 ms few need

    from stressproof.evidence.writing import write_atomic  # noqa: PLC0415  # 3 ms few need
    from stressproof.report.decision import decision  # noqa: PLC0415  # likewise

    write_atomic(Path(path), decision([verdict]))
    to_stderr(f"decision written to {path}")


def _append_step_summary(verdict: Verdict) -> None:
    """Append to the summary page of a GitHub step, where there is one."""
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if not page:
        return
    text = render(verdict, "markdown")
    try:
        with open(page, "a", encoding="utf-8") as stream:  # noqa: PTH123  # pathlib costs 4 ms
            stream.write(text)
    except OSError as error:
        raise OutputError(
            f"cannot append to GITHUB_STEP_SUMMARY ({page}): {error.strerror or error}",
            hint="Unset the variable, or name a file that this user may write.",
        ) from error
