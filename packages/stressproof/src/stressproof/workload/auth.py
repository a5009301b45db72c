"""As whom to ask: how requests are authorised."""

import base64

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.redaction import MASK


class BasicAuth(Struct, frozen=True, tag="basic"):
    """Name and password (RFC 7617)."""

    user: str
    password: str

    def __post_init__(self) -> None:
        if ":" in self.user:
            raise UsageError("a user's name with a colon in it cannot be sent", hint="RFC 7617, 2")

    def __repr__(self) -> str:
        return f"BasicAuth(user={self.user!r}, password={MASK!r})"


class BearerAuth(Struct, frozen=True, tag="bearer"):
    """A token (RFC 6750)."""

    token: str

    def __repr__(self) -> str:
        return f"BearerAuth(token={MASK!r})"


class OAuth2Auth(Struct, frozen=True, tag="oauth2"):
    """Client credentials (RFC 6749, 4.4): one token for all users.

    Fetched before the load, renewed at 80 % of its life, outside of what is measured.

    Attributes:
        token_url: Where tokens are issued, an absolute URL.
        client_id: Who asks.
        client_secret: Its password.
        scope: What for; empty for what the server gives.
        audience: Whom the token is for, where a server wants to know.
    """

    token_url: str
    client_id: str
    client_secret: str
    scope: str = ""
    audience: str = ""

    def __repr__(self) -> str:
        return f"OAuth2Auth(token_url={self.token_url!r}, client_id={self.client_id!r})"


Auth = BasicAuth | BearerAuth | OAuth2Auth
"""A token from a file (``bearer_file``) is a `BearerAuth` once it is read."""


def authorization(auth: BasicAuth | BearerAuth) -> str:
    """Return the value of the Authorization header."""
    if isinstance(auth, BearerAuth):
        return f"Bearer {auth.token}"
    pair = f"{auth.user}:{auth.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def secrets_of(auth: Auth | None) -> list[str]:
    """Return what must never be shown of it."""
    if isinstance(auth, OAuth2Auth):
        return [auth.client_secret]
    if isinstance(auth, BasicAuth):
        return [auth.password, authorization(auth)]
    return [] if auth is None else [auth.token]
