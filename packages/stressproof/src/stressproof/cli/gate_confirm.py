"""``stressproof gate confirm``: the last question before a promotion."""

from pathlib import Path

import click

from stressproof.cli.examples import examples
from stressproof.cli.gate_common import policy_option
from stressproof.cli.output import to_stdout
from stressproof.cli.param_types import LIMIT
from stressproof.cli.sign_options import POLICY
from stressproof.cli.suite_choice import suite_at_gate
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.gate.confirmation import DECISION_MAX_AGE_HOURS, confirm
from stressproof.report.verdict_text import WORD, reasons
from stressproof.verify.instants import now_us
from stressproof.verify.rule import printable
from stressproof.verify.verdict import overall


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("stressproof gate confirm decision.json --policy-ref refs/heads/main"),
)
@click.argument("decision", type=click.Path(path_type=Path))
@click.option(
    "--max-age-hours",
    type=LIMIT,
    default=DECISION_MAX_AGE_HOURS,
    show_default=True,
    help="Oldest decision; may be tightened.",
)
@POLICY
@policy_option
def command(decision: Path, max_age_hours: float, trust_file: str, policy_ref: str) -> Exit:
    """Confirm that DECISION accepts, and that it is about the build and the evidence here."""
    if max_age_hours > DECISION_MAX_AGE_HOURS:
        raise UsageError(
            f"--max-age-hours {max_age_hours:g} is above {DECISION_MAX_AGE_HOURS:g}",
            hint="The age of a decision may only be tightened.",
        )
    results = confirm(
        decision,
        Path(),
        suite_at_gate(policy_ref),
        max_age_hours=max_age_hours,
        now_us=now_us(),
        policy_ref=policy_ref,
        trust_file=trust_file,
    )
    outcome, code = overall(results)
    lines = [line for one in results if one.exit_code is not Exit.PASS for line in reasons(one)]
    held = sum(one.exit_code is Exit.PASS for one in results)
    lines.append(
        f"{WORD[outcome]}  {printable(str(decision))}: {held} of {len(results)} rules hold  "
        f"exit {int(code)}"
    )
    to_stdout("\n".join(lines))
    return code
