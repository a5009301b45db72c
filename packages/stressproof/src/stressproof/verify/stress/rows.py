"""The measurements themselves: every second of every endpoint, each consistent in itself."""

import math
from collections.abc import Iterator, Mapping
from operator import lt

from msgspec import Struct

from stressproof.evidence.json_text import MAX_BYTES
from stressproof.evidence.level import Level
from stressproof.evidence.measurements import Latency, Measurements, RampRow, Row
from stressproof.evidence.resolution import (
    RESOLUTIONS_S,
    finest_resolution_s,
    most_bytes_in,
)
from stressproof.evidence.workload import Kind, WorkloadRecord
from stressproof.measure import buckets
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.lenient_decoder import ITEMS_MAX
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import BROKEN_OFF, StressCase

_EDITED = "Measurements are written by the capture alone; capture again."
_LATE_US = 999  # later than a millisecond, and either time is cut to whole microseconds

_OUTCOMES = frozenset(
    {
        *("ok", "redirect", "body_check", "timeout", "reset", "reset_reused"),
        *("connect", "tls", "protocol"),
        *(f"status_{status}" for status in range(100, 1000)),
    }
)
"""How a request of a capture that ran to its end can have ended (`stressproof.load`)."""

_FLOW_OUTCOMES = frozenset({"ok", "request", "check", "exception", "interrupted"})
"""How a run of a flow can have ended."""

_OUTCOMES_OF: Mapping[Kind, frozenset[str]] = {
    "request": _OUTCOMES,
    "step": _OUTCOMES | {"interrupted"},
    "flow": _FLOW_OUTCOMES,
}
_OUTCOMES_MAX = 1000  # every status, and all that is none


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
        judgement.skip(NO_ARTIFACT)
        return
    facts = _facts(artifact.workload)
    for place, run in enumerate(artifact.measurements.runs):
        for number, row in enumerate(run.rows):
            judgement.passed()
            if row.endpoint >= len(facts):
                continue  # stress.continuity says so
            for name, seen, expected in _row_problems(row, facts[row.endpoint]):
                where = f"measurements.runs[{place}].rows[{number}].{name}"
                judgement.fail(where, seen, prose(expected))


class _Fact(Struct, frozen=True):
    """What the workload says of the endpoint of a row."""

    closed: bool
    kind: Kind
    timeout_us: int


def _facts(workload: WorkloadRecord) -> list[_Fact]:
    return [
        _Fact(
            (scenario := workload.scenario_of(number)) is None or scenario.closed_loop,
            endpoint.kind,
            workload.timeout_of(number),
        )
        for number, endpoint in enumerate(workload.endpoints)
    ]


def _row_problems(row: Row, fact: _Fact) -> Iterator[tuple[str, object, str]]:
    """Yield (field, seen, expected) for everything wrong with one row."""
    if row.intended != row.started + row.dropped:
        yield "intended", row.intended, f"{row.started} started + {row.dropped} dropped"
    if row.late > row.started:
        yield "late", row.late, f"at most {row.started} started"
    yield from _outcome_problems(row, fact.kind)
    yield from _flow_problems(row, fact.kind)
    if row.corrected.n != row.started:
        yield "corrected.n", row.corrected.n, f"{row.started}, every started request"
    yield from _latency_problems("corrected", row.corrected)
    if fact.closed:
        if row.late:
            yield "late", row.late, "0: who waits for an answer is never late"
        if row.uncorrected is not None:
            yield "uncorrected", prose("present"), "null: in a closed loop both are the same"
    elif row.uncorrected is None:
        yield "uncorrected", None, "the time from the send, in an open loop"
    else:
        yield from _latency_problems("uncorrected", row.uncorrected)
        yield from _uncorrected_problems(row, row.uncorrected)
    yield from _timeout_problems(row.outcomes, row.uncorrected or row.corrected, fact.timeout_us)


def _flow_problems(row: Row | RampRow, kind: Kind) -> Iterator[tuple[str, object, str]]:
    """Yield figures of iterations that a request has not, and of flows that a step has not."""
    if kind != "flow":
        for name in ("think_us", "requests"):
            if getattr(row, name):
                yield name, getattr(row, name), "0 of what is no flow"
    if kind == "step" and row.pause_us:
        yield "pause_us", row.pause_us, "0 of a step: its flow's user pauses"
    if kind == "flow" and row.think_us > row.corrected.sum_us:
        yield "think_us", row.think_us, f"at most {row.corrected.sum_us}, the time of the runs"


def _outcome_problems(row: Row | RampRow, kind: Kind) -> Iterator[tuple[str, object, str]]:
    ended = sum(row.outcomes.values())
    if ended != row.started:
        yield "outcomes", prose(f"{ended} ended"), f"{row.started}, as many as started"
    if len(row.outcomes) > _OUTCOMES_MAX:
        yield "outcomes", prose(f"{len(row.outcomes)} kinds"), f"at most {_OUTCOMES_MAX}"
        return
    for outcome, count in row.outcomes.items():
        if outcome not in _OUTCOMES_OF[kind]:
            yield "outcomes", outcome, "a kind of outcome that the generator knows"
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


