"""One figure of some rows, exactly: the left-hand side of a threshold."""

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from stressproof.measure.histogram import P50_PPM, WHOLE_PPM
from stressproof.objectives import bounds
from stressproof.objectives.expression import Measure
from stressproof.objectives.tally import Samples, Tally

_PPM_PER_PERCENT = 10_000
_US_PER_S = 1_000_000


class Figure(Struct, frozen=True):
    """What was measured, or why it was not.

    Attributes:
        low: The least that it may be, in µs, as a share, a count or a count a second; None where
            there is no figure.
        high: The most that it may be; equal to `low` wherever the rows tell it exactly.
        n: Samples it rests on.
        floor: Fewest samples from which it may be judged.
        reason: Why there is no figure, or too little for one; empty where there is one.
    """

    low: Fraction | None
    high: Fraction | None
    n: int
    floor: int = 1
    reason: str = ""

    @property
    def judgeable(self) -> bool:
        """Whether a verdict may rest on it."""
        return self.low is not None and not self.reason


class Ask(Struct, frozen=True):
    """Which figure of a tally is wanted.

    Attributes:
        metric: The metric's name.
        measure: What is computed of it.
        filtered: Whether tags of answers chose the requests.
        users: Virtual users at most, for ``vus_max``.
        least_n: Fewest samples that the user asks for, None for the measure's own floor.
        sample_floors: Whether a quantile needs as many samples as bound it at 95 %.
    """

    metric: str
    measure: Measure
    filtered: bool = False
    users: int = 0
    least_n: int | None = None
    sample_floors: bool = True

    @property
    def ppm(self) -> Fraction | None:
        """The quantile in parts per million, None where the measure is none."""
        if self.measure.name == "med":
            return Fraction(P50_PPM)
        if self.measure.percent is None:
            return None
        return Fraction(Decimal(self.measure.percent)) * _PPM_PER_PERCENT


def figure(ask: Ask, tally: Tally, elapsed_us: int) -> Figure:
    """Return one figure of a tally, exact or as the interval that the rows leave open.

    Args:
        ask: Which.
        tally: The rows.
        elapsed_us: The time that they cover, for rates a second.
    """
    if ask.metric in {"http_req_duration", "http_req_service_time", "iteration_duration"}:
        found = _trend(ask, tally)
    elif ask.metric in {"http_req_failed", "checks"}:
        found = _rate(ask, tally)
    elif ask.metric in {"http_reqs", "iterations", "dropped_iterations"}:
        found = _counter(ask, tally, elapsed_us)
    elif ask.metric == "vus_max":
        found = Figure(Fraction(ask.users), Fraction(ask.users), 1)
    else:
        found = Figure(None, None, 0, reason=f"{ask.metric} is not recorded")
    return _enough(ask, found)


def _enough(ask: Ask, found: Figure) -> Figure:
    ppm = ask.ppm
    own = bounds.samples_for(int(ppm)) if ppm is not None and ask.sample_floors else 1
    floor = max(own, ask.least_n or 1)
    if found.reason:
        reason = found.reason
    elif found.n == 0:
        reason = "no data"
    elif found.n < floor:
        reason = f"too few samples: {found.n} of at least {floor}"
    else:
        reason = ""
    return Figure(found.low, found.high, found.n, floor, reason)


def _trend(ask: Ask, tally: Tally) -> Figure:
    n = tally.fastest.n
    if tally.ambiguous:
        return Figure(
            None,
            None,
            n,
            reason="an endpoint expects several statuses, and which of them its successes had is "
            "not recorded; expected_response:true selects them all",
        )
    if n == 0:
        return Figure(None, None, 0)
    # With no success at all the times of failures would read like a service that works.
    if not ask.filtered and tally.succeeded[1] == 0:
        return Figure(None, None, n, reason="no request succeeded")
    low = _of_samples(ask, tally.fastest)
    return Figure(low, low if tally.exact else _of_samples(ask, tally.slowest), n)


def _of_samples(ask: Ask, samples: Samples) -> Fraction:
    match ask.measure.name:
        case "avg":
            return Fraction(samples.sum_us, samples.n)
        case "min":
            return Fraction(samples.min_us or 0)
        case "max":
            return Fraction(samples.max_us or 0)
    return Fraction(quantile_us(samples, ask.ppm or Fraction(0)))


def quantile_us(samples: Samples, ppm: Fraction) -> int:
    """Return a quantile as `Histogram.quantile` does, at any share, not only whole ppm.

    Raises:
        ValueError: There are no samples.
    """
    histogram = samples.histogram()
    if ppm.denominator == 1:
        found = histogram.quantile(int(ppm))
        if found is None:
            raise ValueError("no samples")
        return found
    exact = ppm * histogram.n / WHOLE_PPM
    rank = max(-(-exact.numerator // exact.denominator), 1)
    return bounds.histogram_rank(histogram, rank)[1]


def _rate(ask: Ask, tally: Tally) -> Figure:
    good, bad = tally.succeeded, tally.failed
    hits, others = (bad, good) if ask.metric == "http_req_failed" else (good, bad)
    n = hits[0] + others[0]
    if ask.measure.name == "count":
        return Figure(Fraction(hits[0]), Fraction(hits[1]), tally.completed)
    if hits[1] + others[1] == 0:
        return Figure(None, None, 0)
    low = Fraction(hits[0], hits[0] + others[1]) if hits[0] else Fraction(0)
    high = Fraction(hits[1], hits[1] + others[0]) if hits[1] else Fraction(0)
    # Successes of unknown status may be none of those selected: then there may be no data at all.
    return Figure(low, high, n)


def _counter(ask: Ask, tally: Tally, elapsed_us: int) -> Figure:
    if ask.metric == "dropped_iterations":
        low = high = Fraction(tally.dropped)
        n = tally.intended
    else:
        low = Fraction(tally.succeeded[0] + tally.failed[0])
        high = Fraction(tally.succeeded[1] + tally.failed[1])
        n = tally.completed
    if ask.measure.name == "count":
        return Figure(low, high, n)
    if elapsed_us <= 0:
        return Figure(None, None, n, reason="no time passed")
    return Figure(low * _US_PER_S / elapsed_us, high * _US_PER_S / elapsed_us, n)
