"""Who asks: a partner by its key, a customer by a token or a cookie, a clerk by a password."""

import asyncio
import hashlib
import os
import secrets
from typing import Annotated

import psycopg
from fastapi import Depends, HTTPException
from fastapi.security import (
    APIKeyCookie,
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
)

SESSION_HOURS = 12


def password_hash(password: str, salt: bytes) -> bytes:
    """Return what is kept of a password."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**11, r=8, p=1)


async def log_in(session: psycopg.AsyncConnection, name: str, password: str) -> str | None:
    """Return a new token, None where name or password is wrong."""
    found = await (
        await session.execute("SELECT salt, password FROM accounts WHERE name = %s", (name,))
    ).fetchone()
    salt, expected = found or (b"", b"")
    given = await asyncio.to_thread(password_hash, password, salt)
    if not secrets.compare_digest(given, expected):
        return None
    token = secrets.token_urlsafe(24)
    await session.execute(
        "INSERT INTO sessions (token_sha256, account, expires_at)"
        " VALUES (%s, %s, now() + make_interval(hours => %s))",
        (hashlib.sha256(token.encode()).digest(), name, SESSION_HOURS),
    )
    return token


async def account_of(session: psycopg.AsyncConnection, token: str) -> str:
    """Return whose token it is.

    Raises:
        HTTPException: Nobody's; 401.
    """
    row = await (
        await session.execute(
            "SELECT account FROM sessions WHERE token_sha256 = %s AND expires_at > now()",
            (hashlib.sha256(token.encode()).digest(),),
        )
    ).fetchone()
    if row is None:
        raise HTTPException(401, "log in first", {"www-authenticate": "Bearer"})
    return str(row[0])


Key = Annotated[str | None, Depends(APIKeyHeader(name="x-api-key", auto_error=False))]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
Session = Annotated[str | None, Depends(APIKeyCookie(name="session", auto_error=False))]


def partner(key: Key) -> None:
    """Let through who has the shop's key; everybody where it has none."""
    expected = os.environ.get("SHOP_KEY", "")
    if expected and not secrets.compare_digest((key or "").encode(), expected.encode()):
        raise HTTPException(401, "x-api-key is wrong or absent")


def token(bearer: Bearer, session: Session) -> str:
    """Return the token that a customer shows, as a bearer's or in a cookie."""
    return bearer.credentials if bearer else session or ""


def clerk(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """Let through the clerk, whose password is in the environment."""
    expected = os.environ.get("SHOP_CLERK_PASSWORD", "")
    right = secrets.compare_digest(given.password.encode(), expected.encode())
    if not (expected and right and given.username == "clerk"):
        raise HTTPException(401, "clerks only", {"www-authenticate": "Basic"})
    return given.username
