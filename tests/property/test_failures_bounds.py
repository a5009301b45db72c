"""Checks over many operations: what the quick way finds is what looking at every pair finds."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failure_codes import meaning
from stressproof.evidence.failure import RecoveryObjectives
from stressproof.evidence.references import look_up
from stressproof.failures.check_kind import CheckInput
from stressproof.failures.checks import CHECKS
from stressproof.failures.history import (
    FaultWindow,
    Operation,
    began_in,
    nearest_rank,
    recovery,
)

pytestmark = pytest.mark.gate

CODES = [meaning(name) for name in ("200", "409", "timeout", "503")]


def operation(start_us: int, duration_us: int, code: int) -> Operation:
    """Return one operation."""
    return Operation(start_us, start_us + duration_us, "gate", CODES[code], start_us + 1, 1)


histories = st.lists(
    st.builds(operation, st.integers(0, 200), st.integers(0, 60), st.integers(0, 3)), max_size=40
).map(lambda each: sorted(each, key=lambda one: one.start_us))


@given(histories, st.integers(1, 100), st.integers(0, 10))
@settings(max_examples=80, deadline=None)
def test_a_limit_is_broken_by_the_fullest_window(
    history: list[Operation], window_us: int, limit: int
) -> None:
    """The violations are what the fullest window holds above the limit, each window tried."""
    accepted = [one for one in history if one.code.ending == "ok"]
    fullest = max(
        (
            sum(first.start_us <= one.start_us and one.end_us <= first.start_us + window_us
                for one in accepted)
            for first in accepted
        ),
        default=0,
    )  # fmt: skip
    given_ = CheckInput(history, {}, None, {"limit": limit, "within_us": window_us})
    assert CHECKS["at_most"].count(given_) == (len(accepted), max(0, fullest - limit))


def first_good_window(
    history: list[Operation], window: FaultWindow, asked: RecoveryObjectives
) -> int | None:
    """Return where the first good window begins, every microsecond tried."""
    after = began_in(history, window.healed_us, window.watched_us)
    for begin in range(window.healed_us, window.watched_us - asked.window_us + 1):
        inside = began_in(after, begin, begin + asked.window_us)
        bad = sum(not one.code.healthy for one in inside)
        if (
            len(inside) >= max(1, asked.window_operations)
            and bad * 1_000_000 <= asked.bad_ppm * len(inside)
            and nearest_rank(sorted(one.duration_us for one in inside), 990_000) <= asked.slow_us
        ):
            return begin
    return None


@given(histories, st.integers(0, 4), st.sampled_from([0, 200_000]), st.integers(5, 60))
@settings(max_examples=80, deadline=None)
def test_recovery_is_the_first_good_window(
    history: list[Operation], least: int, bad_ppm: int, window_us: int
) -> None:
    """Nothing earlier is good: only healing and what is bad can delay it."""
    asked = RecoveryObjectives(1000, window_us, least, 30, bad_ppm)
    window = FaultWindow("kill", 10, 40, 200)
    found = recovery(history, window, asked).rto_service_us
    tried = first_good_window(history, window, asked)
    if found is not None:
        assert tried is not None
        assert tried <= found + window.healed_us
    if tried == window.healed_us:
        assert found == 0


def test_as_many_operations_as_are_judged_take_moments() -> None:
    """Ten thousand that are all admitted, all slow, all bad: a second each, not minutes."""
    began = time.process_time()
    admitted = [operation(at, 5, 0) for at in range(10_000)]
    CHECKS["at_most"].count(CheckInput(admitted, {}, None, {"limit": 1, "within_us": 2**40}))
    slow = [operation(100 + at, 2**30, 2) for at in range(10_000)]
    asked = RecoveryObjectives(1000, 2**20, 1, 1, 0)
    recovery(slow, FaultWindow("kill", 10, 40, 2**40), asked)
    assert time.process_time() - began < 2.0


def test_a_reference_to_very_many_tests_takes_moments(tmp_path: Path) -> None:
    """A file is read and searched once, and what is longer than a page is no reference."""
    (tmp_path / "test_x.py").write_text("def test_one() -> None: ...\n" * 100_000)
    many = ["test_x.py" + f"::test_one[{number}]" * 200 for number in range(900)]
    long = "test_x.py" + "::test_one" * 100_000
    began = time.process_time()
    found = look_up([*many, long, "test_x.py::test_two"], tmp_path, tmp_path / "evidence.json")
    assert time.process_time() - began < 5.0
    assert {found[one] for one in many} == {""}
    assert "longer than" in found[long]
    assert found["test_x.py::test_two"] == "the file defines no test_two"
