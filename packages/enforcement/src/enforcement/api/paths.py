"""Every route served, once: handlers, counters and the parent process all read it here."""

from typing import Final

PREFIX: Final = "/api/v1/enforcement"

LIVE: Final = "/health/live"
HEALTH: Final = "/health"
METRICS: Final = "/metrics"
OPENAPI: Final = "/openapi.json"

POLICIES: Final = f"{PREFIX}/policies"
BUDGETS: Final = f"{PREFIX}/budgets"
CREDITS: Final = f"{PREFIX}/credits"
GATE_TERRAFORM: Final = f"{PREFIX}/gate/terraform"
APPROVAL_REQUESTS: Final = f"{PREFIX}/approvals/requests"
APPROVAL_QUEUE: Final = f"{PREFIX}/approvals/queue"
APPROVE: Final = f"{PREFIX}/approvals/{{approval_id:uuid}}/approve"
DENY: Final = f"{PREFIX}/approvals/{{approval_id:uuid}}/deny"
CONSUME: Final = f"{PREFIX}/approvals/consume"
RESERVATIONS: Final = f"{PREFIX}/reservations/active"
RECONCILE: Final = f"{PREFIX}/reservations/{{decision_id:uuid}}/reconcile"
RECONCILE_OVERDUE: Final = f"{PREFIX}/reservations/reconcile-overdue"
EXCEPTIONS: Final = f"{PREFIX}/reservations/reconciliation-exceptions"
LEDGER: Final = f"{PREFIX}/ledger"
PARITY: Final = f"{PREFIX}/exports/parity"
LIMITS: Final = f"{PREFIX}/limits"

_PUBLIC: Final = (("GET", LIVE), ("GET", HEALTH), ("GET", METRICS), ("GET", OPENAPI))
_TENANT: Final = (
    ("GET", POLICIES),
    ("POST", POLICIES),
    ("GET", BUDGETS),
    ("POST", BUDGETS),
    ("GET", CREDITS),
    ("POST", CREDITS),
    ("POST", GATE_TERRAFORM),
    ("POST", APPROVAL_REQUESTS),
    ("GET", APPROVAL_QUEUE),
    ("POST", APPROVE),
    ("POST", DENY),
    ("POST", CONSUME),
    ("GET", RESERVATIONS),
    ("POST", RECONCILE),
    ("POST", RECONCILE_OVERDUE),
    ("GET", EXCEPTIONS),
    ("GET", LEDGER),
    ("GET", PARITY),
    ("GET", LIMITS),
)


def template(path: str) -> str:
    """Return a path as OpenAPI and the metrics write it, without the types of its parts."""
    return path.replace(":uuid}", "}")


ROUTES: Final = tuple((method, template(path)) for method, path in (*_PUBLIC, *_TENANT))
