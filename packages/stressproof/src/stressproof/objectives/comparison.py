"""Is B slower than A? Effect sizes with bounds, from histograms and from the spread of rounds.

Two things make two captures differ without any cause: samples are finite, and machines vary from
round to round. The first is bounded by order statistics of all samples together; the second by
order statistics of the ratios between rounds, for which A and B must alternate. A ratio is known to
lie between the lower of the lower bounds and the upper of the upper ones.

FAIL claims that something became slower, and by more than the margin: surely slower, at 95 % over
all figures compared together (Bonferroni), so that fewer than one in twenty comparisons of equal
builds fails; and slower by more than the margin as measured, so that what is sure and small is no
alarm. PASS claims that nothing became slower by more than the margin, at 95 % for each figure.
Everything else is inconclusive.
"""

from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct

from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure.histogram import Histogram
from stressproof.objectives import bounds
from stressproof.objectives.comparability import (
    Capture,
    Round,
    check_alike,
    check_baseline,
    check_candidate,
    interleaved,
    rounds_of,
)
from stressproof.objectives.judging import digits, show
from stressproof.objectives.metrics import Dimension
from stressproof.outcome import Outcome, worst

ALPHA = 0.05
_LEAST_APART = 2
_PPM_PER_PERCENT = 10_000
_PERCENT = 100


class Question(Struct, frozen=True):
    """What is asked of a comparison.

    Attributes:
        margin: The slowdown that is tolerated, as a share: 0.05 is five per cent.
        error_margin: The rise in the share of failures that is tolerated.
        quantiles_ppm: Which quantiles are compared.
    """

    margin: Fraction = Fraction(5, 100)
    error_margin: Fraction = Fraction(5, 1000)
    quantiles_ppm: tuple[int, ...] = (500_000, 950_000, 990_000)


