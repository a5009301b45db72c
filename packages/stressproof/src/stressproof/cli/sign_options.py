"""Signing on the command line: whose key, under which policy, and what the options are called."""

from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from stressproof.cli.output_options import CommandT
from stressproof.errors import UsageError
from stressproof.trust.policy import FOLDER, POLICY_NAME, TrustPolicy

_DIGEST = "sha256:"
_DIGEST_DIGITS = 64


def _digest(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the digits of a digest: of an image or of whatever else is shipped."""
    if value is None:
        return None
    digits = value.removeprefix(_DIGEST)
    if len(digits) != _DIGEST_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise click.BadParameter(
            f"{value!r} is not sha256: and 64 hexadecimal digits", context, parameter
        )
    return digits


DIGEST = click.option(
    "--digest",
    "image",
    metavar="sha256:HEX",
    callback=_digest,
    help="What is shipped: digest of the image or archive that was built of the commit.",
)
KEY = click.option(
    "--signing-key",
    metavar="FILE",
    help="Key to sign with: an SSH key or its .pub (an agent, a token), or PKCS#8.  [default: "
    "STRESSPROOF_SIGNING_KEY, else git's user.signingKey, else the agent's only ed25519 key]",
)
POLICY = click.option(
    "--policy",
    "trust_file",
    metavar="FILE",
    default="",
    help=f"Trust policy with its roster beside it.  [default: {FOLDER}/{POLICY_NAME} as committed]",
)
POLICY_REF = click.option(
    "--policy-ref",
    default="",
    metavar="REF",
    help="Read the trust policy from this full ref or commit and not from HEAD.",
)
SIGN = click.option("--sign", is_flag=True, help="Sign plan and evidence, as an executor.")


def sign_options(command: CommandT) -> CommandT:
    """Add ``--sign`` and what belongs to it to a command that makes evidence."""
    for option in reversed((SIGN, KEY, DIGEST, POLICY, POLICY_REF)):
        command = option(command)
    return command


class SignOptions(Struct, frozen=True):
    """Whether and how what is made is signed.

    Attributes:
        sign: Whether at all.
        signing_key: A file, None for what is found.
        image: sha256 of what is shipped, None where nobody says.
        trust_file: A policy on disk, empty for the one that is committed.
        policy_ref: Where the policy is read, empty for HEAD.
    """

    sign: bool = False
    signing_key: str | None = None
    image: str | None = None
    trust_file: str = ""
    policy_ref: str = ""

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> "SignOptions":
        """Return the options of `sign_options`, taken out of all that a command was given.

        Raises:
            UsageError: One was given that says nothing without ``--sign``.
        """
        made = cls(**{name: options.pop(name) for name in cls.__struct_fields__})
        if not made.sign and made != cls():
            raise UsageError(
                "--signing-key, --digest, --policy and --policy-ref say how to sign, and --sign is "
                "missing",
                hint="Add --sign, or leave them out.",
            )
        return made


def committed_policy(trust_file: str, policy_ref: str) -> tuple[TrustPolicy, str]:
    """Return the policy that is named, or committed here, and where it was read.

    Raises:
        UsageError: There is none, or it cannot be meant.
        InconclusiveError: The ref is absent.
    """
    from stressproof.gate.trust import read_trust  # noqa: PLC0415  # only where people sign

    found = read_trust(Path(), policy_ref, trust_file)
    if found.policy is None:
        raise UsageError(
            f"there is no {FOLDER}/{POLICY_NAME} in HEAD, so nobody knows who may sign",
            hint="docs/signing.md has a policy and a roster to begin with; commit both.",
        )
    return found.policy, found.source
