"""How many seconds a row of measurements covers: as few as leave evidence that can be read.

A capture begins with the finest step that its plan allows, for nobody knows yet how many different
latencies there will be. What turns out too large to be read again is written in coarser steps, from
which the same figures follow.
"""

import math
from collections.abc import Iterable, Iterator

from stressproof.evidence.measurements import Latency, Measurements, Row

RESOLUTIONS_S = (1, 10, 60, 600, 3600, 86_400, 604_800)
"""Each a whole number of the one before; the last is the longest window that there may be."""

MAX_ROWS = 20_000
"""Rows of all rounds that a plan may ask for."""

MAX_ROUND_RESULTS = 5_000
"""Endpoints times rounds: each has figures of its own, which no coarser step makes fewer."""

_ROW_BYTES = 400
"""An empty row as we write it has fewer."""

_OUTCOME_BYTES = 40


def finest_resolution_s(duration_seconds: float, rounds: int, endpoints: int) -> int:
    """Return the finest step with which a plan has no more than `MAX_ROWS`.

    Args:
        duration_seconds: Of a window.
        rounds: How often it is measured.
        endpoints: Requests and flows; nobody knows the steps of these before.
    """
    fitting = (
        step
        for step in RESOLUTIONS_S
        if math.ceil(duration_seconds / step) * rounds * endpoints <= MAX_ROWS
    )
    return next(fitting, RESOLUTIONS_S[-1])


def coarser_resolution_s(step_s: int) -> int | None:
    """Return the next coarser step, None after the last."""
    return next((step for step in RESOLUTIONS_S if step > step_s), None)


def most_bytes_in(measurements: Measurements, size: int, finer_s: int) -> int:
    """Return how many bytes a document can have had at most, had its rows covered fewer seconds.

    Args:
        measurements: What it holds.
        size: Its bytes.
        finer_s: Seconds of such a row.
    """
    parts = measurements.resolution_seconds // finer_s
    for run in measurements.runs:
        size += len(run.rows) * (parts - 1) * _ROW_BYTES
        size += sum(map(sum, (_bytes_more(row, parts) for row in run.rows)))
    return size


def _bytes_more(row: Row, parts: int) -> Iterator[int]:
    """Yield how many bytes each number of a row adds where it is said in several."""
    for latency in _latencies(row):
        pairs = latency.buckets
        for bucket, count in zip(pairs[::2], pairs[1::2], strict=False):
            if count > 1:
                yield (min(count, parts) - 1) * (len(str(bucket)) + len(str(count)) + 2)
    for count in row.outcomes.values():
        yield (min(count, parts) - 1) * _OUTCOME_BYTES


def _latencies(row: Row) -> Iterable[Latency]:
    return (row.corrected,) if row.uncorrected is None else (row.corrected, row.uncorrected)
