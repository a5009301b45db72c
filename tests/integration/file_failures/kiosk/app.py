"""A kiosk that sells tickets: each sale once under its key, whatever its database does meanwhile.

``KIOSK_BUG`` plants a bug: ``no_key`` forgets the key, ``early`` confirms before the sale is kept.
"""

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

BUG = os.environ.get("KIOSK_BUG", "")
DSN = os.environ["DATABASE_URL"]
OPTIONS = "-c statement_timeout=1500 -c lock_timeout=1000"
SESSIONS = 6
DEADLINE_S = 1.5
RETRY = {"retry-after": "1"}

Connection = psycopg.AsyncConnection[Any]
idle: list[Connection] = []
free = asyncio.Semaphore(SESSIONS)
later: set[asyncio.Task[None]] = set()


async def connected() -> Connection:
    """Return a session that nobody uses."""
    while idle:
        found = idle.pop()
        # One that says something unasked was ended while nobody used it.
        if not found.closed and not select.select([found.fileno()], [], [], 0)[0]:
            return found
        await found.close()
    return await psycopg.AsyncConnection.connect(
        DSN, autocommit=True, connect_timeout=2, application_name="kiosk", options=OPTIONS
    )


@asynccontextmanager
async def session() -> AsyncIterator[Connection]:
    """Yield a session; its socket is shut after the deadline: a silent network holds nobody."""
    async with asyncio.timeout(1.0):
        await free.acquire()
    try:
        connection = await connected()
        own = socket.socket(fileno=os.dup(connection.fileno()))

        def cut() -> None:
            with suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)

        timer = asyncio.get_running_loop().call_later(DEADLINE_S, cut)
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise
        else:
            idle.append(connection)
        finally:
            timer.cancel()
            own.close()
    finally:
        free.release()


class Sale:
    """One sale under way.

    Attributes:
        committing: Whether the database may have kept it.
    """

    def __init__(self, key: str, body: dict[str, Any]) -> None:
        self.committing = False
        self._key = key
        self._body = body

    async def keep(self) -> bool:
        """Keep it; return whether it was kept before."""
        async with session() as connection:
            await connection.execute("BEGIN")
            if BUG != "no_key":
                kept = await connection.execute(
                    "INSERT INTO keys VALUES (%s) ON CONFLICT DO NOTHING", (self._key,)
                )
                if not kept.rowcount:
                    await connection.execute("ROLLBACK")
                    return True
            await connection.execute(
                "INSERT INTO tickets (reference, event) VALUES (%s, %s)",
                (self._body["reference"], self._body["event"]),
            )
            await connection.execute(
                "UPDATE events SET sold = sold + 1 WHERE event = %s", (self._body["event"],)
            )
            self.committing = True
            await connection.execute("COMMIT")
        return False


async def keep_later(sale: Sale) -> None:
    """Keep a sale that was confirmed already, if it can be."""
    with suppress(psycopg.Error, OSError, TimeoutError):
        await sale.keep()


async def sell(request: Request) -> JSONResponse:
    """Sell a ticket."""
    sale = Sale(request.headers["idempotency-key"], await request.json())
    if BUG == "early":
        task = asyncio.create_task(keep_later(sale))
        later.add(task)
        task.add_done_callback(later.discard)
        return JSONResponse({"replayed": False}, 201)
    try:
        replayed = await sale.keep()
    except (psycopg.Error, OSError, TimeoutError):
        if sale.committing:
            return JSONResponse({"detail": "nobody knows"}, 500)
        return JSONResponse({"detail": "not now"}, 503, RETRY)
    return JSONResponse({"replayed": replayed}, 200 if replayed else 201)


async def redeem(request: Request) -> JSONResponse:
    """Redeem a voucher: once, and only one that was issued."""
    body = await request.json()
    committing = False
    try:
        async with session() as connection:
            await connection.execute("BEGIN")
            found = await connection.execute(
                "UPDATE vouchers SET redeemed = redeemed + 1 WHERE code = %s AND redeemed = 0",
                (body["code"],),
            )
            committing = True
            await connection.execute("COMMIT")
    except (psycopg.Error, OSError, TimeoutError):
        if committing:
            return JSONResponse({"detail": "nobody knows"}, 500)
        return JSONResponse({"detail": "not now"}, 503, RETRY)
    return JSONResponse({}, 200 if found.rowcount else 409)


async def event(request: Request) -> JSONResponse:
    """Return how many tickets of an event were sold."""
    name = request.path_params["event"]
    try:
        async with session() as connection:
            found = await connection.execute("SELECT sold FROM events WHERE event = %s", (name,))
            row = await found.fetchone()
    except (psycopg.Error, OSError, TimeoutError):
        return JSONResponse({"detail": "not now"}, 503, RETRY)
    return JSONResponse({"event": name, "sold": row[0]} if row else {}, 200 if row else 404)


async def live(_: Request) -> JSONResponse:
    """Say that this process lives, whatever its database does."""
    return JSONResponse({"live": True, "pid": os.getpid()}, headers={"x-pid": f"{os.getpid()}"})


app = Starlette(
    routes=[
        Route("/tickets", sell, methods=["POST"]),
        Route("/redemptions", redeem, methods=["POST"]),
        Route("/events/{event}", event),
        Route("/live", live),
    ]
)
