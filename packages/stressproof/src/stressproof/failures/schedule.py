"""What a trial asked, and when: computed again from the scenario and the seed.

Requests are due at an even rate whatever the answers do, in an order of the weights that the seed
decides. So the history of an honest trial holds every one of them, to the microsecond, and beside
them only what its faults send, and what is asked again while it is open what became of it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Final

from msgspec import Struct

from stressproof.evidence.failure import InjectedFault
from stressproof.failures.history import Operation
from stressproof.failures.sendings import batch_count, stream_per_s, streamed_by
from stressproof.failures.spec import FaultSpec, RequestSpec, ScenarioSpec
from stressproof.workload.order import WeightedOrder
from stressproof.workload.pacers import constant

LONGEST_US = 24 * 3600 * 1_000_000
"""Nothing is due later than this."""

_AGAIN = frozenset({"retry", "settle"})

_SLACK_US = 500_000
"""What a busy machine may leave out at the end of the load."""

OPERATIONS_MAX: Final = 20_000
"""Of one trial: what is judged in seconds, and recorded in a megabyte."""

NAMES_MAX: Final = 2_000
"""Of one trial: kinds of requests, and codes that they ended with."""


class Arrival(Struct, frozen=True):
    """One request that was due.

    Attributes:
        due_us: Since the start of the load.
        request: What.
    """

    due_us: int
    request: RequestSpec


class Deviation(Struct, frozen=True):
    """Where a history is not what was asked.

    Attributes:
        seen: What is there, for people.
        expected: What would be.
        unsure: A machine that could not keep up explains it too.
    """

    seen: str
    expected: str
    unsure: bool = False


def arrivals(spec: ScenarioSpec, seed: int, until_us: int) -> Iterator[Arrival]:
    """Yield every request that was due before a time, in order."""
    requests = spec.scheduled
    if not requests:
        return
    pacer = constant(spec.rate_per_s, LONGEST_US)
    for number, place in enumerate(WeightedOrder([one.weight for one in requests], seed)):
        due_us = pacer.due_us(number)
        if due_us is None or due_us >= until_us:
            return
        yield Arrival(due_us, requests[place])


def most_operations(spec: ScenarioSpec) -> int:
    """Return how many operations a trial of a scenario asks for, without those asked again."""
    lasts_us = spec.steady_us + sum(one.lasts_us + one.watch_us for one in spec.faults)
    sent = sum(one.times * batch_count(fault) for fault in spec.faults for one in fault.send)
    streamed = sum(one.lasts_us * stream_per_s(one) // 1_000_000 for one in spec.faults)
    return lasts_us * spec.rate_per_s // 1_000_000 + sent + streamed


def deviations(
    spec: ScenarioSpec, seed: int, operations: Sequence[Operation], faults: Sequence[InjectedFault]
) -> Iterator[Deviation]:
    """Yield where a history lacks what was asked, or holds what nobody asked.

    Args:
        spec: The scenario.
        seed: Of its load.
        operations: Of one trial, in order of their start.
        faults: Those that were injected into it.
    """
    requests = _requests(spec, operations)
    for kind, request in requests.items():
        if request is None:
            yield Deviation(kind, "a request of the scenario")
    by_fault: dict[str, list[Operation]] = defaultdict(list)
    for one in operations:
        request = requests[one.kind]
        if request is not None and one.origin == "fault":
            by_fault[request.kind].append(one)
    # Arrivals end with the last fault's watch; what comes then only settles what is open.
    until_us = max((fault.watched_us for fault in faults), default=spec.steady_us)
    scheduled = [one for one in operations if one.origin == "scheduled"]
    yield from _of_the_load(spec, seed, scheduled, until_us)
    for request in spec.requests:
        sent = by_fault[request.kind]
        stream = streamed_by(spec.faults, request.kind)
        if stream is None:
            yield from _of_faults(request, sent, faults)
        else:
            starts_us = sorted({one.start_us for one in sent if one.attempt == 1})
            yield from _of_a_stream(request.kind, stream, starts_us, faults)


def _requests(spec: ScenarioSpec, operations: Sequence[Operation]) -> dict[str, RequestSpec | None]:
    return {kind: spec.request_of(kind) for kind in dict.fromkeys(one.kind for one in operations)}


def _of_the_load(
    spec: ScenarioSpec, seed: int, scheduled: Sequence[Operation], until_us: int
) -> Iterator[Deviation]:
    """Yield the first arrival that is not as the seed has it, and whether load ended too soon."""
    due = arrivals(spec, seed, LONGEST_US)
    for one, arrival in zip(scheduled, due, strict=False):
        kind = arrival.request.kind
        if (one.start_us, one.kind) != (arrival.due_us, kind):
            yield Deviation(
                f"{one.kind} at {one.start_us} µs",
                f"{kind} at {arrival.due_us} µs, as the seed has it",
            )
            return
    for number, arrival in enumerate(arrivals(spec, seed, until_us - _SLACK_US)):
        if number >= len(scheduled):
            yield Deviation(
                f"load until {arrival.due_us} µs", f"until {until_us} µs at least", unsure=True
            )
            return


def _of_faults(
    request: RequestSpec, sent: Sequence[Operation], faults: Sequence[InjectedFault]
) -> Iterator[Deviation]:
    """Yield where faults did not send what they do: for each row, or so many."""
    if request.rows_of:
        wanted = sum(
            witness.during - witness.before
            for fault in faults
            if fault.id == request.rows_of
            for witness in fault.witnesses
        )
    else:
        wanted = request.sent[bool(faults)]
    seen = len({one.key for one in sent}) if request.keyed else len(sent)
    if seen != wanted:
        what = "effects" if request.keyed else "operations"
        yield Deviation(f"{seen} {what} of {request.kind} by faults", f"{wanted}")


def _of_a_stream(
    kind: str, stream: FaultSpec, starts_us: Sequence[int], faults: Sequence[InjectedFault]
) -> Iterator[Deviation]:
    """Yield where what a fault sends at an even rate has gaps, or does not last."""
    under = [fault for fault in faults if fault.id == stream.id]
    if not under:
        if starts_us:
            yield Deviation(f"a {kind} at {starts_us[0]} µs", "none without its fault")
        return
    per_s = stream_per_s(stream)
    pacer = constant(per_s, LONGEST_US)
    due_us = [pacer.due_us(number) or 0 for number in range(len(starts_us))]
    offsets = {start_us - due for start_us, due in zip(starts_us, due_us, strict=True)}
    if len(offsets) > 1:
        yield Deviation(f"{kind} of {stream.id} at uneven times", f"{per_s}/s")
    lasted_us = under[0].removed_us - under[0].effective_us - _SLACK_US
    least = max(1, lasted_us * per_s // 1_000_000)
    if len(starts_us) < least:
        yield Deviation(f"{len(starts_us)} {kind}", f"at least {least}", unsure=True)


def key_deviations(spec: ScenarioSpec, operations: Sequence[Operation]) -> Iterator[Deviation]:
    """Yield where operations ask for no effect although their kind does, or the other way round.

    Effects are numbered from 1, and so are the attempts at each, of one kind; the load asks again
    only after an ending that leaves it open whether the effect is there, and until that is known.
    """
    attempts: dict[int, list[Operation]] = defaultdict(list)
    requests = _requests(spec, operations)
    for one in operations:
        request = requests[one.kind]
        if request is not None and bool(one.key) is not request.keyed:
            have, want = ("a key", "no key") if one.key else ("no key", "a key of its effect")
            yield Deviation(f"{one.kind} at {one.start_us} µs with {have}", want)
        if one.key:
            attempts[one.key].append(one)
        elif one.attempt != 1 or one.origin in _AGAIN:
            yield Deviation(f"attempt {one.attempt} at no effect, a {one.origin}", "the first")
    # What is made before any load asks for effects too, and not all of them are used.
    if not spec.prepare and len(attempts) != max(attempts, default=0):
        yield Deviation(f"{len(attempts)} effects", f"every one from 1 to {max(attempts)}")
    for key, made in attempts.items():
        yield from _attempt_deviations(key, sorted(made, key=lambda one: one.attempt))


def _attempt_deviations(key: int, made: Sequence[Operation]) -> Iterator[Deviation]:
    """Yield where the attempts at one effect are not as the load makes them."""
    if len({one.kind for one in made}) > 1:
        yield Deviation(f"effect {key} asked for by several kinds", "one kind")
    if [one.attempt for one in made] != list(range(1, len(made) + 1)):
        yield Deviation(f"attempts {[one.attempt for one in made][:9]} at effect {key}", "all")
        return
    if any(later.start_us < one.start_us for one, later in pairwise(made)):
        yield Deviation(f"attempts at effect {key} out of order", "one after the other")
        return
    ends: list[tuple[int, str]] = []
    unknown_us = known_us = -1
    for number, one in enumerate(made):
        while ends and ends[0][0] <= one.start_us:
            end_us, ending = heappop(ends)
            unknown_us = end_us if ending == "unknown" else unknown_us
            known_us = end_us if ending == "ok" else known_us
        heappush(ends, (one.end_us, one.code.ending))
        if (one.origin == "scheduled" and number) or (one.origin in _AGAIN and not number):
            yield Deviation(f"attempt {number + 1} at effect {key} is a {one.origin}", "another")
        elif one.origin in _AGAIN and not unknown_us >= max(known_us, 0):
            yield Deviation(f"effect {key} asked for again", "not: how it ended was known")
    if made[-1].code.ending == "unknown":
        yield Deviation(
            f"effect {key} unknown to the end", "asked again until it is known", unsure=True
        )
