"""Rows of a round as they wait for its end: a few kilobytes each, whatever they hold."""

from array import array
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


def _unpack(packed: bytes, endpoint: int) -> Row:
    row = _decode(decompress(packed))
    return row if row.endpoint == endpoint else msgspec.structs.replace(row, endpoint=endpoint)


class PackedRows(Sequence[Row]):
    """Rows that are unpacked one at a time, each time they are looked at.

    The buckets of one busy second are some thousand numbers, each an object: unpacked together,
    ten minutes of them would outweigh the rest of the generator.

    Args:
        packed: For each row its endpoint, whatever it said when it was packed, and the row as
            `pack` returns it.
    """

    __slots__ = ("_endpoints", "_packed")

    def __init__(self, packed: Iterable[tuple[int, bytes]]) -> None:
        self._endpoints = array("I")
        self._packed: list[bytes] = []
        for endpoint, row in packed:
            self._endpoints.append(endpoint)
            self._packed.append(row)

    def packed(self) -> Iterator[tuple[int, bytes]]:
        """Yield what they were made of."""
        return zip(self._endpoints, self._packed, strict=True)

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Row]:
        return map(_unpack, self._packed, self._endpoints)

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> "PackedRows": ...

    def __getitem__(self, at: int | slice) -> "Row | PackedRows":
        """Return one row, or some that stay packed."""
        if isinstance(at, slice):
            return PackedRows(zip(self._endpoints[at], self._packed[at], strict=True))
        return _unpack(self._packed[at], self._endpoints[at])