class Figures(Struct, frozen=True):
    """One figure of both sides.

    Attributes:
        endpoint: Whose.
        figure: ``p(95)`` or ``errors``.
        outcome: The verdict.
        before: A's figure over all rounds: µs, or a share; None where there is none.
        after: B's.
        change: By how much B is larger, as a share (of errors: the difference).
        change_low: The least that the change may be, None where nothing bounds it.
        change_high: The most.
        n_before: A's samples.
        n_after: B's samples.
        reason: Why it is inconclusive, empty where it is not.
    """

    endpoint: str
    figure: str
    outcome: Outcome
    before: float | None
    after: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    n_before: int
    n_after: int
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The figure in one line."""
        dimension: Dimension = "share" if self.figure == "errors" else "time"
        shown = [
            "no data" if value is None else show(Fraction(value), dimension)
            for value in (self.before, self.after)
        ]
        text = f"{self.outcome.upper()}  {self.endpoint} {self.figure}: {shown[0]} -> {shown[1]}"
        if self.change is not None:
            unit = " pp" if self.figure == "errors" else " %"
            low, high = (
                "?" if bound is None else f"{bound * _PERCENT:+.1f}"
                for bound in (self.change_low, self.change_high)
            )
            text += f" ({self.change * _PERCENT:+.1f}{unit}, {low} to {high})"
        text += f"; n={self.n_before:,} and {self.n_after:,}"
        return f"{text}; {self.reason}" if self.reason else text


class Comparison(Struct, frozen=True):
    """Two captures, or sets of captures, side by side.

    Attributes:
        outcome: The worst of all figures.
        rounds_before: A's rounds.
        rounds_after: B's.
        interleaved: Whether they alternated in time.
        not_interleaved_because: Why not, empty where they did.
        margin: The slowdown tolerated.
        rounds_needed: Interleaved rounds of each side from which a slowdown can be claimed.
        figures: Every endpoint and figure.
    """

    outcome: Outcome
    rounds_before: int
    rounds_after: int
    interleaved: bool
    not_interleaved_because: str
    margin: float
    rounds_needed: int
    figures: tuple[Figures, ...]


class _Side(Struct, frozen=True):
    """One endpoint of one side: each round, and all together."""

    rounds: tuple[Histogram, ...]
    failed: tuple[int, ...]
    completed: tuple[int, ...]
    pooled: Histogram


class _Family(Struct, frozen=True):
    """What all figures of a comparison share."""

    question: Question
    apart: str
    size: int

    @property
    def strict(self) -> float:
        """The error that each of the claims of a slowdown may have."""
        return ALPHA / self.size


def compare(
    before: Sequence[Capture], after: Sequence[Capture], question: Question | None = None
) -> Comparison:
    """Compare two sides.

    Args:
        before: Captures of A, the baseline.
        after: Captures of B.
        question: What is asked; margins of 5 % and the usual quantiles if None.

    Raises:
        UnlikeError: The sides differ in more than the build.
        UnfitError: The baseline did not pass, or a capture is not complete.
    """
    question = question or Question()
    check_baseline(before)
    check_candidate(after)
    check_alike(before, after)
    endpoints = before[0].artifact.workload.endpoints
    return compare_rounds(rounds_of(before), rounds_of(after), endpoints, question)


def compare_rounds(
    before: Sequence[Round],
    after: Sequence[Round],
    endpoints: Sequence[WorkloadEndpoint],
    question: Question,
) -> Comparison:
    """Compare the rounds of two sides that are known to be comparable."""
    size = len(endpoints) * (len(question.quantiles_ppm) + 1)
    family = _Family(question, interleaved(before, after), max(size, 1))
    found: list[Figures] = []
    for at, endpoint in enumerate(endpoints):
        name = f"{endpoint.method} {endpoint.name}"
        a, b = _side(before, at), _side(after, at)
        found += [_quantile(name, ppm, a, b, family) for ppm in question.quantiles_ppm]
        found.append(_errors(name, a, b, family))
    return Comparison(
        outcome=worst(figures.outcome for figures in found),
        rounds_before=len(before),
        rounds_after=len(after),
        interleaved=not family.apart,
        not_interleaved_because=family.apart,
        margin=float(question.margin),
        rounds_needed=rounds_needed(family.size),
        figures=tuple(found),
    )


def rounds_needed(figures: int) -> int:
    """Return the rounds of each side from which one of so many figures can be called slower.

    Complete separation of k and k rounds has a probability of one in ``2k choose k``.
    """
    k = 1
    while bounds.rank_sum_tail(k, k)[0] > Fraction(ALPHA) / figures:
        k += 1
    return k


def _side(rounds: Sequence[Round], endpoint: int) -> _Side:
    histograms, failed, completed = [], [], []
    pooled = Histogram()
    for one in rounds:
        histogram = Histogram()
        bad = total = 0
        for row in one.run.rows:
            if row.endpoint == endpoint:
                row.corrected.add_to(histogram)
                total += sum(row.outcomes.values())
                bad += sum(n for outcome, n in row.outcomes.items() if outcome != "ok")
        histograms.append(histogram)
        failed.append(bad)
        completed.append(total)
        pooled.absorb(histogram)
    return _Side(tuple(histograms), tuple(failed), tuple(completed), pooled)


def _quantile(name: str, ppm: int, a: _Side, b: _Side, family: _Family) -> Figures:
    label = f"p({digits(Fraction(ppm, _PPM_PER_PERCENT))})"
    before, after = a.pooled.quantile(ppm), b.pooled.quantile(ppm)
    reason = _nothing_to_compare(a, b)
    if before is None or after is None or reason:
        return _inconclusive(name, label, a, b, reason or "no data")
    change = Fraction(max(after, 1), max(before, 1)) - 1
    sampled = _sampled(ppm, a, b, family)
    if sampled is None:
        least = bounds.samples_for(ppm)
        reason = (
            f"too few samples for so many figures: {a.pooled.n:,} and {b.pooled.n:,}, "
            f"alone it would take {least:,}"
        )
        return _inconclusive(name, label, a, b, reason, before, after, change)
    rounds_a, rounds_b = _values(a, ppm), _values(b, ppm)
    if rounds_a is None or rounds_b is None:
        return _inconclusive(name, label, a, b, "a round has no data", before, after, change)
    if family.apart:
        low, high, reason = _apart(rounds_a, rounds_b, family.apart)
    else:
        low, high, reason = _alternating(rounds_a, rounds_b, family)
    low = None if low is None else min(low, sampled[0])
    high = None if high is None else max(high, sampled[1])
    limit = 1 + family.question.margin
    # Without alternation even a tight interval around "no change" may be the machine's doing.
    enough = Fraction(1) if family.apart else limit
    if low is not None and low > 1 and 1 + change > limit:
        outcome, reason = Outcome.FAIL, ""
    elif high is not None and high <= enough:
        outcome, reason = Outcome.PASS, ""
    else:
        outcome = Outcome.INCONCLUSIVE
        reason = reason or (
            f"the change may or may not exceed {float(family.question.margin) * _PERCENT:g} %"
        )
    return Figures(
        endpoint=name,
        figure=label,
        outcome=outcome,
        before=float(before),
        after=float(after),
        change=float(change),
        change_low=None if low is None else float(low - 1),
        change_high=None if high is None else float(high - 1),
        n_before=a.pooled.n,
        n_after=b.pooled.n,
        reason=reason,
    )


def _sampled(ppm: int, a: _Side, b: _Side, family: _Family) -> tuple[Fraction, Fraction] | None:
    """Return the ratios that finite samples allow, each of the two bounds taking half the error."""
    strict = [bounds.quantile_bounds(side.pooled, ppm, family.strict / 2) for side in (a, b)]
    plain = [bounds.quantile_bounds(side.pooled, ppm, ALPHA / 2) for side in (a, b)]
    if strict[0] is None or strict[1] is None or plain[0] is None or plain[1] is None:
        return None
    return (
        Fraction(max(strict[1][0], 1), max(strict[0][1], 1)),
        Fraction(max(plain[1][1], 1), max(plain[0][0], 1)),
    )


def _alternating(
    before: list[Fraction], after: list[Fraction], family: _Family
) -> tuple[Fraction | None, Fraction | None, str]:
    """Return the ratios that the spread of alternating rounds allows."""
    strict = bounds.ratio_bounds(before, after, family.strict)
    plain = bounds.ratio_bounds(before, after, ALPHA)
    if plain is None:
        least = rounds_needed(1)
        return None, None, f"{len(before)} rounds a side show too little: it takes {least}"
    if strict is None:
        least = rounds_needed(family.size)
        reason = f"to call one of {family.size} figures slower takes {least} rounds a side"
        return None, plain[1], reason
    return strict[0], plain[1], ""


def _apart(
    before: list[Fraction], after: list[Fraction], why: str
) -> tuple[Fraction | None, Fraction | None, str]:
    """Return the ratios that remain once the machine's own spread is taken off."""
    if min(len(before), len(after)) < _LEAST_APART:
        return None, None, f"not interleaved ({why}), and one round shows no spread"
    spread = max(max(before) / min(before), max(after) / min(after))
    low = min(after) / max(before) / spread
    high = max(after) / min(before) * spread
    percent = float(spread - 1) * _PERCENT
    return low, high, f"not interleaved ({why}): rounds of one side differ by {percent:.1f} %"


