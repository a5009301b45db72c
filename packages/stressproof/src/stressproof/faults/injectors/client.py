"""Client faults: races, forgeries, floods, and requests sent into a cut.

Their witness is what was sent, or what the proxy counted of it.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from stressproof.evidence.failure import Parameter, Witness
from stressproof.faults.client import served_by
from stressproof.faults.injector import Injector
from stressproof.faults.load import Done, Load, Mix, Request
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import CutAfterCommit, CutBeforeCommit

Batch = Callable[[], Sequence[Request]]


class Race(Injector):
    """Requests sent at the same moment, batch after batch.

    Args:
        load: That sends them.
        target: What they race for.
        batches: Each makes the requests of one moment.
        needs: How many must have been under way together.
    """

    kind: ClassVar[str] = "race"

    def __init__(self, load: Load, target: str, batches: Sequence[Batch], *, needs: int) -> None:
        super().__init__(target, {"volleys": len(batches), "needs": needs})
        self._load = load
        self._batches = batches
        self._needs = needs
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

    def witnesses(self) -> list[Witness]:
        """Return how many were under way together, in the batch that had the fewest."""
        overlaps = [overlap(batch) for batch in self.done]
        return [
            Witness(
                name="requests under way at the same time",
                before=0,
                during=min(overlaps, default=0),
                needs=self._needs,
                detail=[
                    f"batch {n}: {count}, answered by {_workers(batch)}"
                    for n, (count, batch) in enumerate(
                        zip(overlaps, self.done, strict=True), start=1
                    )
                ],
            )
        ]


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


class Tamper(Injector):
    """Forged tokens, each sent once.

    Args:
        load: That sends them.
        forged: Request and how its token was forged; every one differs from what was issued.
    """

    kind: ClassVar[str] = "send_each"

    def __init__(self, load: Load, forged: Sequence[Request]) -> None:
        parameters: dict[str, Parameter] = {"forgeries": len(forged)}
        super().__init__("approval tokens", parameters)
        self._load = load
        self._forged = forged
        self._done: list[Done] = []

    def apply(self) -> int:
        """Send them."""
        effective = time.monotonic_ns()
        self._done = self._load.burst(self._forged)
        return effective

    def is_finished(self) -> bool:
        """Every request has ended."""
        return True

    def undo(self) -> None:
        """Nothing holds."""

    def witnesses(self) -> list[Witness]:
        """Return how many forged tokens got an answer."""
        answered = [done for done in self._done if done.answer is not None]
        return [
            Witness(
                name="requests answered",
                before=0,
                during=len(answered),
                needs=max(1, len(self._forged)),
                detail=[f"{done.request.kind}: {done.code.name}" for done in answered][:50],
            )
        ]


class CutRequests(ProxyFault):
    """Requests sent one after the other, each into a cut at its commit.

    Args:
        proxy: That cuts.
        cut: Before or after the commit.
        load: That sends them.
        requests: As many as are to be cut.
    """

    def __init__(
        self,
        proxy: ProxyProcess,
        cut: CutAfterCommit | CutBeforeCommit,
        load: Load,
        requests: Sequence[Request],
    ) -> None:
        super().__init__(proxy, cut)
        self._load = load
        self._requests = requests

    def apply(self) -> int:
        """Arm the cut, then send."""
        effective = super().apply()
        for request in self._requests:
            self._load.burst([request])
        return effective


class Flood(Injector):
    """One tenant asks for far more than it may.

    Args:
        load: That sends it.
        target: Who floods.
        mix: What is sent.
        rate_per_s: How much of it.
        limit: What is allowed in the time that the flood lasts.
        kind_sent: Operations of this kind are the flood.
    """

    kind: ClassVar[str] = "flood"

    def __init__(
        self, load: Load, target: str, mix: Mix, *, rate_per_s: int, limit: int, kind_sent: str
    ) -> None:
        super().__init__(target, {"rate_per_s": rate_per_s, "limit": limit})
        self._load = load
        self._mix = mix
        self._rate = rate_per_s
        self._limit = limit
        self._kind_sent = kind_sent
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

    def witnesses(self) -> list[Witness]:
        """Return what was offered; the limit is what it must exceed."""
        return [
            Witness(
                name="requests offered",
                before=0,
                during=self._offered,
                needs=self._limit + 1,
                detail=[f"limit {self._limit}"],
            )
        ]

    def _count(self) -> int:
        return sum(done.request.kind == self._kind_sent for done in list(self._load.history))
