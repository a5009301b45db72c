"""Bounds and comparisons: their laws, and how often they are wrong."""

import itertools
import math
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.evidence.measurements import Latency, Row, RunMeasurements
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure.histogram import SAMPLES_FOR, Histogram
from stressproof.objectives import bounds
from stressproof.objectives.comparability import Round, interleaved
from stressproof.objectives.comparison import (
    Comparison,
    Question,
    compare_rounds,
    rounds_needed,
)
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

EPOCH = datetime(2026, 2, 25, tzinfo=UTC)
ENDPOINT = WorkloadEndpoint("/a", "GET", "/a", 1, [200], None)


@given(st.integers(1, 60), st.integers(1, 999_999), st.floats(0.001, 0.2))
def test_quantile_ranks_are_the_tightest_that_the_binomial_allows(
    n: int, ppm: int, alpha: float
) -> None:
    """No bound is wrong with more than alpha, and the next tighter one would be."""
    q = ppm / 1_000_000

    def at_most(k: int) -> float:
        return sum(math.comb(n, i) * q**i * (1 - q) ** (n - i) for i in range(k + 1))

    lower, upper = bounds.quantile_ranks(n, ppm, alpha)
    slack = 1e-9
    if lower is None:
        assert at_most(0) > alpha - slack
    else:
        assert at_most(lower - 1) <= alpha + slack
        assert at_most(lower) > alpha - slack
    if upper is None:
        assert 1 - at_most(n - 1) > alpha - slack
    else:
        assert 1 - at_most(upper - 1) <= alpha + slack
        assert upper == 1 or 1 - at_most(upper - 2) > alpha - slack


@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.001, 0.999))
def test_binomial_tails_are_sums_of_their_terms(k: int, n: int, p: float) -> None:
    """The short summation agrees with the long one."""
    exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n) + 1))
    assert math.isclose(bounds.binomial_at_most(k, n, p), exact, abs_tol=1e-9)


def test_a_quantile_is_bounded_from_as_many_samples_as_the_floor_says() -> None:
    """The floors of p95, p99 and p99.9 are those from which an upper bound exists."""
    for ppm, floor in SAMPLES_FOR.items():
        assert bounds.samples_for(ppm) == floor
        assert bounds.quantile_ranks(floor, ppm, 0.05)[1] is not None
        assert bounds.quantile_ranks(floor - 1, ppm, 0.05)[1] is None


@given(st.integers(1, 5), st.integers(1, 5))
def test_the_rank_sum_distribution_counts_arrangements(a: int, b: int) -> None:
    """P(U <= u) is the share of all orders of a and b in which at most u pairs are reversed."""
    counts: dict[int, int] = {}
    for chosen in itertools.combinations(range(a + b), a):
        u = sum(place - rank for rank, place in enumerate(chosen))
        counts[u] = counts.get(u, 0) + 1
    whole = math.comb(a + b, a)
    expected = [Fraction(sum(counts[v] for v in counts if v <= u), whole) for u in range(a * b + 1)]
    assert list(bounds.rank_sum_tail(a, b)) == expected


@given(st.integers(0, 40), st.integers(1, 40))
def test_clopper_pearson_bounds_hold_the_share(successes: int, n: int) -> None:
    """The observed share lies within its bounds, which invert the binomial."""
    successes = min(successes, n)
    low, high = bounds.share_bounds(successes, n, 0.05)
    assert low <= successes / n <= high
    if successes:
        assert math.isclose(1 - bounds.binomial_at_most(successes - 1, n, low), 0.05, rel_tol=1e-6)
    if successes < n:
        assert math.isclose(bounds.binomial_at_most(successes, n, high), 0.05, rel_tol=1e-6)


def make_round(side: str, at: int, values_us: list[int], failures: int = 0) -> Round:
    """One round whose place in time is its number."""
    outcomes = {"ok": len(values_us) - failures} | ({"timeout": failures} if failures else {})
    n = len(values_us)
    row = Row(0, 0, n, n, 0, 0, outcomes, Latency.of(Histogram.of(values_us)))
    started = EPOCH + timedelta(seconds=10 * at)
    run = RunMeasurements(1, 10**6, [], [row])
    return Round(side, run, started, started + timedelta(seconds=1))


def experiment(  # one place for all the knobs of a made-up machine
    dice: random.Random,
    rounds: int,
    slowdown: float,
    noise: float,
    drift: float = 0.0,
    samples: int = 250,
) -> Comparison:
    """Alternating rounds of a 20 ms service on a machine that varies from round to round."""
    sides: dict[str, list[Round]] = {"A": [], "B": []}
    for at in range(2 * rounds):
        side = "AB"[at % 2] if at % 4 < 2 else "BA"[at % 2]
        level = 20_000 * (slowdown if side == "B" else 1.0)
        level *= 1 + dice.gauss(0, noise) + drift * at
        values = [int(level + dice.expovariate(1 / 800)) for _ in range(samples)]
        sides[side].append(make_round(side, at, values))
    return compare_rounds(sides["A"], sides["B"], [ENDPOINT], Question())


@pytest.mark.parametrize(("noise", "drift"), [(0.0, 0.0), (0.02, 0.0), (0.01, 0.02)])
def test_equal_builds_rarely_raise_an_alarm(noise: float, drift: float) -> None:
    """Of 200 comparisons of equal builds on a noisy or drifting machine, under 5 % fail."""
    dice = random.Random(20_260_225)
    failed = sum(experiment(dice, 5, 1.0, noise, drift).outcome is Outcome.FAIL for _ in range(200))
    assert failed < 10


