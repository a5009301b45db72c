"""The shop's HTTP: what can be asked, and what is answered while the database is away."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Request
from fastapi.responses import JSONResponse, RedirectResponse
from psycopg import errors
from psycopg_pool import PoolTimeout
from pydantic import BaseModel

from shop.accounts import account_of, clerk, log_in, partner, token
from shop.database import Database
from shop.orders import Item, Order, place

WITHOUT_EFFECT = (
    errors.ReadOnlySqlTransaction,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DiskFull,
    errors.IoError,
    errors.TooManyConnections,
    PoolTimeout,
)
"""What surely left nothing behind: asking again is safe and may help."""
MOST = 100
COOKIE = "session"

database: Database
seen: dict[str, dict[str, Any]] = {}
"""Products as they were last read, for the time in which they cannot be."""


class Login(BaseModel):
    """A customer's name and password."""

    name: str
    password: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Hold the pool as long as the process serves."""
    global database  # noqa: PLW0603  # one a process, made in its event loop
    database = Database(os.environ["DATABASE_URL"])
    await database.open()
    yield
    await database.close()


app = FastAPI(title="Shop", version="1.0", lifespan=lifespan)
shop = APIRouter(dependencies=[Depends(partner)])
Token = Annotated[str, Depends(token)]
Sku = Annotated[str, Path(examples=["sku-1"])]


@app.exception_handler(psycopg.Error)
@app.exception_handler(OSError)
async def unavailable(_: Request, error: Exception) -> JSONResponse:
    """Say whether asking again is safe."""
    if isinstance(error, WITHOUT_EFFECT):
        return JSONResponse({"detail": "not now"}, 503, {"retry-after": "1"})
    return JSONResponse({"detail": "the outcome is unknown"}, 500)


@app.get("/live")
async def live() -> dict[str, str]:
    """Say that the process serves."""
    return {"status": "ok"}


@app.get("/health")
async def health() -> dict[str, Any]:
    """Say that the database answers too, and which it is."""
    async with database.session() as session:
        row = await (await session.execute("SHOW server_version")).fetchone()
    return {"status": "ok", "database": {"engine": "postgresql", "version": row and row[0]}}


@shop.get("/products")
async def products(limit: int = 20) -> dict[str, Any]:
    """List products by their number."""
    async with database.session() as session:
        rows = await session.execute(
            "SELECT sku, name, price FROM products ORDER BY sku LIMIT %s", (min(limit, MOST),)
        )
        items = [{"sku": sku, "name": name, "price": str(price)} async for sku, name, price in rows]
    return {"items": items}


@shop.get("/products/{sku}")
async def product(sku: Sku) -> JSONResponse:
    """Show a product; as it was last seen while the database is away."""
    try:
        async with database.session() as session:
            row = await (
                await session.execute(
                    "SELECT sku, name, price, stock FROM products WHERE sku = %s", (sku,)
                )
            ).fetchone()
    except (psycopg.Error, OSError):
        if sku not in seen:
            return JSONResponse({"detail": "not now"}, 503, {"retry-after": "1"})
        return JSONResponse(seen[sku], headers={"x-cache": "stale"})
    if row is None:
        raise HTTPException(404, "no such product")
    seen[sku] = {"sku": row[0], "name": row[1], "price": str(row[2]), "stock": row[3]}
    return JSONResponse(seen[sku], headers={"etag": f'"{row[2]}-{row[3]}"'})


@shop.get("/p/{sku}")
async def short(sku: Sku) -> RedirectResponse:
    """Lead printed links to the product."""
    return RedirectResponse(f"/products/{sku}", 301)


@shop.post("/login")
async def login(given: Login) -> JSONResponse:
    """Give a customer a token, in the answer and as a cookie."""
    async with database.session() as session:
        made = await log_in(session, given.name, given.password)
    if made is None:
        raise HTTPException(401, "name or password is wrong")
    answer = JSONResponse({"token": made})
    answer.set_cookie(COOKIE, made, httponly=True, samesite="lax")
    return answer


@shop.get("/account")
async def account(shown: Token) -> dict[str, str]:
    """Show a customer who they are."""
    async with database.session() as session:
        return {"name": await account_of(session, shown)}


@shop.post("/carts", status_code=201)
async def cart(shown: Token) -> dict[str, str]:
    """Open a cart."""
    async with database.session() as session:
        owner = await account_of(session, shown)
        row = await (
            await session.execute("INSERT INTO carts (account) VALUES (%s) RETURNING id", (owner,))
        ).fetchone()
    return {"id": str(row and row[0])}


@shop.post("/carts/{cart_id}/items", status_code=201)
async def add(cart_id: str, item: Item, shown: Token) -> Item:
    """Put so many more of a product into an open cart."""
    async with database.session() as session:
        owner = await account_of(session, shown)
        put = await session.execute(
            "INSERT INTO cart_items (cart, sku, quantity)"
            " SELECT c.id, p.sku, %s FROM carts c, products p"
            " WHERE c.id::text = %s AND c.account = %s AND NOT c.ordered AND p.sku = %s"
            " ON CONFLICT (cart, sku)"
            " DO UPDATE SET quantity = cart_items.quantity + excluded.quantity",
            (item.quantity, cart_id, owner, item.sku),
        )
    if put.rowcount == 0:
        raise HTTPException(404, "no such open cart, or no such product")
    return item


@shop.post("/orders", status_code=201)
async def order(
    given: Order, shown: Token, idempotency_key: Annotated[str, Header(max_length=200)]
) -> JSONResponse:
    """Place an order once for each idempotency key: 201, and 200 when it is asked for again."""
    if (given.cart is None) == (given.sku is None):
        raise HTTPException(422, "order a cart, or a sku")
    async with database.session() as session:
        owner = None if given.cart is None else await account_of(session, shown)
        placed = await place(session, idempotency_key, given, owner)
    body = {"id": placed.number, "state": "open", "replayed": placed.replayed}
    return JSONResponse(body, 200 if placed.replayed else 201)


@shop.get("/stock/{sku}")
async def stock(sku: Sku, _: Annotated[str, Depends(clerk)]) -> dict[str, int]:
    """Show a clerk what there was, what there is and what was sold."""
    async with database.session() as session:
        row = await (
            await session.execute(
                "SELECT initial, stock, (SELECT coalesce(sum(quantity), 0) FROM order_lines l"
                " WHERE l.sku = p.sku) FROM products p WHERE sku = %s",
                (sku,),
            )
        ).fetchone()
    if row is None:
        raise HTTPException(404, "no such product")
    return {"initial": row[0], "stock": row[1], "sold": row[2]}


app.include_router(shop)
