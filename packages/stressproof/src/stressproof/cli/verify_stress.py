"""The verifier of stress evidence, as a script of its own and behind ``stressproof verify``."""

from typing import Any

import click

from stressproof.cli.output_options import OutputOptions
from stressproof.cli.param_types import LIMIT, WHOLE
from stressproof.cli.verify_common import (
    AGE,
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
from stressproof.verify.stress.verifier import STRESS

stress_options = with_options(
    profile_option(STRESS),
    click.option("--min-rounds", type=WHOLE, help="Fewest rounds."),
    click.option("--min-duration-seconds", type=WHOLE, help="Shortest round."),
    click.option("--min-concurrent-users", type=WHOLE, help="Fewest concurrent users."),
    click.option("--required-database-engine", "database_engine", help="The engine, exactly."),
    click.option("--max-p95-seconds", type=LIMIT, help="Limit of p95 in every round."),
    click.option("--max-error-rate-percent", type=LIMIT, help="Limit of errors in every round."),
    click.option("--min-throughput-rps", type=LIMIT, help="Least throughput of every round."),
    AGE,
    COMMIT,
    click.option(
        "--target", "targets", multiple=True, help="An origin that may be the target; repeatable."
    ),
    click.option("--no-loopback", is_flag=True, help="Refuse a target on the same machine."),
    LEVEL,
    click.option("--require-counters", is_flag=True, help="Demand the target's own counters."),
    click.option("--require-identity", is_flag=True, help="Demand the target's instance id."),
    click.option("--refuse-unsafe", is_flag=True, help="Refuse a target with protections off."),
    UNKNOWN,
    GATE,
    TRUST,
)
"""Every requirement of stress evidence that can be asked on the command line."""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: --evidence-path stressproof-results/stress.json --max-p95-seconds 1.5",
)
@click.option("--evidence-path", required=True, type=click.Path(), help="The artifact to judge.")
@stress_options
@showing_options
@explain_option(STRESS.rules)
def command(
    evidence_path: str,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    verbose: bool,  # noqa: FBT001  # likewise
    **flags: Any,
) -> Exit:
    """Judge a stress artifact against the protocol, and say why."""
    return judge(STRESS, evidence_path, flags, OutputOptions(form, decision_out, dry_run, verbose))
