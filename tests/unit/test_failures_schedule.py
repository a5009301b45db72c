"""What a trial must hold: arrivals of the seed, what faults send, and nothing else."""

import pytest
from msgspec.structs import replace

from protocol_failures import FI_003
from stressproof.evidence.failure import InjectedFault, Recovery, Witness
from stressproof.failures.history import ORIGINS, Operation, parse_code, read_code
from stressproof.failures.schedule import (
    OPERATIONS_MAX,
    arrivals,
    deviations,
    key_deviations,
    most_operations,
)
from stressproof.failures.spec import RequestSpec, ScenarioSpec
from stressproof.failures.spec_problems import spec_problems

pytestmark = pytest.mark.gate

S = 1_000_000
SEED = 3
SPEC = ScenarioSpec(
    id="X-001",
    title="t",
    question="q",
    steady_us=10 * S,
    rate_per_s=10,
    requests=(
        RequestSpec("order", 1, keyed=True),
        RequestSpec("read", 2),
    ),
    faults=(),
    checks=(),
    prepare="rows.py:made",
)


def operation(
    start_us: int, kind: str, key: int = 0, attempt: int = 1, code: str = "200", origin: str = ""
) -> Operation:
    """Return one operation; asked again where it is a second attempt."""
    parsed = parse_code(code)
    assert parsed is not None
    said = read_code(code, RequestSpec(kind, expect=(200, 409)).classify(*parsed))
    why = origin or ("retry" if attempt > 1 else "scheduled")
    return Operation(start_us, start_us + 5, kind, said, key, attempt, ORIGINS[ORIGINS.index(why)])


def history(until_us: int = 10 * S) -> list[Operation]:
    """Return every request that the load asks."""
    return [
        operation(one.due_us, one.request.kind, number if one.request.keyed else 0)
        for number, one in enumerate(arrivals(SPEC, SEED, until_us), 1)
    ]


def test_what_is_asked_is_what_was_due() -> None:
    """Every request at its time, in the order of the seed; another in its place tells."""
    made = history()
    assert len(made) == 100
    assert list(deviations(SPEC, SEED, made, [])) == []
    assert list(key_deviations(SPEC, made)) == []
    at = next(at for at, one in enumerate(made) if one.kind == "order")
    other = [*made[:at], operation(made[at].start_us, "read"), *made[at + 1 :]]
    (told,) = deviations(SPEC, SEED, other, [])
    assert "order at" in told.expected


def test_another_seed_makes_another_order() -> None:
    """The same figures under another seed are another history."""
    assert list(deviations(SPEC, SEED + 1, history(), []))


def test_only_a_short_end_is_a_slow_machine() -> None:
    """A gap in the middle cannot be one, and the last half second may be missing."""
    made = history()
    assert list(deviations(SPEC, SEED, made[:-4], [])) == []
    (short,) = deviations(SPEC, SEED, made[:-8], [])
    assert short.unsure
    (gap,) = deviations(SPEC, SEED, [*made[:50], *made[51:]], [])
    assert not gap.unsure


def test_an_empty_history_is_no_load() -> None:
    """Nothing is not everything that was asked."""
    (nothing,) = deviations(SPEC, SEED, [], [])
    assert nothing.unsure


def test_what_is_only_for_faults_is_counted() -> None:
    """As many as they send, no fewer and no more."""
    spec = replace(SPEC, requests=(*SPEC.requests, RequestSpec("cut", keyed=True, sent=(1, 2))))
    made = history()
    assert list(deviations(spec, SEED, made, []))
    one = sorted(
        [*made, operation(777, "cut", 1000, origin="fault")], key=lambda each: each.start_us
    )
    assert list(deviations(spec, SEED, one, [])) == []


