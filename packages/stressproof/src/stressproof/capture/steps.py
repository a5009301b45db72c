"""The steps of flows over all rounds: evidence has one list of endpoints, whoever found them when.

A flow shows what it asks by asking it, so that a round may have found steps that another has not.
"""

from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from stressproof.evidence.measurements import Latency, RampRow, Row, RunMeasurements
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.load.steps import Step

_NOTHING = Latency(n=0, sum_us=0, min_us=None, max_us=None, buckets=[])


def step_record(step: Step) -> WorkloadEndpoint:
    """Return a step as evidence records it."""
    return WorkloadEndpoint(
        name=step.name,
        method=step.method,
        path=step.path,
        weight=0,
        expected_statuses=list(step.expected_statuses),
        checks=list(step.checks),
        scenario=step.scenario,
        kind="step",
        flow=step.flow,
        timeout_us=step.timeout_us,
    )


def joined(
    known: Sequence[WorkloadEndpoint], found: Sequence[WorkloadEndpoint]
) -> list[WorkloadEndpoint]:
    """Return the steps of two rounds, sorted, each once; statuses and checks of both are kept."""
    every = {_key(step): step for step in known}
    for step in found:
        before = every.get(_key(step))
        if before is not None:
            statuses = {*before.expected_statuses, *step.expected_statuses}
            step = msgspec.structs.replace(  # noqa: PLW2901  # the same step, seen twice
                step,
                expected_statuses=sorted(statuses),
                checks=list(dict.fromkeys((*before.checks, *step.checks))),
            )
        every[_key(step)] = step
    return [every[key] for key in sorted(every)]


def renumbered(
    run: RunMeasurements,
    items: int,
    found: Sequence[WorkloadEndpoint],
    every: Sequence[WorkloadEndpoint],
    *,
    open_scenarios: frozenset[str],
) -> RunMeasurements:
    """Return a round's measurements with a row for every step of the capture.

    Args:
        run: What was measured.
        items: How many requests and flows the workload has; steps come after them.
        found: The steps that the round found, in the order in which its rows have them.
        every: Those of the whole capture.
        open_scenarios: Scenarios whose rows have an uncorrected latency.
    """
    keys = [_key(step) for step in every]
    if [_key(step) for step in found] == keys:
        return run
    places = [*range(items), *(items + keys.index(_key(step)) for step in found)]
    missing = sorted(set(range(items + len(keys))) - set(places))
    empty = {
        place: _NOTHING if every[place - items].scenario in open_scenarios else None
        for place in missing
    }
    return msgspec.structs.replace(
        run,
        ramp=_outside(run.ramp, places, missing),
        rows=_Renumbered(run.rows, places, empty),
        tail=_outside(run.tail, places, missing) if run.tail else [],
        setup=_outside(run.setup, places, missing) if run.setup else [],
    )


def _key(step: WorkloadEndpoint) -> tuple[str, str, str]:
    return step.scenario, step.flow or "", step.name


def _outside(
    rows: Sequence[RampRow], places: Sequence[int], missing: Sequence[int]
) -> list[RampRow]:
    moved = [msgspec.structs.replace(row, endpoint=places[row.endpoint]) for row in rows]
    moved += [RampRow(place, 0, 0, {}, _NOTHING) for place in missing]
    return sorted(moved, key=lambda row: row.endpoint)


class _Renumbered(Sequence[Row]):
    """Rows by second and endpoint, with those that are missing; made when they are looked at."""

    def __init__(
        self, rows: Sequence[Row], places: Sequence[int], empty: dict[int, Latency | None]
    ) -> None:
        self._rows = rows
        self._before = {place: at for at, place in enumerate(places)}
        self._empty = empty
        self._width = len(places) + len(empty)

    def __len__(self) -> int:
        return len(self._rows) // len(self._before) * self._width

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(len(self)))

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...

    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        """Return one row, or some."""
        numbers = range(len(self))[at]
        return self._row(numbers) if isinstance(numbers, int) else list(map(self._row, numbers))

    def _row(self, number: int) -> Row:
        second, place = divmod(number, self._width)
        first = second * len(self._before)
        before = self._before.get(place)
        if before is not None:
            row = self._rows[first + before]
            return msgspec.structs.replace(row, endpoint=place)
        return Row(
            endpoint=place,
            second=self._rows[first].second,
            intended=0,
            started=0,
            late=0,
            dropped=0,
            outcomes={},
            corrected=_NOTHING,
            uncorrected=self._empty[place],
        )
