"""People with keys, made by the real ``ssh-keygen``; a FIDO token, simulated; a policy for them."""

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stressproof.trust.keys import ED25519, SK_ED25519, PublicKey
from stressproof.trust.policy import FOLDER, POLICY_NAME, TrustPolicy, policy_of
from stressproof.trust.roster import ROSTER_NAME
from stressproof.trust.signing import SigningKey, find_key, make_key
from stressproof.trust.sshsig import BEGIN, NAMESPACE
from stressproof.trust.wire import encode_base64, ssh_string

ADA = "ada@example.org"
GRACE = "grace@example.org"
GATE = "gate@ci.example.org"

POLICY = f"""\
resource = "git+https://example.org/shop"

[roles]
executor = ["{ADA}"]
approver = ["{GRACE}"]
gate = ["{GATE}"]

[require]
evidence = ["stress"]
"""


def ssh_key(folder: Path, name: str, *flags: str) -> Path:
    """Make an SSH key by ssh-keygen, and return the file of its private half."""
    path = folder / name
    flags = flags or ("-t", "ed25519")
    command = ["ssh-keygen", "-q", "-N", "", "-C", name, *flags, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def machine_key() -> tuple[str, SigningKey]:
    """Return a machine's key as its PEM text, and as what signs."""
    pem, _ = make_key()
    return pem.decode(), find_key(None, {"STRESSPROOF_SIGNING_KEY": pem.decode()})


@dataclass(frozen=True)
class Token:
    """A FIDO token as OpenSSH uses one: it mixes in its application, flags and a counter.

    Attributes:
        flags: 1 where somebody touched it.
        application: ``ssh:`` in OpenSSH.
    """

    secret: Ed25519PrivateKey
    flags: int = 1
    application: bytes = b"ssh:"

    @property
    def public(self) -> PublicKey:
        """The key as a roster has it."""
        raw = self.secret.public_key().public_bytes_raw()
        return PublicKey(SK_ED25519, raw, self.application)

    def sign(self, message: bytes, namespace: str = NAMESPACE) -> bytes:
        """Return the armored signature that ssh-keygen would write."""
        inner = b"SSHSIG" + b"".join(
            map(ssh_string, (namespace.encode(), b"", b"sha512", hashlib.sha512(message).digest()))
        )
        tail = bytes([self.flags]) + (7).to_bytes(4, "big")
        signed = hashlib.sha256(self.application).digest() + tail + hashlib.sha256(inner).digest()
        raw = self.secret.sign(signed)
        return armor(
            self.public, ssh_string(SK_ED25519.encode()) + ssh_string(raw) + tail, namespace
        )

    @property
    def signer(self) -> SigningKey:
        """The token as what signs here."""
        return SigningKey(self.public, "a simulated token", self.sign)


def armor(key: PublicKey, signature: bytes, namespace: str) -> bytes:
    """Return a signature as OpenSSH armors it."""
    blob = b"SSHSIG\0\0\0\1" + b"".join(
        map(ssh_string, (key.blob, namespace.encode(), b"", b"sha512", signature))
    )
    text = encode_base64(blob)
    lines = "".join(f"{text[at : at + 70]}\n" for at in range(0, len(text), 70))
    return BEGIN + lines.encode() + b"-----END SSH SIGNATURE-----\n"


def roster_line(principal: str, key: PublicKey, *options: str) -> str:
    """Return a line of ``allowed_signers``."""
    named = f'namespaces="{NAMESPACE}"'
    return f"{principal} {','.join((named, *options))} {key.line}\n"


@dataclass(frozen=True)
class Team:
    """An executor and an approver with keys of ssh-keygen, and a gate that is a machine."""

    ada: SigningKey
    grace: SigningKey
    gate: SigningKey
    gate_pem: str
    folder: Path

    @property
    def roster(self) -> str:
        """Their ``allowed_signers``."""
        owners = ((ADA, self.ada), (GRACE, self.grace), (GATE, self.gate))
        return "".join(roster_line(name, key.public) for name, key in owners)

    def policy(self, text: str = POLICY, extra: Sequence[str] = ()) -> TrustPolicy:
        """Return a policy with their roster, and more lines of it."""
        return policy_of(text.encode(), (self.roster + "".join(extra)).encode(), FOLDER)

    def files(self, text: str = POLICY) -> dict[str, str]:
        """Return the files of the policy by their paths in a repository."""
        return {f"{FOLDER}/{POLICY_NAME}": text, f"{FOLDER}/{ROSTER_NAME}": self.roster}


def make_team(folder: Path) -> Team:
    """Return a team with new keys, in an empty folder."""
    pem, gate = machine_key()
    return Team(
        ada=find_key(str(ssh_key(folder, "ada"))),
        grace=find_key(str(ssh_key(folder, "grace"))),
        gate=gate,
        gate_pem=pem,
        folder=folder,
    )


def software_key() -> tuple[Ed25519PrivateKey, PublicKey]:
    """Return a key in memory, both halves."""
    secret = Ed25519PrivateKey.generate()
    return secret, PublicKey(ED25519, secret.public_key().public_bytes_raw())
