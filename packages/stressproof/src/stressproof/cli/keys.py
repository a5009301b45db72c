"""``stressproof keys``: a key for whoever has none, and whose keys count."""

import click

from stressproof.cli.examples import examples
from stressproof.cli.main import LazyGroup

KEYS = {
    "init": ("stressproof.cli.keys_init", "Make an ed25519 key, for a machine or a person."),
    "list": ("stressproof.cli.keys_list", "Show whose keys count, and for what."),
}


@click.group(
    cls=LazyGroup,
    table=KEYS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof keys init gate@ci.example.org --out gate.pem",
        "stressproof keys list",
        then="Whoever has an ed25519 SSH key needs no other: docs/signing.md.",
    ),
)
def command() -> None:
    """Make a key, or show whose keys count."""
