"""What was sent to each route of the target, and what came back, over all rounds and ramps."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.derive import Totals
from stressproof.evidence.endpoint_names import names_of
from stressproof.evidence.measurements import Latency, RampRow, Row, answered
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure import buckets
from stressproof.measure.histogram import Histogram

_CLOCKS_US = 1_000
"""Two processes' clocks may differ by this much, and by a thousandth, over one answer."""


class Sent:
    """What was sent to one route.

    Attributes:
        timeout_us: After which any of its requests may have been given up.
        expected: Statuses that were no failure, of any endpoint of it.
        started: Requests.
        answered: Those whose whole answer came.
        as_expected: Those that were answered with such a status.
        places: Positions of its endpoints in the workload.
    """

    def __init__(self, timeout_us: int) -> None:
        self.timeout_us = timeout_us
        self.places: list[int] = []
        self.expected: set[int] = set()
        self.started = self.answered = self.as_expected = 0
        self._failed: Counter[str] = Counter()
        self._outside: list[Latency] = []

    @property
    def unanswered(self) -> int:
        """Requests of which the target may have counted anything, or nothing."""
        return self.started - self.answered

    def add(self, row: Row | RampRow) -> None:
        """Add what one endpoint was asked in a while."""
        self.started += row.started
        if not row.started:
            return
        self.answered += answered(row.outcomes)
        for outcome, count in row.outcomes.items():
            if outcome in {"ok", "body_check"}:
                self.as_expected += count
            else:
                self._failed[outcome] += count
        if isinstance(row, RampRow):
            self._outside.append(row.corrected)

    def seen(self, status: str) -> int:
        """Return how many answers with a status that was a failure clients saw."""
        return self._failed[f"status_{status}"]

    def waits(self, window: Sequence[Sequence[Totals]]) -> "Waits":
        """Return how long clients waited for its answers.

        Args:
            window: The rows within the windows, added up for each round and endpoint.
        """
        outside = Histogram()
        outside.merge_all(latency.parts() for latency in self._outside)
        within = [parts[place] for parts in window for place in self.places]
        return Waits(
            [outside, *(one.uncorrected if one.uncorrected.n else one.corrected for one in within)],
            self.timeout_us,
        )


class Waits(Struct, frozen=True):
    """How long clients waited.

    Attributes:
        parts: Of some of them each.
        timeout_us: After which they gave up.
    """

    parts: Sequence[Histogram]
    timeout_us: int

    def longer(self, bound_us: int) -> int:
        """Return how many waited longer than a bound, or as long as anybody waits."""
        least_us = min(bound_us, self.timeout_us) * 999 // 1000 - _CLOCKS_US
        first = buckets.index(min(max(least_us, 0), buckets.MAX_US))
        return sum(part.from_bucket(first) for part in self.parts)


def sent_by_name(artifact: StressArtifact) -> dict[str, Sent]:
    """Return what was sent, by endpoint name and path; endpoints of one route share it."""
    by_route: dict[str, Sent] = {}
    by_name: dict[str, Sent] = {}
    in_order: list[Sent] = []
    for place, endpoint in enumerate(artifact.workload.endpoints):
        sent = _of_route(endpoint, by_route, artifact)
        sent.places.append(place)
        in_order.append(sent)
        for name in names_of(endpoint.method, endpoint.path):
            by_name.setdefault(name, sent)
    # A bare path may be two methods' short name: it is the one that carries it as its name.
    for endpoint, sent in zip(artifact.workload.endpoints, in_order, strict=True):
        by_name[endpoint.name] = sent
    for run in artifact.measurements.runs:
        for row in run.every_row:
            if row.endpoint < len(in_order):
                in_order[row.endpoint].add(row)
    return by_name


def _of_route(
    endpoint: WorkloadEndpoint, by_route: dict[str, Sent], artifact: StressArtifact
) -> Sent:
    # The target counts by route template, which has no query string.
    path = endpoint.path.split("?", 1)[0]
    given_up_us = endpoint.timeout_us or artifact.workload.timeout_us
    sent = by_route.setdefault(f"{endpoint.method} {path}", Sent(given_up_us))
    sent.expected.update(endpoint.expected_statuses)
    sent.timeout_us = min(sent.timeout_us, given_up_us)
    return sent
