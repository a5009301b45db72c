"""The application of one worker: everything made and bound together, nothing global."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import License
from litestar.routes import HTTPRoute

from enforcement.api import bodies, openapi, paths, sampling, sweeping
from enforcement.api.access import Access, AccessMiddleware
from enforcement.api.admission import Admissions
from enforcement.api.approval_tokens import ApprovalTokens
from enforcement.api.authentication import BearerTokens, Principals, Visitors, now_utc
from enforcement.api.bodies import StrictRequest
from enforcement.api.bulkhead import Bulkhead
from enforcement.api.counters import CounterFile, Slot
from enforcement.api.gate import Gate
from enforcement.api.journal import Journal
from enforcement.api.problems import ProblemWriter
from enforcement.api.routes import approvals, gates, money, operation, records, reservations
from enforcement.api.worker_config import WorkerConfig
from enforcement.domain import policy
from enforcement.domain.errors import EnforcementError
from enforcement.domain.failsafe import FailsafeEntry
from enforcement.domain.identity import Caller
from enforcement.domain.policy import Policy
from enforcement.domain.request import GateRequest
from enforcement.logs import Log
from enforcement.store import failsafes, tenants
from enforcement.store import gates as gate_store
from enforcement.store import limits as limit_store
from enforcement.store import policies as policy_store
from enforcement.store.database import Database
from enforcement.store.errors import StoreError
from enforcement.store.gates import GateAnswer
from enforcement.store.limits import Admission, Limits

FIRST_CONNECTION_S: Final = 1.0
# Of the gate timeout, for the limiter; the rest is the decision's.
ADMIT_SHARE: Final = 0.3
# Of a worker's connections: what one tenant's reads or writes may hold, and what all reads may.
TENANT_SHARE: Final = 4
READ_SHARE: Final = 2


class Backend:
    """The store as the parts of the API see it: each asks for less than all of it.

    Args:
        db: The pool.

    Attributes:
        limits: Of each tenant, as last read.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self.limits: dict[UUID, Limits] = {}
        self._warming: set[asyncio.Task[None]] = set()

    async def __call__(self, tenant_id: UUID, principal_id: UUID) -> Caller:
        """Look a principal up, and have its tenant's policy at hand for fail-safes."""
        caller = await tenants.authenticate(self._db, tenant_id, principal_id)
        task = asyncio.ensure_future(self._warm(tenant_id))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)
        return caller

    async def _warm(self, tenant_id: UUID) -> None:
        """Have at hand what an outage needs: the tenant's policy and its limits."""
        # A failure is met again, and reported, by whatever asks next.
        with contextlib.suppress(EnforcementError):
            await policy_store.current(self._db, tenant_id)
            self.limits[tenant_id] = await limit_store.read(self._db, tenant_id)

    async def admit(
        self, tenant_id: UUID, bucket: str, count: int, *, deadline_s: float | None = None
    ) -> Admission:
        """Count requests against the shared limits."""
        return await limit_store.admit(
            self._db, tenant_id, bucket=bucket, count=count, deadline_s=deadline_s
        )

    def known_limits(self, tenant_id: UUID) -> Limits | None:
        """Return a tenant's limits as last read."""
        return self.limits.get(tenant_id)

    async def evaluate(
        self, caller: Caller, request: GateRequest, *, deadline_s: float, decision_id: UUID
    ) -> GateAnswer:
        """Decide a gate request; the store lets those of one tenant travel together."""
        return await gate_store.evaluate(
            self._db, caller, request, deadline_s=deadline_s, decision_id=decision_id
        )

    def known_policy(self, tenant_id: UUID) -> Policy | None:
        """Return a tenant's policy as last read."""
        return gate_store.known_policy(self._db, tenant_id)

    async def record(self, entry: FailsafeEntry) -> bool:
        """Write a fail-safe to the ledger."""
        return await failsafes.record_failsafe(self._db, entry)


class Parts(msgspec.Struct, kw_only=True):
    """What a worker's application is made of."""

    worker_config: WorkerConfig
    db: Database
    counters: CounterFile
    slot: Slot
    journal: Journal
    log: Log


