"""One visit of somebody who has an account."""

from stressproof.flow import User


async def sign_in(user: User) -> None:
    """Fill in the form as a browser would."""
    account = user.data["users"]
    page = await user.get("/login")
    csrf = page.find(r'name="csrf" value="([^"]+)"')
    await user.think(2, 5)
    form = {"csrf": csrf, "name": account["name"], "password": account["password"]}
    home = await user.post("/login", form=form)
    user.check("greeted", f"Hello {account['name']}" in home.text)
    await user.get("/account")