def _values(side: _Side, ppm: int) -> list[Fraction] | None:
    values = [histogram.quantile(ppm) for histogram in side.rounds]
    if any(value is None for value in values):
        return None
    return [Fraction(max(value or 0, 1)) for value in values]


def _errors(name: str, a: _Side, b: _Side, family: _Family) -> Figures:
    n_a, n_b = sum(a.completed), sum(b.completed)
    if not n_a or not n_b or not all(a.completed) or not all(b.completed):
        return _inconclusive(name, "errors", a, b, "a round has no data")
    bad_a, bad_b = sum(a.failed), sum(b.failed)
    low_b = bounds.share_bounds(bad_b, n_b, family.strict / 2)[0]
    high_a = bounds.share_bounds(bad_a, n_a, family.strict / 2)[1]
    high_b = bounds.share_bounds(bad_b, n_b, ALPHA / 2)[1]
    low_a = bounds.share_bounds(bad_a, n_a, ALPHA / 2)[0]
    shares = [
        [Fraction(bad, n) for bad, n in zip(side.failed, side.completed, strict=True)]
        for side in (a, b)
    ]
    separate = min(shares[1]) > max(shares[0])
    rounds = min(len(a.rounds), len(b.rounds))
    enough = not family.apart and rounds >= rounds_needed(family.size)
    margin = float(family.question.error_margin)
    low, high = low_b - high_a, high_b - low_a
    if low > 0 and bad_b / n_b - bad_a / n_a > margin and separate and enough:
        outcome, reason = Outcome.FAIL, ""
    elif high <= margin and (not family.apart or bad_b == 0):
        outcome, reason = Outcome.PASS, ""
    else:
        outcome = Outcome.INCONCLUSIVE
        reason = (
            f"not interleaved ({family.apart})"
            if family.apart
            else f"the rise may or may not exceed {margin * _PERCENT:g} pp in every round"
        )
    return Figures(
        endpoint=name,
        figure="errors",
        outcome=outcome,
        before=bad_a / n_a,
        after=bad_b / n_b,
        change=bad_b / n_b - bad_a / n_a,
        change_low=low,
        change_high=high,
        n_before=n_a,
        n_after=n_b,
        reason=reason,
    )


def _nothing_to_compare(a: _Side, b: _Side) -> str:
    """Return why latencies mean nothing, empty where they do."""
    for side, word in ((a, "A"), (b, "B")):
        if sum(side.completed) and sum(side.failed) == sum(side.completed):
            return f"no request of {word} succeeded"
    return ""


def _inconclusive(
    name: str,
    label: str,
    a: _Side,
    b: _Side,
    reason: str,
    before: int | None = None,
    after: int | None = None,
    change: Fraction | None = None,
) -> Figures:
    return Figures(
        endpoint=name,
        figure=label,
        outcome=Outcome.INCONCLUSIVE,
        before=before,
        after=after,
        change=None if change is None else float(change),
        change_low=None,
        change_high=None,
        n_before=a.pooled.n,
        n_after=b.pooled.n,
        reason=reason,
    )
