"""What follows from a trial's operations: how each ended, phases, detection and recovery."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, Literal, get_args

from msgspec import Struct

from stressproof.evidence.failure import PhaseCount, Recovery, RecoveryObjectives
from stressproof.failures.answer_class import CONCLUDES, NOT_SENT, SENT, AnswerClass, Ending
from stressproof.failures.artifact import Operations

COLUMNS = ["start_us", "duration_us", "kind", "code", "key", "attempt", "origin"]
EFFECT_COLUMNS = ["key", "effects"]

Origin = Literal["scheduled", "retry", "fault", "settle"]
"""Why something was asked: it was due, it was asked again after an ending that leaves open what
became of it, a fault sent it (in a baseline: what stands for it), or it was asked again in the end,
until nothing was open."""

ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)

_STATUS = re.compile(r"^([1-5][0-9][0-9])(?:/([!-~]{1,120}))?$", re.ASCII)


class Code(Struct, frozen=True):
    """How an operation ended.

    Attributes:
        name: As the artifact has it.
        status: Of the HTTP answer, 0 where none came.
        note: What else the answer said, empty where nothing was asked of it; the name itself
            where none came.
        answer_class: What it means.
    """

    name: str
    status: int
    note: str
    answer_class: AnswerClass

    @property
    def ending(self) -> Ending:
        """What may be concluded about the effect asked for."""
        return CONCLUDES[self.answer_class].ending

    @property
    def healthy(self) -> bool:
        """Whether a caller would call this service."""
        return CONCLUDES[self.answer_class].healthy


def parse_code(name: str) -> tuple[int, str] | None:
    """Return status and note of a code, None where it is none.

    ``connect_refused``, ``connect_timeout``, ``connect_reset`` (nothing was sent); ``timeout``,
    ``reset``, ``closed``, ``malformed`` (after sending) have status 0 and are their own note; any
    other is a status, with a note after a slash.
    """
    if name in NOT_SENT or name in SENT:
        return 0, name
    match = _STATUS.match(name)
    return None if match is None else (int(match[1]), match[2] or "")


def read_code(name: str, answer_class: AnswerClass) -> Code:
    """Return what a code says, and what it means.

    Raises:
        ValueError: It is none.
    """
    parsed = parse_code(name)
    if parsed is None:
        raise ValueError(f"code {name!r} means nothing")
    return Code(name, *parsed, answer_class)


class Operation(Struct, frozen=True):
    """One row, with its references followed."""

    start_us: int
    end_us: int
    kind: str
    code: Code
    key: int
    attempt: int
    origin: Origin = "scheduled"

    @property
    def duration_us(self) -> int:
        """How long the caller waited from the intended start."""
        return self.end_us - self.start_us


def read(operations: Operations) -> list[Operation]:
    """Return the operations in order of their start.

    Raises:
        ValueError: A row is not of the columns' shape, refers to nothing or is out of order, or a
            code means nothing.
    """
    if operations.columns != COLUMNS:
        raise ValueError(f"columns are {operations.columns}, expected {COLUMNS}")
    codes = [read_code(one.code, one.answer_class) for one in operations.codes]
    found: list[Operation] = []
    latest = 0
    for position, row in enumerate(operations.rows):
        if len(row) != len(COLUMNS):
            raise ValueError(f"row {position} has {len(row)} numbers, expected {len(COLUMNS)}")
        start, duration, kind, code_at, key, attempt, origin = row
        if kind >= len(operations.kinds) or code_at >= len(codes) or origin >= len(ORIGINS):
            raise ValueError(f"row {position} refers to a kind, code or origin that is not there")
        if start < latest:
            raise ValueError(f"row {position} starts before the row above it")
        latest = start
        name, code = operations.kinds[kind], codes[code_at]
        end = start + duration
        found.append(Operation(start, end, name, code, key, attempt, ORIGINS[origin]))
    return found


def began_in(operations: Sequence[Operation], begin_us: int, end_us: int) -> Sequence[Operation]:
    """Return those that began in ``[begin, end)``; the sequence is in order of starts."""
    first = bisect_left(operations, begin_us, key=lambda operation: operation.start_us)
    last = bisect_left(operations, end_us, key=lambda operation: operation.start_us)
    return operations[first:last]


class FaultWindow(Struct, frozen=True):
    """The times of one fault, all that phases and recovery depend on."""

    id: str
    effective_us: int
    healed_us: int
    watched_us: int


def phases(windows: Sequence[FaultWindow], until_us: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, begin and end of each phase; an operation belongs to that in which it began.

    What lies between the end of one fault's watch and the next fault's effect is steady again.
    """
    position = 0
    for window in windows:
        if window.effective_us > position:
            yield "steady", position, window.effective_us
        yield f"{window.id}/during", window.effective_us, window.healed_us
        yield f"{window.id}/recovery", window.healed_us, window.watched_us
        position = window.watched_us
    if until_us >= position:
        yield "steady", position, until_us + 1


