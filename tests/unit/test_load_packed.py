"""Rows that wait for the end of a round in little room."""

import tracemalloc
from random import Random

from stressproof.evidence.derive import Totals
from stressproof.evidence.encoding import encode, iterencode
from stressproof.evidence.measurements import Latency, Measurements, Row, RunMeasurements
from stressproof.load.packed import PackedRows
from stressproof.load.packed import pack as packed_bytes
from stressproof.measure.histogram import Histogram


def pack(row: Row) -> tuple[int, bytes]:
    """Return a row as it waits."""
    return row.endpoint, packed_bytes(row)


def busy_row(second: int) -> Row:
    """Return a second of a hundred thousand answers."""
    histogram = Histogram()
    random = Random(second)
    for bucket in random.sample(range(4000), 2000):
        histogram.merge([bucket, random.randint(1, 900)], bucket, bucket, bucket)
    return Row(
        endpoint=0,
        second=second,
        intended=histogram.n,
        started=histogram.n,
        late=0,
        dropped=0,
        outcomes={"ok": histogram.n},
        corrected=Latency.of(histogram),
    )


def test_packed_rows_are_the_rows() -> None:
    """Nothing of a row is lost, whichever way one looks at it."""
    rows = [busy_row(second) for second in range(5)]
    packed = PackedRows(map(pack, rows))
    assert len(packed) == 5
    assert list(packed) == list(packed) == rows
    assert packed[3] == rows[3]
    assert packed[-1] == rows[-1]
    assert list(packed[1:3]) == rows[1:3]
    assert rows[2] in packed
    assert list(PackedRows(())) == []
    moved = PackedRows((7, row) for _, row in packed.packed())
    assert {row.endpoint for row in moved} == {7}
    assert [row.second for row in moved[1:3]] == [1, 2]


def test_packed_rows_are_written_as_rows() -> None:
    """Evidence does not tell how its rows were kept."""
    rows = [busy_row(second) for second in range(3)]

    def document(rows: list[Row] | PackedRows) -> bytes:
        return encode(Measurements(1, [RunMeasurements(1, 3_000_000, [], rows)]))

    assert document(PackedRows(map(pack, rows))) == document(rows)


def test_packed_rows_take_little_room() -> None:
    """What waits is a tenth of what it is unpacked, and looking at all unpacks one at a time."""
    rows = [busy_row(second) for second in range(40)]
    tracemalloc.start()
    try:
        packed = PackedRows(map(pack, rows))
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert sum(row.started for row in packed) == sum(row.started for row in rows)
        _, peak = tracemalloc.get_traced_memory()
        unpacked = list(packed)
        whole, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(unpacked) == 40
    assert kept * 10 < whole - kept
    assert peak - kept < (whole - kept) / 4


def test_rows_are_added_up_and_written_a_few_at_a_time() -> None:
    """What a capture does with busy rows takes room for a few of them, however many there are."""
    packed = PackedRows(pack(busy_row(second)) for second in range(60))
    document = Measurements(1, [RunMeasurements(1, 60_000_000, [], packed)])
    tracemalloc.start()
    try:
        few = list(packed[:24])
        room, _ = tracemalloc.get_traced_memory()
        del few
        tracemalloc.reset_peak()
        Totals().add(packed)
        _, adding = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert sum(map(len, iterencode(document))) > 60 * 2000 * len("0,0,")
        _, writing = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert adding < room
    assert writing < room
