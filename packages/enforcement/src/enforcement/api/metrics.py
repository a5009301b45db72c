"""The metrics of the service, each declared with every label value it can take.

``http_server_requests_total`` is what evidence compares with the generator's own count: it is
counted just before the last byte of an answer is handed to the socket, so a client that has its
answer always finds it counted.
"""

from collections.abc import Iterable
from typing import Final

from enforcement.api.counters import Family, Layout, Slot
from enforcement.domain import reasons
from enforcement.domain.enums import Mode, Outcome, SettlementStatus
from enforcement.store.limits import APPROVAL, GATE, READ, WRITE

UNMATCHED: Final = "unmatched"
OTHER: Final = "other"
STATUSES: Final = (
    "200",
    "204",
    "400",
    "401",
    "403",
    "404",
    "405",
    "408",
    "409",
    "410",
    "413",
    "414",
    "415",
    "422",
    "429",
    "431",
    "500",
    "503",
    OTHER,
)
_METHODS: Final = ("GET", "POST", OTHER)
_LATENCY_BOUNDS_US: Final = (
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
)
TRIGGERS: Final = (
    reasons.GATE_TIMEOUT,
    reasons.GATE_LOCK_TIMEOUT,
    reasons.GATE_LOCK_CONTENDED,
    reasons.GATE_EVALUATION_ERROR,
)
_REASONS: Final = (
    reasons.NO_BUDGET_CONFIGURED,
    reasons.WITHIN_BUDGET,
    reasons.RESERVED_CREDITS_USED,
    reasons.EMERGENCY_CREDITS_USED,
    reasons.PLAN_LIMIT_EXCEEDED,
    reasons.BUDGET_EXCEEDED,
    reasons.ENTERPRISE_CEILING_EXCEEDED,
    reasons.HARD_DENY_THRESHOLD_EXCEEDED,
    reasons.CONTEXT_UNAVAILABLE,
    reasons.APPROVAL_REQUIRED,
    reasons.AUTO_APPROVED,
    reasons.COST_ANOMALY,
    reasons.DRY_RUN,
    *TRIGGERS,
    *reasons.VIOLATION_SUFFIX.values(),
    *reasons.FAILSAFE_SUFFIX.values(),
    OTHER,
)
PATHS: Final = ("normal", "failsafe")
POOL_GAUGES: Final = ("pool_size", "pool_available", "requests_waiting")
POOL_COUNTERS: Final = ("requests_num", "requests_queued", "requests_errors", "connections_lost")

REQUESTS: Final = "http_server_requests_total"
REQUEST_DURATION: Final = "http_server_request_duration_seconds"
IN_FLIGHT: Final = "http_server_active_requests"
OPEN_CONNECTIONS: Final = "http_server_open_connections"
REFUSED_CONNECTIONS: Final = "http_server_connections_refused_total"
DECISIONS: Final = "enforcement_gate_decisions_total"
DECISION_REASONS: Final = "enforcement_gate_reasons_total"
GATE_FAILURES: Final = "enforcement_gate_failures_total"
GATE_DURATION: Final = "enforcement_gate_duration_seconds"
REPLAYS: Final = "enforcement_gate_replays_total"
ADMISSIONS: Final = "enforcement_limiter_admissions_total"
REFUSED_TOKENS: Final = "enforcement_tokens_refused_total"
PRINCIPALS: Final = "enforcement_principal_lookups_total"
JOURNAL_WRITTEN: Final = "enforcement_failsafe_journalled_total"
JOURNAL_REPLAYED: Final = "enforcement_failsafe_replayed_total"
JOURNAL_PENDING: Final = "enforcement_failsafe_pending"
JOURNAL_SET_ASIDE: Final = "enforcement_failsafe_set_aside_total"
SWEPT: Final = "enforcement_approvals_expired_total"
BACKLOG: Final = "enforcement_backlog"
RECONCILED: Final = "enforcement_reconciliations_total"
DRIFT: Final = "enforcement_reconciliation_drift_usd_total"
POOL: Final = "enforcement_db_pool"
POOL_EVENTS: Final = "enforcement_db_pool_events_total"
WORKER_RESTARTS: Final = "enforcement_worker_restarts_total"
DATABASE_RESTARTS: Final = "enforcement_embedded_database_restarts_total"
CPU_US: Final = "process_cpu_seconds_total"
RESIDENT_BYTES: Final = "process_resident_memory_bytes"
OPEN_FILES: Final = "process_open_fds"
MAX_FILES: Final = "process_max_fds"
DB_ERRORS: Final = "enforcement_db_errors_total"

