"""OAuth 2.0 client credentials (RFC 6749, 4.4): fetched before load, renewed beside it."""

import base64
import queue
import threading
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from stressproof.errors import TargetError
from stressproof.load.client import Answer, Client, RequestError
from stressproof.workload.auth import OAuth2Auth
from stressproof.workload.target import Target, with_token

RENEWED_AT = 0.8
"""Of a token's life, after which the next one is fetched."""
_RETRY_S = 1.0  # what a renewal that failed waits before the next attempt
_FETCH_S = 30.0


class _Issued(Struct):
    """What a token endpoint answers (RFC 6749, 5.1)."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  # a kind, not a token
    expires_in: float | None = None


class IssuedToken(Struct, frozen=True):
    """A token.

    Attributes:
        value: It.
        life_s: How long it is good for, None where the server does not say.
    """

    value: str
    life_s: float | None

    def __repr__(self) -> str:
        return f"IssuedToken(life_s={self.life_s})"


class TokenEndpoint:
    """Where tokens are issued.

    Args:
        auth: Who asks.
        target: For whom; what it trusts is trusted there.

    Raises:
        UsageError: The URL cannot be used.
    """

    def __init__(self, auth: OAuth2Auth, target: Target) -> None:
        url = urlsplit(auth.token_url)
        self._auth = auth
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        secure = url.scheme == "https"
        self._client = Client(
            Target(
                f"{url.scheme}://{url.netloc}",
                ca_file=target.ca_file if secure else None,
                insecure=secure and target.insecure,
            ),
            timeout_s=_FETCH_S,
        )

    def fetch(self) -> IssuedToken:
        """Return a new token.

        Raises:
            TargetError: There is none; the message says why, without secrets.
        """
        try:
            answer = self._ask(in_body=False)
            if answer.status in {400, 401}:  # some servers know only the body
                answer = self._ask(in_body=True)
        except RequestError as error:
            raise self._failed(str(error)) from error
        if answer.status != 200:  # noqa: PLR2004  # RFC 6749, 5.1
            raise self._failed(f"status {answer.status}{_why(answer.body)}")
        try:
            issued = msgspec.json.decode(answer.body, type=_Issued)
        except msgspec.DecodeError as error:
            raise self._failed(f"an answer that is no token: {error}") from error
        if issued.token_type.lower() != "bearer" or not issued.access_token:
            raise self._failed(f"a token of the type {issued.token_type!r}, expected bearer")
        return IssuedToken(issued.access_token, issued.expires_in)

    def _ask(self, *, in_body: bool) -> Answer:
        auth = self._auth
        form = {"grant_type": "client_credentials"}
        form |= {"scope": auth.scope} if auth.scope else {}
        form |= {"audience": auth.audience} if auth.audience else {}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if in_body:
            form |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
        else:
            pair = f"{quote(auth.client_id, safe='')}:{quote(auth.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return self._client.request(
            "POST", self._path, headers=headers, body=urlencode(form).encode()
        )

    def _failed(self, why: str) -> TargetError:
        return TargetError(
            f"no token from {self._auth.token_url}: {why}",
            hint="check [target] auth.oauth2: token_url, client_id, client_secret and scope",
        )


class TokenKeeper:
    """Renews one token for all users, in a thread beside the load.

    Args:
        endpoint: Where.
        token: The one that is in use.

    Attributes:
        renewed: Tokens that are to be used from now on, and errors of attempts that failed.
    """

    def __init__(self, endpoint: TokenEndpoint, token: IssuedToken) -> None:
        self._endpoint = endpoint
        self._token = token
        self._ended = threading.Event()
        self.renewed: queue.SimpleQueue[IssuedToken | TargetError] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="token", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Renew nothing more."""
        self._ended.set()

    def _run(self) -> None:
        while self._token.life_s is not None:
            wait_s = max(self._token.life_s * RENEWED_AT, _RETRY_S / 2)
            while not self._ended.wait(wait_s):
                try:
                    self._token = self._endpoint.fetch()
                except TargetError as error:
                    self.renewed.put(error)
                    wait_s = _RETRY_S
                else:
                    self.renewed.put(self._token)
                    break
            if self._ended.is_set():
                return


def authorised(target: Target) -> tuple[Target, TokenKeeper | None]:
    """Return a target as whom to be asked, and who keeps its token fresh; close that in the end.

    Raises:
        TargetError: No token was issued.
        UsageError: The URL of tokens cannot be used.
    """
    if not isinstance(target.auth, OAuth2Auth):
        return target, None
    endpoint = TokenEndpoint(target.auth, target)
    token = endpoint.fetch()
    return with_token(target, token.value), TokenKeeper(endpoint, token)


def _why(body: bytes) -> str:
    """Return what an error answer says of itself (RFC 6749, 5.2)."""
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    return f", {str(said['error'])[:80]}" if isinstance(said, dict) and "error" in said else ""
