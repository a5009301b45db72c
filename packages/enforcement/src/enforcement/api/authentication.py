"""Who calls: bearer tokens by signature, principals by look-up, both remembered.

A token is judged by its signature and its claims alone. The principal it names is looked up in
the database and believed for a few seconds. While the database does not answer, what was last
known of the principal holds for a bounded time: whoever was deactivated meanwhile loses its power
then, though nobody can say so.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import jwt
import msgspec

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.api.refusals import RefusalError
from enforcement.bearer import ALGORITHM
from enforcement.domain.enums import Permission, Plan, Role
from enforcement.domain.errors import NotFoundError
from enforcement.domain.identity import Caller
from enforcement.store.errors import StoreError

MAX_TOKEN_LENGTH: Final = 8192
MAX_REMEMBERED: Final = 4096
STALE_WAIT_S: Final = 0.15
UNKNOWN_WAIT_S: Final = 0.4
SUSPICION_S: Final = 0.5
_CHALLENGE: Final = {"www-authenticate": "Bearer"}


class BearerClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a bearer token says; the database is asked whether it is still so.

    Attributes:
        sub: Principal.
        exp: Seconds since 1970.
        features: Of the plan, for readers of the token; the plan decides.
    """

    sub: UUID
    tenant_id: UUID
    exp: int
    role: Role = Role.MEMBER
    permissions: tuple[Permission, ...] = ()
    plan: Plan = Plan.FREE
    features: tuple[str, ...] = ()

    def caller(self) -> Caller:
        """Return the principal as the token describes it."""
        return Caller(
            tenant_id=self.tenant_id,
            principal_id=self.sub,
            role=self.role,
            permissions=frozenset(self.permissions),
            plan=self.plan,
        )


class BearerTokens:
    """Verifies bearer tokens, each signature once.

    Args:
        secret: HS256 key.
        fallback_secrets: Verify too, so that a key can be changed while tokens are out.
        issuer: Demanded.
        audience: Demanded.
        slot: Counts refusals.
    """

    def __init__(
        self,
        *,
        secret: str,
        fallback_secrets: tuple[str, ...] = (),
        issuer: str,
        audience: str,
        slot: Slot,
    ) -> None:
        self._secrets = (secret, *fallback_secrets)
        self._issuer = issuer
        self._audience = audience
        self._slot = slot
        self._verified: dict[str, BearerClaims] = {}

    def read(self, authorization: str | None) -> BearerClaims:
        """Return the claims of an ``Authorization`` header.

        Raises:
            RefusalError: 401 with ``token_missing``, ``token_malformed``, ``token_expired`` or
                ``token_invalid``.
        """
        if not authorization:
            raise self._refuse("missing", "token_missing", "this needs a bearer token")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_LENGTH:
            raise self._refuse("malformed", "token_malformed", "expected 'Bearer' and a token")
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._verified) >= MAX_REMEMBERED:
                self._verified.pop(next(iter(self._verified)))
            self._verified[token] = claims
        if claims.exp <= time.time():
            self._verified.pop(token, None)
            raise self._refuse("expired", "token_expired", "the token's time is over")
        return claims

    def _verify(self, token: str) -> BearerClaims:
        for secret in self._secrets:
            try:
                payload: Mapping[str, Any] = jwt.decode(
                    token,
                    secret,
                    algorithms=[ALGORITHM],
                    audience=self._audience,
                    issuer=self._issuer,
                    options={"require": ["exp", "iat", "sub", "aud", "iss"]},
                )
                return msgspec.convert(payload, BearerClaims, strict=False)
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise self._refuse("expired", "token_expired", "the token's time is over") from None
            except (jwt.InvalidTokenError, msgspec.ValidationError, RecursionError) as error:
                detail = f"the token is not one of ours ({type(error).__name__})"
                raise self._refuse("claims", "token_invalid", detail) from None
        raise self._refuse("signature", "token_invalid", "the token's signature is not ours")

    def _refuse(self, fault: str, code: str, detail: str) -> RefusalError:
        self._slot.add(metrics.REFUSED_TOKENS, (fault,))
        hint = "Get a token, for instance with `enforcement token`."
        return RefusalError(401, code, detail, hint=hint, headers=_CHALLENGE)


