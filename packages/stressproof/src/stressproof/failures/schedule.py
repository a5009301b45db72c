"""What a trial asked, and when: computed again from the scenario and the seed.

Requests are due at an even rate whatever the answers do, in an order of the weights that the seed
decides. So the history of an honest trial holds every one of them, to the microsecond, and beside
them only what its faults send and what is asked again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct

from stressproof.evidence.failure import InjectedFault
from stressproof.failures.history import Operation
from stressproof.failures.spec import RequestSpec, ScenarioSpec
from stressproof.workload.order import WeightedOrder
from stressproof.workload.pacers import constant

LONGEST_US = 24 * 3600 * 1_000_000
"""Nothing is due later than this."""

_SLACK_US = 500_000
"""What a busy machine may leave out at the end of the load."""


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
    pacer = constant(spec.rate_per_s, LONGEST_US)
    for number, place in enumerate(WeightedOrder([one.weight for one in requests], seed)):
        due_us = pacer.due_us(number)
        if due_us is None or due_us >= until_us:
            return
        yield Arrival(due_us, requests[place])


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
    first = Counter((one.start_us, one.kind) for one in operations if one.attempt == 1)
    # Arrivals end with the last fault's watch; what comes then only settles what is open.
    until_us = max((fault.watched_us for fault in faults), default=spec.steady_us)
    yield from _of_the_load(spec, seed, first, until_us)
    left: dict[str, list[int]] = defaultdict(list)
    for start_us, kind in first.elements():
        left[kind].append(start_us)
    for request in spec.requests:
        rest = sorted(left.pop(request.kind, []))
        if request.stream:
            yield from _of_a_stream(request, rest, faults)
        elif request.weight:
            yield from (
                Deviation(f"a {request.kind} at {start_us} µs", "none: nothing was due then")
                for start_us in rest
            )
    yield from (Deviation(kind, "a request of the scenario") for kind in left)
    yield from _beside_the_load(spec, operations, with_faults=bool(faults))


def _of_the_load(
    spec: ScenarioSpec, seed: int, first: "Counter[tuple[int, str]]", until_us: int
) -> Iterator[Deviation]:
    """Take what was due out of a history, and yield what is not there."""
    last_us = max((start_us for start_us, _ in first), default=0)
    asked: Counter[str] = Counter()
    ended: set[str] = set()
    missing: list[Arrival] = []
    due = arrivals(spec, seed, max(last_us + 1, until_us))
    for arrival in islice(due, 2 * sum(first.values()) + 1):
        due_us, request = arrival.due_us, arrival.request
        may_end = bool(request.then) and asked[request.kind] >= request.stock
        if first[due_us, request.kind] and request.kind not in ended:
            found = request.kind
        elif may_end and first[due_us, request.then]:
            ended.add(request.kind)
            found = request.then
        else:
            missing.append(arrival)
            continue
        first[due_us, found] -= 1
        asked[request.kind] += 1
        if missing:
            gap = missing.pop(0)
            yield Deviation(f"no {gap.request.kind} at {gap.due_us} µs", "one, as the seed has it")
    if missing and missing[0].due_us < until_us - _SLACK_US:
        yield Deviation(
            f"load until {missing[0].due_us} µs", f"until {until_us} µs at least", unsure=True
        )


def _of_a_stream(
    request: RequestSpec, starts_us: Sequence[int], faults: Sequence[InjectedFault]
) -> Iterator[Deviation]:
    """Yield where what a fault sends at an even rate has gaps, or does not last."""
    under = [fault for fault in faults if fault.id == request.stream]
    if not under:
        if starts_us:
            yield Deviation(f"a {request.kind} at {starts_us[0]} µs", "none without its fault")
        return
    pacer = constant(request.stream_per_s, LONGEST_US)
    due_us = [pacer.due_us(number) or 0 for number in range(len(starts_us))]
    offsets = {start_us - due for start_us, due in zip(starts_us, due_us, strict=True)}
    if len(offsets) > 1:
        yield Deviation(
            f"{request.kind} of {request.stream} at uneven times", f"{request.stream_per_s}/s"
        )
    lasted_us = under[0].removed_us - under[0].effective_us - _SLACK_US
    least = max(1, lasted_us * request.stream_per_s // 1_000_000)
    if len(starts_us) < least:
        yield Deviation(f"{len(starts_us)} {request.kind}", f"at least {least}", unsure=True)


def _beside_the_load(
    spec: ScenarioSpec, operations: Sequence[Operation], *, with_faults: bool
) -> Iterator[Deviation]:
    """Yield where faults did not ask for as many effects as they do."""
    keys: dict[str, set[int]] = defaultdict(set)
    rows: Counter[str] = Counter()
    for one in operations:
        keys[one.kind].add(one.key)
        rows[one.kind] += 1
    for request in spec.requests:
        if request.weight:
            continue
        wanted = request.sent[with_faults]
        seen = len(keys[request.kind]) if request.keyed else rows[request.kind]
        if seen != wanted:
            what = "effects" if request.keyed else "operations"
            yield Deviation(f"{seen} {what} of {request.kind}", f"{wanted}")


def key_deviations(spec: ScenarioSpec, operations: Sequence[Operation]) -> Iterator[Deviation]:
    """Yield where operations ask for no effect although their kind does, or the other way round.

    Attempts at an effect are numbered from 1 and of one kind; the load asks again only after an
    ending that leaves it open whether the effect is there, and until that is known.
    """
    requests = {request.kind: request for request in spec.requests}
    attempts: dict[int, list[Operation]] = defaultdict(list)
    for one in operations:
        request = requests.get(one.kind)
        if request is not None and bool(one.key) is not request.keyed:
            have, want = ("a key", "no key") if one.key else ("no key", "a key of its effect")
            yield Deviation(f"{one.kind} at {one.start_us} µs with {have}", want)
        if one.key:
            attempts[one.key].append(one)
        elif one.attempt != 1:
            yield Deviation(f"attempt {one.attempt} at no effect", "the first")
    for key, made in attempts.items():
        made.sort(key=lambda one: one.attempt)
        if len({one.kind for one in made}) > 1:
            yield Deviation(f"effect {key} asked for by several kinds", "one kind")
        if [one.attempt for one in made] != list(range(1, len(made) + 1)):
            yield Deviation(f"attempts {[one.attempt for one in made][:9]} at effect {key}", "all")
            continue
        request = requests.get(made[0].kind)
        endings = [one.code.ending for one in made]
        if (
            request is not None
            and request.weight
            and "unknown" not in endings[:1]
            and len(made) > 1
        ):
            yield Deviation(f"effect {key} asked for again", "not: how it ended was known")
        if endings[-1] == "unknown":
            yield Deviation(
                f"effect {key} unknown to the end", "asked again until it is known", unsure=True
            )