@pytest.mark.parametrize(
    ("rows", "unsure"),
    [
        ([operation(1, "order")], False),
        ([operation(1, "read", 7)], False),
        ([operation(1, "order", 7), operation(2, "order", 7, 2)], False),
        ([operation(1, "order", 7, 2)], False),
        ([operation(1, "order", 7), operation(1, "order", 7)], False),
        ([operation(1, "read", attempt=2)], False),
        ([operation(1, "order", 7, code="timeout")], True),
    ],
    ids=["no key", "a key too many", "known and asked again", "no first", "first twice",
         "again for nothing", "open in the end"],
)  # fmt: skip
def test_keys_and_attempts_must_fit(rows: list[Operation], unsure: bool) -> None:  # noqa: FBT001
    """Each misfit is told, and only an open end may be nobody's lie."""
    found = list(key_deviations(SPEC, rows))
    assert [one.unsure for one in found] == [unsure]


def test_asked_again_until_it_is_known_fits() -> None:
    """An unknown ending explains the next attempt, and so on."""
    codes = ["timeout", "503", "409"]
    rows = [operation(10 * at, "order", 7, at + 1, code) for at, code in enumerate(codes)]
    assert list(key_deviations(SPEC, rows)) == []


def test_asked_again_while_an_earlier_attempt_is_under_way_needs_an_open_ending() -> None:
    """An unknown ending that an acknowledgement followed is no reason to ask again."""
    lost = operation(0, "order", 7, 1, "timeout")
    won = operation(10, "order", 7, 2, "200")
    late = operation(20, "order", 7, 3, "409")
    (again,) = key_deviations(SPEC, [lost, won, late])
    assert "asked for again" in again.seen
    assert list(key_deviations(SPEC, [lost, won])) == []


def test_effects_of_a_file_are_numbered_without_a_gap() -> None:
    """What nobody made beforehand is asked for in order: a number that is missing was taken out."""
    of_file = replace(SPEC, prepare="")
    rows = [operation(at, "order", key) for at, key in enumerate([1, 2, 4])]
    (gap,) = key_deviations(of_file, rows)
    assert gap.expected == "every one from 1 to 4"
    assert list(key_deviations(of_file, rows[:2])) == []
    assert list(key_deviations(SPEC, rows)) == []


def test_rows_of_a_table_are_as_many_as_were_answered() -> None:
    """How many there are only the fault's witness says."""
    fault = replace(FI_003.faults[1], id="tamper")
    spec = replace(SPEC, requests=(*SPEC.requests, RequestSpec("tamper", rows_of="tamper")))
    made = history()
    sent = [operation(777 + n, f"tamper_{n}", origin="fault") for n in range(3)]
    for answered, told in ((3, 0), (4, 1)):
        witness = Witness(name="requests answered", before=0, during=answered, needs=1)
        injected = InjectedFault(
            id=fault.id,
            kind=fault.kind,
            target="",
            parameters={},
            requested_us=0,
            effective_us=0,
            removed_us=1,
            healed_us=1,
            watched_us=10 * S,
            witnesses=[witness],
            objectives=fault.objectives,
            recovery=Recovery(None, None, None, None, 0),
        )
        rows = sorted([*made, *sent], key=lambda one: one.start_us)
        assert len(list(deviations(spec, SEED, rows, [injected]))) == told


def test_more_than_can_be_judged_is_refused_before_it_is_run() -> None:
    """A trial of so many operations would be no evidence."""
    spec = FI_003
    assert most_operations(spec) < OPERATIONS_MAX
    assert not [problem for problem in spec_problems(spec) if "can be judged" in problem]
    busy = replace(spec, rate_per_s=1000)
    assert [problem for problem in spec_problems(busy) if "can be judged" in problem]


@pytest.mark.timeout(20)
def test_as_many_attempts_as_are_judged_take_moments() -> None:
    """All of them at one effect: a second, not minutes."""
    rows = [operation(10 * at, "order", 1, at + 1, "timeout") for at in range(OPERATIONS_MAX)]
    assert [one.unsure for one in key_deviations(SPEC, rows)] == [True]
