"""Shares of failures against limits."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stressproof.evidence.limits import error_rate_percent, errors_within

pytestmark = pytest.mark.gate


@given(
    st.integers(0, 2**53),
    st.integers(1, 2**53),
    st.floats(0, 1e12) | st.sampled_from([0.0, 1.0, 0.57, 1e-7, 5e-324, 1e22, 100.0]),
)
@example(57, 10_000, 0.57)
@example(1, 100, 1.0)
@settings(deadline=None)
def test_a_limit_is_the_decimal_that_was_written(failed: int, total: int, limit: float) -> None:
    """Comparing integers is comparing fractions of the shortest decimal form."""
    expected = Fraction(failed * 100, total) <= Fraction(repr(limit))
    assert errors_within(failed, total, limit) == expected
    assert error_rate_percent(failed, total) == float(Fraction(failed * 100, total))
