"""Health and metrics: what operators and evidence ask.

Anybody learns whether the service is up, and which instance answers. What it is built of, and what
its database says of itself, is for whoever shows a token.
"""

import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from enforcement.api import paths
from enforcement.api.authentication import Visitors
from enforcement.api.coalescing import Coalesced
from enforcement.api.counters import CounterFile
from enforcement.api.refusals import RefusalError
from enforcement.api.worker_config import Build, WorkerConfig
from enforcement.domain.timestamps import rfc3339
from enforcement.logs import Log
from enforcement.store import health, ledger
from enforcement.store.database import Database
from enforcement.store.errors import StoreError
from enforcement.store.ledger import LedgerEnd

HEALTH_DEADLINE_S: Final = 1.0
METRICS_SPACING_S: Final = 0.05
METRICS_MAX_AGE_S: Final = 1.0
# The framework names the character set.
_EXPOSITION: Final = "text/plain; version=0.0.4"
_NS: Final = 1_000_000_000

Visit = Request[Any, Any, State]


class LiveView(msgspec.Struct, frozen=True, kw_only=True):
    """That this process answers; nothing else was asked."""

    status: str = "healthy"


class DatabaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What the database said of itself just now; all null where it said nothing.

    Attributes:
        xact_commit: Transactions committed, as ``pg_stat_database`` has them.
        wal_lsn: Where the write-ahead log ends, in bytes.
    """

    status: str
    engine: str | None = None
    source: str | None = None
    server_version: str | None = None
    system_identifier: str | None = None
    fsync: str | None = None
    synchronous_commit: str | None = None
    migration_head: str | None = None
    xact_commit: int | None = None
    wal_lsn: int | None = None
    latency_ms: float | None = None


class HealthView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The service as a whole; all but the first two for whoever shows a token.

    Attributes:
        unsafe: Protections that a test switched off; empty in any service that is one.
        ledger: Where the ledger of the caller's tenant ends; absent where it could not be read.
    """

    status: str
    instance_id: str
    timestamp: str | None = None
    build: Build | None = None
    started_at: str | None = None
    uptime_seconds: float | None = None
    workers: int | None = None
    unsafe: list[str] | None = None
    database: DatabaseView | None = None
    ledger: LedgerEnd | None = None


def handlers(
    db: Database, counters: CounterFile, worker_config: WorkerConfig, log: Log, visitors: Visitors
) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a database and to the counters of all workers."""
    database = Coalesced(lambda: _ask(db, log))
    exposition = Exposition(counters)

    @get(paths.LIVE, operation_id="readLiveness")
    async def read_liveness() -> LiveView:
        """Say that this process answers; depends on nothing."""
        return LiveView()

    @get(paths.HEALTH, operation_id="readHealth")
    async def read_health(request: Visit) -> Response[HealthView]:
        """Say whether the service and its database answer; 503 where the database does not.

        With a token, also what the service is, what its database says of itself, and where the
        ledger of the caller's tenant ends.
        """
        tenant_id = await visitors.tenant_of(request.headers.get("authorization"))
        said = await database.ask()
        up = said.status == "up"
        view = HealthView(
            status="healthy" if up else "unhealthy", instance_id=worker_config.instance_id
        )
        if tenant_id is not None:
            end = await _ledger_end(db, tenant_id, log) if up else None
            view = _in_full(view, worker_config, said, end)
        return Response(view, status_code=200 if up else 503)

    @get(paths.METRICS, operation_id="readMetrics", media_type="text/plain")
    async def read_metrics(request: Visit) -> Response[str]:
        """Return the counters of all workers together, in the Prometheus text format.

        With a token, as they are once the request has arrived; else a copy of at most a second.
        """
        if await visitors.tenant_of(request.headers.get("authorization")) is not None:
            text = await exposition.exact()
        elif worker_config.settings.public_metrics:
            text = exposition.recent()
        else:
            raise RefusalError(
                401,
                "token_missing",
                "this service shows its metrics to bearers of a token",
                headers={"www-authenticate": "Bearer"},
            )
        return Response(text, media_type=_EXPOSITION)

    return [read_liveness, read_health, read_metrics]


class Exposition:
    """The metrics as text, made no more often than the event loop can bear.

    Args:
        counters: Of all workers.
    """

    def __init__(self, counters: CounterFile) -> None:
        self._counters = counters
        self._text = ""
        self._made_at = -METRICS_MAX_AGE_S
        self._together = Coalesced(self._make, spacing_s=METRICS_SPACING_S)

    async def exact(self) -> str:
        """Return them as they are after this call, made once for all who ask meanwhile."""
        return await self._together.ask()

    def recent(self) -> str:
        """Return a copy of at most a second."""
        if time.monotonic() - self._made_at >= METRICS_MAX_AGE_S:
            self._render()
        return self._text

    async def _make(self) -> str:
        return self._render()

    def _render(self) -> str:
        self._made_at = time.monotonic()
        self._text = self._counters.render()
        return self._text


def _in_full(
    view: HealthView, worker_config: WorkerConfig, database: DatabaseView, end: LedgerEnd | None
) -> HealthView:
    uptime_s = (time.monotonic_ns() - worker_config.started_monotonic_ns) / _NS
    return msgspec.structs.replace(
        view,
        timestamp=rfc3339(datetime.now(UTC)),
        build=worker_config.build,
        started_at=worker_config.started_at,
        uptime_seconds=round(uptime_s, 3),
        workers=worker_config.settings.workers,
        unsafe=list(worker_config.settings.unsafe),
        database=database,
        ledger=end,
    )


async def _ledger_end(db: Database, tenant_id: UUID, log: Log) -> LedgerEnd | None:
    try:
        return await ledger.end(db, tenant_id, deadline_s=HEALTH_DEADLINE_S)
    except StoreError as error:
        log.warning("ledger_end_unknown", code=error.code, detail=error.detail)
        return None


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
        xact_commit=facts.xact_commit,
        wal_lsn=facts.wal_lsn,
        latency_ms=round(facts.latency_ms, 3),
    )