class Directory(Protocol):
    """Where principals are looked up."""

    async def __call__(self, tenant_id: UUID, principal_id: UUID) -> Caller:
        """Return the principal.

        Raises:
            NotFoundError: There is none, or none any more.
            StoreError: The database did not answer.
        """
        ...


class _Known(msgspec.Struct):
    caller: Caller
    checked_at: float


class Principals:
    """Looks principals up and remembers them.

    Args:
        directory: The database.
        ttl_s: How long a principal is believed without asking.
        max_age_s: How long one is believed while the answer does not come.
        slot: Counts how each was known.
    """

    def __init__(self, directory: Directory, *, ttl_s: float, max_age_s: float, slot: Slot) -> None:
        self._directory = directory
        self._ttl_s = ttl_s
        self._max_age_s = max_age_s
        self._slot = slot
        self._known: dict[tuple[UUID, UUID], _Known] = {}
        self._lookups: dict[tuple[UUID, UUID], asyncio.Task[Caller]] = {}
        self._suspect_until = 0.0

    async def find(self, claims: BearerClaims) -> Caller | None:
        """Return the principal of a token, or None where it cannot be known now.

        Never waits longer than 0.4 s.

        Raises:
            RefusalError: 401 ``principal_unknown``.
        """
        key = (claims.tenant_id, claims.sub)
        known = self._known.get(key)
        now = time.monotonic()
        if known is not None and now - known.checked_at < self._ttl_s:
            self._slot.add(metrics.PRINCIPALS, ("fresh",))
            return known.caller
        too_old = known is not None and now - known.checked_at >= self._max_age_s
        if too_old:
            known = None
        task = self._look_up(key)
        wait_s = UNKNOWN_WAIT_S if known is None else STALE_WAIT_S
        if known is None or now >= self._suspect_until:
            # Waited for, not awaited: psycopg answers a cancellation by waiting for the server.
            await asyncio.wait({task}, timeout=wait_s)
        if task.done():
            caller = self._outcome(key, task)
            if caller is not None:
                return caller
        else:
            self._suspect_until = max(self._suspect_until, time.monotonic() + SUSPICION_S)
        if known is None:
            self._slot.add(metrics.PRINCIPALS, ("too_old" if too_old else "token_only",))
            return None
        self._slot.add(metrics.PRINCIPALS, ("stale",))
        return known.caller

    def _look_up(self, key: tuple[UUID, UUID]) -> asyncio.Task[Caller]:
        """Ask the database, once at a time for each principal."""
        task = self._lookups.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key))
            self._lookups[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        return task

    async def _ask(self, key: tuple[UUID, UUID]) -> Caller:
        caller = await self._directory(*key)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[key] = _Known(caller=caller, checked_at=time.monotonic())
        return caller

    def _finish(self, key: tuple[UUID, UUID], task: asyncio.Task[Caller]) -> None:
        self._lookups.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreError):
            self._suspect_until = time.monotonic() + SUSPICION_S
        elif isinstance(error, NotFoundError):
            self._known.pop(key, None)

    def _outcome(self, key: tuple[UUID, UUID], task: asyncio.Task[Caller]) -> Caller | None:
        try:
            caller = task.result()
        except NotFoundError:
            self._known.pop(key, None)
            self._slot.add(metrics.PRINCIPALS, ("unknown",))
            raise RefusalError(
                401,
                "principal_unknown",
                "the token names a principal that does not exist or was deactivated",
                headers=_CHALLENGE,
            ) from None
        except StoreError:
            return None
        self._slot.add(metrics.PRINCIPALS, ("looked_up",))
        return caller


class Visitors:
    """Tells who shows a good token from everybody else, where both are answered.

    Args:
        tokens: Verifies.
        principals: Knows who was deactivated; while that cannot be known the token alone counts,
            since health must be read then too, and nothing else is at stake.
    """

    def __init__(self, tokens: BearerTokens, principals: Principals) -> None:
        self._tokens = tokens
        self._principals = principals

    async def tenant_of(self, authorization: str | None) -> UUID | None:
        """Return the tenant whose token a caller shows, None where it shows none.

        Raises:
            RefusalError: 401: it shows one that is not good.
        """
        if authorization is None:
            return None
        claims = self._tokens.read(authorization)
        await self._principals.find(claims)
        return claims.tenant_id


def now_utc() -> datetime:
    """Return the wall clock of this process."""
    return datetime.now(UTC)