def count_phases(
    operations: Sequence[Operation], windows: Sequence[FaultWindow], until_us: int
) -> list[PhaseCount]:
    """Return counts by phase, the steady pieces together and first."""
    counts: dict[str, list[int]] = {"steady": [0, 0, 0, 0]}
    order = {"ok": 0, "fail": 1, "unknown": 2}
    for name, begin, end in phases(windows, until_us):
        tally = counts.setdefault(name, [0, 0, 0, 0])
        for operation in began_in(operations, begin, end):
            tally[order[operation.code.ending]] += 1
            tally[3] += not operation.code.healthy
    return [
        PhaseCount(name, ok=ok, fail=fail, unknown=unknown, unhealthy=unhealthy)
        for name, (ok, fail, unknown, unhealthy) in counts.items()
    ]


def recovery(
    operations: Sequence[Operation], window: FaultWindow, objectives: RecoveryObjectives
) -> Recovery:
    """Return how a fault showed and how it passed.

    An operation that began before healing belongs to the fault, whenever it ended.
    """
    after = began_in(operations, window.healed_us, window.watched_us)
    # What was under way when the fault struck can be the first to show it.
    hurt = [
        operation.end_us
        for operation in began_in(operations, 0, window.healed_us)
        if operation.end_us >= window.effective_us
        and (not operation.code.healthy or operation.duration_us > objectives.slow_us)
    ]
    healthy_after = [operation.end_us for operation in after if operation.code.healthy]
    recovered = _first_good_window(after, window, objectives)
    return Recovery(
        detection_us=min(hurt) - window.effective_us if hurt else None,
        first_ok_us=min(healthy_after) - window.healed_us if healthy_after else None,
        rto_user_us=None if recovered is None else recovered - window.effective_us,
        rto_service_us=None if recovered is None else recovered - window.healed_us,
        longest_gap_us=_longest_gap(operations, window),
    )


def _first_good_window(
    after: Sequence[Operation], window: FaultWindow, objectives: RecoveryObjectives
) -> int | None:
    """Return where the first good window begins; only healing and what is bad can delay it."""
    starts = [operation.start_us for operation in after]
    unhealthy = [not operation.code.healthy for operation in after]
    slow = [operation.duration_us > objectives.slow_us for operation in after]
    bad_before = list(accumulate(unhealthy, initial=0))
    slow_before = list(accumulate(slow, initial=0))
    candidates = [window.healed_us]
    candidates += [
        start + 1 for start, *wrong in zip(starts, unhealthy, slow, strict=True) if any(wrong)
    ]
    for begin in candidates:
        end = begin + objectives.window_us
        if end > window.watched_us:
            return None
        first, last = bisect_left(starts, begin), bisect_left(starts, end)
        inside = last - first
        if inside < max(1, objectives.window_operations):
            continue
        if (bad_before[last] - bad_before[first]) * 1_000_000 > objectives.bad_ppm * inside:
            continue
        # The p99 by nearest rank is quick where no more are slow than lie above that rank.
        if slow_before[last] - slow_before[first] <= inside - rank(inside, 990_000):
            return begin
    return None


def _longest_gap(operations: Sequence[Operation], window: FaultWindow) -> int:
    """Return the longest time without a healthy answer from the effect to healing."""
    ends = sorted(
        operation.end_us
        for operation in operations
        if operation.code.healthy and window.effective_us <= operation.end_us <= window.healed_us
    )
    points = [window.effective_us, *ends, window.healed_us]
    return max(later - earlier for earlier, later in pairwise(points))


def rank(count: int, ppm: int) -> int:
    """Return which of so many ascending values, from 1, is the quantile by nearest rank."""
    return max(1, -(-count * ppm // 1_000_000))


def nearest_rank(ascending: Sequence[int], ppm: int) -> int:
    """Return the quantile of a non-empty ascending sequence: a value of it, never between two."""
    return ascending[rank(len(ascending), ppm) - 1]
