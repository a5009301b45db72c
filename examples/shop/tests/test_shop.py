"""What the shop promises."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

CLERK = ("clerk", "a-password-of-the-tests")


def new_key() -> dict[str, str]:
    """Return the header of an order that nobody has placed."""
    return {"idempotency-key": str(uuid.uuid4())}


def test_it_says_that_it_lives_and_on_what(url: str) -> None:
    assert httpx.get(f"{url}/live").json() == {"status": "ok"}
    assert httpx.get(f"{url}/health").json()["database"]["engine"] == "postgresql"


def test_products_need_the_key(url: str, partner: httpx.Client) -> None:
    assert httpx.get(f"{url}/products").status_code == 401
    assert httpx.get(f"{url}/products", headers={"x-api-key": b"\xe9"}).status_code == 401
    assert len(partner.get("/products").json()["items"]) == 20


def test_a_product_has_a_price_and_a_stock(partner: httpx.Client) -> None:
    found = partner.get("/products/sku-2").json()
    assert (found["sku"], found["price"]) == ("sku-2", "6.50")
    assert partner.get("/products/sku-0").status_code == 404
    assert partner.get("/p/sku-2").headers["location"] == "/products/sku-2"


def test_a_wrong_password_gives_no_token(partner: httpx.Client) -> None:
    for name in ("customer-001", "nobody"):
        answer = partner.post("/login", json={"name": name, "password": "wrong"})
        assert answer.status_code == 401


def test_a_token_or_its_cookie_shows_who_asks(url: str, customer: httpx.Client) -> None:
    assert customer.get("/account").json() == {"name": "customer-001"}
    customer.headers.pop("authorization")
    assert customer.get("/account").status_code == 401
    customer.post("/login", json={"name": "customer-002", "password": "not-a-secret-002"})
    assert customer.get("/account").json() == {"name": "customer-002"}


def test_a_cart_becomes_one_order(customer: httpx.Client) -> None:
    cart = customer.post("/carts").json()["id"]
    assert customer.post("/orders", json={"cart": cart}, headers=new_key()).status_code == 409
    for _ in range(2):
        put = customer.post(f"/carts/{cart}/items", json={"sku": "sku-1", "quantity": 2})
        assert put.status_code == 201
    before = customer.get("/stock/sku-1", auth=CLERK).json()
    key = new_key()
    placed = customer.post("/orders", json={"cart": cart}, headers=key)
    again = customer.post("/orders", json={"cart": cart}, headers=key)
    assert (placed.status_code, again.status_code) == (201, 200)
    assert placed.json()["state"] == "open"
    assert placed.json()["id"] == again.json()["id"]
    after = customer.get("/stock/sku-1", auth=CLERK).json()
    assert before["stock"] - after["stock"] == after["sold"] - before["sold"] == 4
    assert customer.post("/orders", json={"cart": cart}, headers=new_key()).status_code == 409
    late = customer.post(f"/carts/{cart}/items", json={"sku": "sku-1"})
    assert late.status_code == 404


def test_an_order_asked_for_by_many_at_once_is_placed_once(partner: httpx.Client) -> None:
    key, body = new_key(), {"reference": "many", "sku": "sku-3"}
    before = partner.get("/stock/sku-3", auth=CLERK).json()["sold"]
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(partner.post, "/orders", json=body, headers=key) for _ in range(10)]
    statuses = sorted(one.result().status_code for one in asked)
    assert statuses == [200] * 9 + [201]
    assert partner.get("/stock/sku-3", auth=CLERK).json()["sold"] == before + 1


def test_a_key_is_for_one_order(partner: httpx.Client) -> None:
    key = new_key()
    first = partner.post("/orders", json={"reference": "a", "sku": "sku-4"}, headers=key)
    other = partner.post("/orders", json={"reference": "b", "sku": "sku-4"}, headers=key)
    assert (first.status_code, other.status_code) == (201, 422)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"sku": "sku-1", "cart": "both"}, 422),
        ({"sku": "sku-1", "quantity": 0}, 422),
        ({"sku": "sku-0"}, 409),
        ({"cart": "no-cart"}, 409),
    ],
)
def test_what_cannot_be_ordered_leaves_no_order(
    customer: httpx.Client, body: dict[str, object], status: int
) -> None:
    assert customer.post("/orders", json=body, headers=new_key()).status_code == status
    assert customer.post("/orders", json={"sku": "sku-1"}).status_code == 422  # without a key


def test_the_stock_is_for_clerks(partner: httpx.Client) -> None:
    assert partner.get("/stock/sku-1").status_code == 401
    assert partner.get("/stock/sku-1", auth=("clerk", "wrong")).status_code == 401
