"""The computed context of a decision: what the tenant's recent costs say, and how risky it looks.

Thresholds are those of the functional specification.
"""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from enforcement.domain.enums import RiskClass
from enforcement.domain.environment import is_production
from enforcement.domain.money import ZERO, rounded
from enforcement.domain.request import GateRequest

LOOKBACK_DAYS: Final = 35

_NEW_SPEND_USD: Final = Decimal(100)
_ANOMALY_STEP_USD: Final = Decimal(100)
_ANOMALY_RATIO: Final = Decimal("1.30")
_BASELINE_DAYS: Final = 7
_LARGE_DELTA_USD: Final = Decimal(5000)
_MEDIUM_DELTA_USD: Final = Decimal(1000)
_HIGH_SCORE: Final = 6
_MEDIUM_SCORE: Final = 3
_DESTRUCTIVE: Final = frozenset(
    {"delete", "destroy", "drop", "purge", "remove", "replace", "terminate", "truncate"}
)
_HIGH_IMPACT: Final = (
    "bigquery",
    "cluster",
    "database",
    "eks",
    "gke",
    "gpu",
    "nat_gateway",
    "rds",
    "redshift",
    "warehouse",
)
_CRITICALITY: Final = {"critical": 2, "high": 2, "medium": 1}


class DailyCost(msgspec.Struct, frozen=True, array_like=True):
    """What one UTC day cost the tenant, in US dollars."""

    day: date
    amount_usd: Decimal


class ComputedContext(msgspec.Struct, frozen=True, kw_only=True):
    """What was known of costs and risk when a decision was made.

    Attributes:
        available: False when the policy demands fresh cost data and there is none.
        month_to_date_usd: Spent in the calendar month (UTC) so far.
        burn_rate_daily_usd: Month to date divided by the days begun.
        forecast_month_usd: Burn rate times the days of the month.
        anomaly: Whether the newest day's spend stands out.
        risk_score: 0 to 11.
    """

    available: bool
    month_to_date_usd: Decimal
    burn_rate_daily_usd: Decimal
    forecast_month_usd: Decimal
    anomaly: bool
    risk_score: int
    risk_class: RiskClass


def compute(
    request: GateRequest,
    costs: Sequence[DailyCost],
    today: date,
    max_cost_age_days: int | None,
) -> ComputedContext:
    """Compute the context of a request from 35 days of cost records.

    Args:
        request: The normalised request.
        costs: One record a day at most, any order; days outside the look-back are ignored.
        today: The UTC day of the decision.
        max_cost_age_days: From the policy; null never demands cost data.
    """
    recent = {
        cost.day: cost.amount_usd
        for cost in costs
        if today - timedelta(days=LOOKBACK_DAYS) < cost.day <= today
    }
    month_to_date = sum(
        (amount for day, amount in recent.items() if _same_month(day, today)), start=ZERO
    )
    burn_rate = rounded(month_to_date / today.day)
    days_in_month = calendar.monthrange(today.year, today.month)[1]
    anomaly = _is_anomalous(recent)
    score = _risk_score(request, anomaly=anomaly)
    return ComputedContext(
        available=_is_available(recent, today, max_cost_age_days),
        month_to_date_usd=month_to_date,
        burn_rate_daily_usd=burn_rate,
        forecast_month_usd=rounded(burn_rate * days_in_month),
        anomaly=anomaly,
        risk_score=score,
        risk_class=_classify(score),
    )


def _same_month(day: date, other: date) -> bool:
    return (day.year, day.month) == (other.year, other.month)


def _is_available(recent: dict[date, Decimal], today: date, max_age_days: int | None) -> bool:
    if max_age_days is None:
        return True
    return bool(recent) and (today - max(recent)).days <= max_age_days


def _is_anomalous(recent: dict[date, Decimal]) -> bool:
    """Compare the newest day with the mean of the seven days before it (absent days cost 0)."""
    if not recent:
        return False
    newest = max(recent)
    spend = recent[newest]
    week = [
        recent.get(newest - timedelta(days=back), ZERO) for back in range(1, _BASELINE_DAYS + 1)
    ]
    baseline = sum(week, start=ZERO) / _BASELINE_DAYS
    if baseline == 0:
        return spend >= _NEW_SPEND_USD
    return spend >= baseline + _ANOMALY_STEP_USD and spend >= baseline * _ANOMALY_RATIO


def _risk_score(request: GateRequest, *, anomaly: bool) -> int:
    score = 3 if is_production(request.environment) else 0
    words = request.action.replace("-", "_").replace(".", "_").replace(":", "_").split("_")
    score += 2 if _DESTRUCTIVE.intersection(words) else 0
    criticality = request.metadata.get("criticality")
    if isinstance(criticality, str):
        score += _CRITICALITY.get(criticality.lower(), 0)
    resource = request.resource_reference.lower()
    score += 1 if any(word in resource for word in _HIGH_IMPACT) else 0
    if request.monthly_delta_usd >= _LARGE_DELTA_USD:
        score += 2
    elif request.monthly_delta_usd >= _MEDIUM_DELTA_USD:
        score += 1
    return score + (1 if anomaly else 0)


def _classify(score: int) -> RiskClass:
    if score >= _HIGH_SCORE:
        return RiskClass.HIGH
    return RiskClass.MEDIUM if score >= _MEDIUM_SCORE else RiskClass.LOW
