"""``stressproof verify FILE``: either kind of evidence, told apart by what it holds."""

from pathlib import Path
from typing import Any

import click

from stressproof.cli import verify_failure, verify_stress
from stressproof.cli.suite_choice import chosen_suite
from stressproof.cli.verify_common import (
    OutputOptions,
    Unread,
    conclude,
    explain_option,
    read_or_reason,
    showing_options,
)
from stressproof.evidence.reading import Document
from stressproof.exits import Exit
from stressproof.verify.failure.verifier import RULES as FAILURE_RULES
from stressproof.verify.stress.verifier import RULES as STRESS_RULES

KINDS = ("auto", "stress", "failure")
_STRESS_ONLY = frozenset(
    parameter.name
    for parameter in verify_stress.command.params
    if parameter.name not in {each.name for each in verify_failure.command.params}
)
_FAILURE_ONLY = frozenset({"checkout"})


def kind_of(document: Document | Unread) -> str:
    """Return what a document is: scenarios make it failure evidence, anything else is stress.

    Nothing is gained by looking like the other kind: each kind's rules demand its own profile.
    """
    return (
        "failure" if isinstance(document, Document) and "scenarios" in document.data else "stress"
    )


def _refuse_flags_of(context: click.Context, names: frozenset[str | None], kind: str) -> None:
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and given is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} says nothing about {kind} evidence", context
            )


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: stressproof verify stressproof-results/stress.json",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="auto",
    show_default=True,
    help="Which kind of evidence it must be.",
)
@click.option(
    "--checkout",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    show_default="the working directory",
    help="The folder that references of failure evidence are relative to.",
)
@verify_stress.stress_options
@showing_options
@explain_option((*STRESS_RULES, *FAILURE_RULES))
@click.pass_context
def command(
    context: click.Context,
    /,
    file: Path,
    kind: str,
    checkout: Path,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    **flags: Any,
) -> Exit:
    """Judge a stress or failure artifact, and say why."""
    suite = chosen_suite()
    document = read_or_reason(file)
    kind = kind_of(document) if kind == "auto" else kind
    if kind == "failure":
        _refuse_flags_of(context, _STRESS_ONLY, kind)
        verdict = verify_failure.judge_failure(
            file,
            document,
            suite,
            verify_failure.requirements_from(suite, flags),
            checkout=checkout,
            dry_run=dry_run,
        )
    else:
        _refuse_flags_of(context, _FAILURE_ONLY, kind)
        verdict = verify_stress.judge_stress(
            file,
            document,
            suite,
            verify_stress.requirements_from(suite, flags),
            dry_run=dry_run,
        )
    return conclude(verdict, OutputOptions(form, decision_out, dry_run))
