"""The metrics of the service, each declared with every label value it can take.

``http_server_requests_total`` is what evidence compares with the generator's own count: it is
counted just before the last byte of an answer is handed to the socket, so a client that has its
answer always finds it counted.
"""

import itertools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from enforcement.api.counters import Family, Kind, Layout, Slot
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
    known = tuple(sorted({*routes, *((method, UNMATCHED) for method in _METHODS)}))
    route_labels = ("http_request_method", "http_route")
    return (
        Family(
            name=REQUESTS,
            help="Requests answered, by method, route and status.",
            kind="counter",
            labels=(*route_labels, "http_response_status_code"),
            series=tuple((*route, status) for route in known for status in STATUSES),
        ),
        Family(
            name=REQUEST_DURATION,
            help="Time from the first byte of a request to the last of its answer.",
            kind="histogram",
            labels=route_labels,
            series=known,
            bounds_us=_LATENCY_BOUNDS_US,
        ),
        *_FAMILIES,
    )


def _family(
    kind: Kind,
    name: str,
    about: str,
    labels: Mapping[str, Iterable[str]] = MappingProxyType({}),
    *,
    bounds_us: tuple[int, ...] = (),
    divisor: int = 1,
) -> Family:
    """Declare a metric with every combination of its labels' values."""
    return Family(
        name=name,
        help=about,
        kind=kind,
        labels=tuple(labels),
        series=tuple(itertools.product(*labels.values())),
        bounds_us=bounds_us,
        divisor=divisor,
    )


def _counter(name: str, about: str, /, **labels: Iterable[str]) -> Family:
    return _family("counter", name, about, labels)


def _gauge(name: str, about: str, /, **labels: Iterable[str]) -> Family:
    return _family("gauge", name, about, labels)


_FAMILIES: Final = (
    _gauge(IN_FLIGHT, "Requests being answered."),
    _gauge(OPEN_CONNECTIONS, "Connections of clients."),
    _counter(
        REFUSED_CONNECTIONS,
        "Connections refused, or closed to make room for others.",
        reason=("full", "evicted"),
    ),
    _counter(
        DECISIONS,
        "Gate decisions, by outcome, mode and path.",
        decision=Outcome,
        mode=Mode,
        path=PATHS,
    ),
    _counter(DECISION_REASONS, "Reason codes of gate decisions.", reason=_REASONS),
    _counter(
        GATE_FAILURES, "Gate evaluations that ended in a fail-safe, by trigger.", trigger=TRIGGERS
    ),
    _family(
        "histogram",
        GATE_DURATION,
        "Time a gate took to decide, by path.",
        {"path": PATHS},
        bounds_us=_LATENCY_BOUNDS_US,
    ),
    _counter(REPLAYS, "Gate decisions answered from their key."),
    _counter(
        ADMISSIONS,
        "Answers of the limiter, by what was asked, by result and by where it counted.",
        bucket=BUCKETS,
        result=ADMISSION_RESULTS,
        path=ADMISSION_PATHS,
    ),
    _counter(REFUSED_TOKENS, "Bearer tokens refused, by fault.", fault=TOKEN_FAULTS),
    _counter(PRINCIPALS, "How principals were known.", result=PRINCIPAL_RESULTS),
    _counter(JOURNAL_WRITTEN, "Fail-safes written to disk."),
    _counter(JOURNAL_REPLAYED, "Fail-safes written to the ledger."),
    _gauge(JOURNAL_PENDING, "Fail-safes on disk only."),
    _counter(JOURNAL_SET_ASIDE, "Fail-safes that the database refuses, kept for people to see."),
    _counter(SWEPT, "Approvals and tokens expired by the sweep."),
    _gauge(
        BACKLOG, "What waits in the database, of all tenants, as of the last sweep.", what=BACKLOGS
    ),
    _counter(
        RECONCILED,
        "Reservations settled against their real cost, by how that compared.",
        status=SettlementStatus,
    ),
    _family(
        "counter",
        DRIFT,
        "By how much real costs missed what was reserved, in US dollars.",
        {"status": SettlementStatus},
        divisor=DRIFT_PER_USD,
    ),
    _gauge(POOL, "Connections to the database, and callers waiting for one.", state=POOL_GAUGES),
    _counter(POOL_EVENTS, "What happened to the pool.", event=POOL_COUNTERS),
    _counter(DB_ERRORS, "Operations the database failed."),
    _counter(WORKER_RESTARTS, "Workers replaced."),
    _counter(DATABASE_RESTARTS, "Embedded database restarted."),
    _family(
        "counter",
        CPU_US,
        "Processor time of all workers, former ones included.",
        divisor=1_000_000,
    ),
    _gauge(RESIDENT_BYTES, "Resident memory of all workers."),
    _gauge(OPEN_FILES, "Open file descriptors of all workers."),
    _gauge(MAX_FILES, "How many descriptors all workers may open."),
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