def _timeout_problems(
    outcomes: Mapping[str, int], latency: Latency, timeout_us: int
) -> Iterator[tuple[str, object, str]]:
    """Yield where a request that was given up did not wait as long as that takes."""
    given_up = outcomes.get("timeout", 0)
    if not given_up:
        return
    first = buckets.index(min(timeout_us, buckets.MAX_US))
    pairs = zip(latency.buckets[::2], latency.buckets[1::2], strict=False)
    waited = sum(count for bucket, count in pairs if bucket >= first)
    if waited < given_up:
        yield "outcomes.timeout", given_up, f"at most {waited}, as many as took {timeout_us} µs"


def _uncorrected_problems(row: Row, uncorrected: Latency) -> Iterator[tuple[str, object, str]]:
    """Yield where the time from the send is longer than that from the intended start."""
    corrected = row.corrected
    late_us = row.late * _LATE_US
    if corrected.sum_us - uncorrected.sum_us < late_us:
        yield "late", row.late, f"fewer: {late_us} µs late at least, that no request waited"
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
        judgement.skip(NO_ARTIFACT)
        return
    if case.broken_off:
        judgement.skip(BROKEN_OFF)
        return
    step = artifact.measurements.resolution_seconds
    workload = artifact.workload
    endpoints = len(workload.endpoints)
    items = sum(endpoint.kind != "step" for endpoint in workload.endpoints)
    finest = finest_resolution_s(workload.duration_seconds, artifact.rounds, items)
    if not _step(artifact.measurements, case.size, finest, judgement):
        return
    seconds = math.ceil(workload.duration_seconds / step)
    rounds = len(artifact.measurements.runs)
    path = "measurements.runs"
    judgement.check(rounds <= ITEMS_MAX, path, rounds, prose(f"at most {ITEMS_MAX}"))
    for place, run in enumerate(artifact.measurements.runs):
        where = f"measurements.runs[{place}]"
        judgement.check(run.run_index == place + 1, f"{where}.run_index", run.run_index, place + 1)
        whole = len(run.rows) == seconds * endpoints
        if workload.ends_early and endpoints:
            # It ends with its last iteration; the seconds until then are all there.
            whole = len(run.rows) % endpoints == 0
            whole = whole and endpoints <= len(run.rows) <= seconds * endpoints
        judgement.check(
            whole,
            f"{where}.rows",
            prose(f"{len(run.rows)} rows"),
            prose(f"{seconds * endpoints}: {endpoints} endpoints in each of {seconds} steps"),
        )
        for number, row in enumerate(run.rows):
            place_of = (number // endpoints * step, number % endpoints) if endpoints else (-1, -1)
            if (row.second, row.endpoint) != place_of:
                judgement.fail(
                    f"{where}.rows[{number}]",
                    prose(f"second {row.second}, endpoint {row.endpoint}"),
                    prose(f"second {place_of[0]}, endpoint {place_of[1]}"),
                )
                break
        facts = _facts(workload)
        _ramp_rows(run.ramp, facts, f"{where}.ramp", judgement)
        set_up = any(scenario.setup for scenario in workload.scenarios)
        for name, outside, may in (("tail", run.tail, True), ("setup", run.setup, set_up)):
            if outside:
                _ramp_rows(outside, facts, f"{where}.{name}", judgement)
                steps = {at for at, fact in enumerate(facts) if may and fact.kind == "step"}
                sent = {row.endpoint for row in outside if row.started}
                judgement.check(
                    bool(steps) and sent <= steps,
                    f"{where}.{name}",
                    prose(f"requests of endpoints {sorted(sent)}"),
                    prose("steps of flows and redirects alone"),
                )


def _step(measurements: Measurements, size: int, finest: int, judgement: Judgement) -> bool:
    """A row covers as many seconds as the plan asks for, or more where it would not have fitted."""
    step, path = measurements.resolution_seconds, "measurements.resolution_seconds"
    if step == finest or step not in RESOLUTIONS_S or step < finest:
        return judgement.check(step == finest, path, step, finest)
    finer = RESOLUTIONS_S[RESOLUTIONS_S.index(step) - 1]
    most = most_bytes_in(measurements, size, finer)
    return judgement.check(
        most > MAX_BYTES,
        path,
        step,
        prose(f"{finer}: {most} bytes at most would have been few enough"),
    )


def _ramp_rows(ramp: list[RampRow], facts: list[_Fact], where: str, judgement: Judgement) -> None:
    """What lies outside of the window has a row for each endpoint, consistent in itself."""
    listed = [row.endpoint for row in ramp]
    every = list(range(len(facts)))
    if not judgement.check(listed == every, where, listed, prose("every endpoint once")):
        return
    for number, (row, fact) in enumerate(zip(ramp, facts, strict=True)):
        for name, seen, expected in (
            *_outcome_problems(row, fact.kind),
            *_flow_problems(row, fact.kind),
            *_latency_problems("corrected", row.corrected),
            *_timeout_problems(row.outcomes, row.corrected, fact.timeout_us),
        ):
            judgement.fail(f"{where}[{number}].{name}", seen, prose(expected))
        if row.corrected.n != row.started:
            judgement.fail(f"{where}[{number}].corrected.n", row.corrected.n, row.started)


RULES = (rows, continuity)
