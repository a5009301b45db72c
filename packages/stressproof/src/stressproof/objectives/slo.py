"""Service level objectives and the burn-rate windows that go with them.

Windows and budget shares are those of the SRE workbook, "Alerting on SLOs", table 5-8
(https://sre.google/workbook/alerting-on-slos/): a window pair pages or opens a ticket when it has
burnt its share of the period's error budget; both windows of a pair must burn too fast, and the
short one is a twelfth of the long one, so that an alert ends soon after its cause.
"""

import math
from fractions import Fraction

from msgspec import Struct

from stressproof.objectives.expression import Selector

DAY_S = 86_400
HOUR_S = 3_600
MINUTE_S = 60
DEFAULT_PERIOD_S = 30 * DAY_S


class Pair(Struct, frozen=True):
    """One row of the workbook's table.

    Attributes:
        severity: ``page`` or ``ticket``.
        long_s: The long window in seconds, on the scale of production.
        short_s: The short one.
        budget: The share of the period's error budget that the long window may burn.
    """

    severity: str
    long_s: int
    short_s: int
    budget: Fraction

    def factor(self, period_s: int) -> Fraction:
        """Return the burn rate above which the pair fires: 14.4, 6 and 1 for 30 days."""
        return self.budget * period_s / self.long_s


PAIRS = (
    Pair("page", HOUR_S, 5 * MINUTE_S, Fraction(2, 100)),
    Pair("page", 6 * HOUR_S, 30 * MINUTE_S, Fraction(5, 100)),
    Pair("ticket", 3 * DAY_S, 6 * HOUR_S, Fraction(10, 100)),
)
"""The workbook's recommended pairs."""

LONGEST_S = max(pair.long_s for pair in PAIRS)


WINDOW = "{{.window}}"
"""Stands in a query for the window of each rule, as Sloth has it."""


class PrometheusSource(Struct, frozen=True):
    """Where production counts the same events.

    Each is an instant selector without a range, or a whole query with `WINDOW` as its range.

    Attributes:
        total: All events, such as ``http_requests_total{job="api"}``.
        bad: Events that spend the budget; exclusive with `good`.
        good: Events that do not.
        ratio: The share of bad events where nothing counts them; the others are empty then.
    """

    total: str
    bad: str = ""
    good: str = ""
    ratio: str = ""


class Slo(Struct, frozen=True):
    """An objective.

    Attributes:
        name: Unique among the objectives of a file.
        objective: The share of events that must be good, between 0 and 1, exclusive.
        selector: Which requests count; the tags of a threshold.
        latency_us: A good event is a success within this time; None for availability, where every
            success is good.
        period_s: The time that the error budget is for.
        description: For people and for alerts.
        prometheus: Where production counts the same, None where the generator's default fits.
    """

    name: str
    objective: Fraction
    selector: Selector = Selector("http_reqs")
    latency_us: int | None = None
    period_s: int = DEFAULT_PERIOD_S
    description: str = ""
    prometheus: PrometheusSource | None = None

    @property
    def budget(self) -> Fraction:
        """The share of events that may be bad."""
        return 1 - self.objective


def one_error_trips_below(burn: Fraction, budget: Fraction) -> int:
    """Return the number of events from which a single error is no alert: ``1 / (burn · budget)``.

    With fewer events one error alone exceeds the burn rate (pyrra#1925, sloth#666).
    """
    return math.ceil(1 / (burn * budget))


def zero_errors_prove_from(burn: Fraction, budget: Fraction) -> int:
    """Return the number of events whose all being good shows at 95 % that the burn is lower.

    ``(1 - burn · budget)^n <= 0.05``.
    """
    share = float(burn * budget)
    if share >= 1:
        return 1
    return math.ceil(math.log(0.05) / math.log1p(-share))


def scaled_s(window_s: int, run_s: int, resolution_s: int = 1) -> int:
    """Return a production window on the scale of a run, in whole rows and at least one.

    The run stands for the longest window of the table (3 days); the others keep their proportion.
    """
    rows = math.ceil(Fraction(window_s * run_s, LONGEST_S * resolution_s))
    return max(rows, 1) * resolution_s
