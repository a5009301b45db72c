"""How far a figure of a sample may be from the truth, and what a baseline therefore allows."""

from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct

from stressproof.evidence.measurements import Measurements, RunMeasurements
from stressproof.measure.histogram import WHOLE_PPM
from stressproof.objectives import bounds
from stressproof.objectives.expression import Measure, Selector
from stressproof.objectives.figures import Ask, Figure, figure
from stressproof.objectives.judging import Interval
from stressproof.objectives.selection import Endpoint, Selection
from stressproof.objectives.tally import Tally

_ROUNDS_FOR_SPREAD = 2


def bounded(ask: Ask, tally: Tally, found: Figure) -> Interval | None:
    """Return what the figure may be beyond the sample, None where the samples are too few.

    Quantiles have order-statistic bounds and shares binomial ones; for averages, extremes and
    counts nothing can be said without assuming a distribution, so they stand for themselves and
    the spread of the rounds has to speak for them.
    """
    if found.low is None or found.high is None or not found.judgeable:
        return None
    ppm = ask.ppm
    if ppm is not None:
        whole = int(ppm)
        if not 0 < whole < WHOLE_PPM:
            return Interval(found.low, found.high)
        below = bounds.quantile_bounds(tally.fastest.histogram(), whole)
        above = bounds.quantile_bounds(tally.slowest.histogram(), whole)
        if below is None or above is None:
            return None
        return Interval(Fraction(below[0]), Fraction(above[1]))
    if ask.metric in {"http_req_failed", "checks"} and ask.measure.name == "rate":
        n = found.n
        low = bounds.share_bounds(int(found.low * n), n)[0]
        high = bounds.share_bounds(min(-int(-found.high * n // 1), n), n)[1]
        return Interval(Fraction(low), Fraction(high))
    return Interval(found.low, found.high)


def tally_rows(run: RunMeasurements, selection: Selection, *, uncorrected: bool = False) -> Tally:
    """Return the tally of a whole round."""
    tally = Tally()
    for row in run.rows:
        if selection.takes(row):
            tally.add_row(row, selection, uncorrected=uncorrected)
    return tally


class BaselineFigures(Struct, frozen=True):
    """Figures of an earlier run, with the spread that its own rounds show.

    Attributes:
        measurements: Its rounds.
        endpoints: Its workload.
        users: Its virtual users at most.
    """

    measurements: Measurements
    endpoints: Sequence[Endpoint]
    users: int = 0

    def interval(self, selector: Selector, measure: Measure) -> tuple[Interval | None, str]:
        """Return everything that the figure was in any round, or None and why there is none."""
        selection = Selection.of(selector, self.endpoints)
        if selection.empty_because:
            return None, f"the baseline has no such data: {selection.empty_because}"
        if len(self.measurements.runs) < _ROUNDS_FOR_SPREAD:
            return None, "the baseline has one round, which shows no spread: it needs at least two"
        ask = Ask(selector.metric, measure, bool(selection.answers), self.users)
        found = []
        for run in self.measurements.runs:
            uncorrected = selector.metric == "http_req_service_time"
            tally = tally_rows(run, selection, uncorrected=uncorrected)
            round_figure = figure(ask, tally, run.elapsed_us)
            interval = bounded(ask, tally, round_figure)
            if interval is None:
                why = round_figure.reason or "too few samples to bound it"
                return None, f"the baseline's round {run.run_index} has no figure: {why}"
            found.append(interval)
        return Interval(min(one.low for one in found), max(one.high for one in found)), ""
