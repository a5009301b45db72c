"""The requests of flows that all workers discovered, each counted once."""

from collections.abc import Sequence

from stressproof.load.row_aggregator import RowAggregator
from stressproof.load.steps import Step
from stressproof.workload.workload import Workload

_Key = tuple[str, str, str]


class DiscoveredSteps:
    """Brings together what workers number in their own ways.

    Args:
        workload: Of which they are.
        aggregator: Where they are counted.
    """

    def __init__(self, workload: Workload, aggregator: RowAggregator) -> None:
        self._first = len(workload.items)
        self._closed_loops = {
            scenario.name: scenario.executor.closed_loop for scenario in workload.scenarios
        }
        self._aggregator = aggregator
        self._steps: dict[_Key, Step] = {}
        self._numbers: dict[_Key, int] = {}
        self._of_worker: dict[int, list[_Key]] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def discover(self, worker: int, steps: Sequence[Step]) -> None:
        """Take note of what a worker found, in its order."""
        known = self._of_worker.setdefault(worker, [])
        for step in steps:
            key = step.key
            if key not in known:
                known.append(key)
            if key not in self._numbers:
                closed_loop = self._closed_loops[step.scenario]
                self._numbers[key] = self._aggregator.open_endpoint(closed_loop=closed_loop)
            self._steps[key] = merged(self._steps.get(key, step), step)

    def number(self, worker: int, endpoint: int) -> int:
        """Return where the aggregator counts what a worker counts as so-and-so."""
        if endpoint < self._first:
            return endpoint
        return self._numbers[self._of_worker[worker][endpoint - self._first]]

    def records(self) -> list[Step]:
        """Return what is known, in the order of discovery."""
        return list(self._steps.values())

    def sorted_records(self) -> list[Step]:
        """Return what is known, sorted by scenario, flow and name."""
        return sorted(self._steps.values(), key=lambda step: step.key)

    def sorted_numbers(self) -> list[int]:
        """Return the aggregator's numbers in that order."""
        return [self._numbers[step.key] for step in self.sorted_records()]


def merged(one: Step, other: Step) -> Step:
    """Return a step that a flow asks in more than one way as what holds for all of them."""
    return Step(
        scenario=one.scenario,
        flow=one.flow,
        name=one.name,
        method=min(one.method, other.method),
        path=min(one.path, other.path),
        expected_statuses=tuple(sorted({*one.expected_statuses, *other.expected_statuses})),
        checks=tuple(sorted({*one.checks, *other.checks})),
        timeout_us=max(one.timeout_us, other.timeout_us),
    )