def test_a_slowdown_of_ten_per_cent_is_found() -> None:
    """Of 100 comparisons with a build that is 10 % slower, at least 95 fail."""
    dice = random.Random(20_260_225)
    found = sum(experiment(dice, 5, 1.1, 0.01).outcome is Outcome.FAIL for _ in range(100))
    assert found >= 95


def test_equal_builds_on_a_steady_machine_pass() -> None:
    """Where rounds hardly differ, most comparisons of equal builds are a pass, not a shrug."""
    dice = random.Random(20_260_225)
    passed = sum(
        experiment(dice, 6, 1.0, 0.003, samples=500).outcome is Outcome.PASS for _ in range(40)
    )
    assert passed >= 36


def test_a_sure_and_small_slowdown_is_no_alarm() -> None:
    """Two per cent, however certain, is within the margin."""
    dice = random.Random(20_260_225)
    outcomes = [experiment(dice, 6, 1.02, 0.001).outcome for _ in range(20)]
    assert Outcome.FAIL not in outcomes


def test_a_comparison_is_deterministic() -> None:
    """The same rounds give the same figures, to the last digit."""
    one = experiment(random.Random(3), 5, 1.05, 0.02)
    assert one == experiment(random.Random(3), 5, 1.05, 0.02)


@pytest.mark.parametrize(("figures", "rounds"), [(1, 3), (4, 5), (28, 6)])
def test_more_figures_take_more_rounds(figures: int, rounds: int) -> None:
    """Every figure compared is one more chance to be wrong, which more rounds pay for."""
    assert rounds_needed(figures) == rounds


def test_too_few_rounds_never_fail() -> None:
    """Three alternating rounds a side cannot call one of four figures slower."""
    result = experiment(random.Random(1), 3, 2.0, 0.0)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert any("takes 5 rounds" in figures.reason for figures in result.figures)


def test_failures_need_as_many_rounds_as_times_do() -> None:
    """Three rounds in which B alone fails are no proof either; five are."""
    for rounds, outcome in ((3, Outcome.INCONCLUSIVE), (5, Outcome.FAIL)):
        a = [make_round("A", 2 * at, [20_000] * 500) for at in range(rounds)]
        b = [make_round("B", 2 * at + 1, [20_000] * 500, failures=50) for at in range(rounds)]
        result = compare_rounds(a, b, [ENDPOINT], Question())
        assert result.figures[-1].figure == "errors"
        assert result.figures[-1].outcome is outcome


def blocks(values_a: list[int], values_b: list[int]) -> Comparison:
    """All rounds of A and then all of B: nothing alternates."""
    a = [make_round("A", at, [value] * 1000) for at, value in enumerate(values_a)]
    b = [make_round("B", at + len(a), [value] * 1000) for at, value in enumerate(values_b)]
    return compare_rounds(a, b, [ENDPOINT], Question())


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ([100, 101, 100], [100, 101, 100], Outcome.INCONCLUSIVE),
        ([100, 110, 100], [112, 118, 115], Outcome.INCONCLUSIVE),
        ([100, 101, 100], [130, 131, 130], Outcome.FAIL),
        ([100, 101, 100], [80, 81, 80], Outcome.PASS),
        ([100], [500], Outcome.INCONCLUSIVE),
    ],
)
def test_runs_one_after_the_other_say_only_what_exceeds_the_machines_spread(
    a: list[int], b: list[int], outcome: Outcome
) -> None:
    """Without alternation a difference must be larger than that between a side's own rounds."""
    result = blocks([v * 1000 for v in a], [v * 1000 for v in b])
    assert not result.interleaved
    assert result.outcome is outcome, result


@pytest.mark.parametrize(
    ("order", "alternates"),
    [
        ("ABAB", True),
        ("ABBA", True),
        ("BAAB", True),
        ("AABB", False),
        ("ABA", False),
        ("AB", False),
    ],
)
def test_interleaving_is_read_off_the_clock(order: str, alternates: bool) -> None:  # noqa: FBT001  # a case
    """Pairs of one of each side, in the order of their start, are interleaved."""
    rounds = {
        side: [make_round(side, at, [1]) for at, one in enumerate(order) if one == side]
        for side in "AB"
    }
    assert (interleaved(rounds["A"], rounds["B"]) == "") is alternates


def test_rounds_that_ran_at_once_are_not_interleaved() -> None:
    """Two captures that overlap in time share a machine and compare each other's noise."""
    a = make_round("A", 0, [1])
    b = Round("B", a.run, a.started_at + timedelta(milliseconds=500), a.ended_at)
    rest = [make_round("A", 5, [1])], [make_round("B", 6, [1])]
    assert "overlap" in interleaved([a, *rest[0]], [b, *rest[1]])


def test_more_failures_fail_and_no_success_is_no_speed() -> None:
    """A build that answers faster by failing does not pass."""
    a, b = [], []
    for at in range(5):
        a.append(make_round("A", 2 * at, [20_000] * 500))
        b.append(make_round("B", 2 * at + 1, [10_000] * 500, failures=50))
    result = compare_rounds(a, b, [ENDPOINT], Question())
    by_figure = {figures.figure: figures.outcome for figures in result.figures}
    assert by_figure["errors"] is Outcome.FAIL
    dead = [make_round("B", 2 * at + 1, [10] * 500, failures=500) for at in range(5)]
    result = compare_rounds(a, dead, [ENDPOINT], Question())
    outcomes = {figures.figure: figures.outcome for figures in result.figures}
    assert outcomes["p(50)"] is Outcome.INCONCLUSIVE
    assert result.outcome is Outcome.FAIL
