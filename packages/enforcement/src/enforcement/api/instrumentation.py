"""The outermost layer: gives each request an id, judges its form, counts it, times it, logs it.

Every answer names its request (``x-request-id``) and the worker it came from (``x-served-by``), so
that whoever asks knows which of several processes has seen the question.
"""

import functools
import re
import time
from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.api.paths import ROUTES
from enforcement.api.problems import problem_bytes
from enforcement.api.refusals import RefusalError
from enforcement.logs import Log

# Answers are one tenant's own, change from one moment to the next, and are what they say they are.
_ALWAYS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]{0,5})?")
# Short words, and ids as we write them: Python reads many other forms of a UUID.
_PATH: Final = re.compile(
    rb"/|(?:/(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,30}"
    rb"|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}))+"
)
# Two of these would leave it to chance which one holds.
_ONCE: Final = frozenset(
    {b"host", b"authorization", b"content-type", b"content-encoding", b"idempotency-key"}
)
_KNOWN: Final = frozenset(ROUTES)
_SERVER_ERROR: Final = 500
_NS_PER_US: Final = 1000


class Instrumentation:
    """An ASGI application around the routes.

    Args:
        app: The routes.
        slot: Counters of this worker.
        log: Of this worker.
        request_log: ``none``, ``errors`` or ``all``.
        worker: Number of this worker, from 0.

    Attributes:
        always: Headers of every answer.
    """

    def __init__(
        self, app: ASGIApp, slot: Slot, log: Log, request_log: str, *, worker: int
    ) -> None:
        self._app = app
        self._slot = slot
        self._log = log
        self._request_log = request_log
        self.always = (*_ALWAYS, (b"x-served-by", b"worker-%d" % worker))
        self._active = 0
        slot.set(metrics.IN_FLIGHT, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the application's life."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began_ns = time.monotonic_ns()
        request_id, fault = _judge_headers(scope)
        method = str(scope["method"])
        if method == "HEAD":
            # Answered as GET; the server, which sees its own scope, keeps the body back.
            scope = {**scope, "method": "GET"}
        scope.setdefault("state", {})
        scope["state"]["request_id"] = request_id.decode()
        status = 0

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                if scope["method"] == "OPTIONS" or status == 405:  # noqa: PLR2004  # the one with Allow
                    headers = _with_all_methods(headers, scope.get("path_template"))
                message["headers"] = [*headers, *self.always, (b"x-request-id", request_id)]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                # Before the last byte leaves: whoever has the answer finds it counted.
                self._count(scope, method, status, began_ns)
            await send(message)

        self._enter(1)
        try:
            if fault is None:
                await self._app(scope, receive, counted_send)
            else:
                await _refuse(fault, scope, counted_send)
        finally:
            self._enter(-1)

    def count_refusal(self, status: int) -> None:
        """Count a request that was refused before it was one."""
        label = metrics.status_label(status)
        self._slot.add(metrics.REQUESTS, (metrics.OTHER, metrics.UNMATCHED, label))

    def _enter(self, step: int) -> None:
        self._active += step
        self._slot.set(metrics.IN_FLIGHT, self._active)

    def _count(self, scope: Mapping[str, Any], method: str, status: int, began_ns: int) -> None:
        duration_us = (time.monotonic_ns() - began_ns) // _NS_PER_US
        route = (method, str(scope.get("path_template", metrics.UNMATCHED)))
        if route not in _KNOWN:
            known = method in {"GET", "POST"}
            route = (method if known else metrics.OTHER, metrics.UNMATCHED)
        self._slot.add(metrics.REQUESTS, (*route, metrics.status_label(status)))
        self._slot.observe(metrics.REQUEST_DURATION, duration_us, route)
        failed = status >= _SERVER_ERROR
        if self._request_log == "all" or (failed and self._request_log == "errors"):
            (self._log.warning if failed else self._log.info)(
                "request",
                request_id=scope["state"]["request_id"],
                method=method,
                route=route[1],
                status=status,
                duration_ms=duration_us / 1000,
                tenant_id=scope["state"].get("tenant_id"),
            )


def _with_all_methods(
    headers: list[tuple[bytes, bytes]], template: str | None
) -> list[tuple[bytes, bytes]]:
    """Name every method of a path: the framework names those of one handler of it, and no HEAD."""
    named = [value for name, value in headers if name == b"allow"]
    methods = {method for method, route in ROUTES if route == template}
    methods.update(*(value.decode().split(", ") for value in named))
    if "GET" in methods:
        methods.add("HEAD")
    others = [(name, value) for name, value in headers if name != b"allow"]
    return [*others, (b"allow", ", ".join(sorted(methods)).encode())] if methods else headers


def _judge_headers(scope: Scope) -> tuple[bytes, RefusalError | None]:
    """Return the id of a request, and what is wrong with its form.

    The caller's id is kept where it is a plain word; an id is copied into logs and headers.
    """
    request_id = b""
    host = None
    fault = None
    seen: set[bytes] = set()
    for name, value in scope["headers"]:
        if name in _ONCE:
            if name in seen:
                code = "host_invalid" if name == b"host" else "malformed_request"
                fault = RefusalError(400, code, f"more than one {name.decode()} header")
            seen.add(name)
            if name == b"host":
                host = value
        elif name == b"x-request-id" and not request_id and _REQUEST_ID.fullmatch(value):
            request_id = value
    if host is None:
        if scope["http_version"] != "1.0":
            fault = RefusalError(400, "host_invalid", "a request needs a Host header")
    elif not _is_host(host):
        fault = fault or RefusalError(400, "host_invalid", "the Host header names no host")
    return request_id or token_hex(8).encode(), fault or _judge_path(scope["raw_path"])


@functools.lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _judge_path(raw: bytes) -> RefusalError | None:
    """Refuse other spellings of a path: whoever guards it in front of us may not know them."""
    if _PATH.fullmatch(raw) is None:
        return RefusalError(404, "route_unknown", "there is no such path, spelt like this")
    return None


async def _refuse(fault: RefusalError, scope: Scope, send: Send) -> None:
    headers, body = problem_bytes(
        fault, instance=scope["path"], request_id=scope["state"]["request_id"]
    )
    if fault.status == 400:  # noqa: PLR2004  # who frames requests wrongly may mean another border
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
