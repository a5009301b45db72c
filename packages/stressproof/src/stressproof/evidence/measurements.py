"""What was counted, second by second, in integers; every other figure follows from it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from stressproof.measure.histogram import Histogram

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""A number of things; bounded so that no reader of JSON loses digits."""

# An answer arrived in full: the target has counted the request, whatever we think of the answer.
ANSWERED_WITHOUT_STATUS = frozenset({"ok", "redirect", "body_check"})


def is_answered(outcome: str) -> bool:
    """Return whether an outcome means that the target's whole answer was received."""
    return outcome in ANSWERED_WITHOUT_STATUS or outcome.startswith("status_")


def answered(outcomes: Mapping[str, int]) -> int:
    """Return how many of the requests that ended so got a whole answer."""
    return sum(count for outcome, count in outcomes.items() if is_answered(outcome))


class Latency(Struct, frozen=True, forbid_unknown_fields=True):
    """A histogram as it is written down.

    Attributes:
        n: Requests counted.
        sum_us: Their exact sum.
        min_us: The exact minimum, null where n is 0.
        max_us: The exact maximum, null where n is 0.
        buckets: ``[bucket, count, …]``, ascending by bucket (`stressproof.measure.buckets`).
    """

    n: Count
    sum_us: Count
    min_us: Count | None
    max_us: Count | None
    buckets: list[Count]

    @classmethod
    def of(cls, histogram: Histogram) -> "Latency":
        """Return the written form of a histogram."""
        return cls(
            n=histogram.n,
            sum_us=histogram.sum_us,
            min_us=histogram.min_us,
            max_us=histogram.max_us,
            buckets=histogram.pairs(),
        )

    def add_to(self, histogram: Histogram) -> None:
        """Merge this into a histogram."""
        histogram.merge(*self.parts())

    def parts(self) -> tuple[list[int], int, int | None, int | None]:
        """Return what `Histogram.merge` and `Histogram.merge_all` take."""
        return self.buckets, self.sum_us, self.min_us, self.max_us


class Row(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One endpoint in one second of one round.

    A request belongs to the second of its intended start, whenever its answer came.

    Attributes:
        endpoint: Position in ``workload.endpoints``.
        second: Whole seconds since the start of the measured window; a multiple of the resolution.
        intended: Requests the schedule asked for; equals ``started + dropped``.
        started: Requests sent (or at least tried: a failed connection counts).
        late: Of those, sent more than 1 ms after they were intended.
        dropped: Intended requests for which no virtual user was free.
        outcomes: How the started ones ended: ``ok`` or a kind of failure, with its count.
        corrected: From the intended start to the end of the answer, failures included at the
            time the user waited.
        uncorrected: From the send to the end of the answer; null in a closed loop, where the
            intended start is the send and both are the same.
        think_us: How long users paused within these runs of a flow, in sum; 0 of anything else.
        requests: Requests that these runs of a flow sent, likewise.
        pause_us: How long users waited after these iterations before their next ones, as think or
            pace of their scenario has it, in sum.
    """

    endpoint: Count
    second: Count
    intended: Count
    started: Count
    late: Count
    dropped: Count
    outcomes: dict[str, Count]
    corrected: Latency
    uncorrected: Latency | None = None
    think_us: Count = 0
    requests: Count = 0
    pause_us: Count = 0


class RampRow(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One endpoint outside of a round's window: no figure follows from it, nothing hides in it.

    Attributes:
        endpoint: Position in ``workload.endpoints``.
        started: Requests or runs of a flow begun outside of the measured window.
        dropped: Intended ones for which no virtual user was free.
        outcomes: How they ended, with their counts.
        corrected: From the intended start to the end of the answer.
        think_us: As in a `Row`.
        requests: Likewise.
        pause_us: Likewise.
    """

    endpoint: Count
    started: Count
    dropped: Count
    outcomes: dict[str, Count]
    corrected: Latency
    think_us: Count = 0
    requests: Count = 0
    pause_us: Count = 0


class RunMeasurements(Struct, frozen=True, forbid_unknown_fields=True):
    """One round.

    Attributes:
        run_index: From 1.
        elapsed_us: The measured window, or up to the last completion where that was later.
        ramp: One row for each endpoint, in their order.
        rows: Every endpoint in every second, the empty ones too, by second and then endpoint.
        tail: What iterations that began in the window sent after it; one row for each endpoint,
            in their order, or none.
        setup: What users were set up with before the ramp, likewise.
    """

    run_index: Count
    elapsed_us: Count
    ramp: list[RampRow]
    rows: Sequence[Row]
    tail: list[RampRow] = []
    setup: list[RampRow] = []

    @property
    def every_row(self) -> list[Row | RampRow]:
        """The rows of all that was sent, within the window and outside of it."""
        return [*self.setup, *self.ramp, *self.rows, *self.tail]


class Measurements(Struct, frozen=True, forbid_unknown_fields=True):
    """All rounds.

    Attributes:
        resolution_seconds: Seconds a row covers, more than 1 where it would grow too large
            (`stressproof.evidence.resolution`).
        runs: The rounds in their order.
    """

    resolution_seconds: Count
    runs: list[RunMeasurements]
