"""Base64 in one spelling only, and the strings of the SSH protocol."""

import binascii

_LENGTH_BYTES = 4


class WireError(ValueError):
    """Bytes that are not what they should be, or not in the one way in which they may be."""


def decode_base64(text: bytes) -> bytes:
    """Return what standard base64 with padding says.

    Raises:
        WireError: It is another alphabet, has blanks, or spells the same bytes in another way.
    """
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise WireError(f"not base64: {error}") from error
    # The unused bits of the last character may be anything, and only one spelling is ours.
    if binascii.b2a_base64(decoded, newline=False) != text:
        raise WireError("base64 in an unusual spelling")
    return decoded


def encode_base64(content: bytes) -> str:
    """Return standard base64 with padding, on one line."""
    return binascii.b2a_base64(content, newline=False).decode()


def ssh_string(content: bytes) -> bytes:
    """Return bytes behind their length, as the SSH protocol carries them."""
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def read_string(content: bytes) -> tuple[bytes, bytes]:
    """Return the first string, and what follows it.

    Raises:
        WireError: The bytes end before it does.
    """
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
    if len(content) < max(end, _LENGTH_BYTES):
        raise WireError("cut short")
    return content[_LENGTH_BYTES:end], content[end:]


def read_strings(content: bytes, count: int) -> list[bytes]:
    """Return exactly so many strings.

    Raises:
        WireError: There are fewer, or something follows.
    """
    found = []
    for _ in range(count):
        part, content = read_string(content)
        found.append(part)
    if content:
        raise WireError(f"{len(content)} bytes too many")
    return found
