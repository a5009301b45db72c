"""An API behind OAuth2 client credentials, whose tokens live for two seconds."""

import os
import secrets
import time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Header, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials

LIFE_S = 2
app = FastAPI()
Basic = Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))]
tokens: dict[str, float] = {}


@app.post("/oauth/token")
async def token(
    basic: Basic,
    grant_type: Annotated[str, Form()],
    scope: Annotated[str, Form()],
    client_id: Annotated[str, Form()] = "",
    client_secret: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Give a client a token; it says who it is in a header or in the form (RFC 6749, 2.3.1)."""
    shown = (basic.username, basic.password) if basic else (client_id, client_secret)
    known = shown == ("load", os.environ["CLIENT_SECRET"])
    if not known or (grant_type, scope) != ("client_credentials", "orders.read"):
        raise HTTPException(401, "invalid_client")
    made = secrets.token_urlsafe(16)
    tokens[made] = time.monotonic() + LIFE_S
    return {"access_token": made, "token_type": "Bearer", "expires_in": LIFE_S}


@app.get("/v1/orders")
async def orders(page: int, authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    """List a page of orders for whoever has a token that lives."""
    if tokens.get(authorization.removeprefix("Bearer "), 0.0) < time.monotonic():
        raise HTTPException(401, "the token is unknown or has expired")
    return {"page": page, "items": [{"id": page * 10 + n} for n in range(10)]}
