"""The shortest way over a connection: statements out in one message, their last value back as text.

A cursor of psycopg adapts any type both ways and waits through layers of generators, which took
more than half of a gate's time on our side. The calls that matter for speed pass plain values to
a function of ours and take one text back; for those, this speaks to libpq itself. Each statement
is prepared once a connection: reading a call as SQL, its long texts included, and planning it took
the server a tenth of a gate.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from psycopg import DataError, InternalError, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from enforcement.store.pool import CuttableConnection

Value = None | bool | int | str | UUID | datetime | Sequence[str]

_LOOK_EVERY_S: Final = 0.1
_FINE: Final = frozenset(
    {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.PIPELINE_SYNC, ExecStatus.EMPTY_QUERY}
)


class Statement(NamedTuple):
    """SQL with a value for each ``$1``, ``$2``, ...; of few texts, since each is kept prepared."""

    text: str
    values: Sequence[Value] = ()


BEGIN: Final = Statement("BEGIN")
COMMIT: Final = Statement("COMMIT")
ROLLBACK: Final = Statement("ROLLBACK")


def call(function: str, values: Sequence[Value]) -> Statement:
    """Return the call of a function of ours."""
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    return Statement(f"SELECT enforcement.{function}({places})", values)


def enter(tenant_id: UUID) -> Statement:
    """Return what makes a transaction a tenant's: it sees that tenant's rows and no others."""
    return call("enter", (tenant_id,))


def _encoded(value: Value) -> bytes | None:
    """Return a value as PostgreSQL reads it from a text.

    Raises:
        psycopg.DataError: A text holds U+0000, which PostgreSQL cannot keep.
    """
    if value is None:
        return None
    if isinstance(value, int):  # booleans too
        return str(value).lower().encode()
    text = _text(value)
    if "\x00" in text:
        raise DataError("a PostgreSQL text holds no U+0000")
    return text.encode()


def _text(value: str | UUID | datetime | Sequence[str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    # An array without a type takes the parameter's.
    items = (item.replace("\\", "\\\\").replace('"', '\\"') for item in value)
    return "{" + ",".join(f'"{item}"' for item in items) + "}"


async def exchange(connection: CuttableConnection, *statements: Statement) -> bytes | None:
    """Run statements as one message; return the last value they select, as text.

    The first that fails is the last that runs. A caller that is cancelled closes the connection
    rather than wait for the server.

    Raises:
        psycopg.Error: As a cursor would; also where a COMMIT was a rollback.
    """
    encoded = [[_encoded(value) for value in values] for _, values in statements]
    pgconn, names = connection.pgconn, connection.prepared
    for text, _ in statements:
        if text not in names:
            await _prepare(connection, text)
    pgconn.enter_pipeline_mode()
    for (text, _), values in zip(statements, encoded, strict=True):
        pgconn.send_query_prepared(names[text], values)
    return _last_value(await _results(pgconn), rollback=ROLLBACK in statements)


async def _prepare(connection: CuttableConnection, text: str) -> None:
    """Prepare a statement; it stays, whatever becomes of the transaction."""
    name = b"enforcement_%d" % len(connection.prepared)
    connection.pgconn.enter_pipeline_mode()
    connection.pgconn.send_prepare(name, text.encode())
    _last_value(await _results(connection.pgconn), rollback=False)
    connection.prepared[text] = name


async def _results(pgconn: PGconn) -> list[PGresult]:
    """Send what was said and return what comes of it."""
    pgconn.pipeline_sync()
    try:
        results = await _Exchange(pgconn).results()
    except (asyncio.CancelledError, KeyboardInterrupt):
        pgconn.finish()
        raise
    pgconn.exit_pipeline_mode()
    return results


def _last_value(results: Sequence[PGresult], *, rollback: bool) -> bytes | None:
    value: bytes | None = None
    for result in results:
        if result.status not in _FINE:
            raise error_from_result(result)
        if result.command_status == b"ROLLBACK" and not rollback:
            raise InternalError("the server rolled the transaction back at commit")
        if result.status == ExecStatus.TUPLES_OK:
            value = result.get_value(0, 0) if result.ntuples else None
    return value


class _Exchange:
    """One message under way: flushed while the socket takes it, read while it gives.

    Beside that it looks by itself, ten times a second, as psycopg does. libuv stops to watch a
    socket once it has reported an error on it, and what was readable at that moment, a farewell of
    the server before the connection was reset, would be the last that was ever heard: the caller
    would wait for ever.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._results: list[PGresult] = []
        self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look)

    async def results(self) -> list[PGresult]:
        descriptor = self._pgconn.socket
        self._loop.add_reader(descriptor, self._on_readable)
        if self._pgconn.flush():
            self._loop.add_writer(descriptor, self._on_writable)
        try:
            await self._done
        finally:
            self._timer.cancel()
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
        return self._results

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look)
        self._on_readable()

    def _on_writable(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._pgconn.socket)
        except OperationalError as error:
            self._fail(error)

    def _on_readable(self) -> None:
        if self._done.done():  # there is nothing left to take, and no end of that
            return
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is not None:
                    self._results.append(result)
                    if result.status == ExecStatus.PIPELINE_SYNC:
                        self._done.set_result(None)
                        return
                elif self._pgconn.status == ConnStatus.BAD:  # else it is the end of a statement
                    self._fail(OperationalError("the connection is lost"))
                    return
        except OperationalError as error:
            self._fail(error)

    def _fail(self, error: OperationalError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
