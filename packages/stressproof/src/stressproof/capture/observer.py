"""Who watches a capture: told how far it has come, and of every row as soon as it is complete."""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.measurements import Row
from stressproof.evidence.stress import Run
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.load.result import Tick


class SettledRows(Struct, frozen=True):
    """Rows that no worker adds to any more.

    Attributes:
        run_index: The round.
        until_s: Every row before this second of the round's window was told now or before.
        rows: Those that were not told yet.
        endpoints: What they are about, by position; flows' steps in no lasting order.
    """

    run_index: int
    until_s: int
    rows: Sequence[Row]
    endpoints: Sequence[WorkloadEndpoint]


class Observer:
    """Wants to know nothing; whoever wants something overrides it."""

    def phase(self, text: str) -> None:
        """Something began or ended."""

    def tick(self, run_index: int, tick: Tick) -> None:
        """A second of a round has passed."""

    def rows(self, settled: SettledRows) -> None:
        """Rows are complete: each is told once, the last of a round before `round_done`."""

    def round_done(self, run: Run) -> None:
        """A round has its figures."""


class Observers(Observer):
    """Several, each told everything.

    Args:
        each: In the order in which they are told.
    """

    def __init__(self, *each: Observer) -> None:
        self._each = each

    def phase(self, text: str) -> None:
        """Tell each."""
        for one in self._each:
            one.phase(text)

    def tick(self, run_index: int, tick: Tick) -> None:
        """Tell each."""
        for one in self._each:
            one.tick(run_index, tick)

    def rows(self, settled: SettledRows) -> None:
        """Tell each."""
        for one in self._each:
            one.rows(settled)

    def round_done(self, run: Run) -> None:
        """Tell each."""
        for one in self._each:
            one.round_done(run)
