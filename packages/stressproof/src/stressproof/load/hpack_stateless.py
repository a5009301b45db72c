"""Header blocks of HTTP/2 without state (RFC 7541), for a peer that was told to keep no table.

We announce ``SETTINGS_HEADER_TABLE_SIZE = 0``: the peer can refer to nothing but the static table,
and a block says the same whenever it comes. Of an answer's block the load needs the status alone,
which is always its first field (RFC 9113 section 8.3).
"""

from collections.abc import Iterable

STATIC_STATUSES = (200, 204, 206, 304, 400, 404, 500)
"""What the static table has from index 8."""
_FIRST_STATUS, _LAST_STATUS = 8, 14
_STATIC_ENTRIES = 61
_TABLE_SIZE = 0x20  # the first bits of a change of the table's size
_STATIC_NAMES = {
    b":authority": 1,
    b":method": 2,
    b":path": 4,
    b":scheme": 6,
    b"accept": 19,
    b"authorization": 23,
    b"content-length": 28,
    b"content-type": 31,
    b"user-agent": 58,
}
_STATIC_FIELDS = {
    (b":method", b"GET"): 2,
    (b":method", b"POST"): 3,
    (b":scheme", b"http"): 6,
    (b":scheme", b"https"): 7,
}
_SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
_HUFFMAN_DIGITS = {"00000": 0, "00001": 1, "00010": 2} | {
    f"{0x19 + digit - 3:06b}": digit for digit in range(3, 10)
}


class HeaderBlockError(Exception):
    """A block is broken, or refers to a table that we do not keep."""


def encode_field(name: bytes, value: bytes) -> bytes:
    """Return a field as a literal that no table remembers; one with a secret as never indexed.

    Args:
        name: In lower case.
        value: Any bytes.
    """
    index = _STATIC_FIELDS.get((name, value))
    if index is not None:
        return bytes([0x80 | index])
    kind = 0x10 if name in _SECRET else 0x00
    known = _STATIC_NAMES.get(name)
    if known is not None:
        return _integer(known, 4, kind) + _string(value)
    return bytes([kind]) + _string(name) + _string(value)


def encode_fields(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a whole header block."""
    return b"".join(encode_field(name, value) for name, value in fields)


def status_of(block: bytes) -> int:
    """Return the status of an answer, from the first field of its header block.

    Raises:
        HeaderBlockError: The first field is no status, or is one of a table that we do not keep.
    """
    at = 0
    while at < len(block) and block[at] & 0xE0 == _TABLE_SIZE:
        size, at = _read_integer(block, at, 5)
        if size:
            raise HeaderBlockError(f"a header table of {size} bytes where 0 are allowed")
    if at == len(block):
        raise HeaderBlockError("an answer without a status")
    first = block[at]
    if first & 0x80:
        index, _ = _read_integer(block, at, 7)
        if _FIRST_STATUS <= index <= _LAST_STATUS:
            return STATIC_STATUSES[index - _FIRST_STATUS]
        raise _wrong(index)
    index, at = _read_integer(block, at, 6 if first & 0x40 else 4)
    if index == 0:
        name, at = _read_string(block, at)
        if name != b":status":
            raise HeaderBlockError("an answer whose first field is not its status")
    elif not _FIRST_STATUS <= index <= _LAST_STATUS:
        raise _wrong(index)
    digits, _ = _read_string(block, at, digits=True)
    if len(digits) != 3 or not digits.isdigit() or digits[0] == ord("0"):  # noqa: PLR2004
        raise HeaderBlockError(f"not a status: {digits[:20]!r}")
    return int(digits)


def _wrong(index: int) -> HeaderBlockError:
    if index > _STATIC_ENTRIES:
        return HeaderBlockError("the server refers to a header table that it was told not to keep")
    return HeaderBlockError("an answer whose first field is not its status")


def _integer(value: int, bits: int, flags: int) -> bytes:
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([flags | value])
    out = bytearray([flags | limit])
    value -= limit
    while value >= 0x80:  # noqa: PLR2004  # seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _string(value: bytes) -> bytes:
    return _integer(len(value), 7, 0) + value


def _read_integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    limit = (1 << bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    for shift in range(0, 35, 7):
        if at >= len(block):
            break
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise HeaderBlockError("a number in a header block is cut off or too large")


def _read_string(block: bytes, at: int, *, digits: bool = False) -> tuple[bytes, int]:
    if at >= len(block):
        raise HeaderBlockError("a header block is cut off")
    huffman = block[at] & 0x80
    length, at = _read_integer(block, at, 7)
    if at + length > len(block):
        raise HeaderBlockError("a header block is cut off")
    text = block[at : at + length]
    if huffman:
        if not digits:
            # Only a name can be here, and no name but ``:status`` may be first.
            return _HUFFMAN_STATUS if text == _STATUS_IN_HUFFMAN else b"", at + length
        text = _huffman_digits(text)
    return text, at + length


def _huffman_digits(text: bytes) -> bytes:
    """Return digits of which a Huffman code (RFC 7541, appendix B) consists, else nothing."""
    bits = "".join(f"{byte:08b}" for byte in text)
    digits = ""
    while len(bits) >= 5:  # noqa: PLR2004  # the shortest code
        for length in (5, 6):
            digit = _HUFFMAN_DIGITS.get(bits[:length])
            if digit is not None:
                digits += str(digit)
                bits = bits[length:]
                break
        else:
            return digits.encode() if bits == "1" * len(bits) else b""
    return digits.encode() if bits == "1" * len(bits) else b""


_HUFFMAN_STATUS = b":status"
_STATUS_IN_HUFFMAN = b"\xb8\x84\x8d\x36\xa3"
