"""What the enforcement evidence protocol asks, as one value.

docs/ops/enforcement_stress_evidence_protocol.md explains every floor and every variable in it.
"""

from typing import Final

from msgspec.structs import replace

from enforcement_suite.unsupported import UNSUPPORTED
from stressproof.config.stress_requirements import StressRequirements
from stressproof.suite import (
    CounterProbe,
    HealthProbe,
    LocalService,
    ParityProbe,
    Probes,
    Suite,
    Variables,
)

PREFIX: Final = "/api/v1/enforcement"
STRESS_PREFIX: Final = "ENFORCEMENT_STRESS_EVIDENCE_"
FAILURE_PREFIX: Final = "ENFORCEMENT_FAILURE_INJECTION_EVIDENCE_"
RUNNER: Final = "scripts/load_test_api.py"

_HEALTH: Final = StressRequirements(
    profile="health",
    runner=RUNNER,
    min_rounds=3,
    min_duration_seconds=30,
    min_concurrent_users=10,
    gate_asks_service=True,
    counters_in_detail=True,
    require_health=True,
    max_p95_seconds=1.0,
    max_error_rate_percent=1.0,
    min_throughput_rps=1.0,
    required_endpoints=("/health/live",),
)
_HEALTH_DEEP: Final = replace(
    _HEALTH,
    profile="health_deep",
    database_engine="postgresql",
    database_in_detail=True,
    max_p95_seconds=4.0,
    max_error_rate_percent=2.0,
    min_throughput_rps=0.2,
    required_endpoints=("/health/live", "/health"),
)
_ENFORCEMENT: Final = replace(
    _HEALTH,
    profile="enforcement",
    users_of_any_executor=True,
    gate_max_age_hours=24.0,
    database_engine="postgresql",
    database_in_detail=True,
    # Each read is a transaction; a session may report one in ten late.
    min_transactions_per_success=0.9,
    # Books that were never compared agree with anything.
    min_parity_compared=1,
    max_p95_seconds=2.0,
    min_throughput_rps=0.5,
    load_limits=("read_tenant_per_minute", "read_global_per_minute"),
    required_endpoints=(
        f"{PREFIX}/policies",
        f"{PREFIX}/ledger?limit=50",
        f"{PREFIX}/exports/parity?limit=50",
    ),
)

SUITE: Final = Suite(
    name="enforcement",
    version="0.2.0",
    stress=(_ENFORCEMENT, _HEALTH, _HEALTH_DEEP),
    failure="enforcement_suite.failure_requirements:FAILURE",
    failure_file="enforcement_suite.failure_requirements:FILE",
    failure_page="docs/ops/enforcement_failure_injection_matrix.md",
    unsupported=UNSUPPORTED,
    profiles="enforcement_suite.profiles:PROFILES",
    variables=Variables(
        stress=STRESS_PREFIX,
        failure=FAILURE_PREFIX,
    ),
    local_service=LocalService(
        state_folder="enforcement", start="enforcement serve", issue="enforcement token"
    ),
    probes=Probes(
        health=HealthProbe(
            path="/health",
            members={
                "instance_id": "instance_id",
                "version": "build.version",
                "git_commit": "build.git_commit",
                "git_dirty": "build.git_dirty",
                "started_at": "started_at",
                "uptime_seconds": "uptime_seconds",
                "workers": "workers",
                "status": "status",
                "database_engine": "database.engine",
                "database_engine_source": "database.source",
                "server_version": "database.server_version",
                "system_identifier": "database.system_identifier",
                "fsync": "database.fsync",
                "synchronous_commit": "database.synchronous_commit",
                "migration_head": "database.migration_head",
                "transactions_committed": "database.xact_commit",
                "wal_bytes": "database.wal_lsn",
                "journal_sequence": "ledger.sequence",
                "journal_hash": "ledger.entry_hash",
            },
        ),
        counters=CounterProbe(
            path="/metrics",
            metric="http_server_requests_total",
            duration_metric="http_server_request_duration_seconds",
        ),
        parity=ParityProbe(
            path=f"{PREFIX}/exports/parity?limit=1000",
            members={
                "compared": "decisions",
                "agreed": "parity_ok",
                "first_sequence": "first_sequence",
                "last_sequence": "last_sequence",
                "records_sha256": "decisions_sha256",
                "journal_sha256": "ledger_sha256",
            },
        ),
        limits=f"{PREFIX}/limits",
    ),
    demo="enforcement_suite.demo:command",
    documentation="docs/ops/enforcement_stress_evidence_protocol.md",
)
"""The value that the entry point ``enforcement`` and this repository's scripts name."""
