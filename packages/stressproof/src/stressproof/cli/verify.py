"""``stressproof verify FILE``: either kind of evidence, told apart by what it holds."""

from typing import Any

import click
import msgspec

from stressproof.cli import verify_failure, verify_stress
from stressproof.cli.examples import examples
from stressproof.cli.output_options import OutputOptions
from stressproof.cli.param_types import Choice
from stressproof.cli.suite_choice import chosen_project
from stressproof.cli.verify_common import CHECKOUT, explain_option, judge, showing_options
from stressproof.config.stress_requirements import RUNNER
from stressproof.evidence.reading import Document
from stressproof.evidence.results import Thresholds
from stressproof.evidence.workload import AD_HOC
from stressproof.exits import Exit
from stressproof.verify.kind import EvidenceKind, Unread, read_or_reason
from stressproof.verify.kinds import KINDS, kind_of
from stressproof.verify.stress.verifier import STRESS

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
    epilog=examples(
        "stressproof verify stressproof-results/stress.json",
        "stressproof verify failure.json --kind failure --format json",
    ),
)
@click.argument("file", type=click.Path())
@click.option(
    "--kind",
    "named",
    type=Choice(("auto", *(kind.name for kind in KINDS))),
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
    verbose: bool,  # noqa: FBT001  # likewise
    **flags: Any,
) -> Exit:
    """Judge a stress or failure artifact, and say why."""
    document = read_or_reason(file)
    kind = next((each for each in KINDS if each.name == named), None) or kind_of(document)
    _refuse_flags_beyond(context, kind)
    showing = OutputOptions(form, decision_out, dry_run, verbose)
    named = flags["as_gate"] or flags["profile"]
    floor = None if named else floor_of(kind, document)
    return judge(kind, file, flags, showing, document, floor=floor)


def floor_of(kind: EvidenceKind[Any], document: Document | Unread) -> Any:
    """Return the floor of a capture that no suite knows: consistency, and its own limits.

    None where a suite has the floor.
    """
    if kind is not STRESS or isinstance(document, Unread):
        return None
    if document.data.get("profile") != AD_HOC or chosen_project().suite:
        return None
    from stressproof.cli.artifact import integrity  # noqa: PLC0415  # only for such captures

    stated = document.data.get("thresholds")
    limits = {
        name: float(value)
        for name, value in (stated.items() if isinstance(stated, dict) else ())
        if name in Thresholds.__struct_fields__ and type(value) in {int, float}
    }
    return msgspec.structs.replace(integrity(document), runner=RUNNER, **limits)
