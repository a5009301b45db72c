"""``stressproof gate enterprise``: what the environment names, then every quality step."""

import os

import click

from stressproof.cli.examples import examples
from stressproof.cli.gate_common import (
    GateSigning,
    policy_option,
    run_and_conclude,
    showing_options,
    trust_options,
)
from stressproof.cli.output_options import OutputOptions
from stressproof.cli.suite_choice import chosen_suite, suite_at_gate
from stressproof.exits import Exit
from stressproof.gate.environment import SETTINGS, read_settings
from stressproof.gate.gate import ENTERPRISE
from stressproof.gate.request import GateRequest


class _WithVariables(click.Command):
    """A command whose help ends in the variables that it reads, as the suite calls them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them, and the examples before them."""
        super().format_epilog(ctx, formatter)
        variables = chosen_suite().variables
        with formatter.section("The environment says which evidence is judged, and how strictly"):
            formatter.write_dl(
                [(setting.variable(variables), setting.meaning) for setting in SETTINGS]
            )


@click.command(
    cls=_WithVariables,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("stressproof gate enterprise --dry-run", "stressproof gate enterprise"),
)
@trust_options
@policy_option
@showing_options
def command(
    trust_file: str,
    signing_key: str | None,
    sign: bool,  # noqa: FBT001  # a flag
    policy_ref: str,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
) -> Exit:
    """Judge the evidence that the environment names, then run every quality step."""
    suite = suite_at_gate(policy_ref)

    def ask() -> GateRequest:
        return read_settings(suite, os.environ, {}, dry_run=dry_run)

    return run_and_conclude(
        ENTERPRISE,
        OutputOptions(form, decision_out, dry_run),
        ask,
        policy_ref=policy_ref,
        signing=GateSigning(trust_file, sign, signing_key),
    )