BACKLOGS: Final = ("approvals_pending", "approvals_overdue", "reservations_overdue")
DRIFT_PER_USD: Final = 10_000
ADMISSION_RESULTS: Final = ("admitted", "refused_tenant", "refused_global")
ADMISSION_PATHS: Final = ("shared", "local", "confirmed")
TOKEN_FAULTS: Final = ("missing", "malformed", "signature", "expired", "claims", "unknown")
PRINCIPAL_RESULTS: Final = ("fresh", "looked_up", "stale", "too_old", "token_only", "unknown")
BUCKETS: Final = (GATE, READ, WRITE, APPROVAL)


def families(routes: Iterable[tuple[str, str]]) -> tuple[Family, ...]:
    """Declare every metric.

    Args:
        routes: Method and path template of each route served.
    """
    known = sorted({*routes, *((method, UNMATCHED) for method in _METHODS)})
    statuses = tuple((m, r, s) for m, r in known for s in STATUSES)
    http_labels = ("http_request_method", "http_route", "http_response_status_code")
    return (
        Family(
            name=REQUESTS,
            help="Requests answered, by method, route and status.",
            kind="counter",
            labels=http_labels,
            series=statuses,
        ),
        Family(
            name=REQUEST_DURATION,
            help="Time from the first byte of a request to the last of its answer.",
            kind="histogram",
            labels=http_labels[:2],
            series=tuple(known),
            bounds_us=_LATENCY_BOUNDS_US,
        ),
        Family(name=IN_FLIGHT, help="Requests being answered.", kind="gauge"),
        Family(name=OPEN_CONNECTIONS, help="Connections of clients.", kind="gauge"),
        Family(
            name=REFUSED_CONNECTIONS,
            help="Connections refused, or closed to make room for others.",
            kind="counter",
            labels=("reason",),
            series=(("full",), ("evicted",)),
        ),
        *_gate_families(),
        *_service_families(),
        *_process_families(),
    )


def _gate_families() -> tuple[Family, ...]:
    outcomes = tuple((o.value, m.value, p) for o in Outcome for m in Mode for p in PATHS)
    return (
        Family(
            name=DECISIONS,
            help="Gate decisions, by outcome, mode and path.",
            kind="counter",
            labels=("decision", "mode", "path"),
            series=outcomes,
        ),
        Family(
            name=DECISION_REASONS,
            help="Reason codes of gate decisions.",
            kind="counter",
            labels=("reason",),
            series=tuple((reason,) for reason in _REASONS),
        ),
        Family(
            name=GATE_FAILURES,
            help="Gate evaluations that ended in a fail-safe, by trigger.",
            kind="counter",
            labels=("trigger",),
            series=tuple((trigger,) for trigger in TRIGGERS),
        ),
        Family(
            name=GATE_DURATION,
            help="Time a gate took to decide, by path.",
            kind="histogram",
            labels=("path",),
            series=tuple((path,) for path in PATHS),
            bounds_us=_LATENCY_BOUNDS_US,
        ),
        Family(name=REPLAYS, help="Gate decisions answered from their key.", kind="counter"),
    )


