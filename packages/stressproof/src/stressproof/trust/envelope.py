"""DSSE envelopes: bytes, what they are, and who signed them; nothing is parsed before that.

One envelope is one line of a bundle and has one spelling: encoding what was read must give the
line again, so that no bit of it can be changed unseen, the hint of the key included.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.trust.ed25519 import is_signature_of
from stressproof.trust.keys import ED25519, KeyRefusedError, PublicKey
from stressproof.trust.sshsig import BEGIN, parse_signature
from stressproof.trust.wire import WireError, decode_base64, encode_base64

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """One signature of an envelope.

    Attributes:
        keyid: Fingerprint of the key; a hint that must be true.
        sig: In base64: 64 bytes of ed25519, or an armored SSH signature.
    """

    keyid: str
    sig: str


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """A DSSE envelope with its one signature.

    Attributes:
        payloadType: What the payload is.
        payload: In base64.
        signatures: Exactly one: who else has something to say makes a statement of it.
    """

    payloadType: str  # noqa: N815  # DSSE's own name
    payload: str
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=1)]


class EnvelopeError(Exception):
    """An envelope that cannot be taken.

    Args:
        seen: What was found.
        expected: What would have been taken.
    """

    def __init__(self, seen: str, expected: str) -> None:
        super().__init__(f"{seen}; expected {expected}")
        self.seen = seen
        self.expected = expected


class UnreadableEnvelopeError(EnvelopeError):
    """The line is no envelope, or not in its one spelling."""


class ForgedEnvelopeError(EnvelopeError):
    """The signature is not one of these bytes by that key."""


class UnauthorisedEnvelopeError(EnvelopeError):
    """Nobody whom the roster names could have signed it."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding, lengths in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, key: PublicKey, signature: bytes) -> bytes:
    """Return the line of a bundle for a payload and its signature, without its newline."""
    return msgspec.json.encode(
        Envelope(
            PAYLOAD_TYPE,
            encode_base64(payload),
            (Signature(key.fingerprint, encode_base64(signature)),),
        )
    )


class Opened(Struct, frozen=True):
    """An envelope whose signature holds.

    Attributes:
        key: Whose signature it is.
        payload: The bytes that were signed.
    """

    key: PublicKey
    payload: bytes


def open_envelope(line: bytes, keys: dict[str, PublicKey]) -> Opened:
    """Return what a line holds, once its signature is proven.

    Args:
        line: One line of a bundle, without its newline.
        keys: Those that may sign anything at all, by fingerprint.

    Raises:
        UnreadableEnvelopeError: It is no envelope in its one spelling.
        UnauthorisedEnvelopeError: Its key is none of them.
        ForgedEnvelopeError: Its signature does not hold.
    """
    try:
        envelope = msgspec.json.decode(line, type=Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableEnvelopeError(f"no envelope: {error}", "a DSSE envelope") from error
    if msgspec.json.encode(envelope) != line:
        raise UnreadableEnvelopeError("an unusual spelling", "compact JSON, in DSSE's order")
    if envelope.payloadType != PAYLOAD_TYPE:
        raise UnreadableEnvelopeError(f"the payload type {envelope.payloadType!r}", PAYLOAD_TYPE)
    [claimed] = envelope.signatures
    try:
        payload = decode_base64(envelope.payload.encode())
        signature = decode_base64(claimed.sig.encode())
    except WireError as error:
        raise UnreadableEnvelopeError(str(error), "base64, in its one spelling") from error
    key = keys.get(claimed.keyid)
    if key is None:
        raise UnauthorisedEnvelopeError(f"signed by {claimed.keyid!r}", "a key of the roster")
    _prove(key, signature, pae(envelope.payloadType, payload))
    return Opened(key, payload)


def _prove(key: PublicKey, signature: bytes, signed: bytes) -> None:
    if not signature.startswith(BEGIN):
        # A token never signs plainly: what looks so was made by something else.
        if key.kind != ED25519 or not is_signature_of(key.raw, signature, signed):
            raise ForgedEnvelopeError(_NOT_OF, f"one by {key.fingerprint}")
        return
    try:
        parsed = parse_signature(signature)
    except (WireError, KeyRefusedError) as error:
        raise ForgedEnvelopeError(str(error), "an SSH signature in our namespace") from error
    if parsed.key != key or not parsed.is_of(signed):
        raise ForgedEnvelopeError(_NOT_OF, f"one by {key.fingerprint}")
    if not parsed.is_touched:
        raise ForgedEnvelopeError("a FIDO signature without touch", "one that somebody touched")


_NOT_OF = "a signature that is not of these bytes"