def build(parts: Parts) -> Litestar:
    """Return the application; its life opens the pool and replays the journal."""
    settings = parts.worker_config.settings
    width = max(1, settings.pool_size // TENANT_SHARE)
    backend = Backend(parts.db)
    admissions = Admissions(
        backend,
        workers=settings.workers,
        slot=parts.slot,
        wait_s=ADMIT_SHARE * settings.gate_timeout_seconds,
        enforced="limits_off" not in settings.unsafe,
    )
    gate = Gate(
        backend,
        lambda tenant_id, left_s: admissions.confirm(tenant_id, limit_store.GATE, left_s),
        parts.journal,
        timeout_s=settings.gate_timeout_seconds,
        slot=parts.slot,
        log=parts.log,
        clock=now_utc,
    )
    tokens = BearerTokens(
        secret=settings.jwt_secret,
        fallback_secrets=settings.jwt_fallback_secrets,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        slot=parts.slot,
    )
    principals = Principals(
        backend,
        ttl_s=settings.principal_ttl_seconds,
        max_age_s=settings.principal_max_age_seconds,
        slot=parts.slot,
    )
    access_middleware = AccessMiddleware(
        tokens,
        principals,
        admissions,
        reads=Bulkhead(width, max(1, settings.pool_size // READ_SHARE)),
        writes=Bulkhead(width, settings.pool_size),
        wait_s=settings.operation_timeout_seconds,
        max_body_bytes=settings.max_body_bytes,
    )
    tenant_routes: list[HTTPRouteHandler] = [
        *money.handlers(parts.db),
        *gates.handlers(gate),
        *approvals.handlers(
            parts.db, ApprovalTokens(settings.approval_secret, settings.approval_fallback_secrets)
        ),
        *reservations.handlers(parts.db, parts.slot),
        *records.handlers(parts.db),
    ]

    @contextlib.asynccontextmanager
    async def life(_: Litestar) -> AsyncIterator[None]:
        async with _living(parts, backend):
            yield

    handlers = [
        *operation.handlers(
            parts.db, parts.counters, parts.worker_config, parts.log, Visitors(tokens, principals)
        ),
        *tenant_routes,
    ]
    built = _describe(handlers, parts.worker_config.build.version)
    document = msgspec.json.encode(built)

    @get(paths.OPENAPI, include_in_schema=False)
    async def read_openapi() -> Response[bytes]:
        return Response(document, media_type="application/json")

    app = Litestar(
        route_handlers=[*handlers, read_openapi],
        middleware=[access_middleware],
        request_class=StrictRequest,
        exception_handlers={Exception: ProblemWriter(parts.log)},
        lifespan=[life],
        logging_config=None,
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
    )
    _teach_query_names(app, openapi.query_names(built))
    return app


def _describe(handlers: list[HTTPRouteHandler], version: str) -> dict[str, Any]:
    """Return the OpenAPI document, from an application that serves nothing.

    The framework ties the document to pages that show it, which this service does not have.
    """
    described = Litestar(
        route_handlers=list(handlers),
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Enforcement",
            version=version,
            description="Decides whether a change may cost what it will cost.",
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            use_handler_docstrings=True,
        ),
    )
    return openapi.document(described.openapi_schema, _request_types())


def _request_types() -> frozenset[str]:
    """Return the names of all types that refuse unknown fields."""
    found = set()
    for module in (bodies, policy):
        for name, value in vars(module).items():
            if not (isinstance(value, type) and issubclass(value, msgspec.Struct)):
                continue
            if value.__struct_config__.forbid_unknown_fields:
                found.add(name)
    return frozenset(found)


def _handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods):
                    yield str(method), paths.template(route.path), handler


def _teach_query_names(app: Litestar, names: dict[tuple[str, str], frozenset[str]]) -> None:
    """Give every tenant route the names its query may hold, and check the list of routes.

    Raises:
        RuntimeError: A handler lacks its access rules, or the list of routes is not complete.
    """
    served = set()
    for method, path, handler in _handlers(app):
        if method == "OPTIONS":
            continue
        served.add((method, path))
        rules: Access | None = handler.opt.get("access")
        if rules is not None:
            taught = msgspec.structs.replace(rules, query=names[method, path])
            handler.opt = {**handler.opt, "access": taught}
        elif path.startswith(paths.PREFIX):
            raise RuntimeError(f"{method} {path} lets everybody pass")
    if served != set(paths.ROUTES):
        raise RuntimeError(f"routes differ from the list: {served ^ set(paths.ROUTES)}")


@contextlib.asynccontextmanager
async def _living(parts: Parts, backend: Backend) -> AsyncIterator[None]:
    """Open the pool, and keep the background going.

    Nothing is accepted before the first connection stands, so a worker that replaces another does
    not begin with refusals; a database that is down delays it by a second and no more.
    """
    parts.journal.open()
    await parts.db.open()
    tasks = [
        asyncio.create_task(sampling.beat(parts.slot)),
        asyncio.create_task(parts.journal.replay(backend.record)),
        asyncio.create_task(sampling.sample_pool(parts.db, parts.slot, parts.log)),
        asyncio.create_task(sampling.sample_process(parts.slot)),
        asyncio.create_task(
            sweeping.keep(
                parts.db,
                parts.slot,
                parts.log,
                every_s=parts.worker_config.settings.sweep_seconds,
            )
        ),
    ]
    with contextlib.suppress(StoreError):
        await parts.db.fetch("SELECT 1", deadline_s=FIRST_CONNECTION_S)
    parts.slot.ready()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(StoreError):
            await parts.db.close()
        parts.journal.close()
