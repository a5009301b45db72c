"""The measurements themselves: every second of every endpoint, each consistent in itself."""

import math
import re
from collections.abc import Iterator
from operator import lt

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import Latency, Row
from stressproof.measure import buckets
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase

_EDITED = "Measurements are written by the capture alone; capture again."
_NO_ARTIFACT = "no well-formed schema-2 artifact"
_RESOLUTIONS = (1, 10)

_OUTCOME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


@rule(
    "stress.rows",
    clause="evidence.md, Measurements",
    title="Every row of the measurements is consistent in itself",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def rows(case: StressCase, judgement: Judgement) -> None:
    """Counts add up, histograms hold what they say, extremes lie in their buckets."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(_NO_ARTIFACT)
        return
    closed = artifact.workload.closed_loop
    for place, run in enumerate(artifact.measurements.runs):
        for number, row in enumerate(run.rows):
            judgement.passed()
            for name, seen, expected in _row_problems(row, closed=closed):
                where = f"measurements.runs[{place}].rows[{number}].{name}"
                judgement.fail(where, seen, prose(expected))


def _row_problems(row: Row, *, closed: bool) -> Iterator[tuple[str, object, str]]:
    """Yield (field, seen, expected) for everything wrong with one row."""
    if row.intended != row.started + row.dropped:
        yield "intended", row.intended, f"{row.started} started + {row.dropped} dropped"
    if row.late > row.started:
        yield "late", row.late, f"at most {row.started} started"
    yield from _outcome_problems(row)
    if row.corrected.n != row.started:
        yield "corrected.n", row.corrected.n, f"{row.started}, every started request"
    yield from _latency_problems("corrected", row.corrected)
    if closed:
        if row.uncorrected is not None:
            yield "uncorrected", prose("present"), "null: in a closed loop both are the same"
    elif row.uncorrected is None:
        yield "uncorrected", None, "the time from the send, in an open loop"
    else:
        yield from _latency_problems("uncorrected", row.uncorrected)
        yield from _uncorrected_problems(row.corrected, row.uncorrected)


def _outcome_problems(row: Row) -> Iterator[tuple[str, object, str]]:
    ended = sum(row.outcomes.values())
    if ended != row.started:
        yield "outcomes", prose(f"{ended} ended"), f"{row.started}, as many as started"
    for outcome, count in row.outcomes.items():
        if not _OUTCOME.fullmatch(outcome):
            yield "outcomes", outcome, "a kind of outcome: lower case, digits, underscores"
        if count == 0:
            yield f"outcomes.{outcome}", 0, "only outcomes that occurred"


def _latency_problems(name: str, latency: Latency) -> Iterator[tuple[str, object, str]]:
    """Yield what is wrong with one histogram as it was written down."""
    pairs = latency.buckets
    if len(pairs) % 2:
        yield f"{name}.buckets", prose(f"{len(pairs)} numbers"), "pairs of bucket and count"
        return
    indexes, counts = pairs[::2], pairs[1::2]
    if not all(map(lt, indexes, indexes[1:])):
        yield f"{name}.buckets", indexes, "buckets that ascend"
        return
    if indexes and indexes[-1] > buckets.MAX_INDEX:
        yield f"{name}.buckets", indexes[-1], f"at most bucket {buckets.MAX_INDEX}"
        return
    if 0 in counts:
        yield f"{name}.buckets", prose("a count of 0"), "only buckets that hold something"
    if sum(counts) != latency.n:
        yield f"{name}.n", latency.n, f"{sum(counts)}, as the buckets hold"
    if not indexes:
        if (latency.sum_us, latency.min_us, latency.max_us) != (0, None, None):
            yield name, prose("figures of an empty histogram"), "sum 0, no extremes"
        return
    yield from _extreme_problems(name, latency, indexes, counts)


def _extreme_problems(
    name: str, latency: Latency, indexes: list[int], counts: list[int]
) -> Iterator[tuple[str, object, str]]:
    low, high = latency.min_us, latency.max_us
    if low is None or high is None:
        yield name, prose("no extremes"), "min_us and max_us of what was counted"
        return
    if buckets.index(low) != indexes[0]:
        yield f"{name}.min_us", low, f"a value of the first bucket, {indexes[0]}"
    if high > buckets.MAX_US or buckets.index(high) != indexes[-1]:
        yield f"{name}.max_us", high, f"a value of the last bucket, {indexes[-1]}"
    # No sample lies beyond the extremes, and one sample each is exactly an extreme.
    lowest = buckets.least_sum(indexes, counts)
    least = lowest + (low - buckets.lowest(indexes[0])) * counts[0]
    least += high - max(buckets.lowest(indexes[-1]), low)
    # A bucket is never wider than 1/1024 of what is in it.
    most = lowest + lowest // buckets.SUB_BUCKETS
    if low > high:
        yield f"{name}.min_us", low, f"at most max_us, {high}"
    elif latency.n == 1 and not low == high == latency.sum_us:
        yield f"{name}.sum_us", latency.sum_us, "the one value, as minimum and maximum are"
    elif not least <= latency.sum_us <= most:
        yield f"{name}.sum_us", latency.sum_us, f"{least} to {most}, as the buckets allow"


def _uncorrected_problems(
    corrected: Latency, uncorrected: Latency
) -> Iterator[tuple[str, object, str]]:
    """Yield where the time from the send is longer than that from the intended start."""
    if uncorrected.n != corrected.n:
        yield "uncorrected.n", uncorrected.n, f"{corrected.n}, as corrected"
    for name in ("sum_us", "min_us", "max_us"):
        seen, most = getattr(uncorrected, name), getattr(corrected, name)
        if seen is not None and most is not None and seen > most:
            yield f"uncorrected.{name}", seen, f"at most {most}, as corrected"


@rule(
    "stress.continuity",
    clause="evidence.md, Measurements; evidence.md, Time",
    title="Every second of every endpoint is there, once and in order",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def continuity(case: StressCase, judgement: Judgement) -> None:
    """Rows run through all endpoints of each second, empty seconds included."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(_NO_ARTIFACT)
        return
    step = artifact.measurements.resolution_seconds
    path = "measurements.resolution_seconds"
    if not judgement.check(step in _RESOLUTIONS, path, step, prose("1 or 10")):
        return
    workload = artifact.workload
    endpoints = len(workload.endpoints)
    seconds = math.ceil(workload.duration_seconds / step)
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}]"
        judgement.check(run.run_index == place + 1, f"{where}.run_index", run.run_index, place + 1)
        whole = len(run.rows) == seconds * endpoints
        if workload.iterations is not None and endpoints:
            # It ends with its last iteration; the seconds until then are all there.
            whole = len(run.rows) % endpoints == 0 and len(run.rows) <= seconds * endpoints
        judgement.check(
            whole,
            f"{where}.rows",
            prose(f"{len(run.rows)} rows"),
            prose(f"{seconds * endpoints}: {endpoints} endpoints in each of {seconds} steps"),
        )
        for number, row in enumerate(run.rows):
            wanted = (number // endpoints * step, number % endpoints) if endpoints else (-1, -1)
            if (row.second, row.endpoint) != wanted:
                judgement.fail(
                    f"{where}.rows[{number}]",
                    prose(f"second {row.second}, endpoint {row.endpoint}"),
                    prose(f"second {wanted[0]}, endpoint {wanted[1]}"),
                )
                break
        ramp = [count.endpoint for count in run.ramp]
        judgement.check(
            ramp == list(range(endpoints)), f"{where}.ramp", ramp, prose("every endpoint once")
        )
        for count in run.ramp:
            if count.answered > count.started:
                judgement.fail(
                    f"{where}.ramp", count.answered, prose(f"<= {count.started} started")
                )


RULES = (rows, continuity)
