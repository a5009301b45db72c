"""The protocol's three limits, judged here alone: p95, share of failures, throughput.

Capture evaluates rounds with it, and the verifier judges both what an artifact evaluates and what
the requirements ask. (`stressproof.objectives.protocol` spells the same limits as thresholds; a
property test holds the two together.)
"""

from typing import Protocol

from msgspec import Struct


class Limits(Protocol):
    """Whatever carries the three limits; null asks nothing."""

    @property
    def max_p95_seconds(self) -> float | None:
        """Greatest 95th percentile."""

    @property
    def max_error_rate_percent(self) -> float | None:
        """Greatest share of failed requests."""

    @property
    def min_throughput_rps(self) -> float | None:
        """Fewest completed requests a second."""


class Limited(Protocol):
    """Whatever carries the figures that the limits are about; null is not known."""

    @property
    def total_requests(self) -> int | None:
        """Requests that ended."""

    @property
    def successful_requests(self) -> int | None:
        """Those that ended well."""

    @property
    def failed_requests(self) -> int | None:
        """Those that ended badly."""

    @property
    def throughput_rps(self) -> float | None:
        """Requests that ended, a second."""

    @property
    def p95_response_time(self) -> float | None:
        """In seconds; null where nothing succeeded."""


class LimitsMet(Struct, frozen=True):
    """Which limits figures meet; None where a figure is not known.

    Attributes:
        p95: Whether the 95th percentile is low enough.
        error_rate: Whether few enough requests failed.
        throughput: Whether enough requests completed.
    """

    p95: bool | None
    error_rate: bool | None
    throughput: bool | None

    @property
    def targets(self) -> bool | None:
        """Whether all are met; None where one is not known and none is missed."""
        each = (self.p95, self.error_rate, self.throughput)
        return False if False in each else None if None in each else True


def limits_met(figures: Limited, limits: Limits) -> LimitsMet:
    """Return how figures stand against limits: exactly, and none is met without a request."""
    total, failed = figures.total_requests, figures.failed_requests
    if total == 0:
        return LimitsMet(p95=False, error_rate=False, throughput=False)
    return LimitsMet(
        p95=_p95_met(figures, limits.max_p95_seconds),
        error_rate=_errors_met(total, failed, limits.max_error_rate_percent),
        throughput=_rate_met(figures.throughput_rps, limits.min_throughput_rps),
    )


def _p95_met(figures: Limited, limit_s: float | None) -> bool | None:
    p95_s = figures.p95_response_time
    if limit_s is None:
        return True
    if p95_s is None:
        # Without a success there is no latency to show, and no limit of it is met.
        return False if figures.successful_requests == 0 else None
    return p95_s <= limit_s


def _errors_met(total: int | None, failed: int | None, limit_percent: float | None) -> bool | None:
    if limit_percent is None:
        return True
    if total is None or failed is None:
        return None
    return errors_within(failed, total, limit_percent)


def _rate_met(rate_rps: float | None, limit_rps: float | None) -> bool | None:
    if limit_rps is None:
        return True
    return None if rate_rps is None else rate_rps >= limit_rps


def error_rate_percent(failed: int, total: int) -> float:
    """Return failed requests in per cent; ``total`` must not be 0."""
    return failed * 100 / total


def errors_within(failed: int, total: int, limit_percent: float) -> bool:
    """Return whether failed requests are within a limit, in exact arithmetic.

    The limit is the decimal that was written: 57 of 100 are 57 per cent and not a float beside it.
    """
    numerator, denominator = _as_ratio(limit_percent)
    return failed * 100 * denominator <= numerator * total


def rate_reached(total: int, elapsed_s: float, limit_rps: float) -> bool:
    """Return whether requests over a time reach a rate, in exact arithmetic."""
    numerator, denominator = _as_ratio(limit_rps)
    took, parts = _as_ratio(elapsed_s)
    return total * denominator * parts >= numerator * took


def _as_ratio(value: float) -> tuple[int, int]:
    """Return a number as the ratio that its shortest decimal form is."""
    mantissa, _, exponent = repr(float(value)).partition("e")
    whole, _, part = mantissa.partition(".")
    scale = int(exponent or 0) - len(part)
    digits = int(whole + part)
    return (digits * 10**scale, 1) if scale >= 0 else (digits, 10**-scale)
