"""What a customer of the shop does."""

from stressproof.flow import User


async def login(user: User) -> None:
    """Become a customer, before the load begins."""
    answer = await user.post("/login", json=dict(user.data["users"]))
    user.headers["authorization"] = f"Bearer {answer.json()['token']}"


async def checkout(user: User) -> None:
    """Fill a cart, hesitate, and order it."""
    cart = (await user.post("/carts", expect=201)).json()["id"]
    item = {"sku": user.data["skus"]["sku"], "quantity": 1}
    await user.post("/carts/{cart}/items", cart, json=item, expect=201)
    await user.think(0.5, 1.5)
    key = {"idempotency-key": user.uuid()}
    order = await user.post("/orders", json={"cart": cart}, headers=key, expect=201)
    user.check("order is open", order.json()["state"] == "open")
