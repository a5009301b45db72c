"""``stressproof gate``: the two gates, and the question after them."""

import click

from stressproof.cli.examples import examples
from stressproof.cli.main import LazyGroup

GATES = {
    "release": (
        "stressproof.cli.gate_release",
        "Demand both kinds of evidence, run every step, decide.",
    ),
    "enterprise": (
        "stressproof.cli.gate_enterprise",
        "Judge what the environment names, then run every step.",
    ),
    "confirm": (
        "stressproof.cli.gate_confirm",
        "Confirm a decision where it is acted on.",
    ),
}


@click.group(
    cls=LazyGroup,
    table=GATES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof gate release --decision-out decision.json",
        "stressproof gate confirm decision.json",
    ),
)
def command() -> None:
    """Decide whether a build may be released."""
