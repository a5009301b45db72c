"""What time and queues allow: throughput against elapsed time, requests against users."""

from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import Figures
from stressproof.verify.stress.figures import TOLERANCE, all_figures
from stressproof.verify.stress.timing import (
    NOISE_S,
    elapsed_s,
    implied_s,
    ramp_and_timeout,
    shortest_round,
)

_IMPOSSIBLE = "No service and no generator can produce these figures; capture again."

EDGE_SECONDS = 1.0
"""How much shorter than its duration a round of another tool may be: it may count from the first
start, which comes when a user is free or the rate is due, and to the last one."""

_BUCKET = 1 / 1024  # a quantile is the upper end of its bucket


@rule(
    "stress.elapsed",
    clause="evidence.md, Time",
    title="Throughput times elapsed time = requests, and elapsed time is the round's duration",
    remedy=_IMPOSSIBLE,
)
def elapsed(case: StressCase, judgement: Judgement) -> None:
    """Elapsed time, stated or implied, lies between duration and duration + ramp + timeout."""
    duration = case.declared.duration_seconds
    ramp, timeout = ramp_and_timeout(case)
    for place, run in enumerate(case.runs):
        figures = run.results
        if figures is None or figures.total_requests is None or figures.throughput_rps is None:
            continue
        where = f"runs[{place}].results.throughput_rps"
        total, rate = figures.total_requests, figures.throughput_rps
        if rate <= 0:
            judgement.check(total == 0, where, rate, prose(f"more than 0 for {total} requests"))
            continue
        took, slack = implied_s(total, rate)
        if run.elapsed_seconds is not None:
            judgement.check(
                abs(took - run.elapsed_seconds) <= slack + TOLERANCE,
                where,
                prose(f"{rate!r}/s for {run.elapsed_seconds!r} s"),
                prose(f"{total} requests"),
            )
            took, slack = run.elapsed_seconds, NOISE_S
            where = f"runs[{place}].elapsed_seconds"
        least = shortest_round(case)
        if duration is None or least is None:
            continue
        shortest = least - EDGE_SECONDS
        longest = duration + ramp + timeout + EDGE_SECONDS
        seen = prose(f"{took:.3f} s (stated, or requests / throughput)")
        judgement.check(took + slack >= shortest, where, seen, prose(f"about {duration} s"))
        judgement.check(took - slack <= longest, where, seen, prose(f"at most {longest:g} s"))


@rule(
    "stress.littles-law",
    clause="evidence.md, What is possible",
    title="The requests were possible for the users and the latencies (Little's law)",
    remedy=_IMPOSSIBLE,
)
def littles_law(case: StressCase, judgement: Judgement) -> None:
    """Users who wait one answer at a time cannot wait longer in sum than they were there."""
    users = case.declared.concurrent_users
    if case.is_full:
        judgement.skip("stress.concurrency judges it from the measurements")
        return
    if users is None:
        judgement.skip("concurrent_users is not there")
        return
    for place, run in enumerate(case.runs):
        figures = run.results
        if figures is None or not figures.total_requests:
            continue
        took, _ = elapsed_s(run)
        waited = least_waiting(figures)
        if took is None or waited is None:
            continue
        # One per cent: the ramp's last answers and four decimals of an average.
        limit = users * took * 1.01 + figures.total_requests * TOLERANCE
        judgement.check(
            waited <= limit,
            f"runs[{place}].results",
            prose(f"{figures.total_requests} requests that waited {waited:.1f} s in sum"),
            prose(f"at most {limit:.1f} s: {users} users for {took:.1f} s"),
        )


def least_waiting(figures: Figures) -> float | None:
    """Return the least time in seconds that a round's requests can have waited in sum.

    The average times the number where it is given, and what the quantiles alone imply otherwise:
    half of all requests took at least the median, and so on.
    """
    total: int | None = figures.total_requests
    average: float | None = figures.avg_response_time
    if not total:
        return None
    return _least_sum(figures, total) if average is None else average * total


def _steps(figures: Figures) -> list[tuple[float, float]]:
    """Return (share of requests at or above, latency) for the quantiles that are given."""
    given = (
        (1.0, figures.min_response_time),
        (0.5, figures.median_response_time),
        (0.05, figures.p95_response_time),
        (0.01, figures.p99_response_time),
    )
    return [(share, value) for share, value in given if value is not None]


def _least_sum(figures: Figures, total: int) -> float:
    """Return the least sum that the quantiles allow, one request of each step given away."""
    least, below = 0.0, 0.0
    for share, value in _steps(figures):
        value_at_least = value * (1 - _BUCKET) if share < 1 else value
        if value_at_least > below:
            count = total if share == 1 else max(total * share - 1, 0)
            least += (value_at_least - below) * count
            below = value_at_least
    return least


def _most_sum(figures: Figures, total: int) -> float | None:
    """Return the greatest sum that the quantiles allow, None where no maximum is given."""
    if figures.max_response_time is None:
        return None
    above: float = figures.max_response_time
    most = above * total
    for share, value in reversed(_steps(figures)):
        if value < above:
            count = 1 if share == 1 else max(total * (1 - share) - 1, 0)
            most -= (above - value) * count
            above = value
    return most


@rule(
    "stress.average-possible",
    clause="evidence.md, What is possible",
    title="The average of a round is possible for its quantiles",
    remedy=_IMPOSSIBLE,
)
def average_possible(case: StressCase, judgement: Judgement) -> None:
    """Half of the requests took the median or more, one in twenty the p95 or more, and so on."""
    for place, run in enumerate(case.runs):
        figures = run.results
        if figures is None or not figures.total_requests or figures.avg_response_time is None:
            continue
        total, average = figures.total_requests, figures.avg_response_time
        failed = figures.failed_requests or 0
        # Some tools leave requests without an answer out of the sum but not out of the number.
        missing = failed * (figures.max_response_time or average)
        where = f"runs[{place}].results.avg_response_time"
        least = (_least_sum(figures, total) - missing) / total - 2 * TOLERANCE
        judgement.check(average >= least, where, average, prose(f"at least {least:.6f}"))
        most = _most_sum(figures, total)
        if most is not None:
            judgement.check(
                average <= most / total + 2 * TOLERANCE,
                where,
                average,
                prose(f"at most {most / total:.6f}"),
            )


_WITHIN_TIMEOUT = ("min", "median", "avg", "p95", "p99", "max")
_TIMEOUT_SLACK_S = 1.0  # until the timer is served, and for the bookkeeping


@rule(
    "stress.within-timeout",
    clause="evidence.md, What is possible",
    title="No answer took longer than the timeout that is stated",
    remedy=_IMPOSSIBLE,
)
def within_timeout(case: StressCase, judgement: Judgement) -> None:
    """Every latency is at most ``request_timeout`` and a second."""
    timeout = case.declared.request_timeout
    if case.is_full:
        judgement.skip("stress.timeout-applied judges it from the measurements")
        return
    if timeout is None:
        judgement.skip("request_timeout is not there")
        return
    for where, figures in all_figures(case):
        for name in _WITHIN_TIMEOUT:
            seen = getattr(figures, f"{name}_response_time")
            if seen is not None:
                judgement.check(
                    seen <= timeout + _TIMEOUT_SLACK_S,
                    f"{where}.{name}_response_time",
                    seen,
                    prose(f"at most {timeout:g} s, the timeout"),
                )


RULES = (elapsed, littles_law, average_possible, within_timeout)
