"""SSH signatures (OpenSSH's PROTOCOL.sshsig), parsed and verified by hand.

Stricter than ``ssh-keygen -Y verify``: ed25519 alone, in software or on a FIDO token, and a token
must say that it was touched.
"""

import hashlib
import re

from msgspec import Struct

from stressproof.trust.ed25519 import is_signature_of
from stressproof.trust.keys import SK_ED25519, PublicKey, key_of_blob
from stressproof.trust.wire import WireError, decode_base64, read_string, read_strings, ssh_string

NAMESPACE = "stressproof"
"""Ours: a signature of a commit or of a file is none of a statement here."""

BEGIN = b"-----BEGIN SSH SIGNATURE-----\n"
_ARMOR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n"
    rb"((?:[A-Za-z0-9+/]{70}\n)*[A-Za-z0-9+/=]{1,70}\n)"
    rb"-----END SSH SIGNATURE-----\n"
)
_MAGIC = b"SSHSIG"
_VERSION = b"\0\0\0\1"
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_TOUCHED = 0x01
_FLAGS_AND_COUNTER = 5
_PARTS = 5


class SshSignature(Struct, frozen=True):
    """One signature, parsed and not verified.

    Attributes:
        key: Whose it says it is.
        hash: What the message was hashed with.
        raw: The 64 bytes of ed25519.
        token: Flags and counter of a FIDO token; empty for a key in software.
    """

    key: PublicKey
    hash: bytes
    raw: bytes
    token: bytes

    @property
    def is_touched(self) -> bool:
        """Whether a person was there; a key in software does not say."""
        return not self.token or bool(self.token[0] & _TOUCHED)

    def is_of(self, message: bytes) -> bool:
        """Return whether this is the key's signature of a message, in our namespace."""
        digest = _HASHES[self.hash](message).digest()
        signed = _MAGIC + b"".join(
            ssh_string(part) for part in (NAMESPACE.encode(), b"", self.hash, digest)
        )
        if self.token:
            application = hashlib.sha256(self.key.application).digest()
            signed = application + self.token + hashlib.sha256(signed).digest()
        return is_signature_of(self.key.raw, self.raw, signed)


def parse_signature(armored: bytes) -> SshSignature:
    """Return an armored signature.

    Raises:
        WireError: It is none, is spelled unusually, or was made in another namespace.
        KeyRefusedError: Its key is of a kind that is not taken.
    """
    armor = _ARMOR.fullmatch(armored)
    if armor is None:
        raise WireError("no armored SSH signature")
    blob = decode_base64(armor[1].replace(b"\n", b""))
    if not blob.startswith(_MAGIC + _VERSION):
        raise WireError("no SSH signature of version 1")
    body = blob[len(_MAGIC) + len(_VERSION) :]
    key_blob, namespace, reserved, hashed, signature = read_strings(body, _PARTS)
    if reserved:
        raise WireError("a reserved field is not empty")
    if namespace != NAMESPACE.encode():
        raise WireError(f"signed in the namespace {namespace!r}, not {NAMESPACE!r}")
    if hashed not in _HASHES:
        raise WireError(f"hashed with {hashed!r}")
    key = key_of_blob(key_blob)
    kind, rest = read_string(signature)
    if kind != key.kind.encode():
        raise WireError("a signature of another kind than its key")
    raw, token = read_string(rest)
    if len(token) != (_FLAGS_AND_COUNTER if key.kind == SK_ED25519 else 0):
        raise WireError(f"{len(token)} bytes behind the signature")
    return SshSignature(key, hashed, raw, token)
