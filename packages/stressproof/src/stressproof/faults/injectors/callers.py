"""Client faults: races, forgeries and floods. Their witness is what was sent."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.client import served_by
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.load import Done, Load, Mix, Request

Batch = Callable[[], Sequence[Request]]

_AT_ONCE = 50


class Race(Injector):
    """Requests sent at the same moment, batch after batch.

    Args:
        fault: As the scenario has it.
        load: That sends them.
        batches: Each makes the requests of one moment.
    """

    def __init__(self, fault: FaultSpec, load: Load, batches: Sequence[Batch]) -> None:
        super().__init__(fault)
        self._load = load
        self._batches = batches
        self.done: list[list[Done]] = []

    def apply(self) -> int:
        """Send them all and wait for how each ended."""
        effective = time.monotonic_ns()
        for batch in self._batches:
            self.done.append(self._load.burst(batch()))
        return effective

    def is_finished(self) -> bool:
        """Every request has ended."""
        return True

    def undo(self) -> None:
        """Nothing holds: each request has ended."""

    def counts(self) -> Sequence[Counted]:
        """Return how many were under way together, in the batch that had the fewest."""
        overlaps = [overlap(batch) for batch in self.done]
        detail = [
            f"batch {n}: {count}, answered by {_workers(batch)}"
            for n, (count, batch) in enumerate(zip(overlaps, self.done, strict=True), start=1)
        ]
        return (Counted(min(overlaps, default=0), detail=detail),)


def _workers(done: Sequence[Done]) -> str:
    """Return which of the service's processes answered, and how often."""
    names = Counter(served_by(one.answer.headers) for one in done if one.answer is not None)
    return ", ".join(f"{name} ({count})" for name, count in sorted(names.items())) or "nobody"


def overlap(done: Sequence[Done]) -> int:
    """Return the most requests that were on their way at one time, of those that were answered."""
    ways = [(one.answer.sent_ns, one.ended_ns) for one in done if one.answer is not None]
    # At one instant those that end make room before others begin.
    edges = sorted([(sent, 1) for sent, _ in ways] + [(ended, -1) for _, ended in ways])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


class SendEach(Injector):
    """Requests of which each is sent once, some at a time: one for each row of a table.

    Args:
        fault: As the scenario has it.
        load: That sends them.
        requests: What is sent, one at least.
    """

    def __init__(self, fault: FaultSpec, load: Load, requests: Sequence[Request]) -> None:
        super().__init__(fault)
        self._load = load
        self._requests = requests
        self._done: list[Done] = []

    def apply(self) -> int:
        """Send them.

        Raises:
            RunError: There is nothing to send.
        """
        if not self._requests:
            raise RunError(
                f"{self.fault.id} has no row to send", hint="Fill the table that it names."
            )
        effective = time.monotonic_ns()
        for first in range(0, len(self._requests), _AT_ONCE):
            self._done += self._load.burst(self._requests[first : first + _AT_ONCE])
        return effective

    def is_finished(self) -> bool:
        """Every request has ended."""
        return True

    def undo(self) -> None:
        """Nothing holds."""

    def counts(self) -> Sequence[Counted]:
        """Return how many got an answer; none of them counts where one did not."""
        answered = [done for done in self._done if done.answer is not None]
        whole = len(answered) == len(self._requests)
        detail = [f"{done.request.kind}: {done.code.name}" for done in self._done]
        return (Counted(len(answered) if whole else 0, detail=detail),)


class Flood(Injector):
    """Far more is asked for than may be, beside the load.

    Args:
        fault: As the scenario has it.
        load: That sends it.
        mix: What is sent; what it makes is of the fault's kinds of requests.
        rate_per_s: How much of it.
    """

    def __init__(self, fault: FaultSpec, load: Load, mix: Mix, *, rate_per_s: int) -> None:
        super().__init__(fault)
        self._load = load
        self._mix = mix
        self._rate = rate_per_s
        self._stop: Callable[[], None] | None = None
        self._before = 0
        self._offered = 0

    def apply(self) -> int:
        """Begin to flood."""
        self._before = self._count()
        self._stop = self._load.stream(self._mix, self._rate)
        return time.monotonic_ns()

    def undo(self) -> None:
        """Stop flooding."""
        if self._stop is not None:
            self._stop()
            self._stop = None
            self._offered = self._count() - self._before

    def counts(self) -> Sequence[Counted]:
        """Return what was offered, by the load too."""
        return (Counted(self._offered, detail=[f"{self._rate} a second"]),)

    def _count(self) -> int:
        kinds = {one.request for one in self.fault.send}
        return sum(done.request.kind in kinds for done in list(self._load.history))
