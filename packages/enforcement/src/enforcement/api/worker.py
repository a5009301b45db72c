"""One worker process: ``python -m enforcement.api.worker FD``, started by ``enforcement serve``.

It reads its configuration from the pipe FD, asks the kernel to be killed with its parent, and
serves.
"""

import ctypes
import functools
import logging
import math
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec
import uvicorn

from enforcement.api import metrics
from enforcement.api.acceptor import WorkerServer
from enforcement.api.app import Parts, build
from enforcement.api.connections import Connections, room_for
from enforcement.api.counters import CounterFile
from enforcement.api.instrumentation import Instrumentation
from enforcement.api.journal import Journal
from enforcement.api.paths import ROUTES
from enforcement.api.protocol import BoundedProtocol, Bounds
from enforcement.api.worker_config import WorkerConfig
from enforcement.logs import Bridge, Log, place_of
from enforcement.settings import Settings
from enforcement.store.database import Database
from enforcement.store.settings import Safety, StoreSettings

_PR_SET_PDEATHSIG: Final = 1
POOL_TIMEOUT_S: Final = 1.5
MAX_WAITING: Final = 256


def die_with(parent_pid: int) -> None:
    """Be killed when the parent dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the kernel was asked.
    if os.getppid() != parent_pid:
        sys.exit("enforcement worker: the parent process is gone")


def store_settings(settings: Settings, slot: int) -> StoreSettings:
    """Return what the store is told."""
    return StoreSettings(
        dsn=settings.dsn,
        pool_size=settings.pool_size,
        pool_timeout_s=POOL_TIMEOUT_S,
        max_waiting=MAX_WAITING,
        statement_timeout_s=settings.statement_timeout_seconds,
        lock_timeout_s=settings.lock_timeout_seconds,
        operation_timeout_s=settings.operation_timeout_seconds,
        application_name=f"enforcement-worker-{slot}",
    )


def safety(unsafe: tuple[str, ...]) -> Safety:
    """Return which protections are on."""
    return Safety(
        idempotency="idempotency_off" not in unsafe,
        lock="lock_off" not in unsafe,
        limits="limits_off" not in unsafe,
    )


def serve(worker_config: WorkerConfig) -> None:
    """Serve until told to stop."""
    settings = worker_config.settings
    log = Log("worker", slot=worker_config.slot, instance_id=worker_config.instance_id)
    Bridge(log).install()
    # It repeats itself for every connection and attempt; we tell it once, with the reason.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    counters = CounterFile(
        Path(worker_config.counter_path), settings.workers, metrics.layout(ROUTES)
    )
    slot = counters.slot(worker_config.slot)
    journal = Journal(
        Path(worker_config.journal_dir),
        slot_number=worker_config.slot,
        workers=settings.workers,
        slot=slot,
        log=log,
    )
    parts = Parts(
        worker_config=worker_config,
        db=Database(store_settings(settings, worker_config.slot), safety(settings.unsafe)),
        counters=counters,
        slot=slot,
        journal=journal,
        log=log,
    )
    app = Instrumentation(build(parts), slot, log, settings.request_log, worker=worker_config.slot)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(settings.idle_timeout_seconds),
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
    )
    connections = Connections(
        room_for(settings.max_connections, settings.pool_size),
        counters,
        worker_config.slot,
        slot,
        log,
    )
    protocol = functools.partial(
        BoundedProtocol,
        connections=connections,
        bounds=Bounds(
            request_s=settings.request_timeout_seconds,
            idle_s=settings.idle_timeout_seconds,
            body_bytes=settings.max_body_bytes,
        ),
        count_refusal=app.count_refusal,
        always=app.always,
    )
    listener = socket.socket(fileno=worker_config.listener_fd)
    WorkerServer(config, listener, connections, protocol).run()


def main() -> None:
    """Read the configuration from the pipe named on the command line, then serve."""
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        worker_config = msgspec.json.decode(pipe.read(), type=WorkerConfig)
    die_with(worker_config.parent_pid)
    try:
        serve(worker_config)
    except Exception as error:  # noqa: BLE001  # no traceback ever reaches a user
        Log("worker", slot=worker_config.slot).error(
            "worker_failed", error=type(error).__name__, detail=str(error), place=place_of(error)
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
