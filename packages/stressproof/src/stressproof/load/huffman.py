"""The Huffman code of header fields (RFC 7541, appendix B): read, never written."""

from collections.abc import Iterator

_BY_LENGTH = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: b"\\\xc3\xd0",
    20: bytes.fromhex("808283a2b8c2e0e2"),
    21: bytes.fromhex("99a1a7acb0b1b3d1d8d9e3e5e6"),
    22: bytes.fromhex("8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9"),
    23: bytes.fromhex("0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef"),
    24: bytes.fromhex("098e9091949fabced7e1eced"),
    25: bytes.fromhex("c7cfeaeb"),
    26: bytes.fromhex("c0c1c8c9cacdd2d5dadbeef0f2f3ff"),
    27: bytes.fromhex("cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe"),
    28: bytes.fromhex("020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9"),
    30: b"\n\r\x16",
}
"""Symbols by the length of their codes. The code is canonical: the rest follows from this."""
_LONGEST = max(_BY_LENGTH)
_PADDING_BITS = 7  # fewer than a byte, all of them ones


def _codes() -> Iterator[tuple[tuple[int, int], int]]:
    code = before = 0
    for length, symbols in _BY_LENGTH.items():
        code <<= length - before
        before = length
        for symbol in symbols:
            yield (length, code), symbol
            code += 1


_SYMBOLS = dict(_codes())


def decode(text: bytes) -> bytes:
    """Return what a coded string says.

    Raises:
        ValueError: It is no string of this code.
    """
    out = bytearray()
    length = code = 0
    for byte in text:
        for shift in range(7, -1, -1):
            length, code = length + 1, code << 1 | byte >> shift & 1
            symbol = _SYMBOLS.get((length, code))
            if symbol is not None:
                out.append(symbol)
                length = code = 0
        if length > _LONGEST:
            break
    if length > _PADDING_BITS or code != (1 << length) - 1:
        raise ValueError("no Huffman code of RFC 7541")
    return bytes(out)
