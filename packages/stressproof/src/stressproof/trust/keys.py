"""Public keys as OpenSSH writes them: ed25519, in software or on a FIDO token, and no other."""

import binascii
import hashlib
import re

from msgspec import Struct

from stressproof.errors import EvidenceError
from stressproof.trust.wire import WireError, decode_base64, read_string, read_strings

ED25519 = "ssh-ed25519"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
KEY_TYPES = (ED25519, SK_ED25519)

_RAW_BYTES = 32
_TYPE = re.compile(r"[a-z0-9][a-z0-9@.-]{2,63}", re.ASCII)
_REMEDY = "Use an ed25519 key: ssh-keygen -t ed25519 (or -t ed25519-sk on a FIDO token)."


class KeyRefusedError(EvidenceError):
    """A text is no public key, or one of a kind that is not taken.

    Args:
        seen: What is wrong with it.
    """

    def __init__(self, seen: str) -> None:
        super().__init__(seen, hint=_REMEDY)
        self.seen = seen


class PublicKey(Struct, frozen=True):
    """One public key.

    Attributes:
        kind: One of `KEY_TYPES`.
        raw: The 32 bytes of the curve's point; what tells one key from another.
        application: What a FIDO token mixes into each signature; empty for a key in software.
    """

    kind: str
    raw: bytes
    application: bytes = b""

    @property
    def blob(self) -> bytes:
        """The key as the SSH protocol carries it."""
        parts = [self.kind.encode(), self.raw]
        if self.kind == SK_ED25519:
            parts.append(self.application)
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` as ``ssh-keygen -l`` prints it."""
        digest = binascii.b2a_base64(hashlib.sha256(self.blob).digest(), newline=False)
        return f"SHA256:{digest.decode().rstrip('=')}"

    @property
    def line(self) -> str:
        """The key as an ``allowed_signers`` file and a ``.pub`` file have it."""
        return f"{self.kind} {binascii.b2a_base64(self.blob, newline=False).decode()}"


def is_key_type(word: str) -> bool:
    """Return whether a word is what a public key's line begins with, taken or not."""
    return _TYPE.fullmatch(word) is not None and word.startswith(
        ("ssh-", "sk-ssh-", "ecdsa-", "sk-ecdsa-", "rsa-")
    )


def parse_key(kind: str, base64: str) -> PublicKey:
    """Return the key of a line's two words.

    Raises:
        KeyRefusedError: It is of another kind, or no key at all.
    """
    _refuse_kind(kind)
    try:
        key = key_of_blob(decode_base64(base64.encode("ascii", "replace")))
    except WireError as error:
        raise KeyRefusedError(f"no public key: {error}") from error
    if key.kind != kind:
        raise KeyRefusedError(f"the line says {kind}, and the key in it is {key.kind}")
    return key


def key_of_blob(blob: bytes) -> PublicKey:
    """Return the key that SSH's own bytes carry.

    Raises:
        KeyRefusedError: It is of a kind that is not taken.
        WireError: The bytes are no key.
    """
    name, rest = read_string(blob)
    kind = name.decode("ascii", "backslashreplace")
    _refuse_kind(kind)
    parts = read_strings(rest, 2 if kind == SK_ED25519 else 1)
    if len(parts[0]) != _RAW_BYTES:
        raise WireError(f"an ed25519 key of {len(parts[0])} bytes, not {_RAW_BYTES}")
    return PublicKey(kind, *parts)


def _refuse_kind(kind: str) -> None:
    if kind in KEY_TYPES:
        return
    if "-cert-v" in kind:
        raise KeyRefusedError(f"a certificate ({kind}): who signed it would decide who signs here")
    if kind.startswith(("ssh-rsa", "rsa-")):
        raise KeyRefusedError(f"an RSA key ({kind}), which is not taken")
    raise KeyRefusedError(f"a key of the kind {kind!r}, which is not taken")
