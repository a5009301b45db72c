"""Rows of a round as they wait for its end: a few kilobytes each, whatever they hold."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload
from zlib import compress, decompress

import msgspec

from stressproof.evidence.measurements import Row

_FASTEST = 1

_decode = msgspec.msgpack.Decoder(Row).decode


def pack(row: Row) -> bytes:
    """Return a row in the form that `PackedRows` takes."""
    return compress(msgspec.msgpack.encode(row), _FASTEST)


def _unpack(packed: bytes) -> Row:
    return _decode(decompress(packed))


class PackedRows(Sequence[Row]):
    """Rows that are unpacked one at a time, each time they are looked at.

    The buckets of one busy second are some thousand numbers, each an object: unpacked together,
    ten minutes of them would outweigh the rest of the generator.

    Args:
        packed: Rows as `pack` returns them.
    """

    __slots__ = ("_packed",)

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._packed = list(packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Row]:
        return map(_unpack, self._packed)

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> "PackedRows": ...

    def __getitem__(self, at: int | slice) -> "Row | PackedRows":
        """Return one row, or some that stay packed."""
        if isinstance(at, slice):
            return PackedRows(self._packed[at])
        return _unpack(self._packed[at])
