"""What was sent to each route of the target, and what came back, over all rounds and ramps."""

from bisect import bisect_left
from collections import Counter
from functools import cached_property
from itertools import accumulate

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
    """

    def __init__(self, timeout_us: int) -> None:
        self.timeout_us = timeout_us
        self.expected: set[int] = set()
        self.started = self.answered = self.as_expected = 0
        self._failed: Counter[str] = Counter()
        self._latencies: list[Latency] = []

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
        self._latencies.append(getattr(row, "uncorrected", None) or row.corrected)

    def seen(self, status: str) -> int:
        """Return how many answers with a status that was a failure clients saw."""
        return self._failed[f"status_{status}"]

    def waited_longer(self, bound_us: int) -> int:
        """Return how many waited longer than a bound, or as long as anybody waits."""
        least_us = min(bound_us, self.timeout_us) * 999 // 1000 - _CLOCKS_US
        first = buckets.index(min(max(least_us, 0), buckets.MAX_US))
        ascending, below = self._waits
        return below[-1] - below[bisect_left(ascending, first)]

    @cached_property
    def _waits(self) -> tuple[list[int], list[int]]:
        """Return the buckets of waits, and how many waits lie below each and in all of them.

        Most services never ask for it.
        """
        whole = Histogram()
        whole.merge_all(latency.parts() for latency in self._latencies)
        ascending = sorted(whole.counts)
        return ascending, list(accumulate(map(whole.counts.__getitem__, ascending), initial=0))


def sent_by_name(artifact: StressArtifact) -> dict[str, Sent]:
    """Return what was sent, by endpoint name and path; endpoints of one route share it."""
    by_route: dict[str, Sent] = {}
    by_name: dict[str, Sent] = {}
    in_order: list[Sent] = []
    for endpoint in artifact.workload.endpoints:
        sent = _of_route(endpoint, by_route, artifact)
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
