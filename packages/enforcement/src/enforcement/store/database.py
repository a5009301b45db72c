"""Transactions bound to a tenant and to a deadline.

Three ways in, all with a hard deadline and one classification of errors:

- ``read``: one statement, one round trip, in a transaction of its own;
- ``run``: a function over a locked transaction, tried again after deadlocks and lost connections;
- ``attempt``: what ``run`` is made of, for the gate, which packs its statements tighter.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncClientCursor
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from enforcement.domain.canonical import canonical_text
from enforcement.domain.enums import Event
from enforcement.store import wire
from enforcement.store.errors import (
    ConnectionLostError,
    DeadlineError,
    OutcomeUnknownError,
    StoreError,
    UnavailableError,
    classify,
)
from enforcement.store.pool import CuttableConnection, make_pool
from enforcement.store.settings import Safety, StoreSettings

if TYPE_CHECKING:
    from enforcement.domain.policy import Policy
    from enforcement.store.tenant_batcher import TenantBatcher

T = TypeVar("T")
Row = tuple[Any, ...]

_ROLLBACK_GRACE_S: Final = 0.1
_RETRY_PAUSE_S: Final = 0.02
_DRAIN_EVERY_S: Final = 0.25


class Database:
    """A pool of connections; every operation of the store takes one as its first argument.

    Use as ``async with Database(settings, safety) as db`` or call :meth:`open` and :meth:`close`.
    ``open`` does not wait for the server: the service must start, and answer fail-safes, with
    PostgreSQL dead.

    Attributes:
        policies: The policy of each tenant as this process last read it.
        gate_flights: Gates of one tenant that are decided together; made by their module.
    """

    def __init__(self, settings: StoreSettings, safety: Safety | None = None) -> None:
        self.settings = settings
        self.safety = safety or Safety()
        self.policies: dict[UUID, Policy] = {}
        self.gate_flights: TenantBatcher[Any, Any] | None = None
        self._pool = make_pool(settings)
        self._drained_at = 0.0
        self._drain: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the pool; connections are made in the background."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Let what is under way end, then close the pool and every connection."""
        if self.gate_flights is not None:
            await self.gate_flights.drain()
        if self._drain is not None:
            await self._drain
        await self._pool.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def statistics(self) -> dict[str, int]:
        """Return the pool's counters (``pool_size``, ``requests_waiting``, ...) for metrics."""
        return self._pool.get_stats()

    def trouble(self) -> str:
        """Return why no connection can be made; empty where the last attempt succeeded."""
        return self._pool.trouble

    def deadline(self, seconds: float | None) -> float:
        """Turn a duration into an instant of the loop's clock; None takes the setting."""
        loop = asyncio.get_running_loop()
        return loop.time() + (self.settings.operation_timeout_s if seconds is None else seconds)

    async def read(
        self,
        tenant_id: UUID,
        query: str,
        parameters: Sequence[Any] = (),
        *,
        deadline_s: float | None = None,
    ) -> list[Row]:
        """Run one statement as a tenant, in one round trip, and return its rows.

        Both statements go in one message, which PostgreSQL runs as one transaction: the tenant
        is set for it and gone after it.

        Raises:
            StoreError: As classified.
        """
        text = f"SELECT enforcement.enter(%s); {query}"
        return await self.fetch(text, (tenant_id, *parameters), deadline_s=deadline_s)

    async def fetch(
        self, query: str, parameters: Sequence[Any] = (), *, deadline_s: float | None = None
    ) -> list[Row]:
        """Run a message of statements without a tenant; return the rows of the last one.

        Raises:
            StoreError: As classified.
        """
        deadline = self.deadline(deadline_s)

        async def once() -> list[Row]:
            async with self.lease(deadline) as lease:
                return await lease.message(query, parameters)

        return await self.retrying(once, deadline)

    async def call(
        self,
        function: str,
        arguments: Sequence[wire.Value],
        *,
        deadline_s: float | None = None,
    ) -> str:
        """Call a function of ours that enters its tenant itself and returns one text.

        Raises:
            StoreError: As classified.
        """
        return await self.text(wire.call(function, arguments), deadline_s=deadline_s)

    async def text(self, *statements: wire.Statement, deadline_s: float | None = None) -> str:
        """Run statements as one message and one transaction; return the text the last one selects.

        They stay prepared, and so are for what is asked again and again.

        Raises:
            StoreError: As classified.
        """
        deadline = self.deadline(deadline_s)

        async def once() -> str:
            async with self.lease(deadline) as lease:
                return await lease.text(*statements)

        return await self.retrying(once, deadline)

    async def run(
        self,
        tenant_id: UUID,
        work: Callable[["Transaction"], Awaitable[T]],
        *,
        deadline_s: float | None = None,
    ) -> T:
        """Run a function in a transaction that holds the tenant's lock, and commit it.

        The function may run several times: it must do nothing but talk to its transaction.

        Raises:
            NotFoundError: ``tenant_unknown``.
            StoreError: As classified.
        """
        deadline = self.deadline(deadline_s)

        async def once() -> T:
            async with self.lease(deadline) as lease:
                rows = await lease.message(
                    "BEGIN; SELECT enforcement.enter_locked(%s, %s, %s)",
                    (tenant_id, self.lock_timeout_ms(deadline), self.safety.lock),
                )
                result = await work(Transaction(lease, tenant_id, rows[0][0]))
                lease.committing = True
                await lease.commit()
                return result

        return await self.retrying(once, deadline)

    def lock_timeout_ms(self, deadline: float) -> int:
        """Return how long to wait for the tenant's lock: the setting, or 80 % of what is left."""
        left = deadline - asyncio.get_running_loop().time()
        return max(1, round(1000 * min(self.settings.lock_timeout_s, 0.8 * left)))

    async def retrying(
        self, once: Callable[[], Awaitable[T]], deadline: float, *, repeatable: bool = False
    ) -> T:
        """Try an operation again after deadlocks and lost connections, within its deadline.

        Args:
            once: The operation.
            deadline: Of all attempts together.
            repeatable: Whether it finds what an attempt has committed whose answer was lost.
        """
        loop = asyncio.get_running_loop()
        for attempt in range(1, self.settings.max_attempts + 1):
            try:
                return await once()
            except StoreError as error:
                if isinstance(error, ConnectionLostError | OutcomeUnknownError):
                    self._replace_connections()
                pause = _RETRY_PAUSE_S * attempt * (0.5 + random.random())  # noqa: S311  # spreads retries, guards nothing
                late = loop.time() + pause >= deadline
                again = error.retryable or (repeatable and isinstance(error, OutcomeUnknownError))
                if late or not again or attempt == self.settings.max_attempts:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _replace_connections(self) -> None:
        """After one connection broke, distrust all idle ones: they likely broke with it."""
        now = asyncio.get_running_loop().time()
        if now - self._drained_at >= _DRAIN_EVERY_S and not self._pool.closed:
            self._drained_at = now
            self._drain = asyncio.create_task(self._pool.drain())

    @contextlib.asynccontextmanager
    async def lease(self, deadline: float) -> AsyncIterator["Lease"]:
        """Lend a connection until a deadline, at which it is cut.

        Leaves no transaction behind, and translates what the driver raises.

        Raises:
            StoreError: As classified.
        """
        loop = asyncio.get_running_loop()
        wait_s = min(self.settings.pool_timeout_s, deadline - loop.time())
        if wait_s <= 0:
            raise DeadlineError("deadline_exceeded", "no time is left for the database")
        try:
            connection = await self._pool.getconn(timeout=wait_s)
        except (PoolTimeout, TooManyRequests, PoolClosed) as error:
            raise UnavailableError(
                "database_unavailable", f"no connection to the database is free: {error}"
            ) from error
        lease = Lease(connection)
        timer = loop.call_at(deadline, lease.cut)
        try:
            yield lease
        except psycopg.Error as error:
            raise classify(error, committing=lease.committing, cut=lease.was_cut) from error
        finally:
            try:
                await lease.settle(loop)
            finally:
                timer.cancel()
                await self._pool.putconn(connection)


