"""Laws of the pacers: pure, exact, and the same however they are split."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.errors import UsageError
from stressproof.workload.pacers import RatePacer, UserPacer, constant, ramp_up, share
from stressproof.workload.rates import parse_duration_us, parse_rate, with_time_unit

pytestmark = pytest.mark.gate

rates = st.integers(0, 50_000)
steps = st.lists(st.tuples(st.integers(0, 20_000_000), rates), min_size=1, max_size=4)
units = st.sampled_from([1, 1000, 1_000_000, 7_000_000, 80_000_000])
pacers = st.builds(RatePacer, rates, steps, units)
worker_counts = st.integers(1, 8)


@given(st.integers(0, 10**12), worker_counts)
def test_shares_of_all_workers_sum_to_the_whole(total: int, workers: int) -> None:
    """Every numbered thing belongs to exactly one worker."""
    shares = [share(total, worker, workers) for worker in range(workers)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@given(pacers, st.lists(st.integers(0, 60_000_000), min_size=2, max_size=6))
def test_arrivals_of_adjoining_intervals_sum_to_the_whole(
    pacer: RatePacer, moments_us: list[int]
) -> None:
    """However an interval is cut, its pieces hold as many arrivals as the whole."""
    cuts = sorted(moments_us)
    pieces = [pacer.due(b) - pacer.due(a) for a, b in pairwise(cuts)]
    assert all(piece >= 0 for piece in pieces)
    assert sum(pieces) == pacer.due(cuts[-1]) - pacer.due(cuts[0])
    assert pacer.due(pacer.duration_us) == pacer.total


@given(pacers, st.data())
def test_an_arrival_is_due_at_its_moment_and_not_before(
    pacer: RatePacer, data: st.DataObject
) -> None:
    """The moment of an arrival is the first at which it counts as due."""
    if pacer.total == 0:
        assert pacer.due_us(0) is None
        return
    number = data.draw(st.integers(0, pacer.total - 1))
    due_us = pacer.due_us(number)
    assert due_us is not None
    assert 0 <= due_us < pacer.duration_us
    assert pacer.due(due_us) >= number + 1
    assert pacer.due(due_us - 1) <= number
    assert pacer.due_us(pacer.total) is None


@given(pacers, worker_counts, st.integers(0, 60_000_000))
def test_workers_send_what_one_would(pacer: RatePacer, workers: int, elapsed_us: int) -> None:
    """Arrivals due by any moment are the same for any number of workers."""
    due = pacer.due(elapsed_us)
    assert sum(share(due, worker, workers) for worker in range(workers)) == due


@given(st.integers(1, 1_000_000), st.integers(1, 3600))
def test_a_constant_rate_holds_exactly_rate_times_time(per_second: int, seconds: int) -> None:
    """500 a second for 20 seconds are 10,000, the first at 0 and the last before the end."""
    pacer = constant(per_second, seconds * 1_000_000)
    assert pacer.total == per_second * seconds
    assert pacer.due_us(0) == 0


def test_arrivals_of_a_constant_rate_are_evenly_spaced() -> None:
    """At 400 a second an arrival is due each 2.5 ms."""
    pacer = constant(400, 1_000_000)
    assert [pacer.due_us(n) for n in range(4)] == [0, 2500, 5000, 7500]


def test_a_ramp_holds_half_of_what_its_rate_would() -> None:
    """From none to 1000 a second in 2 s are 1000 arrivals, a quarter of them in the first half."""
    pacer = ramp_up(1000, 2_000_000)
    assert pacer.total == 1000
    assert pacer.due(999_999) == 250


def test_nothing_arrives_at_no_rate() -> None:
    """A rate of zero between two others is a pause."""
    pacer = RatePacer(10, [(1_000_000, 10), (0, 0), (5_000_000, 0), (0, 10), (10**6, 10)])
    assert pacer.total == 20
    assert pacer.due(5_999_999) == pacer.due(999_999) == 10
    assert pacer.due_us(10) == 6_000_000


levels = st.integers(0, 20_000)


@given(
    levels, st.lists(st.tuples(st.integers(0, 10**7), levels), max_size=4), st.integers(0, 10**8)
)
def test_users_stay_between_the_levels(
    start: int, stages: list[tuple[int, int]], elapsed_us: int
) -> None:
    """There are never more users than the highest level, nor fewer than the lowest."""
    seen = [start, *(target for _, target in stages)]
    assert min(seen) <= UserPacer(start, stages).users(elapsed_us) <= max(seen)


@given(st.integers(1, 20_000), st.integers(1, 10**8))
def test_all_users_are_there_before_a_ramp_ends(users: int, ramp_us: int) -> None:
    """User number i of n starts at i/n of the ramp, so none starts in the measured window."""
    pacer = UserPacer(0, [(ramp_us, users)])
    assert pacer.users(0) == 0
    assert pacer.users(ramp_us - ramp_us // users // 2) == users
    assert pacer.users(ramp_us) == users


@given(pacers)
def test_no_arrival_is_due_while_the_rate_is_none(pacer: RatePacer) -> None:
    """In the microsecond of an arrival something arrives: the rate is not 0 all through it."""
    for number in range(min(pacer.total, 50)):
        due_us = pacer.due_us(number)
        assert due_us is not None
        line = next(one for one in pacer._lines if due_us < one.from_us + one.duration_us)
        at_us = due_us - line.from_us
        assert line.grown(at_us + 1) > line.grown(at_us)


def test_a_first_stage_of_rate_none_sends_nothing() -> None:
    """The first arrival waits for the first rate, and a run without any has none."""
    pacer = RatePacer(0, [(10_000_000, 0), (0, 5), (1_000_000, 5)])
    assert pacer.due_us(0) == 10_000_000
    assert pacer.total == 5
    assert RatePacer(0, [(10_000_000, 0)]).total == 0


@pytest.mark.parametrize(
    ("text", "seconds", "arrivals"),
    [
        ("0.0125", 80_000, 1000),
        ("0.0125/s", 160, 2),
        ("0.0015", 2_000_000, 3000),
        ("1/60s", 600_000, 10_000),
        ("1/m", 3600, 60),
        ("2/1m30s", 90, 2),
        ("7/3s", 604_800, 1_411_200),
        ("0.333333", 3_000_000, 999_999),
        ("12345.678/s", 1000, 12_345_678),
    ],
)
def test_rates_are_exactly_what_was_asked(text: str, seconds: int, arrivals: int) -> None:
    """However small or odd a rate and however long the run, its arrivals are counted exactly."""
    (rate,), unit_us = with_time_unit([parse_rate(text)])
    pacer = constant(rate, seconds * 1_000_000, unit_us)
    assert pacer.total == arrivals
    last_us = pacer.due_us(arrivals - 1)
    assert last_us == (arrivals - 1) * seconds * 1_000_000 // arrivals


@pytest.mark.parametrize("text", ["", "x", "-1", "1/", "1/0s", "1/x", "nan", "inf", "1e3", "/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """A rate that cannot be meant is told, with how to write one."""
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "duration_us"),
    [
        ("30", 30_000_000),
        ("1m30s", 90_000_000),
        ("500ms", 500_000),
        ("0.5", 500_000),
        ("1h", 3.6e9),
    ],
)
def test_durations_take_units(text: str, duration_us: int) -> None:
    """A plain number is seconds; units add up."""
    assert parse_duration_us(text) == duration_us
