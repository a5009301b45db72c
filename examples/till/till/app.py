"""The till's HTTP: what it answers while its cache, or the bank, is away."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import httpx
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

KEPT_MS = 300
"""How long a rate is taken from the cache."""
CACHE_S = 0.2
BANK_S = 0.5
"""How long either is waited for: a customer stands at the till."""
ATTEMPTS = 2
AWAY = (RedisError, OSError, TimeoutError, RuntimeError)  # the last: a transport closed meanwhile
REFUSED = range(400, 500)

cache: Redis
bank: httpx.AsyncClient
known: dict[str, dict[str, Any]] = {}
"""Rates as the bank last gave them, for the time in which it cannot."""


class Payment(BaseModel):
    """What a customer pays."""

    reference: Annotated[str, Field(min_length=1, max_length=200)]
    cents: Annotated[int, Field(gt=0)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Hold the connections as long as the process serves."""
    global cache, bank  # noqa: PLW0603  # one a process, made in its event loop
    cache = Redis.from_url(
        os.environ["REDIS_URL"], socket_timeout=CACHE_S, socket_connect_timeout=CACHE_S
    )
    async with httpx.AsyncClient(base_url=os.environ["BANK_URL"], timeout=BANK_S) as bank:
        yield
    with suppress(*AWAY):
        await cache.aclose()


app = FastAPI(title="Till", version="1.0", lifespan=lifespan)


@app.get("/live")
async def live() -> dict[str, str]:
    """Say that the process serves."""
    return {"status": "ok"}


@app.get("/rates/{currency}")
async def rate(currency: str) -> JSONResponse:
    """Give a rate: from the cache, else from the bank, else as it was last known."""
    found, cached = await _cached(currency)
    if found is not None:
        return JSONResponse(found)
    try:
        answer = await bank.get(f"/rates/{currency}")
        found = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        if currency not in known:
            return JSONResponse({"detail": "no rate"}, 503, {"retry-after": "1"})
        return JSONResponse(known[currency], headers={"x-source": "last-known"})
    known[currency] = found
    kept = cached and await _keep(currency, found)
    return JSONResponse(found, headers={} if kept else {"x-source": "no-cache"})


@app.post("/payments", status_code=201)
async def pay(payment: Payment) -> JSONResponse:
    """Have the bank charge once for a reference, asked again where nobody knows how that ended."""
    for _ in range(ATTEMPTS):
        with suppress(httpx.HTTPError, ValueError):
            answer = await bank.post("/charges", json=payment.model_dump(), headers=_key(payment))
            if answer.is_success and answer.json()["charged"] == payment.cents:
                return JSONResponse({"paid": True}, 201)
            if answer.status_code in REFUSED:
                return JSONResponse({"detail": "declined"}, 402)
    return JSONResponse({"detail": "the outcome is unknown"}, 502)


def _key(payment: Payment) -> Mapping[str, str]:
    """Return what tells the bank that two requests are one charge."""
    return {"idempotency-key": payment.reference}


async def _cached(currency: str) -> tuple[Any, bool]:
    """Return the rate that is kept, if one is, and whether the cache answered."""
    try:
        async with asyncio.timeout(CACHE_S):
            text = await cache.get(currency)
    except AWAY:
        return None, False
    return (None if text is None else json.loads(text)), True


async def _keep(currency: str, rate: Mapping[str, Any]) -> bool:
    """Keep a rate, and return whether it is kept."""
    try:
        async with asyncio.timeout(CACHE_S):
            await cache.set(currency, json.dumps(rate), px=KEPT_MS)
    except AWAY:
        return False
    return True
