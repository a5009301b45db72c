"""``stressproof gate release``: both kinds of evidence, every quality step, one decision."""

import os
from typing import Any

import click

from stressproof.cli.examples import examples
from stressproof.cli.gate_common import (
    GateSigning,
    flags_given,
    policy_option,
    run_and_conclude,
    setting_options,
    showing_options,
    trust_options,
)
from stressproof.cli.output_options import OutputOptions
from stressproof.cli.suite_choice import suite_at_gate
from stressproof.exits import Exit
from stressproof.gate.environment import read_settings
from stressproof.gate.gate import RELEASE
from stressproof.gate.request import GateRequest
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kinds import KINDS
from stressproof.verify.stress.verifier import STRESS


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof gate release --stress-evidence-path stressproof-results/stress.json",
        "stressproof gate release --evidence-only --without-failure-evidence --dry-run",
    ),
)
@setting_options
@click.option(
    "--evidence-only",
    is_flag=True,
    help="Judge the evidence and leave the quality steps out; the result releases nothing.",
)
@click.option(
    "--without-failure-evidence",
    is_flag=True,
    help="With --evidence-only: do not ask for failure evidence.",
)
@trust_options
@policy_option
@showing_options
def command(
    evidence_only: bool,  # noqa: FBT001  # a flag
    without_failure_evidence: bool,  # noqa: FBT001  # a flag
    trust_file: str,
    signing_key: str | None,
    sign: bool,  # noqa: FBT001  # a flag
    policy_ref: str,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    **values: Any,
) -> Exit:
    """Demand stress and failure evidence, as the suite has it, run every quality step, and decide.

    Limits may be tightened, never loosened. Where a flag is not given, the variable of the
    enterprise gate counts (stressproof gate enterprise --help lists them).
    """
    if without_failure_evidence and not evidence_only:
        raise click.UsageError("--without-failure-evidence needs --evidence-only")

    suite = suite_at_gate(policy_ref)
    only_stress = without_failure_evidence or not FAILURE.offered(suite)

    def ask() -> GateRequest:
        return read_settings(
            suite,
            os.environ,
            flags_given(values),
            required=(STRESS,) if only_stress else KINDS,
            dry_run=dry_run,
        )

    return run_and_conclude(
        RELEASE,
        OutputOptions(form, decision_out, dry_run),
        ask,
        policy_ref=policy_ref,
        evidence_only=evidence_only,
        signing=GateSigning(trust_file, sign, signing_key),
    )
