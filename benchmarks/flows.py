"""The flow that is measured against k6 and Locust."""

from stressproof.flow import User


async def two_requests(user: User) -> None:
    """Make something, and ask for it with the token that came back."""
    made = (await user.post("/carts", json={"sku": user.iteration})).json()
    await user.get("/carts/{id}", made["id"], headers={"x-token": made["id"]})
