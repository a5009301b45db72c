"""Evidence that can be read again: rows of as few seconds as fit into the most that is read."""

from collections.abc import Iterator, Sequence

import msgspec

from stressproof.evidence.encoding import iterencode
from stressproof.evidence.json_text import MAX_BYTES
from stressproof.evidence.measurements import Measurements, Row
from stressproof.evidence.resolution import coarser_resolution_s
from stressproof.evidence.stress import StressArtifact
from stressproof.load.packed import PackedRows, pack
from stressproof.load.row_aggregator import RowSum

_LINE_BYTES = 12  # of a row, beside its own: a comma, the end of the line, and blanks


def fitted(artifact: StressArtifact) -> StressArtifact:
    """Return evidence of the same load whose rows are no more than can be read again.

    No figure depends on it but those of windows that are shorter than a row.
    """
    measurements = artifact.measurements
    bare = [msgspec.structs.replace(run, rows=[]) for run in measurements.runs]
    beside = msgspec.structs.replace(
        artifact, measurements=msgspec.structs.replace(measurements, runs=bare)
    )
    room = MAX_BYTES - sum(map(len, iterencode(beside)))
    while _bytes(measurements) > room:
        step_s = coarser_resolution_s(measurements.resolution_seconds)
        if step_s is None:
            break
        runs = [
            msgspec.structs.replace(run, rows=coarser(run.rows, step_s))
            for run in measurements.runs
        ]
        measurements = Measurements(resolution_seconds=step_s, runs=runs)
    return msgspec.structs.replace(artifact, measurements=measurements)


def _bytes(measurements: Measurements) -> int:
    rows = (row for run in measurements.runs for row in run.rows)
    return sum(len(msgspec.json.encode(row)) + _LINE_BYTES for row in rows)


def coarser(rows: Sequence[Row], step_s: int) -> PackedRows:
    """Return rows added up to steps of so many seconds.

    Args:
        rows: By second and then endpoint, all endpoints in each.
        step_s: A whole number of their own steps.
    """
    return PackedRows(_added_up(rows, step_s))


def _added_up(rows: Sequence[Row], step_s: int) -> Iterator[tuple[int, bytes]]:
    sums: dict[int, RowSum] = {}
    closed: dict[int, bool] = {}
    second = 0
    for row in rows:
        begun = row.second // step_s * step_s
        if begun != second:
            yield from _packed(sums, closed, second)
            sums, second = {}, begun
        closed[row.endpoint] = row.uncorrected is None
        sums.setdefault(row.endpoint, RowSum()).add(row)
    yield from _packed(sums, closed, second)


def _packed(
    sums: dict[int, RowSum], closed: dict[int, bool], second: int
) -> Iterator[tuple[int, bytes]]:
    for endpoint, total in sorted(sums.items()):
        yield endpoint, pack(total.row(second, endpoint, closed_loop=closed[endpoint]))
