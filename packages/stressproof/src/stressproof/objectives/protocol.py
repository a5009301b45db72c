"""The protocol's three limits as thresholds: one machinery judges them and everything else."""

from decimal import Decimal

from stressproof.evidence.results import Thresholds
from stressproof.objectives.expression import (
    Comparison,
    Expression,
    Measure,
    Number,
    Operator,
    Selector,
    Threshold,
    Unit,
)

_P95 = Measure("p", percent=Decimal(95))
_RATE = Measure("rate")


def protocol_thresholds(limits: Thresholds) -> list[Threshold]:
    """Return what clause 12 of the protocol asks of every round; limits that are null ask nothing.

    On any round the verdicts are those of `stressproof.evidence.derive.evaluate_round`, except that
    a quantile of fewer samples than bound it is inconclusive here.
    """
    rules: tuple[tuple[str, Measure, Operator, float | None, Unit], ...] = (
        ("http_req_duration", _P95, "<=", limits.max_p95_seconds, "s"),
        ("http_req_failed", _RATE, "<=", limits.max_error_rate_percent, "%"),
        ("http_reqs", _RATE, ">=", limits.min_throughput_rps, "/s"),
    )
    return [
        Threshold(
            Selector(metric),
            Expression(measure, (Comparison(operator, Number(_exact(limit), unit)),)),
        )
        for metric, measure, operator, limit, unit in rules
        if limit is not None
    ]


def _exact(limit: float) -> Decimal:
    """Return the decimal that a limit was written as: 0.1 is a tenth, not the float beside it."""
    value = Decimal(repr(limit))
    return value.normalize() if value else Decimal(0)
