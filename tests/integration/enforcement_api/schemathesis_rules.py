"""Rules between fields that JSON Schema has no words for, taught to schemathesis.

A request that is meant to be valid is made to keep them, so that every such request must be
accepted: the check is off nowhere. What is meant to be invalid stays as it is.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

from enforcement.api.paths import CREDITS, PARITY, POLICIES
from enforcement.domain.environment import is_production, normalise

LONGEST = timedelta(days=365)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Keep the rules of the operation."""
    del context, kwargs
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.path == PARITY and isinstance(case.query, dict):
        _one_window(case.query)
    elif case.path == CREDITS and isinstance(case.body, dict):
        _expires_later(case.body)
    elif case.path == POLICIES and isinstance(case.body, dict):
        _consistent(case.body)


def _one_window(query: dict[str, Any]) -> None:
    """``limit``, or a window of at most 366 days that ends after its start."""
    if "limit" in query:
        query.pop("start_date", None)
        query.pop("end_date", None)
        return
    today = datetime.now(UTC).date()
    days = {name: date.fromisoformat(query[name]) for name in query if name.endswith("_date")}
    if "start_date" in days:
        days["start_date"] = min(days["start_date"], days.get("end_date", today))
        query["start_date"] = days["start_date"].isoformat()
        if days.get("end_date", today) - days["start_date"] > LONGEST:
            query["end_date"] = (days["start_date"] + LONGEST).isoformat()
    if query.get("end_date") == date.max.isoformat():
        query["end_date"] = (date.max - timedelta(days=1)).isoformat()


def _expires_later(body: dict[str, Any]) -> None:
    """``expires_at`` in the future."""
    expires = body.get("expires_at")
    if isinstance(expires, str) and expires[:4] <= str(datetime.now(UTC).year):
        body["expires_at"] = f"9000{expires[4:]}"


def _consistent(body: dict[str, Any]) -> None:
    """Auto-approve at most hard-deny, a minimum at most its maximum, separation for production."""
    document = body.get("policy_document") or {}
    approval = document.get("approval", {})
    _sort(body, "auto_approve_below_monthly_usd", "hard_deny_above_monthly_usd", "5000")
    _sort(
        document.get("entitlements", {}),
        "auto_approve_below_monthly_usd",
        "hard_deny_above_monthly_usd",
        "5000",
    )
    for rule in (*body.get("approval_routing_rules", ()), *approval.get("routing_rules", ())):
        _sort(rule, "min_monthly_delta_usd", "max_monthly_delta_usd", None)
        if any(is_production(normalise(name)) for name in rule.get("environments", ())):
            rule["require_separation"] = True


def _sort(fields: dict[str, Any], low: str, high: str, highest: str | None) -> None:
    """Exchange two amounts that are the wrong way round; what is not given has a default."""
    if low not in fields and high not in fields:
        return
    if highest is not None:
        fields.setdefault(low, "0")
        fields.setdefault(high, max(highest, fields[low], key=Decimal))
    first, second = fields.get(low), fields.get(high)
    if first is not None and second is not None and Decimal(first) > Decimal(second):
        fields[low], fields[high] = second, first
