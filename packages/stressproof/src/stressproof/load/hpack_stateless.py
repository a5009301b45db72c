"""Header blocks of HTTP/2 without state (RFC 7541), for a peer that was told to keep no table.

We announce ``SETTINGS_HEADER_TABLE_SIZE = 0``: the peer can refer to nothing but the static table,
and a block says the same whenever it comes. So a block of an answer is read once and then found by
its bytes, as servers repeat themselves.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from stressproof.load import huffman

_APPENDIX_A = """\
:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|\
:status 200|:status 204|:status 206|:status 304|:status 400|:status 404|:status 500|\
accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept|\
access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|\
content-encoding|content-language|content-length|content-location|content-range|content-type|\
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|\
if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|\
proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|\
strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"""
_STATIC = [
    (name, value)
    for name, _, value in (line.partition(b" ") for line in _APPENDIX_A.encode().split(b"|"))
]
"""The static table, whose numbers begin at 1."""
_STATIC_FIELDS = {field: at for at, field in enumerate(_STATIC, 1) if field[1]}
_STATIC_NAMES = {name: at for at, (name, _) in reversed([*enumerate(_STATIC, 1)])}
_TABLE_SIZE = 0x20  # the first bits of a change of the table's size
_SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
_FINAL = 200
_WITHOUT_BODY = frozenset({204, 304})
_LENGTH_DIGITS = 18
_KNOWN_HEADS = 512


class HeaderBlockError(Exception):
    """A block is broken, or refers to a table that we do not keep."""


class AnswerHead(NamedTuple):
    """What the header block of an answer says.

    Attributes:
        status: Status code.
        length: Bytes of body that it announces, None where it announces none or can have none.
        block: The block itself, for `fields_of`.
    """

    status: int
    length: int | None
    block: bytes


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


@lru_cache(_KNOWN_HEADS)
def read_head(block: bytes) -> AnswerHead:
    """Return what an answer's header block says that the load needs.

    Raises:
        HeaderBlockError: It is broken, its first field is no status (RFC 9113, section 8.3), or it
            says two things about the body's length.
    """
    fields = _fields(block)
    name, digits, coded = next(fields, (b"", b"", False))
    if name != b":status":
        raise HeaderBlockError("an answer whose first field is not its status")
    status = _number(digits, 3, coded=coded)
    if status < 100:  # noqa: PLR2004  # three digits, the first no 0
        raise HeaderBlockError(f"not a status: {status:03}")
    lengths = {
        _number(value, _LENGTH_DIGITS, coded=coded)
        for name, value, coded in fields
        if name == b"content-length"
    }
    if len(lengths) > 1:
        raise HeaderBlockError(f"not one content-length: {sorted(lengths)}")
    bodyless = status < _FINAL or status in _WITHOUT_BODY
    return AnswerHead(status, None if bodyless or not lengths else lengths.pop(), block)


def fields_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return all fields of a header block.

    Raises:
        HeaderBlockError: It is broken.
    """
    return [(name, _plain(value) if coded else value) for name, value, coded in _fields(block)]


def _fields(block: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield name, value, and whether the value is in Huffman's code: few are worth decoding."""
    at, size = 0, len(block)
    while at < size:
        first = block[at]
        if first & 0x80:
            index, at = _read_integer(block, at, 7)
            yield *_static(index), False
            continue
        if first & 0xE0 == _TABLE_SIZE:
            table_bytes, at = _read_integer(block, at, 5)
            if table_bytes:
                raise HeaderBlockError(f"a header table of {table_bytes} bytes where 0 are allowed")
            continue
        index, at = _read_integer(block, at, 6 if first & 0x40 else 4)
        if index:
            name = _static(index)[0]
        else:
            name, coded, at = _read_string(block, at)
            name = _plain(name) if coded else name
        value, coded, at = _read_string(block, at)
        yield name, value, coded


def _static(index: int) -> tuple[bytes, bytes]:
    if not 1 <= index <= len(_STATIC):
        raise HeaderBlockError("the server refers to a header table that it was told not to keep")
    return _STATIC[index - 1]


def _number(text: bytes, most_digits: int, *, coded: bool) -> int:
    digits = _plain(text) if coded else text
    if not digits.isdigit() or len(digits) > most_digits:
        raise HeaderBlockError(f"not a number of at most {most_digits} digits: {digits[:20]!r}")
    return int(digits)


@lru_cache(_KNOWN_HEADS)
def _plain(text: bytes) -> bytes:
    try:
        return huffman.decode(text)
    except ValueError as error:
        raise HeaderBlockError(str(error)) from error


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


def _read_string(block: bytes, at: int) -> tuple[bytes, bool, int]:
    """Return a string as it stands there, whether it is in Huffman's code, and where it ends."""
    if at >= len(block):
        raise HeaderBlockError("a header block is cut off")
    coded = block[at] & 0x80 != 0
    length, at = _read_integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise HeaderBlockError("a header block is cut off")
    return block[at:end], coded, end
