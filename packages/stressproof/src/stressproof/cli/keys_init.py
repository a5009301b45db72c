"""``stressproof keys init NAME``: an ed25519 key, in a file that only its owner can read."""

import contextlib
import os
import re
from pathlib import Path

import click

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.errors import OutputError, UsageError
from stressproof.trust.roster import PRINCIPAL
from stressproof.trust.signing import VARIABLE, is_attended, make_key
from stressproof.trust.sshsig import NAMESPACE


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("stressproof keys init gate@ci.example.org --out gate.pem"),
)
@click.argument("name")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the private key goes; never over a file that is there.",
)
@click.option("--passphrase", is_flag=True, help="Ask for one: for people, not for machines.")
def command(name: str, out: Path, *, passphrase: bool) -> None:
    """Make an ed25519 key (PKCS#8) for NAME, and print its line for the roster.

    A machine's key goes into the secrets of the CI, as the text of the file, and the file away.
    """
    if not re.match(PRINCIPAL, name):
        raise UsageError(
            f"{name!r} is no name for a roster",
            hint="Use letters, digits and . _ @ + -, such as ada@example.org.",
        )
    secret = b""
    if passphrase and not is_attended():
        raise UsageError(
            "nobody is at a terminal to say a passphrase",
            hint="Run it on a terminal, or leave --passphrase out for a machine's key.",
        )
    if passphrase:
        secret = click.prompt(
            "Passphrase", hide_input=True, confirmation_prompt=True, err=True
        ).encode()
    pem, public = make_key(secret)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.closing(os.fdopen(descriptor, "wb")) as stream:
            stream.write(pem)
    except OSError as error:
        raise OutputError(
            f"cannot write {out}: {error.strerror}", hint="Name a file that is not there yet."
        ) from error
    to_stderr(f"private key: {out}, for --signing-key or {VARIABLE}; the line for the roster:")
    to_stdout(f'{name} namespaces="{NAMESPACE}" {public.line}')
