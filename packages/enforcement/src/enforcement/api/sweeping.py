"""The scheduled sweep of this worker, which takes turns with the others."""

import asyncio

import msgspec

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.domain.errors import EnforcementError
from enforcement.logs import Log
from enforcement.store import sweep
from enforcement.store.database import Database


async def keep(db: Database, slot: Slot, log: Log, *, every_s: float) -> None:
    """Sweep now and then, as long as this runs; show what was expired and what waits."""
    while True:
        await asyncio.sleep(every_s)
        try:
            swept = await sweep.sweep(db)
        except EnforcementError as error:
            # A database that is away is told of by the pool; this comes back by itself.
            log.warning("sweep_failed", code=error.code, detail=error.detail)
            continue
        slot.add(metrics.SWEPT, amount=swept.expired)
        # Workers' gauges add up: only the one that swept shows what it saw.
        seen = {} if swept.backlog is None else msgspec.structs.asdict(swept.backlog)
        for what in metrics.BACKLOGS:
            slot.set(metrics.BACKLOG, seen.get(what, 0), (what,))
        for tenant_id, reason in swept.failed:
            log.warning("sweep_left_out", tenant_id=str(tenant_id), detail=reason)
        if swept.expired:
            log.info("swept", expired=swept.expired)
