"""What faults send: batches of requests, and how operations of each are called.

Batches have kinds of their own, numbered from 1 (``order_1``), so that a check can demand each; one
batch of what only faults send is called as its request. What the load asks for as well is always
numbered: its own arrivals are computed from the seed, and nothing may be mistaken for them. A flood
has a rate as well, and keeps its name.
"""

from collections.abc import Collection, Iterable, Iterator

from stressproof.failures.spec import FaultSpec, Send


def batch_count(fault: FaultSpec) -> int:
    """Return how many batches a fault sends."""
    batches = fault.parameters.get("batches", 1)
    return batches if isinstance(batches, int) else 1


def stream_per_s(fault: FaultSpec) -> int:
    """Return how many requests a second a fault sends beside the load, 0 where it sends at once."""
    rate = fault.parameters.get("rate_per_s", 0)
    return rate if isinstance(rate, int) else 0


def streamed_by(faults: Iterable[FaultSpec], kind: str) -> FaultSpec | None:
    """Return the fault that sends a kind of requests beside the load, None where none does."""
    sending = (one for one in faults if kind in [each.request for each in one.send])
    return next(filter(stream_per_s, sending), None)


def batches_of(fault: FaultSpec, scheduled: Collection[str]) -> Iterator[list[tuple[str, Send]]]:
    """Yield the batches of a fault: what is sent at once, each with the kind of its operations.

    Args:
        fault: One that sends.
        scheduled: What the load asks at its rate.
    """
    count = batch_count(fault)
    apart = () if stream_per_s(fault) else scheduled
    for number in range(1, count + 1):
        yield [
            (f"{one.request}_{number}" if count > 1 or one.request in apart else one.request, one)
            for one in fault.send
        ]
