"""What every tenant route passes through: token, principal, role, plan, query, limit.

In this order, so that a stranger learns nothing and a request that is refused costs nothing.
"""

import time
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPRequestEvent,
    Message,
    Receive,
    Scope,
    Send,
)

from enforcement.api.admission import Admissions, headers
from enforcement.api.authentication import BearerClaims, BearerTokens, Principals
from enforcement.api.bulkhead import Bulkhead
from enforcement.api.refusals import Fault, RefusalError
from enforcement.domain.enums import Feature, Role
from enforcement.domain.identity import Caller
from enforcement.store.errors import UnavailableError
from enforcement.store.limits import READ, WRITE

MAX_QUERY_FIELDS: Final = 32

Call = Request[Caller, BearerClaims, State]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a route asks of its caller; every tenant route carries one in its ``opt``.

    Attributes:
        role: The least that passes.
        features: Of the tenant's plan.
        bucket: Of the limiter; where none is named reads and writes have one each.
        offline: Whether the route answers without the database: then a caller may pass on the
            token alone when the principal cannot be looked up (and the route must not believe
            it), and the route bounds by itself what it asks of the database.
        query: Names of query parameters; filled in by the application from the handlers.
    """

    role: Role
    features: tuple[Feature, ...]
    bucket: str = ""
    offline: bool = False
    query: frozenset[str] = frozenset()


def access(
    role: Role, *features: Feature, bucket: str = "", offline: bool = False
) -> dict[str, Access]:
    """Return a handler's ``opt``."""
    return {"access": Access(role=role, features=features, bucket=bucket, offline=offline)}


class AccessMiddleware(ASGIMiddleware):
    """The middleware of all tenant routes.

    Args:
        tokens: Verifies bearer tokens.
        principals: Finds the callers.
        admissions: Keeps the limits.
        reads: Keep reads from holding every connection.
        writes: Keep writes from holding every connection.
        wait_s: Longest wait for a place there.
        max_body_bytes: Larger bodies are refused.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(
        self,
        tokens: BearerTokens,
        principals: Principals,
        admissions: Admissions,
        *,
        reads: Bulkhead,
        writes: Bulkhead,
        wait_s: float,
        max_body_bytes: int,
    ) -> None:
        self._tokens = tokens
        self._principals = principals
        self._admissions = admissions
        self._reads = reads
        self._writes = writes
        self._wait_s = wait_s
        self._max_body_bytes = max_body_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let a request pass, or raise why not."""
        rules: Access | None = scope["route_handler"].opt.get("access")
        if rules is None:  # public, or OPTIONS, which the framework answers
            await next_app(scope, receive, send)
            return
        began_ns = time.monotonic_ns()
        claims = self._tokens.read(_header(scope, b"authorization"))
        caller = await self._principals.find(claims)
        scope["state"]["principal_known"] = caller is not None
        if caller is None:
            if not rules.offline:
                raise UnavailableError(
                    "database_unavailable", "the principal cannot be looked up now"
                )
            caller = claims.caller()
        scope["user"], scope["auth"] = caller, claims
        scope["state"]["tenant_id"] = str(caller.tenant_id)
        caller.demand_role(rules.role)
        caller.demand_features(*rules.features)
        _check_query(scope["query_string"], rules.query)
        writes = scope["type"] != ScopeType.HTTP or scope["method"] == "POST"
        bucket = rules.bucket or (WRITE if writes else READ)
        ticket = await self._admissions.admit(caller.tenant_id, bucket)
        send = _with_headers(send, headers(ticket.admission))
        scope["state"]["ticket"] = ticket
        scope["state"]["spent_ns"] = time.monotonic_ns() - began_ns
        if writes:
            # Before the bulkhead: a client that stalls must not hold its tenant's place there.
            receive = await _whole_body(scope, receive, self._max_body_bytes)
        if rules.offline:
            await next_app(scope, receive, send)
            return
        bulkhead = self._writes if writes else self._reads
        async with bulkhead.enter(caller.tenant_id, wait_s=self._wait_s):
            if not ticket.counted:
                await self._admissions.confirm(caller.tenant_id, bucket)
            await next_app(scope, receive, send)


def _header(scope: Scope, wanted: bytes) -> str | None:
    """Return a header that stands once at most: the outermost layer has seen to that."""
    values = (value.decode("latin-1") for name, value in scope["headers"] if name == wanted)
    return next(values, None)


def _too_large(most: int) -> RefusalError:
    return RefusalError(413, "body_too_large", f"the body has more than {most} bytes")


async def _whole_body(scope: Scope, receive: Receive, most: int) -> Receive:
    """Take the whole body, of bounded size, and return what hands it on.

    How long it may take to arrive is the connection's to say; one that says itself that it is too
    large is not waited for.

    Raises:
        RefusalError: 413 ``body_too_large``, or 400 ``body_incomplete``, which nobody reads.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    if int(_header(scope, b"content-length") or 0) > most:
        raise _too_large(most)
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusalError(400, "body_incomplete", "the client left before the body's end")
        parts.append(message["body"])
        size += len(parts[-1])
        more = message["more_body"]
        if size > most:
            raise _too_large(most)
    whole: HTTPRequestEvent = {"type": "http.request", "body": b"".join(parts), "more_body": False}
    left = [whole]

    async def hand_on() -> HTTPReceiveMessage:
        if left:
            return left.pop()
        # The framework types receiving for websockets too, which have no route here.
        return cast("HTTPReceiveMessage", await receive())

    return hand_on


def _check_query(query: bytes, known: frozenset[str]) -> None:
    """Refuse unknown and repeated parameters: a misspelt one would be silently without effect.

    Raises:
        RefusalError: 422 ``unknown_parameter``, ``repeated_parameter``, ``too_many_parameters``
            or, for the word null, ``invalid_request``.
    """
    if not query:
        return
    try:
        pairs = parse_qsl(
            query.decode("ascii", "replace"),
            keep_blank_values=True,
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise RefusalError(
            422, "too_many_parameters", f"at most {MAX_QUERY_FIELDS} query parameters"
        ) from None
    names = [name for name, _ in pairs]
    strangers = [name for name in dict.fromkeys(names) if name not in known]
    if strangers:
        allowed = ", ".join(sorted(known)) or "none"
        raise RefusalError(
            422,
            "unknown_parameter",
            "the query has parameters that this route does not know",
            hint=f"Known here: {allowed}.",
            faults=tuple(
                Fault(location="query", name=name[:100], detail="unknown") for name in strangers
            ),
        )
    if len(set(names)) < len(names):
        raise RefusalError(422, "repeated_parameter", "a query parameter is given more than once")
    # The framework would read the word as the absence of the parameter.
    nulls = tuple(name for name, value in pairs if value.lower() == "null")
    if nulls:
        faults = tuple(Fault(location="query", name=name, detail="null") for name in nulls)
        raise RefusalError(
            422, "invalid_request", "leave a parameter out rather than null", faults=faults
        )


def _with_headers(send: Send, fields: Mapping[str, str]) -> Send:
    extra = [(name.encode(), value.encode()) for name, value in fields.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return send_with_headers
