"""Sums over many events: what projects and tenants have committed, what is left of each grant.

Amounts are whole numbers of 0.0001 US dollars here, which add up exactly and fast.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from enforcement.domain.canonical import canonical_text
from enforcement.domain.checkpoint import Row

PROJECTS: Final = "project_usage"
BALANCES: Final = "credit_balances"
TENANT: Final = "tenant_usage"
_PLACES: Final = 4
_NO_MONTH: Final = "-infinity"


class _Project(msgspec.Struct):
    """What a project has committed; what was settled counts in its month."""

    active_allocation_usd: int = 0
    active_credits_usd: int = 0
    settled_month: str = _NO_MONTH
    settled_allocation_usd: int = 0
    settled_credits_usd: int = 0
    own_budget: bool = False


class _Month(msgspec.Struct):
    """What a tenant has committed: active in the month ``-infinity``, settled in the others."""

    total_usd: int = 0
    default_usd: int = 0


class Usage:
    """The sums after the events so far."""

    def __init__(self) -> None:
        self._projects: dict[str, _Project] = {}
        self._balances: dict[str, int] = {}
        self._own_budgets: set[str] = set()
        self._months: dict[str, _Month] | None = None

    def budget(self, payload: dict[str, Any]) -> None:
        """Take a ``budget.set``: a project with an active one does not share in ``default``."""
        if payload["active"] and payload["scope_key"] != "default":
            self._own_budgets.add(payload["scope_key"])
        else:
            self._own_budgets.discard(payload["scope_key"])

    def grant(self, payload: dict[str, Any]) -> None:
        """Take a ``credit.granted``."""
        self._balances[payload["grant_id"]] = _units(payload["total_usd"])

    def reserve(self, payload: dict[str, Any]) -> None:
        """Take a decision with an active reservation."""
        project = self._projects.setdefault(payload["project_id"], _Project())
        project.active_allocation_usd += _units(payload["allocation_usd"])
        for item in payload["credits"]:
            amount = _units(item["amount_usd"])
            project.active_credits_usd += amount
            self._balances[item["grant_id"]] = self._balances.get(item["grant_id"], 0) - amount

    def settle(self, payload: dict[str, Any]) -> None:
        """Take an event that ends a reservation: ``reservation.reconciled`` or ``.released``."""
        project = self._projects.setdefault(payload["project_id"], _Project())
        project.active_allocation_usd -= _units(payload["allocation_usd"])
        for item in payload["credits"]:
            released = _units(item["released_usd"])
            project.active_credits_usd -= _units(item["consumed_usd"]) + released
            self._balances[item["grant_id"]] = self._balances.get(item["grant_id"], 0) + released
        if "reconciled_at" not in payload:
            return
        month = payload["reconciled_at"][:7] + "-01"
        if project.settled_month != month:
            project.settled_month = month
            project.settled_allocation_usd = project.settled_credits_usd = 0
        project.settled_allocation_usd += _units(payload["allocation_spent_usd"])
        project.settled_credits_usd += _units(payload["credits_consumed_usd"])

    def adopt(self, kind: str, key: str, state: dict[str, Any]) -> bool:
        """Take a sum as it stood when the ledger was adopted; return whether it is one."""
        if kind == PROJECTS:
            self._projects[key] = msgspec.convert(
                {name: _plain(text) for name, text in state.items()}, _Project
            )
        elif kind == BALANCES:
            self._balances[key] = _units(state["remaining_usd"])
        elif kind == "budgets":
            self.budget(state)
            return False
        else:
            return False
        return True

    def rows(self) -> list[Row]:
        """Return the sums over projects and grants, as the tables have them."""
        for key, project in self._projects.items():
            project.own_budget = key in self._own_budgets
        projects = (
            Row(0, PROJECTS, key, canonical_text(_shown(msgspec.structs.asdict(project))))
            for key, project in self._projects.items()
        )
        balances = (
            Row(0, BALANCES, key, canonical_text(_shown({"remaining_usd": units})))
            for key, units in self._balances.items()
        )
        return [*projects, *balances]

    def compare(self, kind: str, key: str, state: dict[str, Any]) -> str | None:
        """Compare a row with its sum, which is then done with; return what differs."""
        if self._months is None:
            self._months = self._close()
        said: dict[str, Any]
        if kind == TENANT:
            said = msgspec.structs.asdict(self._months.pop(key, _Month()))
        elif kind == PROJECTS:
            said = msgspec.structs.asdict(self._projects.pop(key, _Project()))
        else:
            said = {"remaining_usd": self._balances.pop(key, 0)}
        for name, text in state.items():
            if said[name] != _plain(text):
                return f"{kind} {key}: {name} is {text}, and the events make it {_text(said[name])}"
        return None

    def missing(self) -> str | None:
        """Name a sum that no row came for."""
        months = self._close() if self._months is None else self._months
        spent = {month: sums for month, sums in months.items() if sums.total_usd}
        for kind, left in ((PROJECTS, self._projects), (BALANCES, self._balances), (TENANT, spent)):
            for key in left:
                return f"{kind} {key} is not there"
        return None

    def _close(self) -> dict[str, _Month]:
        """Return the sums over projects, once the events are over."""
        months: dict[str, _Month] = {}
        for key, project in self._projects.items():
            project.own_budget = key in self._own_budgets
            for month, allocation, credit in (
                (_NO_MONTH, project.active_allocation_usd, project.active_credits_usd),
                (
                    project.settled_month,
                    project.settled_allocation_usd,
                    project.settled_credits_usd,
                ),
            ):
                sums = months.setdefault(month, _Month())
                sums.total_usd += allocation + credit
                sums.default_usd += 0 if project.own_budget else allocation
        return months


def _units(text: str) -> int:
    return int(text.replace(".", ""))


def _plain(value: str | bool) -> int | str:  # noqa: FBT001  # a column's value
    return _units(value) if isinstance(value, str) and "." in value else value


def _text(value: int | str) -> str:
    return value if isinstance(value, str) else str(Decimal(value).scaleb(-_PLACES))


def _shown(columns: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, bool) else _text(value) for name, value in columns.items()
    }
