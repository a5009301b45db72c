"""Health and metrics: what operators and evidence ask, without a token."""

import time
from datetime import UTC, datetime

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from enforcement.api import paths
from enforcement.api.counters import CounterFile
from enforcement.api.worker_config import Build, Wiring
from enforcement.domain.timestamps import rfc3339
from enforcement.logs import Log
from enforcement.store import health
from enforcement.store.database import Database
from enforcement.store.errors import StoreError

HEALTH_DEADLINE_S = 1.0
_NS = 1_000_000_000


class LiveView(msgspec.Struct, frozen=True, kw_only=True):
    """That this process answers; nothing else was asked."""

    status: str = "healthy"


class DatabaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What the database said of itself just now; all null where it said nothing."""

    status: str
    engine: str | None = None
    source: str | None = None
    server_version: str | None = None
    system_identifier: str | None = None
    fsync: str | None = None
    synchronous_commit: str | None = None
    migration_head: str | None = None
    latency_ms: float | None = None


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """The service as a whole.

    Attributes:
        unsafe: Protections that a test switched off; empty in any service that is one.
    """

    status: str
    timestamp: str
    instance_id: str
    build: Build
    started_at: str
    uptime_seconds: float
    workers: int
    unsafe: list[str]
    database: DatabaseView


def handlers(
    db: Database, counters: CounterFile, worker_config: Wiring, log: Log
) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a database and to the counters of all workers."""

    @get(paths.LIVE, operation_id="readLiveness")
    async def read_liveness() -> LiveView:
        """Say that this process answers; depends on nothing."""
        return LiveView()

    @get(paths.HEALTH, operation_id="readHealth")
    async def read_health() -> Response[HealthView]:
        """Say what the service is and whether its database answers; 503 where it does not."""
        database = await _ask(db, log)
        up = database.status == "up"
        uptime_s = (time.monotonic_ns() - worker_config.started_monotonic_ns) / _NS
        view = HealthView(
            status="healthy" if up else "unhealthy",
            timestamp=rfc3339(datetime.now(UTC)),
            instance_id=worker_config.instance_id,
            build=worker_config.build,
            started_at=worker_config.started_at,
            uptime_seconds=round(uptime_s, 3),
            workers=worker_config.settings.workers,
            unsafe=list(worker_config.settings.unsafe),
            database=database,
        )
        return Response(view, status_code=200 if up else 503)

    @get(paths.METRICS, operation_id="readMetrics", media_type="text/plain")
    async def read_metrics() -> Response[str]:
        """Return the counters of all workers together, in the Prometheus text format."""
        return Response(counters.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [read_liveness, read_health, read_metrics]


async def _ask(db: Database, log: Log) -> DatabaseView:
    try:
        facts = await health.facts(db, deadline_s=HEALTH_DEADLINE_S)
    except StoreError as error:
        log.warning("database_down", code=error.code, detail=error.detail)
        return DatabaseView(status="down")
    return DatabaseView(
        status="up",
        engine="postgresql",
        source="db-query",
        server_version=facts.server_version,
        system_identifier=facts.system_identifier,
        fsync=facts.fsync,
        synchronous_commit=facts.synchronous_commit,
        migration_head=facts.migration_head,
        latency_ms=round(facts.latency_ms, 3),
    )
