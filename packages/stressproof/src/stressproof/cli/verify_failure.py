"""The verifier of failure evidence, as a script of its own and behind ``stressproof verify``."""

from typing import Any

import click

from stressproof.cli.output_options import OutputOptions
from stressproof.cli.verify_common import (
    AGE,
    CHECKOUT,
    COMMIT,
    GATE,
    LEVEL,
    TRUST,
    UNKNOWN,
    explain_option,
    judge,
    profile_option,
    showing_options,
    with_options,
)
from stressproof.exits import Exit
from stressproof.verify.failure.verifier import FAILURE

failure_options = with_options(profile_option(FAILURE), AGE, COMMIT, LEVEL, UNKNOWN, GATE, TRUST)
"""Every requirement of failure evidence that can be asked on the command line."""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: --evidence-path stressproof-results/failure.json",
)
@click.option("--evidence-path", required=True, type=click.Path(), help="The artifact to judge.")
@CHECKOUT
@failure_options
@showing_options
@explain_option(FAILURE.rules)
def command(
    evidence_path: str,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    verbose: bool,  # noqa: FBT001  # likewise
    **flags: Any,
) -> Exit:
    """Judge a failure-injection artifact against the protocol, and say why."""
    return judge(FAILURE, evidence_path, flags, OutputOptions(form, decision_out, dry_run, verbose))