def _service_families() -> tuple[Family, ...]:
    return (
        Family(
            name=ADMISSIONS,
            help="Answers of the limiter, by what was asked, by result and by where it counted.",
            kind="counter",
            labels=("bucket", "result", "path"),
            series=tuple(
                (b, r, p) for b in BUCKETS for r in ADMISSION_RESULTS for p in ADMISSION_PATHS
            ),
        ),
        Family(
            name=REFUSED_TOKENS,
            help="Bearer tokens refused, by fault.",
            kind="counter",
            labels=("fault",),
            series=tuple((fault,) for fault in TOKEN_FAULTS),
        ),
        Family(
            name=PRINCIPALS,
            help="How principals were known.",
            kind="counter",
            labels=("result",),
            series=tuple((result,) for result in PRINCIPAL_RESULTS),
        ),
        Family(name=JOURNAL_WRITTEN, help="Fail-safes written to disk.", kind="counter"),
        Family(name=JOURNAL_REPLAYED, help="Fail-safes written to the ledger.", kind="counter"),
        Family(name=JOURNAL_PENDING, help="Fail-safes on disk only.", kind="gauge"),
        Family(
            name=JOURNAL_SET_ASIDE,
            help="Fail-safes that the database refuses, kept for people to see.",
            kind="counter",
        ),
        *_settlement_families(),
        Family(
            name=POOL,
            help="Connections to the database, and callers waiting for one.",
            kind="gauge",
            labels=("state",),
            series=tuple((gauge,) for gauge in POOL_GAUGES),
        ),
        Family(
            name=POOL_EVENTS,
            help="What happened to the pool.",
            kind="counter",
            labels=("event",),
            series=tuple((event,) for event in POOL_COUNTERS),
        ),
        Family(name=DB_ERRORS, help="Operations the database failed.", kind="counter"),
    )


def _settlement_families() -> tuple[Family, ...]:
    statuses = tuple((status.value,) for status in SettlementStatus)
    return (
        Family(name=SWEPT, help="Approvals and tokens expired by the sweep.", kind="counter"),
        Family(
            name=BACKLOG,
            help="What waits in the database, of all tenants, as of the last sweep.",
            kind="gauge",
            labels=("what",),
            series=tuple((what,) for what in BACKLOGS),
        ),
        Family(
            name=RECONCILED,
            help="Reservations settled against their real cost, by how that compared.",
            kind="counter",
            labels=("status",),
            series=statuses,
        ),
        Family(
            name=DRIFT,
            help="By how much real costs missed what was reserved, in US dollars.",
            kind="counter",
            labels=("status",),
            series=statuses,
            divisor=DRIFT_PER_USD,
        ),
    )


def _process_families() -> tuple[Family, ...]:
    return (
        Family(name=WORKER_RESTARTS, help="Workers replaced.", kind="counter"),
        Family(name=DATABASE_RESTARTS, help="Embedded database restarted.", kind="counter"),
        Family(
            name=CPU_US,
            help="Processor time of all workers, former ones included.",
            kind="counter",
            divisor=1_000_000,
        ),
        Family(name=RESIDENT_BYTES, help="Resident memory of all workers.", kind="gauge"),
        Family(name=OPEN_FILES, help="Open file descriptors of all workers.", kind="gauge"),
        Family(name=MAX_FILES, help="How many descriptors all workers may open.", kind="gauge"),
    )


def layout(routes: Iterable[tuple[str, str]]) -> Layout:
    """Return the layout of the counter file for these routes."""
    return Layout(families(routes))


def status_label(status: int) -> str:
    """Return the label of a status; those that no route gives share one."""
    label = str(status)
    return label if label in STATUSES else OTHER


def count_decision(
    slot: Slot, *, decision: str, mode: str, path: str, codes: Iterable[str], duration_us: int
) -> None:
    """Count a gate decision with its reasons and its latency."""
    slot.add(DECISIONS, (decision, mode, path))
    for code in codes:
        slot.add(DECISION_REASONS, (code if code in _REASONS else OTHER,))
    slot.observe(GATE_DURATION, duration_us, (path,))
