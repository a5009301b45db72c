"""The one primitive that is not ours: ed25519, from `cryptography`, imported when it is needed."""

_RAW_BYTES = 64


def is_signature_of(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a raw public key made a raw signature of a message."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # only for a bundle
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # likewise
        Ed25519PublicKey,
    )

    if len(signature) != _RAW_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
