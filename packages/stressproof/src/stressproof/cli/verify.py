"""``stressproof verify FILE``: either kind of evidence, told apart by what it holds."""

from typing import Any

import click

from stressproof.cli import verify_failure, verify_stress
from stressproof.cli.output_options import OutputOptions
from stressproof.cli.verify_common import CHECKOUT, explain_option, judge, showing_options
from stressproof.exits import Exit
from stressproof.verify.kind import EvidenceKind, read_or_reason
from stressproof.verify.kinds import KINDS, kind_of

_COMMANDS = {"stress": verify_stress.command, "failure": verify_failure.command}


def _refuse_flags_beyond(context: click.Context, kind: EvidenceKind[Any]) -> None:
    """Refuse a flag that says nothing about this kind of evidence."""
    known = {parameter.name for parameter in _COMMANDS[kind.name].params} | {"file", "named"}
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name not in known and given is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} says nothing about {kind.name} evidence", context
            )


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: stressproof verify stressproof-results/stress.json",
)
@click.argument("file", type=click.Path())
@click.option(
    "--kind",
    "named",
    type=click.Choice(("auto", *(kind.name for kind in KINDS))),
    default="auto",
    show_default=True,
    help="Which kind of evidence it must be.",
)
@CHECKOUT
@verify_stress.stress_options
@showing_options
@explain_option([rule for kind in KINDS for rule in kind.rules])
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    named: str,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    **flags: Any,
) -> Exit:
    """Judge a stress or failure artifact, and say why."""
    document = read_or_reason(file)
    kind = next((each for each in KINDS if each.name == named), None) or kind_of(document)
    _refuse_flags_beyond(context, kind)
    return judge(kind, file, flags, OutputOptions(form, decision_out, dry_run), document)