class Lease:
    """A connection on loan.

    Attributes:
        committing: Set just before a commit is sent: from then on a loss is an unknown outcome.
        was_cut: The deadline passed and the socket was shut down.
    """

    def __init__(self, connection: CuttableConnection) -> None:
        self.connection = connection
        self.committing = False
        self.was_cut = False

    def cut(self) -> None:
        """Shut the connection down; whatever runs on it fails at once."""
        self.was_cut = True
        self.connection.cut()

    async def message(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Send statements as one message, parameters bound here; return the last one's rows."""
        cursor = AsyncClientCursor(self.connection)
        await cursor.execute(query, parameters)
        while cursor.nextset():
            pass
        return [] if cursor.description is None else await cursor.fetchall()

    async def text(self, *statements: wire.Statement) -> str:
        """Run statements as one message, the quick way; return the text the last one selects."""
        value = await wire.exchange(self.connection, *statements)
        return "" if value is None else value.decode()

    async def commit(self) -> None:
        """Commit."""
        self.committing = True
        await wire.exchange(self.connection, wire.COMMIT)

    async def settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Roll back what is open; a connection that cannot is cut and thrown away.

        Not by a cursor: psycopg then forgets what it has prepared, and has the server forget all.
        """
        if self.connection.pgconn.transaction_status in {
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        }:
            timer = loop.call_later(_ROLLBACK_GRACE_S, self.cut)
            try:
                await wire.exchange(self.connection, wire.ROLLBACK)
            except psycopg.Error:
                await self.connection.close()
            finally:
                timer.cancel()


class Transaction:
    """An open transaction that holds its tenant's lock.

    Attributes:
        tenant_id: Whose rows it sees, by row-level security.
        now: The database's clock, read after the lock was taken.
    """

    def __init__(self, lease: Lease, tenant_id: UUID, now: datetime) -> None:
        self._lease = lease
        self.tenant_id = tenant_id
        self.now = now

    async def all(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a statement and return its rows."""
        cursor = await self._lease.connection.execute(query, parameters)
        return [] if cursor.description is None else await cursor.fetchall()

    async def one(self, query: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Run a statement and return its first row, or None."""
        rows = await self.all(query, parameters)
        return rows[0] if rows else None

    async def record(
        self, event: Event, actor: UUID, payload: object, *, decision_id: UUID | None = None
    ) -> None:
        """Append an event to the tenant's ledger, and make the tables what it says.

        Raises:
            ConflictError: The event does not fit what is there.
        """
        await self.all(
            "SELECT enforcement.record(%s, %s, %s, %s, %s, %s)",
            (self.tenant_id, event.value, self.now, actor, decision_id, canonical_text(payload)),
        )
