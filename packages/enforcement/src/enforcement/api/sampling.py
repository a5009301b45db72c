"""What a worker shows of itself now and then: that it lives, its pool, what it uses."""

import asyncio
import resource
import time
from pathlib import Path
from typing import Any, Final

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.logs import Log
from enforcement.store.database import Database

BEAT_S: Final = 0.25
POOL_SAMPLE_S: Final = 1.0
PROCESS_SAMPLE_S: Final = 2.0
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")


async def beat(slot: Slot) -> None:
    """Show the parent that this event loop turns."""
    while True:
        slot.beat()
        await asyncio.sleep(BEAT_S)


async def sample_pool(db: Database, slot: Slot, log: Log) -> None:
    """Show the pool's state; its counters begin at zero in every process, ours do not.

    That no connection can be made is told once with its reason, and once that it is over.
    """
    told = ""
    before: dict[str, int] = {}
    while True:
        now: dict[str, Any] = db.statistics()
        for gauge in metrics.POOL_GAUGES:
            slot.set(metrics.POOL, int(now.get(gauge, 0)), (gauge,))
        for event in metrics.POOL_COUNTERS:
            slot.add(
                metrics.POOL_EVENTS, (event,), max(0, int(now.get(event, 0)) - before.get(event, 0))
            )
        trouble = db.trouble()
        if trouble and not told:
            log.error("database_unreachable", reason=trouble)
        elif told and not trouble:
            log.info("database_reachable")
        told = trouble
        before = {event: int(now.get(event, 0)) for event in metrics.POOL_COUNTERS}
        await asyncio.sleep(POOL_SAMPLE_S)


async def sample_process(slot: Slot) -> None:
    """Show what this process uses; its processor time goes on from its predecessor's."""
    page_bytes = resource.getpagesize()
    before_us = 0
    while True:
        now_us = time.process_time_ns() // 1000
        slot.add(metrics.CPU_US, amount=now_us - before_us)
        before_us = now_us
        resident_pages = int(_STATM.read_text().split()[1])
        slot.set(metrics.RESIDENT_BYTES, resident_pages * page_bytes)
        slot.set(metrics.OPEN_FILES, sum(1 for _ in _DESCRIPTORS.iterdir()))
        slot.set(metrics.MAX_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        await asyncio.sleep(PROCESS_SAMPLE_S)
