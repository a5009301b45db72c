"""A round's rows by scenario: each has an executor of its own, which its rows must obey."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.evidence.workload import ScenarioRecord, WorkloadRecord
from stressproof.measure.buckets import highest
from stressproof.measure.histogram import Histogram


class Share(Struct, frozen=True):
    """What one scenario did in a round.

    Attributes:
        place: Position of the scenario.
        scenario: What it was.
        items: Positions of its requests and flows, of which it makes iterations.
        rows: Of these, over the window.
        ramp: Of these, before it.
    """

    place: int
    scenario: ScenarioRecord
    items: Sequence[int]
    rows: Sequence[Row]
    ramp: Sequence[RampRow]


def shares_of(workload: WorkloadRecord, run: RunMeasurements) -> Iterator[Share]:
    """Yield the rows of each scenario's iterations; requests that flows sent are in none."""
    items: dict[str, list[int]] = {scenario.name: [] for scenario in workload.scenarios}
    for number, endpoint in enumerate(workload.endpoints):
        if endpoint.kind != "step" and endpoint.scenario in items:
            items[endpoint.scenario].append(number)
    rows: dict[int, list[Row]] = {}
    ramp: dict[int, list[RampRow]] = {}
    for row in run.rows:
        rows.setdefault(row.endpoint, []).append(row)
    for one in run.ramp:
        ramp.setdefault(one.endpoint, []).append(one)
    for place, scenario in enumerate(workload.scenarios):
        own = items[scenario.name]
        yield Share(
            place,
            scenario,
            own,
            [row for number in own for row in rows.get(number, ())],
            [row for number in own for row in ramp.get(number, ())],
        )


def busy(rows: Iterable[Row | RampRow], *, closed: bool) -> tuple[int, int]:
    """Return the time in µs that iterations were under way, and how many they were."""
    total_us = iterations = 0
    for row in rows:
        uncorrected = None if closed else getattr(row, "uncorrected", None)
        latency = row.corrected if uncorrected is None else uncorrected
        total_us += latency.sum_us
        iterations += latency.n
    return total_us, iterations


def there(share: Share) -> tuple[int, int]:
    """Return how long users were at iterations or paused after them, and how many iterations."""
    busy_us, iterations = busy(share.rows, closed=share.scenario.closed_loop)
    return busy_us + sum(row.pause_us for row in share.rows), iterations


def greatest_us(rows: Iterable[Row | RampRow], users: int) -> int:
    """Return how long so many iterations can have taken in sum, one of each user at most."""
    whole = Histogram()
    for row in rows:
        whole.merge(row.corrected.buckets[-2 * users :], 0, None, None)
    took_us = 0
    for bucket in sorted(whole.counts, reverse=True):
        some = min(whole.counts[bucket], users)
        took_us += some * highest(bucket)
        users -= some
        if not users:
            break
    return took_us
