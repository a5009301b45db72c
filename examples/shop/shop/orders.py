"""Orders: placed once for each idempotency key, and never more than there is in stock."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

import psycopg
from fastapi import HTTPException
from pydantic import BaseModel, Field

Quantity = Annotated[int, Field(gt=0, le=1000)]


class Item(BaseModel):
    """So many of a product."""

    sku: str
    quantity: Quantity = 1


class Order(BaseModel):
    """What is ordered: a cart, or one product under the reference of a partner."""

    cart: str | None = None
    reference: Annotated[str, Field(max_length=200)] = ""
    sku: str | None = None
    quantity: Quantity = 1


@dataclass(frozen=True)
class Placed:
    """An order, and whether it was there already."""

    number: int
    replayed: bool


async def place(
    session: psycopg.AsyncConnection, key: str, order: Order, account: str | None
) -> Placed:
    """Place an order, or find the one that this key placed.

    Raises:
        HTTPException: The key was used for another order (422), the cart is unknown (404), empty or
            ordered, or the stock does not suffice (409).
    """
    asked = hashlib.sha256(order.model_dump_json().encode()).digest()
    async with session.transaction():
        mine = await (
            await session.execute(
                "INSERT INTO idempotency_keys (key, request_sha256) VALUES (%s, %s)"
                " ON CONFLICT DO NOTHING RETURNING key",
                (key, asked),
            )
        ).fetchone()
        if mine is None:
            return await _earlier(session, key, asked)
        items = (
            [Item(sku=order.sku, quantity=order.quantity)]
            if order.sku is not None
            else await _of_cart(session, order.cart or "", account or "")
        )
        number = await _insert(session, order.reference or order.cart or key, items)
        await session.execute(
            "UPDATE idempotency_keys SET order_id = %s WHERE key = %s", (number, key)
        )
    return Placed(number, replayed=False)


async def _earlier(session: psycopg.AsyncConnection, key: str, asked: bytes) -> Placed:
    row = await (
        await session.execute(
            "SELECT request_sha256, order_id FROM idempotency_keys WHERE key = %s", (key,)
        )
    ).fetchone()
    if row is None or row[0] != asked:
        raise HTTPException(422, "this idempotency key belongs to another order")
    return Placed(row[1], replayed=True)


async def _of_cart(session: psycopg.AsyncConnection, cart: str, account: str) -> list[Item]:
    """Close a cart and return what is in it."""
    closed = await session.execute(
        "UPDATE carts SET ordered = true WHERE id::text = %s AND account = %s AND NOT ordered",
        (cart, account),
    )
    if closed.rowcount == 0:
        raise HTTPException(409, "there is no such cart, or it has been ordered")
    rows = await session.execute(
        "SELECT sku, quantity FROM cart_items WHERE cart::text = %s ORDER BY sku", (cart,)
    )
    items = [Item(sku=sku, quantity=quantity) async for sku, quantity in rows]
    if not items:
        raise HTTPException(409, "the cart is empty")
    return items


async def _insert(session: psycopg.AsyncConnection, reference: str, items: list[Item]) -> int:
    """Write an order and take it out of the stock, in the order of products: no deadlocks."""
    row = await (
        await session.execute(
            "INSERT INTO orders (reference) VALUES (%s) RETURNING id", (reference,)
        )
    ).fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    for item in sorted(items, key=lambda one: one.sku):
        taken = await session.execute(
            "WITH left_over AS (UPDATE products SET stock = stock - %(quantity)s"
            " WHERE sku = %(sku)s AND stock >= %(quantity)s RETURNING price)"
            " INSERT INTO order_lines (order_id, sku, quantity, price)"
            " SELECT %(order)s, %(sku)s, %(quantity)s, price FROM left_over",
            {"order": row[0], "sku": item.sku, "quantity": item.quantity},
        )
        if taken.rowcount == 0:
            raise HTTPException(409, f"{item.sku} is out of stock")
    return int(row[0])
