"""Connections that can be cut, and a pool that comes back quickly.

psycopg answers a cancelled operation by asking the server to stop and waiting for it, and a dead
network by waiting for ever. Ours are cut instead: at a deadline the socket is shut down, and a
cancellation closes the connection, so that neither waits for a server that does not answer.
"""

import asyncio
import contextlib
import math
import os
import socket
from typing import Any, Final, TypeVar

from psycopg import AsyncConnection, Error, waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from psycopg_pool.base import AttemptWithBackoff

from enforcement.store.settings import StoreSettings

_WAIT_INTERVAL_S: Final = 0.1
# Every statement here finds its rows by an index, in the index's order. Plans are made once a
# session, maybe while the tables are empty and a scan or a sort looks cheap: that plan would then
# be kept as they grow.
_SESSION: Final = (
    "timezone=UTC",
    "plan_cache_mode=force_generic_plan",
    "enable_seqscan=off",
    "enable_sort=off",
)

RV = TypeVar("RV")


class CuttableConnection(AsyncConnection[TupleRow]):
    """An autocommit connection whose operations end when they must, not when the server likes.

    Attributes:
        prepared: Names of the statements that :mod:`enforcement.store.wire` has prepared, by text.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.prepared: dict[str, bytes] = {}

    def cut(self) -> None:
        """Shut the socket down under a running operation, which then fails at once.

        The descriptor is duplicated, since libpq owns the original and closes it later.
        """
        if self.closed:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = _WAIT_INTERVAL_S,
        timeout: float | None = None,  # noqa: ASYNC109  # psycopg's signature
    ) -> RV:
        """Run a libpq operation; when cancelled, close the connection rather than wait."""
        try:
            return await waiting.wait_async(
                gen, self.pgconn.socket, interval=interval, timeout=timeout
            )
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.pgconn.finish()
            raise


class SteadyBackoff(AttemptWithBackoff):
    """Reconnect after 50 ms, then less often, down to twice a second; never give up.

    What fails for half a minute is no restart but a wrong address or password: from then on it is
    tried every five seconds.

    psycopg_pool begins at one second and doubles without bound: measured, that and not the
    database decided how long a service stayed down after a crash of 0.14 s.
    """

    INITIAL_DELAY = 0.05
    LONGEST_DELAY_S: Final = 0.5
    PATIENCE_S: Final = 30.0
    RARE_DELAY_S: Final = 5.0

    def __init__(self) -> None:
        super().__init__(timeout=math.inf)
        self._first_failure_at = math.inf

    def update_delay(self, now: float) -> None:
        """Grow the delay as the base class does, up to the bound."""
        super().update_delay(now)
        self._first_failure_at = min(self._first_failure_at, now)
        lasting = now - self._first_failure_at > self.PATIENCE_S
        self.delay = min(self.delay, self.RARE_DELAY_S if lasting else self.LONGEST_DELAY_S)


class SteadyPool(AsyncConnectionPool[CuttableConnection]):
    """A pool whose reconnections follow :class:`SteadyBackoff`, and that lends what is warm.

    psycopg_pool lends the connection that has rested longest. Each backend has plans and catalogue
    caches of its own: taken in turn, all of them are cold. Measured, the one used last spends a
    sixth less processor time on a gate.

    Attributes:
        trouble: Why the last attempt to connect failed; empty once one succeeded.
    """

    trouble = ""

    async def _connect(self, timeout: float | None = None) -> CuttableConnection:  # noqa: ASYNC109  # psycopg_pool's signature
        try:
            connection = await super()._connect(timeout)
        except Error as error:
            self.trouble = str(error).strip().partition("\n")[0] or type(error).__name__
            raise
        self.trouble = ""
        return connection

    async def _get_ready_connection(self, timeout: float | None) -> CuttableConnection | None:  # noqa: ASYNC109  # psycopg_pool's signature
        self._pool.rotate(1)  # what came back last stands at the end, what is lent at the front
        return await super()._get_ready_connection(timeout)

    async def _add_connection(
        self,
        attempt: AttemptWithBackoff | None,
        growing: bool = False,  # noqa: FBT001, FBT002  # psycopg_pool's signature
    ) -> None:
        await super()._add_connection(attempt or SteadyBackoff(), growing)


def session_options(settings: StoreSettings) -> str:
    """Return what every session is started with: server-side timeouts, and how it plans.

    Raises:
        psycopg.ProgrammingError: The DSN cannot be parsed.
    """
    timeouts = {
        "statement_timeout": settings.statement_timeout_s,
        "lock_timeout": settings.lock_timeout_s,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout_s,
        # A backend whose client is gone notices while it waits or works.
        "client_connection_check_interval": 1.0,
    }
    options = [str(conninfo_to_dict(settings.dsn).get("options", ""))]
    options += [f"-c {name}={round(seconds * 1000)}" for name, seconds in timeouts.items()]
    options += [f"-c {setting}" for setting in _SESSION]
    return " ".join(options).strip()


def make_pool(settings: StoreSettings) -> SteadyPool:
    """Build the pool, closed; connections carry the server-side timeouts.

    Raises:
        psycopg.ProgrammingError: The DSN cannot be parsed.
    """
    return SteadyPool(
        settings.dsn,
        connection_class=CuttableConnection,
        kwargs={
            "autocommit": True,
            "connect_timeout": settings.connect_timeout_s,
            "application_name": settings.application_name,
            "options": session_options(settings),
        },
        min_size=settings.pool_size,
        max_size=settings.pool_size,
        timeout=settings.pool_timeout_s,
        max_waiting=settings.max_waiting or 2 * settings.pool_size,
        name="enforcement",
        open=False,
    )
