"""The outermost layer: gives each request an id, counts it, times it, logs it.

Every answer names its request (``x-request-id``) and the worker it came from (``x-served-by``), so
that whoever asks knows which of several processes has seen the question.
"""

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
from enforcement.logs import Log

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
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
    """

    def __init__(
        self, app: ASGIApp, slot: Slot, log: Log, request_log: str, *, worker: int
    ) -> None:
        self._app = app
        self._slot = slot
        self._log = log
        self._request_log = request_log
        self._served_by = (b"x-served-by", b"worker-%d" % worker)
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the application's life."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began_ns = time.monotonic_ns()
        request_id = _request_id(scope)
        scope.setdefault("state", {})
        scope["state"]["request_id"] = request_id.decode()
        status = 0

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                if scope["method"] == "OPTIONS":
                    headers = _with_all_methods(headers, scope.get("path_template"))
                message["headers"] = [
                    *headers,
                    (b"x-request-id", request_id),
                    self._served_by,
                ]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                # Before the last byte leaves: whoever has the answer finds it counted.
                self._count(scope, status, began_ns)
            await send(message)

        self._enter(1)
        try:
            await self._app(scope, receive, counted_send)
        finally:
            self._enter(-1)

    def _enter(self, step: int) -> None:
        self._active += step
        self._slot.set(metrics.IN_FLIGHT, self._active)

    def _count(self, scope: Mapping[str, Any], status: int, began_ns: int) -> None:
        duration_us = (time.monotonic_ns() - began_ns) // _NS_PER_US
        method = str(scope["method"])
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
    """Name every method of a path: the framework names those of one handler of it."""
    methods = sorted(method for method, route in ROUTES if route == template)
    if not methods:
        return headers
    others = [(name, value) for name, value in headers if name != b"allow"]
    return [*others, (b"allow", ", ".join([*methods, "OPTIONS"]).encode())]


def _request_id(scope: Scope) -> bytes:
    """Keep the caller's id where it is a plain word; an id is copied into logs and headers."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value
    return token_hex(8).encode()
