"""The shortest way over a connection: one message of SQL out, its last value back as text.

A cursor of psycopg adapts any type both ways and waits through layers of generators, which took
more than half of a gate's time on our side. The calls that matter for speed pass plain values to
a function of ours and take one text back; for those, this speaks to libpq itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection, DataError, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import Escaping, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

Value = None | bool | int | str | UUID | datetime | Sequence[str]

_LOOK_EVERY_S: Final = 0.1
_FINE: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY})


def call(connection: AsyncConnection[TupleRow], function: str, arguments: Sequence[Value]) -> bytes:
    """Write ``SELECT enforcement.function(arguments)`` with every text quoted by libpq.

    Raises:
        psycopg.DataError: A text holds U+0000, which PostgreSQL cannot keep.
    """
    quote = Escaping(connection.pgconn).escape_literal
    values = b", ".join(_literal(quote, value) for value in arguments)
    return b"SELECT enforcement.%s(%s)" % (function.encode(), values)


def _literal(quote: Callable[[bytes], bytes], value: Value) -> bytes:
    if value is None:
        return b"NULL"
    if isinstance(value, int):  # booleans too
        return str(value).lower().encode()
    text = _text(value)
    if "\x00" in text:
        raise DataError("a PostgreSQL text holds no U+0000")
    return bytes(quote(text.encode()))


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


async def exchange(connection: AsyncConnection[TupleRow], message: bytes) -> bytes | None:
    """Send statements as one message; return the last value they select, as text.

    A caller that is cancelled closes the connection rather than wait for the server.

    Raises:
        psycopg.Error: As a cursor would.
    """
    pgconn = connection.pgconn
    pgconn.send_query(message)
    exchanged = _Exchange(pgconn)
    try:
        results = await exchanged.results()
    except (asyncio.CancelledError, KeyboardInterrupt):
        pgconn.finish()
        raise
    value: bytes | None = None
    for result in results:
        if result.status not in _FINE:
            raise error_from_result(result)
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
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    if not self._done.done():
                        self._done.set_result(None)
                    return
                self._results.append(result)
        except OperationalError as error:
            self._fail(error)

    def _fail(self, error: OperationalError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
